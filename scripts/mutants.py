"""The mutation campaign over the arithmetic that carries a dose: what would the tests notice?

Every function of the listed modules is changed in one small way at a time, and the tests of its own room are run.
Prints the score of each module and of all together, writes the figures and the survivors to
docs/evidence-mutants.json, and exits 1 under 90 %. A mutant that no test reaches counts against the score.

    python scripts/mutants.py                      the whole campaign, from nothing
    python scripts/mutants.py thecal.quantities    one module
    python scripts/mutants.py --resume             go on where the last run stopped
    python scripts/mutants.py thecal.quantities --survivors
                                                   only what the last run did not notice, with the tests of now
"""

from __future__ import annotations

import argparse
import gc
import inspect
import json
import os
import platform
import re
import shutil
import signal
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _pytest.config import _prepareconfig

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parent.parent
EVIDENCE = "docs/evidence-mutants.json"
LEAST_PERCENT = 90.0
NOTICED = ("killed", "timeout", "caught by type check")
NO_TESTS, TIMEOUT = 33, 36  # codes of mutmut
CLASS_MARK = "\u01c1"  # between class and method in mutmut's names
Switches = dict[str, list[tuple[Any, str, dict[str, Any]]]]
NOT_COUNTED = ("skipped", "type only")
_WORDS = re.compile(r'f?"[^"]* [^"]*"')
_CAST_TYPE = re.compile(r"\bcast\([^,()]*, ")

# Mutants of a module are tried on the tests of its room alone: a stricter and quicker question than the whole suite.
TESTS_OF = (
    ("thecal.quantities", "tests/test_quantities*.py"),
    ("thecal.therapy", "tests/test_therapy*.py"),
    ("thecal.therapy", "tests/test_worked_examples*.py"),
    # The review, the sentence and the bridge are said and tested in full by files of their own.
    ("thecal.therapy.bridge", "tests/test_therapy_bridge.py"),
    ("thecal.therapy.bridge", "tests/test_therapy_refusal.py"),
    ("thecal.therapy.review", "tests/test_therapy_review.py"),
    ("thecal.therapy.review", "tests/test_therapy_review_parts.py"),
    ("thecal.therapy.sentence", "tests/test_therapy_sentence.py"),
    ("thecal.therapy.wording", "tests/test_therapy_sentence.py"),
    # In the core a module is asked of the tests that are about it: all of them together take minutes for each mutant.
    *(
        (f"thecal.pump.core.{module}", f"tests/test_core_{tests}.py")
        for module, about_it in (
            ("agenda", "agenda run alarms commands device"),
            ("alarms", "alarms device"),
            ("commands", "commands device foresight"),
            ("controller", "agenda foresight run alarms commands device"),
            ("foresight", "foresight commands"),
            ("hardware", "run alarms"),
            ("ledger", "commands device"),
            ("log", "log"),
            ("monitor", "monitor"),
            ("program", "program"),
            ("record", "record"),
            ("window", "window"),
        )
        for tests in about_it.split()
    ),
)


@dataclass
class Score:
    """How many mutants there were of each outcome, and which of them nothing noticed."""

    outcomes: Counter[str] = field(default_factory=Counter)
    survivors: list[dict[str, str]] = field(default_factory=list)

    @property
    def counted(self) -> int:
        return sum(n for outcome, n in self.outcomes.items() if outcome not in NOT_COUNTED)

    @property
    def noticed(self) -> int:
        return sum(self.outcomes[outcome] for outcome in NOTICED)

    @property
    def words(self) -> int:
        return sum(s["kind"] == "words" for s in self.survivors)

    @property
    def percent(self) -> float:
        return 100 * self.noticed / self.counted if self.counted else 0.0


def test_files(module: str = "") -> list[str]:
    """The test files of the smallest listed part that ``module`` is in, and of every part that lies in it."""
    nearest = max((room for room, _ in TESTS_OF if module.startswith(room)), key=len, default=None)
    patterns = [pattern for room, pattern in TESTS_OF if room == nearest or room.startswith(module)]
    return sorted({p.relative_to(ROOT).as_posix() for pattern in patterns for p in ROOT.glob(pattern)})


def of_its_room(mutant_name: str | None, tests: Iterable[str]) -> list[str]:
    """Test functions to run for a mutant, by file and name; without parameters, since their ids may hold anything."""
    functions = {t.partition("[")[0] for t in tests}
    if mutant_name:
        files = set(test_files(mutant_name))
        functions = {t for t in functions if t.partition("::")[0] in files}
    return sorted(functions)


def budget_s(expected_s: float) -> float:
    """CPU seconds after which a test that takes ``expected_s`` is held to go on for ever; load does not count."""
    return 2 + 5 * expected_s


