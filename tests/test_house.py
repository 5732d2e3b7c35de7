"""The gates themselves: import rules, house rules and coverage gate pass what is right and stop what is wrong."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

# The scripts are no part of Thecal: there is nothing to count in the processes that run them.
pytestmark = pytest.mark.no_cover

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


house: Any = _script("house")
gate: Any = _script("coverage_gate")
mutants: Any = _script("mutants")


# Import rules.


def _lint(tree: Path) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).with_name("lint-imports")
    environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "COLUMNS": "200"}
    environment.pop("COVERAGE_PROCESS_START", None)
    return subprocess.run(
        [command, "--no-cache"], cwd=tree, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "src", tree / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    return tree


def _contract(start: str) -> str:
    names: list[str] = [c["name"] for c in PROJECT["tool"]["importlinter"]["contracts"]]
    return next(n for n in names if n.startswith(start))


@pytest.mark.requirement("ST-02")
def test_the_rooms_as_they_are_keep_the_import_rules(copied: Path) -> None:
    done = _lint(copied)
    assert done.returncode == 0, done.stdout + done.stderr


FORBIDDEN = [
    ("quantities.py", "thecal.formulary", "quantities imports"),
    ("quantities.py", "thecal.pump.core.codes", "quantities imports"),
    ("formulary/__init__.py", "thecal.therapy.order", "formulary imports"),
    ("formulary/__init__.py", "thecal.pump", "formulary imports"),
    ("therapy/order.py", "thecal.pump", "therapy imports"),
    ("therapy/order.py", "thecal.pump.core.codes", "therapy imports"),
    ("therapy/order.py", "thecal.body", "therapy imports"),
    ("therapy/order.py", "thecal.twin", "therapy imports"),
    ("therapy/order.py", "thecal.cli", "therapy imports"),
    ("pump/families/__init__.py", "thecal.formulary", "pump (outside core) imports"),
    ("pump/families/__init__.py", "thecal.body", "pump (outside core) imports"),
    ("pump/__init__.py", "thecal.twin", "pump (outside core) imports"),
    ("pump/core/codes.py", "thecal.quantities", "pump.core imports nothing"),
    ("pump/core/codes.py", "thecal.therapy.program", "pump.core imports nothing"),
    ("pump/core/codes.py", "thecal.pump.families", "pump.core imports nothing"),
    ("pump/core/codes.py", "thecal.pump", "pump.core does not lean"),
    ("pump/core/codes.py", "thecal", "pump.core does not lean"),
    ("pump/core/monitor.py", "thecal.pump.core.controller", "the monitor shares"),
    ("pump/core/monitor.py", "thecal.pump.core.window", "the monitor shares"),
    ("body/__init__.py", "thecal.quantities", "body imports"),
    ("body/__init__.py", "thecal.pump.core.codes", "body imports"),
    ("twin/__init__.py", "thecal.formulary", "twin imports"),
    ("link/__init__.py", "thecal.pump.families", "link imports"),
    ("link/__init__.py", "thecal.therapy.order", "link imports"),
    ("link/__init__.py", "thecal.rig", "link imports"),
    ("rig/__init__.py", "thecal.formulary", "rig imports"),
    ("pump/__init__.py", "thecal.link", "pump (outside core) imports"),
    ("clinic/__init__.py", "thecal.rig", "clinic imports"),
    ("clinic/__init__.py", "thecal.exchange", "clinic imports"),
    ("exchange/__init__.py", "thecal.link", "exchange imports"),
    ("demonstration/__init__.py", "thecal.web", "demonstration imports"),
    ("rig/__init__.py", "thecal.clinic", "rig imports"),
    ("twin/__init__.py", "thecal.cli", "nothing imports cli"),
    ("twin/__init__.py", "thecal.web", "nothing but cli imports web"),
    ("__init__.py", "thecal.quantities", "the root package imports"),
]


def _module(importer: str) -> str:
    """The name of a module, by its path below ``src/thecal``."""
    return ".".join(["thecal", *Path(importer).with_suffix("").parts]).removesuffix(".__init__")


@pytest.fixture(scope="module")
def broken(copied: Path) -> str:
    """What is said of the rooms with every forbidden import written into them, each on a line of its own."""
    wrong = {importer: (copied / "src" / "thecal" / importer).read_text("utf-8") for importer, _, _ in FORBIDDEN}
    lines = {name: [f"import {imported}" for one, imported, _ in FORBIDDEN if one == name] for name in wrong}
    try:
        for name, text in wrong.items():
            (copied / "src" / "thecal" / name).write_text("\n".join([text, *lines[name], ""]), "utf-8")
        done = _lint(copied)
    finally:
        for name, text in wrong.items():
            (copied / "src" / "thecal" / name).write_text(text, "utf-8")
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(("importer", "imported", "contract"), FORBIDDEN, ids=lambda v: str(v).replace("/", "."))
@pytest.mark.requirement("OP-7.1.1")
def test_an_import_that_is_not_listed_is_stopped(broken: str, importer: str, imported: str, contract: str) -> None:
    """By the contract that is about it, which names this very import."""
    assert f"{_contract(contract)} BROKEN" in broken
    after = broken.split("Broken contracts")[1].split(f"\n{_contract(contract)}\n---")[1]
    told = re.split(r"\n---", after)[0]
    assert re.search(rf"^- +{re.escape(_module(importer))} -> {re.escape(imported)} \(l\.", told, re.MULTILINE), told


def test_a_room_that_is_not_listed_is_stopped(copied: Path) -> None:
    room = copied / "src" / "thecal" / "annex.py"
    module = copied / "src" / "thecal" / "twin" / "__init__.py"
    before = module.read_text("utf-8")
    try:
        room.write_text('"""A room that no row of the table names."""\n', "utf-8")
        module.write_text(before + "\nfrom thecal import annex\n", "utf-8")
        done = _lint(copied)
    finally:
        module.write_text(before, "utf-8")
        room.unlink()
    assert f"{_contract('twin imports')} BROKEN" in done.stdout


def test_every_room_has_a_contract() -> None:
    sources = {m for c in PROJECT["tool"]["importlinter"]["contracts"] for m in c.get("source_modules", [])}
    rooms = {p.stem for p in (ROOT / "src" / "thecal").iterdir() if p.suffix == ".py" or any(p.glob("**/*.py"))} - {
        "__init__",
        "__main__",
        "cli",
        "web",
    }
    assert {f"thecal.{room}" for room in rooms} <= sources


def _documented_table() -> dict[str, set[str]]:
    """Room and what it may import, from the table of docs/architecture.md."""
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| ([a-z., ()]+) \| ([a-z., ]+|nothing of Thecal) \|$", text, re.MULTILINE)
    table: dict[str, set[str]] = {}
    for names, allowed in rows:
        for name in names.replace(" (outside core)", "").split(", "):
            table[name] = set() if allowed.startswith("nothing") else set(allowed.split(", "))
    return table


def test_contracts_and_the_documented_table_are_the_same() -> None:
    table = _documented_table()
    assert {"quantities", "formulary", "therapy", "pump", "pump.core", "body", "twin", "link", "rig"} <= set(table)
    for contract in PROJECT["tool"]["importlinter"]["contracts"]:
        if contract.get("forbidden_modules") != ["thecal.*"]:
            continue
        room = contract["source_modules"][0].removeprefix("thecal.")
        targets = {line.split(" -> thecal.")[1].removesuffix(".**") for line in contract.get("ignore_imports", [])}
        assert targets == table[room] - ({"pump.core"} if room == "pump" else set()), room


# House rules.


def _project(tmp_path: Path, files: dict[str, str], settings: str = "") -> Path:
    for name, text in {"pyproject.toml": settings, **files}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path


def _rules(root: Path) -> list[tuple[str, int, str]]:
    return [(b.path, b.line, b.rule) for b in house.check(root)]


def test_the_project_keeps_its_house_rules() -> None:
    done = subprocess.run([sys.executable, "scripts/house.py"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


MICRO, MU = "\u00b5", "\u03bc"
WRONG_TEXT = [
    (f"0.5 {MICRO}g", "micro sign"),
    (f"0.5 {MU}g", "micro sign"),
    (f"5 {MICRO}L", "micro sign"),
    ("5 ug", "ug"),
    ("5 ug/day", "ug"),
    ("20 cc", "cc"),
    ("20 ml", "ml"),
    ("2 mg/ml", "ml"),
    ("give QD", "daily"),
    ("give QOD", "daily"),
    ("give q.d.", "daily"),
    ("100 IU", "unit"),
    ("100U", "unit"),
    ("1.0 mg", "trailing zero"),
    ("0.50 mcg/h", "trailing zero"),
    ("1,000.0 nL", "trailing zero"),
    ("2.0 days", "trailing zero"),
    ("take .5 mg", "no leading zero"),
    ("(.25 mL)", "no leading zero"),
    ("5mg", "no space"),
    ("0.5mL", "no space"),
]
RIGHT_TEXT = [
    "0.5 mg of morphine in 20 mL, 1,440 mcg/day",
    "10 mg, 100 mcg, 20 mL, 30 days, 10.5 mg",
    "version 1.0, chapter 2.10, 3.0 GB",
    "c_ng_per_ml and rate_ul are names; html, xml, success, debug",
    "200 ng/mL at 0.05 mL/h",
    "a[0].5 and x.5",
]


@pytest.mark.parametrize(("text", "rule"), WRONG_TEXT, ids=ascii)
@pytest.mark.parametrize("name", ["docs/how-to/x.md", "README.md", "src/thecal/x.py", "examples/x.toml"])
def test_error_prone_doses_are_found_where_people_read(tmp_path: Path, name: str, text: str, rule: str) -> None:
    root = _project(tmp_path, {name: f"# fine\n# {text} is written here\n"})
    assert _rules(root) == [(name, 2, rule)]


@pytest.mark.parametrize("text", RIGHT_TEXT)
def test_right_text_passes(tmp_path: Path, text: str) -> None:
    assert _rules(_project(tmp_path, {"docs/x.md": text})) == []


def test_in_code_only_text_and_comments_are_doses(tmp_path: Path) -> None:
    code = 'ml = 1.0\nx = f"{ml} mL"  # fine\ny = """\n\nof 5 cc"""\nz = 2  # 5 ml\n'
    assert _rules(_project(tmp_path, {"src/x.py": code})) == [("src/x.py", 5, "cc"), ("src/x.py", 6, "ml")]


def test_tests_may_name_what_is_refused(tmp_path: Path) -> None:
    assert _rules(_project(tmp_path, {"tests/test_x.py": "WRONG = '.5 mg'\n"})) == []


def test_a_line_is_let_through_only_by_its_own_entry(tmp_path: Path) -> None:
    allow = '[[tool.house.allow]]\npath = "docs/*"\nline = "never cc"\nwhy = "explains the rule"\n'
    root = _project(tmp_path, {"docs/x.md": "never cc\nbut cc\n"}, allow)
    assert _rules(root) == [("docs/x.md", 2, "cc")]


def test_an_entry_that_lets_nothing_through_is_a_breach(tmp_path: Path) -> None:
    allow = '[[tool.house.allow]]\npath = "docs/*"\nline = "never cc"\nwhy = "explains the rule"\n'
    root = _project(tmp_path, {"docs/x.md": "fine\n"}, allow)
    assert _rules(root) == [("pyproject.toml", 1, "stale exception")]


def test_long_modules_and_functions_are_found(tmp_path: Path) -> None:
    long_function = "def long() -> None:\n" + "    pass\n" * 60
    at_limit = "def fine() -> None:\n" + "    pass\n" * 59
    root = _project(
        tmp_path,
        {
            "src/a.py": "x = 1\n" * 401,
            "src/b.py": "x = 1\n" * 400,
            "src/c.py": "\n" + long_function,
            "src/d.py": at_limit,
            "src/e.py": "class A:\n    async " + long_function.replace("\n", "\n    ").rstrip(" "),
            "tests/test_f.py": "x = 1\n" * 900,
        },
    )
    assert _rules(root) == [
        ("src/a.py", 1, "module length"),
        ("src/c.py", 2, "function length"),
        ("src/e.py", 2, "function length"),
    ]


def test_a_long_module_has_its_own_limit_and_loses_it_when_short(tmp_path: Path) -> None:
    settings = '[tool.house.long-modules]\n"src/a.py" = 500\n"src/b.py" = 500\n"src/c.py" = 500\n'
    files = {"src/a.py": "x = 1\n" * 500, "src/b.py": "x = 1\n" * 501, "src/c.py": "x = 1\n" * 400}
    assert _rules(_project(tmp_path, files, settings)) == [
        ("pyproject.toml", 1, "stale exception"),
        ("src/b.py", 1, "module length"),
    ]


SLASH = "/"


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (f"open('{SLASH}work/main/x')", "machine path"),
        (f"see {SLASH}root/x", "machine path"),
        (f"see {SLASH}home/somebody/x", "machine path"),
        ("https://" + "pypi" + ".org/simple", "registry host"),
        ("files." + "pythonhosted" + ".org", "registry host"),
        ("registry." + "npmjs" + ".org", "registry host"),
        ("pip install --index" + "-url x", "registry option"),
        ("pip install --extra-index" + "-url x", "registry option"),
    ],
)
@pytest.mark.parametrize("name", ["tests/test_x.py", "Makefile", "docs/x.md", "requirements.lock"])
def test_machine_paths_and_registries_are_found_anywhere(tmp_path: Path, name: str, text: str, rule: str) -> None:
    assert (name, 1, rule) in _rules(_project(tmp_path, {name: text}))


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("x @ file:x.whl", "direct reference in lock"),
        ("git+ssh://example/x", "address in lock"),
        ("/opt/x.whl", "path in lock"),
        ("./x.whl", "path in lock"),
        ("-e ./x", "path in lock"),
    ],
)
def test_locks_name_versions_and_hashes_alone(tmp_path: Path, line: str, rule: str) -> None:
    good = "numpy==2.4.6 \\\n    --hash=sha256:00\n"
    root = _project(tmp_path, {"requirements-dev.lock": good + line + "\n"})
    assert ("requirements-dev.lock", 3, rule) in _rules(root)
    assert _rules(_project(tmp_path, {"requirements-dev.lock": good})) == []


def test_ordinary_paths_and_addresses_pass(tmp_path: Path) -> None:
    text = "see https://example.org/network/home/x, src/work/x and ./root\n"
    assert _rules(_project(tmp_path, {"docs/x.md": text, "picture.png": "x"})) == []


def test_what_is_not_text_is_left_alone(tmp_path: Path) -> None:
    root = _project(tmp_path, {})
    (root / "docs").mkdir()
    (root / "docs" / "x.png").write_bytes(b"\x89PNG\xff\xfe")
    assert _rules(root) == []


def test_ignored_files_are_not_read_under_git(tmp_path: Path) -> None:
    root = _project(tmp_path, {".gitignore": "out/\n", "out/x.md": "5 cc\n", "docs/x.md": "5 cc\n"})
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    assert [b.path for b in house.check(root) if b.rule == "cc"] == ["docs/x.md"]


def test_the_message_says_where_what_and_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = _project(tmp_path, {"docs/x.md": "fine\n5 cc\n"})
    assert house.main([str(root)]) == 1
    assert capsys.readouterr().out.splitlines()[0] == "docs/x.md:2: cc: 'cc'; write mL"
    (root / "docs" / "x.md").write_text("5 mL\n", "utf-8")
    assert house.main([str(root)]) == 0
    assert capsys.readouterr().out == ""


# Coverage gate.


def _entry(lines: int, covered: int, branches: int = 0, branches_covered: int = 0, **missed: Any) -> dict[str, Any]:
    summary = {
        "num_statements": lines,
        "covered_lines": covered,
        "num_branches": branches,
        "covered_branches": branches_covered,
    }
    return {"summary": summary, **missed}


def _report(*, branch: bool = True, total: dict[str, Any] | None = None, **files: dict[str, Any]) -> dict[str, Any]:
    totals = total or _entry(1000, 1000, 100, 100)
    named = {f"src/{k}.py": v for k, v in files.items()}
    return {"meta": {"branch_coverage": branch}, "files": named, "totals": totals["summary"]}


DOSE = gate.Complete(("src/dose*",), ("src/dose_file.py",))


def test_complete_modules_pass() -> None:
    rows, short = gate.judge(_report(dose=_entry(10, 10, 4, 4), other=_entry(10, 2)), DOSE)
    assert [r.name for r in rows] == ["src/dose.py", "whole"]
    assert short == []


@pytest.mark.parametrize(
    "entry", [_entry(10, 9, 4, 4, missing_lines=[7]), _entry(10, 10, 4, 3, missing_branches=[[3, -1]])]
)
def test_one_missed_line_or_branch_of_the_arithmetic_stops(entry: dict[str, Any]) -> None:
    rows, short = gate.judge(_report(dose=entry), DOSE)
    assert rows[0].percent < 100
    assert len(short) == 1
    assert short[0].startswith("src/dose.py: missed ")
    assert "7" in short[0] or "3->-1" in short[0]


def test_what_is_left_out_is_held_to_the_general_rule() -> None:
    _, short = gate.judge(_report(dose_file=_entry(10, 1)), DOSE)
    assert short == []


@pytest.mark.parametrize(("covered", "passes"), [(949, False), (950, True)])
def test_the_whole_needs_ninety_five_percent(covered: int, passes: bool) -> None:
    _, short = gate.judge(_report(total=_entry(1000, covered)), DOSE)
    assert (short == []) is passes


def test_lines_without_branches_do_not_count() -> None:
    _, short = gate.judge(_report(branch=False), DOSE)
    assert short == ["branches were not measured; set branch = true"]


def test_a_module_that_no_test_imports_stops(tmp_path: Path) -> None:
    root = _project(tmp_path, {"src/dose.py": "", "src/dose_file.py": "", "src/other.py": ""})
    assert gate.unmeasured(root, _report(), DOSE) == ["src/dose.py: not measured; a test has to import it"]
    assert gate.unmeasured(root, _report(dose=_entry(0, 0)), DOSE) == []


def test_the_project_names_its_arithmetic() -> None:
    wanted = gate.Complete.of_project(ROOT)
    for name in ("quantities", "pump/core/window", "therapy/doses", "therapy/review/rules"):
        assert wanted.covers(f"src/thecal/{name}.py"), name
    for name in ("therapy/toml_fields", "cli/main", "twin/run", "pump/compile"):
        assert not wanted.covers(f"src/thecal/{name}.py"), name


# Mutation campaign: what it counts.


def test_the_score_counts_what_no_test_reaches_against_it() -> None:
    score = mutants.Score()
    score.outcomes.update({"killed": 7, "timeout": 2, "survived": 1, "no tests": 2, "type only": 5, "skipped": 3})
    assert (score.counted, score.noticed) == (12, 9)
    assert score.percent == 75
    assert mutants.Score().percent == 0


def test_changes_to_a_cast_type_alone_are_not_counted() -> None:
    line = 'return cast("Mass", _product(self, other))'
    assert mutants.only_types(f"-    {line}\n+    {line.replace('Mass', 'XXMassXX')}")
    assert mutants.only_types(f"-    {line}\n+    return cast(None, _product(self, other))")
    assert not mutants.only_types(f"-    {line}\n+    {line.replace('other', 'None')}")
    assert not mutants.only_types("-    return a + b\n+    return a - b")


def test_survivors_in_the_words_of_a_message_are_told_apart() -> None:
    assert mutants.only_words('-    "check the dose",\n+    "XXcheck the doseXX",')
    assert mutants.only_words('-    f"{n} lines too long",\n+    F"{N} LINES TOO LONG",'.replace("F", "f"))
    assert not mutants.only_words('-    return "mg"\n+    return "MG"')
    assert not mutants.only_words('-    say("check the dose", 1)\n+    say("check the dose", 2)')


def test_a_mutant_is_asked_of_the_tests_of_its_room() -> None:
    tests = [
        "tests/test_quantities.py::test_a[0.5 mg/day]",
        "tests/test_quantities.py::test_a[x::y]",
        "tests/test_cli.py::test_b",
    ]
    assert mutants.of_its_room("thecal.quantities.x__decimal__mutmut_1", tests) == ["tests/test_quantities.py::test_a"]
    assert mutants.of_its_room(None, tests) == ["tests/test_cli.py::test_b", "tests/test_quantities.py::test_a"]
    assert "tests/test_quantities.py" in mutants.test_files("thecal.quantities")
    assert mutants.test_files("thecal.twin") == []


def test_a_part_with_tests_of_its_own_is_asked_of_them_alone() -> None:
    assert mutants.test_files("thecal.therapy.sentence.x__change__mutmut_1") == ["tests/test_therapy_sentence.py"]
    of_line = mutants.test_files("thecal.therapy.line.x_dead_volume__mutmut_1")
    assert "tests/test_therapy_line.py" in of_line
    assert set(mutants.test_files("thecal.therapy")) >= {*of_line, "tests/test_therapy_sentence.py"}
