"""The requirement trace: marks are collected without running a test, and what has no answer stops."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

# The scripts are no part of Thecal: there is nothing to count in the processes that run them.
pytestmark = pytest.mark.no_cover

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "trace.py"


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("requirement_trace", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["requirement_trace"] = module
    spec.loader.exec_module(module)
    return module


trace: Any = _script()

SETTINGS = """
[tool.pytest.ini_options]
addopts = "--strict-markers"
testpaths = ["tests"]
markers = ["requirement(*ids): the requirements and promises that this test shows"]
"""
ROOMS = """
[rooms]
pump = { state = "built", what = "The pump" }
clinic = { state = "to come", what = "The clinic" }
outside = { state = "outside", what = "Hardware" }
"""
ROWS = """
[rows.P1]
source = "promise"
applies = "y"
room = "pump"
what = "No window passes its ceiling."

[rows."A-1.1"]
source = "somebody R1"
applies = "adapt"
room = "pump"
what = "It stops."
note = "At once."

[rows.B-1]
source = "somebody R2"
applies = "y"
room = "clinic"
what = "It is booked."

[rows.N-1]
source = "somebody R3"
applies = "n"
room = "outside"
what = "A door."
why = "An implant | has none."
"""
TESTS = """
import pytest


@pytest.mark.requirement("P1")
@pytest.mark.requirement("A-1.1")
@pytest.mark.parametrize("n", [1, 2])
def test_stops(n: int) -> None:
    raise AssertionError("collected, and never run")


class TestMore:
    @pytest.mark.requirement("P1")
    def test_more(self) -> None: ...


def test_plain() -> None: ...
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in (
        ("pyproject.toml", SETTINGS),
        ("docs/trace/requirements.toml", ROOMS + ROWS),
        ("tests/test_one.py", TESTS),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def more(project: Path, rows: str = "", tests: str = "") -> None:
    for name, text in (("docs/trace/requirements.toml", rows), ("tests/test_one.py", tests)):
        path = project / name
        path.write_text(path.read_text("utf-8") + text, "utf-8")


def run(project: Path, *words: str) -> tuple[int, str]:
    """The script as ``make`` runs it, in a process of its own, without plugins, which take a second each time."""
    command = [sys.executable, str(SCRIPT), *words, str(project)]
    bare = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=project, env=bare, capture_output=True, text=True, check=False, timeout=120)
    assert done.stderr == ""
    return done.returncode, done.stdout


ROW = '[rows.Q-1]\nsource = "s"\napplies = "{}"\nroom = "{}"\nwhat = "It is so."\n'


def test_rows_are_shown_by_the_marks_of_tests_that_nobody_ran(project: Path) -> None:
    assert run(project) == (0, "4 rows: 2 shown by tests, 1 with a reason, 0 owed, 1 open\n")
    text = (project / trace.PAGE).read_text("utf-8")
    assert "| P1 | promise | y | No window passes its ceiling. | [test_one](../tests/test_one.py): " in text
    assert "`TestMore.test_more`, `test_stops` |" in text
    assert "[test_one](../tests/test_one.py): `test_stops` <br> At once. |" in text
    assert "| N-1 | somebody R3 | n | A door. | An implant \\| has none. |" in text
    assert "*Open:* its room is to come." in text
    assert "| pump | built | 2 | 2 | 0 | 0 | 0 |" in text
    assert "| all |  | 4 | 2 | 1 | 0 | 1 |" in text
    assert "## Owed" not in text


def test_a_page_that_is_not_the_newest_stops(project: Path) -> None:
    code, said = run(project, "--check")
    assert code == 1
    assert said.startswith("docs/requirements.md is not the newest; run make trace")
    assert not (project / trace.PAGE).exists(), "a check writes nothing"
    assert run(project)[0] == 0
    assert run(project, "--check")[0] == 0
    more(project, tests='\n\n@pytest.mark.requirement("P1")\ndef test_new() -> None: ...\n')
    code, said = run(project, "--check")
    assert code == 1
    assert said.startswith("docs/requirements.md is not the newest")


@pytest.mark.requirement("FD-S2", "ST-02")
def test_a_row_of_a_built_room_with_neither_test_nor_reason_stops(project: Path) -> None:
    more(project, ROW.format("y", "pump"))
    code, said = run(project)
    assert code == 1
    assert said.startswith("Q-1 (pump): neither a test nor a reason; mark the test that shows it with @pytest.mark.")
    assert "**Neither test nor reason.**" in (project / trace.PAGE).read_text("utf-8"), "the page says it too"
    more(project, 'why = "Nobody wants it."\n')
    assert run(project)[0] == 0


def test_a_row_that_is_owed_is_said_and_stops(project: Path) -> None:
    more(project, ROW.format("y", "pump") + 'owed = "a test of it."\n')
    code, said = run(project)
    assert code == 1
    assert said == (
        "Q-1 (pump): still owed: a test of it. Write the test, or the reason why there is none\n"
        "5 rows: 2 shown by tests, 1 with a reason, 1 owed, 1 open\n"
    )
    text = (project / trace.PAGE).read_text("utf-8")
    assert "## Owed\n\n| id | room | what is missing |\n| --- | --- | --- |\n| Q-1 | pump | a test of it. |\n" in text
    assert "| It is so. | *Owed:* a test of it. |" in text