def prepare(module: str) -> None:
    """Tell mutmut which tests there are for ``module``; they are collected once, and each mutant tried in a fork."""
    from mutmut.configuration import config
    from mutmut.runners.harness import PytestRunner
    from mutmut.utils.file_utils import change_cwd
    from mutmut.workers.isolation import ForkRunner

    config().pytest_add_cli_args_test_selection = test_files(module)
    items: dict[str, list[pytest.Item]] = defaultdict(list)
    switches: Switches = {}

    def startup(_: ForkRunner) -> None:
        with change_cwd("mutants"):
            for item in collected([*test_files(module), *config().pytest_add_cli_args]):
                items[item.nodeid.partition("[")[0]].append(item)
        switches.update(unswitched())
        gc.freeze()

    def run_tests(self: PytestRunner, *, mutant_name: str | None, tests: Iterable[str]) -> int:
        chosen = of_its_room(mutant_name, tests)
        with change_cwd("mutants"):
            if mutant_name is None:
                return int(self.execute_pytest(self._pytest_args_regular_run(chosen)))
            for holder, name, variants in switches.get(mutant_name.rpartition("__mutmut_")[0], ()):
                setattr(holder, name, variants[mutant_name.rpartition(".")[2]])
            return outcome([item for name in chosen for item in items[name]])

    ForkRunner.startup = startup  # type: ignore[assignment,method-assign]
    PytestRunner.run_tests = run_tests  # type: ignore[method-assign]


def collected(arguments: list[str]) -> list[pytest.Item]:
    """The tests of some files, ready to run in this process and in every fork of it."""
    made = _prepareconfig(["--rootdir=.", "-q", "-s", "--tb=no", *arguments], [])
    made._do_configure()
    session = pytest.Session.from_config(made)
    made.hook.pytest_sessionstart(session=session)
    made.hook.pytest_collection(session=session)
    return session.items


def unswitched() -> Switches:
    """Put every function back where mutmut put a switch between its variants (the switch is slow); by mutmut's name
    of the function, where it stands and what could stand there."""
    found: Switches = defaultdict(list)
    modules = [module for name, module in sys.modules.items() if name.startswith(("thecal.", "tests."))]
    functions = {}
    for module in modules:
        for name, variants in list(vars(module).items()):
            mangled = name.removeprefix("mutants_").removesuffix("__mutmut")
            if not name.startswith("mutants_x") or not variants:
                continue
            if mangled.startswith("x_"):
                functions[id(vars(module)[mangled[2:]])] = f"{module.__name__}.{mangled}", variants
                continue
            _, owner, method = mangled.split(CLASS_MARK)
            if inspect.isfunction(vars(vars(module)[owner]).get(method)):
                found[f"{module.__name__}.{mangled}"].append((vars(module)[owner], method, variants))
    for module in modules:
        for name, value in list(vars(module).items()):
            if id(value) in functions:
                key, variants = functions[id(value)]
                found[key].append((module, name, variants))
    for places in found.values():
        for holder, name, variants in places:
            setattr(holder, name, variants["_mutmut_orig"])
    return found


def outcome(items: list[pytest.Item]) -> int:
    """Run tests, the quickest first, until one fails; mutmut's code for what was found. Only to be called in a fork."""
    from mutmut.state import state

    if not items:
        return NO_TESTS
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    signal.signal(signal.SIGPROF, lambda *_: os._exit(TIMEOUT))
    took = state().duration_by_test
    items = sorted(items, key=lambda item: took.get(item.nodeid, 0))
    for item, following in zip(items, [*items[1:], None], strict=True):
        signal.setitimer(signal.ITIMER_PROF, budget_s(took.get(item.nodeid, 0)))
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if item.session.testsfailed:
            return 1
    return 0


