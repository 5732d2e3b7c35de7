"""The requirement trace: which test shows which requirement, or why none does, as docs/requirements.md.

Rows come from docs/trace/requirements.toml, tests from their marks (``@pytest.mark.requirement("OP-5.1.1", "P1")``),
which pytest collects without running a test. With ``--check`` nothing is written, and a page that is not the one that
would be written is an error, so that the page that is kept is always that of the tests that are kept.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

TABLE = "docs/trace/requirements.toml"
PAGE = "docs/requirements.md"
MARK = "requirement"
MOST_WORDS = 12
APPLIES = {"y": "as it stands", "adapt": "in a form of its own", "n": "no"}
STATES = ("built", "to come", "outside")
FIELDS = {"source", "applies", "room", "what", "why", "owed", "note"}
NEEDED = {"source", "applies", "room", "what"}


@dataclass(frozen=True)
class Row:
    """One requirement, or one promise: ``why`` stands where no test shows it, ``owed`` where one should and is missing.

    ``note`` says in what form it is held, where a test shows it in another than the source's.
    """

    id: str
    source: str
    applies: str
    room: str
    what: str
    why: str = ""
    owed: str = ""
    note: str = ""

    @property
    def promise(self) -> bool:
        return self.source == "promise"


@dataclass(frozen=True)
class Room:
    """Where rows belong: whether it is built, to come, or no part of the project, and what it is for."""

    name: str
    state: str
    what: str


@dataclass(frozen=True, order=True)
class Shown:
    """A test that says of itself that it shows a requirement."""

    path: str
    name: str


@dataclass
class Trace:
    """Everything that the page says, and what is wrong with it."""

    rooms: dict[str, Room]
    rows: list[Row]
    tests: dict[str, list[Shown]]
    problems: list[str] = field(default_factory=list)

    def state(self, row: Row) -> str:
        """``shown``, ``owed``, ``reason``, ``open``, or ``nothing`` where a built room says neither."""
        if row.owed and self.rooms[row.room].state == "built":
            return "owed"
        if self.tests.get(row.id):
            return "shown"
        if row.why:
            return "reason"
        return "open" if self.rooms[row.room].state == "to come" else "nothing"


class Collector:
    """A pytest plugin that reads the marks of everything that is collected."""

    def __init__(self) -> None:
        self.found: dict[str, set[Shown]] = {}
        self.problems: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            path, _, name = item.nodeid.partition("::")
            shown = Shown(path, name.partition("[")[0].replace("::", "."))
            for mark in item.iter_markers(MARK):
                if not mark.args or mark.kwargs or not all(isinstance(one, str) for one in mark.args):
                    self.problems.append(f"{path}: {shown.name}: a mark names ids as text, one at least")
                    continue
                for one in mark.args:
                    self.found.setdefault(one, set()).add(shown)


def collected(root: Path) -> Collector:
    """The marks of every test below ``root``; a problem where pytest cannot collect them."""
    collector = Collector()
    said = io.StringIO()
    options = ["--collect-only", "-q", "-p", "no:cacheprovider", "--rootdir", str(root), "tests"]
    with contextlib.chdir(root), contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = pytest.main(options, plugins=[collector])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        last = "\n".join(said.getvalue().splitlines()[-20:])
        collector.problems.append(f"the tests cannot be collected; run pytest --collect-only:\n{last}")
    return collector


def read(root: Path) -> tuple[dict[str, Room], list[Row], list[str]]:
    """Rooms and rows of the table, and what is wrong with them; a wrong row is left out."""
    table = tomllib.loads((root / TABLE).read_text("utf-8"))
    problems: list[str] = []
    rooms: dict[str, Room] = {}
    for name, entry in table["rooms"].items():
        rooms[name] = Room(name, entry["state"], entry["what"])
        if entry["state"] not in STATES:
            problems.append(f"room {name}: state is one of {', '.join(STATES)}; found {entry['state']!r}")
        folder = root / "src" / "thecal" / name.replace(".", "/")
        if entry["state"] == "to come" and any(folder.glob("*.py")):
            problems.append(f"room {name}: it is to come, and has modules; say that it is built")
    rows: list[Row] = []
    for name, entry in table["rows"].items():
        wrong = _wrong(entry, rooms)
        if wrong:
            problems.append(f"{name}: {wrong}")
        else:
            rows.append(Row(name, **entry))
    return rooms, rows, problems


def _wrong(entry: Mapping[str, str], rooms: Mapping[str, Room]) -> str:
    """What is wrong with the fields of a row; empty where nothing is."""
    names = set(entry)
    if names - FIELDS or NEEDED - names or not all(isinstance(v, str) and v.strip() for v in entry.values()):
        return f"its fields are {', '.join(sorted(NEEDED))}, and where wanted why, owed, note; found {sorted(names)}"
    checks = (
        (entry["applies"] not in APPLIES, f"applies is y, adapt or n; found {entry['applies']!r}"),
        (entry["room"] not in rooms, f"no such room: {entry['room']!r}; there are {', '.join(rooms)}"),
        (
            len(entry["what"].split()) > MOST_WORDS,
            f"a summary has at most {MOST_WORDS} words; found {len(entry['what'].split())}",
        ),
        (entry["applies"] == "n" and "why" not in entry, "a row that does not apply says why"),
        ({"why", "owed"} <= names, "a test that is owed and a reason why there is none; keep one of them"),
    )
    return next((said for wrong, said in checks if wrong), "")


def traced(root: Path) -> Trace:
    """The whole trace of the project at ``root``."""
    rooms, rows, problems = read(root)
    collector = collected(root)
    known = {row.id for row in rows}
    for name in sorted(set(collector.found) - known):
        where = ", ".join(f"{s.path}: {s.name}" for s in sorted(collector.found[name]))
        problems.append(f"{name}: no such requirement, named by {where}; the ids are in {TABLE}")
    tests = {name: sorted(found) for name, found in collector.found.items() if name in known}
    trace = Trace(rooms, rows, tests, problems + sorted(set(collector.problems)))
    for row in rows:
        trace.problems += _missing(trace, row)
    return trace


def _missing(trace: Trace, row: Row) -> Iterable[str]:
    shown = bool(trace.tests.get(row.id))
    if row.promise and not shown:
        yield f"{row.id}: a promise without a test; mark the test that tries to break it"
    elif trace.state(row) == "owed":
        yield f"{row.id} ({row.room}): still owed: {row.owed} Write the test, or the reason why there is none"
    elif trace.state(row) == "nothing":
        yield (
            f"{row.id} ({row.room}): neither a test nor a reason; mark the test that shows it with "
            f'@pytest.mark.{MARK}("{row.id}"), or write in {TABLE} why there is none'
        )
    if row.why and shown and row.applies != "n":
        yield f"{row.id}: a test shows it and a reason says why none does; take one away, or make the reason a note"


HEAD = """\
<!-- Written by `make trace` from docs/trace/requirements.toml and the marks of the tests; not by hand. -->