def test_a_promise_without_a_test_stops_whatever_is_said(project: Path) -> None:
    table = project / trace.TABLE
    table.write_text(table.read_text("utf-8").replace("[rows.P1]", '[rows.P1]\nowed = "later"'), "utf-8")
    tests = project / "tests" / "test_one.py"
    tests.write_text(tests.read_text("utf-8").replace('@pytest.mark.requirement("P1")', ""), "utf-8")
    code, said = run(project)
    assert code == 1
    assert said.startswith("P1: a promise without a test; mark the test that tries to break it\n")


def test_an_unknown_id_stops_and_says_who_named_it(project: Path) -> None:
    more(project, tests='\n\n@pytest.mark.requirement("P99")\ndef test_new() -> None: ...\n')
    code, said = run(project)
    assert code == 1
    assert said.startswith("P99: no such requirement, named by tests/test_one.py: test_new; ")


@pytest.mark.parametrize("mark", ["requirement()", "requirement(1)", 'requirement("P1", why="x")'])
def test_a_mark_names_ids_as_text(project: Path, mark: str) -> None:
    more(project, tests=f"\n\n@pytest.mark.{mark}\ndef test_new() -> None: ...\n")
    code, said = run(project)
    assert code == 1
    assert said.startswith("tests/test_one.py: test_new: a mark names ids as text, one at least")


def test_tests_that_cannot_be_collected_stop(project: Path) -> None:
    more(project, tests="\n\nimport no_such_module_anywhere\n")
    code, said = run(project)
    assert code == 1
    assert "the tests cannot be collected" in said
    assert "no_such_module_anywhere" in said


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (ROW.format("maybe", "pump"), "Q-1: applies is y, adapt or n; found 'maybe'"),
        (ROW.format("y", "cellar"), "Q-1: no such room: 'cellar'; there are pump, clinic, outside"),
        (ROW.format("n", "outside"), "Q-1: a row that does not apply says why"),
        (ROW.format("y", "pump") + 'whyy = "x"\n', "Q-1: its fields are applies, room, source, what"),
        (ROW.format("y", "pump") + 'why = " "\n', "Q-1: its fields are applies, room, source, what"),
        (ROW.format("y", "pump").replace("It is so.", "one " * 13), "Q-1: a summary has at most 12 words; found 13"),
        (
            ROW.format("y", "pump") + 'why = "x"\nowed = "y"\n',
            "Q-1: a test that is owed and a reason why there is none; keep one of them",
        ),
    ],
)
def test_a_wrong_row_is_said_and_left_out(project: Path, row: str, said: str) -> None:
    more(project, row)
    _, rows, problems = trace.read(project)
    assert [p.startswith(said) for p in problems] == [True], problems
    assert len(rows) == 4


def test_a_wrong_row_stops(project: Path) -> None:
    more(project, ROW.format("y", "cellar"))
    code, said = run(project)
    assert code == 1
    assert said.startswith("Q-1: no such room")


def test_a_reason_beside_a_test_is_a_contradiction_unless_the_row_does_not_apply(project: Path) -> None:
    mark = '\n\n@pytest.mark.requirement("Q-1", "N-1")\ndef test_new() -> None: ...\n'
    more(project, ROW.format("y", "pump") + 'why = "Nobody can."\n', mark)
    code, said = run(project)
    assert code == 1
    assert said.startswith("Q-1: a test shows it and a reason says why none does")
    assert "N-1" not in said


def test_a_room_with_modules_is_not_to_come(project: Path) -> None:
    module = project / "src" / "thecal" / "clinic" / "desk.py"
    module.parent.mkdir(parents=True)
    module.write_text("", "utf-8")
    assert trace.read(project)[2] == ["room clinic: it is to come, and has modules; say that it is built"]
    table = project / trace.TABLE
    table.write_text(table.read_text("utf-8").replace('"to come"', '"soon"'), "utf-8")
    assert trace.read(project)[2] == ["room clinic: state is one of built, to come, outside; found 'soon'"]


# The project's own table


def test_the_projects_own_table_is_sound() -> None:
    rooms, rows, problems = trace.read(ROOT)
    assert problems == []
    assert [r.id for r in rows if r.promise] == [f"P{n}" for n in range(1, 13)]
    assert len(rows) == 367 + 12
    assert {r.room for r in rows} <= set(rooms)
    assert all(r.room == "outside" or r.why for r in rows if r.applies == "n")


def test_every_room_of_the_sources_is_in_the_table() -> None:
    rooms, _, _ = trace.read(ROOT)
    there = {p.stem for p in (ROOT / "src" / "thecal").iterdir() if p.suffix == ".py" or any(p.glob("*.py"))}
    assert there - {"__init__", "__main__"} <= {name for name, room in rooms.items() if room.state == "built"}