def module_of(path: str) -> str:
    return path.removeprefix("src/").removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def difference(mutant_name: str, path: Path) -> str:
    """The lines that a mutant changes, without context."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    lines = get_diff_for_mutant(mutant_name, path=path).splitlines()
    return "\n".join(line for line in lines if line[:1] in "+-" and line[:3] not in {"+++", "---"})


def only_types(change: str) -> bool:
    """Whether a change touches nothing but the type that ``typing.cast`` names, which has no effect when run."""
    before = [_CAST_TYPE.sub("", line[1:]) for line in change.splitlines() if line.startswith("-")]
    after = [_CAST_TYPE.sub("", line[1:]) for line in change.splitlines() if line.startswith("+")]
    return before == after


def only_words(change: str) -> bool:
    """Whether a change touches nothing but the words of a message: text in quotes that holds a space."""
    before = [_WORDS.sub('""', line[1:]) for line in change.splitlines() if line.startswith("-")]
    after = [_WORDS.sub('""', line[1:]) for line in change.splitlines() if line.startswith("+")]
    return before == after


def collect(wanted: str) -> dict[str, Score]:
    """The outcome of every mutant of the last run, by module."""
    from mutmut.mutation.data import SourceFileMutationData
    from mutmut.stats import status_by_exit_code
    from mutmut.utils.file_utils import walk_mutatable_files

    scores: dict[str, Score] = defaultdict(Score)
    for path in sorted(walk_mutatable_files()):
        module = module_of(path.as_posix())
        if not module.startswith(wanted):
            continue
        data = SourceFileMutationData(path=path)
        data.load()
        for name, code in data.exit_code_by_key.items():
            outcome = status_by_exit_code[code]
            if outcome == "survived" and only_types(difference(name, path)):
                outcome = "type only"
            scores[module].outcomes[outcome] += 1
            if outcome not in NOTICED and outcome not in NOT_COUNTED:
                change = difference(name, path)
                kind = "words" if only_words(change) else "arithmetic"
                scores[module].survivors.append({"mutant": name, "outcome": outcome, "kind": kind, "change": change})
    return dict(scores)


def total(scores: dict[str, Score]) -> Score:
    whole = Score()
    for score in scores.values():
        whole.outcomes += score.outcomes
        whole.survivors += score.survivors
    return whole


def show(scores: dict[str, Score]) -> None:
    whole = total(scores)
    rows = [*sorted(scores.items()), ("total", whole)]
    width = max(len(name) for name, _ in rows)
    heads = ("mutants", "noticed", "survived", "of words", "no tests")
    print(f"{'module':{width}}  {'  '.join(f'{h:>8}' for h in heads)}  {'score':>7}")
    for name, s in rows:
        survived = s.counted - s.noticed - s.outcomes["no tests"]
        cells = (s.counted, s.noticed, survived, s.words, s.outcomes["no tests"])
        print(f"{name:{width}}  {'  '.join(f'{n:>8}' for n in cells)}  {s.percent:>6.1f}%")


def record(scores: dict[str, Score], started: datetime) -> None:
    import mutmut

    whole = total(scores)
    evidence = {
        "command": "make mutants",
        "date": started.date().isoformat(),
        "machine": f"{os.cpu_count()} cores, {platform.system()}, CPython {platform.python_version()}",
        "minutes": round((datetime.now(UTC) - started).total_seconds() / 60),
        "tool": f"mutmut {mutmut.__version__}",
        "total": {
            "mutants": whole.counted,
            "noticed": whole.noticed,
            "words": whole.words,
            "percent": round(whole.percent, 1),
        },
        "modules": {
            name: {
                "mutants": s.counted,
                "noticed": s.noticed,
                "percent": round(s.percent, 1),
                "outcomes": dict(sorted(s.outcomes.items())),
                "survivors": s.survivors,
            }
            for name, s in sorted(scores.items())
        },
    }
    (ROOT / EVIDENCE).write_text(json.dumps(evidence, indent=2, ensure_ascii=False) + "\n", "utf-8")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Change the code in small ways and see whether the tests notice.")
    parser.add_argument("module", nargs="?", default="thecal", help="start of a module's name, such as thecal.therapy")
    parser.add_argument("--resume", action="store_true", help="keep the outcomes of the last run")
    parser.add_argument("--survivors", action="store_true", help="only what survived the last run; the rest stands")
    parser.add_argument("--report", action="store_true", help="only print what the last run found")
    parser.add_argument("--words", action="store_true", help="show survivors in the words of messages too")
    parser.add_argument("--processes", type=int, default=2)
    chosen = parser.parse_args(arguments)
    os.chdir(ROOT)
    started = datetime.now(UTC)
    if not chosen.report:
        from mutmut.__main__ import _run

        names = [] if chosen.module == "thecal" else [f"{chosen.module}.*"]
        if chosen.survivors:
            names = [survivor["mutant"] for survivor in total(collect(chosen.module)).survivors]
        elif not chosen.resume:
            shutil.rmtree("mutants", ignore_errors=True)
        prepare(chosen.module)
        _run(names, chosen.processes)
    scores = collect(chosen.module)
    if not scores:
        print(f"no mutants of {chosen.module}; modules are named in [tool.mutmut] of pyproject.toml")
        return 1
    show(scores)
    for name, score in sorted(scores.items()):
        for survivor in score.survivors:
            if survivor["kind"] == "arithmetic" or chosen.words:
                print(f"\n{name}: {survivor['outcome']}: {survivor['mutant']}\n{survivor['change']}")
    if chosen.module == "thecal" and not chosen.report:
        record(scores, started)
    percent = total(scores).percent
    if percent < LEAST_PERCENT:
        print(f"\nscore {percent:.1f} %; at least {LEAST_PERCENT:g} % is needed: write tests for the survivors above")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