# Requirement trace

Every requirement that was looked at, the room that owns it, and the tests that show it, or the reason why none does.
The requirements come from open infusion-pump projects, from guidance of authorities, from recalls and manuals of
intrathecal pumps, and from the issue trackers of open dosing software; the summaries are ours. The promises are those
of [the architecture](architecture.md#promises).

*Applies*: **y** as it stands, **adapt** in a form that suits an implant, **n** not at all, and then the reason stands
there. A row is *shown* where a test names it (`@pytest.mark.requirement`), has a *reason* where there is no test and it
is said why, is *owed* where a test or a part of the code should be there and is not yet, and is *open* where its room
is to come. `make trace` writes this page; `make check` fails where a row of a built room has neither test nor reason,
where a promise has no test, and where this page is not the newest.
"""


def page(trace: Trace) -> str:
    """The page as text: a summary by room, then each room with its rows."""
    parts = [HEAD, "## By room\n", *_summary(trace), ""]
    owed = [row for row in trace.rows if trace.state(row) == "owed"]
    if owed:
        parts += ["## Owed\n", "| id | room | what is missing |", "| --- | --- | --- |"]
        parts += [f"| {row.id} | {row.room} | {_cell(row.owed)} |" for row in owed]
        parts.append("")
    for room in trace.rooms.values():
        rows = [row for row in trace.rows if row.room == room.name]
        if rows:
            parts += [f"## {room.name}\n", f"{room.what} ({room.state}).\n"]
            parts += ["| id | source | applies | what | shown by, or why not |", "| --- | --- | --- | --- | --- |"]
            parts += [
                f"| {r.id} | {r.source} | {r.applies} | {_cell(r.what)} | {_cell(_answer(trace, r))} |" for r in rows
            ]
            parts.append("")
    return "\n".join(parts).rstrip("\n") + "\n"


def counts(trace: Trace) -> dict[str, dict[str, int]]:
    """How many rows of each room are in which state; the last one is the sum."""
    kinds = ("rows", "shown", "reason", "owed", "open", "nothing")
    found = {name: dict.fromkeys(kinds, 0) for name in (*trace.rooms, "all")}
    for row in trace.rows:
        for name in (row.room, "all"):
            found[name]["rows"] += 1
            found[name][trace.state(row)] += 1
    return found


def _summary(trace: Trace) -> list[str]:
    lines = ["| room | | rows | shown | reason | owed | open |", "| --- | --- | --- | --- | --- | --- | --- |"]
    for name, n in counts(trace).items():
        state = trace.rooms[name].state if name in trace.rooms else ""
        if n["rows"]:
            numbers = " | ".join(str(n[kind]) for kind in ("rows", "shown", "reason", "owed", "open"))
            lines.append(f"| {name} | {state} | {numbers} |")
    return lines


def _answer(trace: Trace, row: Row) -> str:
    """The last cell of a row: tests by file, then what is said beside them."""
    files: dict[str, list[str]] = {}
    for shown in trace.tests.get(row.id, []):
        files.setdefault(shown.path, []).append(f"`{shown.name}`")
    parts = [f"[{Path(path).stem}](../{path}): {', '.join(names)}" for path, names in files.items()]
    for label, text in (("", row.note), ("", row.why), ("*Owed:* ", row.owed)):
        if text:
            parts.append(label + text)
    if trace.state(row) in ("open", "nothing"):
        parts.append("*Open:* its room is to come." if trace.state(row) == "open" else "**Neither test nor reason.**")
    return " <br> ".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Write docs/requirements.md from the marks of the tests.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where the page is not the newest")
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parent.parent)
    options = parser.parse_args(arguments)
    root = options.root.resolve()
    trace = traced(root)
    text, target = page(trace), root / PAGE
    if not options.check:
        target.write_text(text, "utf-8")
    elif not target.exists() or target.read_text("utf-8") != text:
        trace.problems.append(f"{PAGE} is not the newest; run make trace and commit it")
    for problem in trace.problems:
        print(problem)
    whole = counts(trace)["all"]
    print(
        f"{whole['rows']} rows: {whole['shown']} shown by tests, {whole['reason']} with a reason, "
        f"{whole['owed']} owed, {whole['open']} open"
    )
    return 1 if trace.problems else 0


if __name__ == "__main__":
    # The folder of this file must not hide modules of the standard library from the tests that are collected.
    sys.path[:] = [p for p in sys.path if Path(p or os.curdir).resolve() != Path(__file__).resolve().parent]
    sys.exit(main(sys.argv[1:]))
