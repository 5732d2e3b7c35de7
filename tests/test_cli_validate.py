"""``thecal validate``: cases listed, run and judged; files of one's own; what is wrong is said with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.cli_world import body, thecal
from tests.validation_files import PLAIN

from thecal.body.validation.reading import shipped
from thecal.cli.exits import Exit

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def test_the_list_names_every_case_and_runs_none() -> None:
    listed = body("validate", "--list")["cases"]
    assert [case["id"] for case in listed] == [case.id for file in shipped() for case in file.file.case]
    assert all(case["source"] and case["checks"] for case in listed)
    shown = thecal("validate", "--list")
    assert shown.code == Exit.GO_ON
    assert "morphine-1h" in shown.out


def test_a_case_by_its_id_and_by_its_number() -> None:
    by_id = body("validate", "morphine-1h")["findings"]
    assert body("validate", "1")["findings"] == by_id
    found = by_id[0]
    assert (found["unit"], found["cells"], found["status"]) == ("ng/mL", 200, "C")
    assert found["ratio"] == pytest.approx(found["model"] / 4228)
    assert found["verdict"] in {"inside", "outside"}
    assert (found["inside_if"], found["why"]) == ("within a factor of 1.5", None)


def test_cases_in_words() -> None:
    ran = thecal("validate", "10", "morphine-1h")
    assert ran.code == Exit.GO_ON
    for words in (
        "[not applicable: no buoyancy in a linear model",
        "morphine-1h: Morphine 0.25 mg lumbar: CSF after 1 h",
        "paper: 4228 ± 361 ng/mL (SEM)",
        "status: calibration",
        "200 cells, reduced modal; error in time under 1e-6",
        "No proof that the model is right, and nothing here is fit for dosing decisions.",
    ):
        assert words in ran.flat


def test_a_file_of_ones_own_that_is_outside_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(PLAIN.replace("4000 ng/mL", "4 ng/mL"), "utf-8")
    found = body("validate", str(path))
    assert (found["counts"], found["exit"]) == ({"outside": 1}, 0)
    assert "[outside] CSF after 1 h" in thecal("validate", str(path)).flat
    assert "1 check: 1 outside" in thecal("validate", str(path)).flat


def test_a_wrong_file_is_refused_with_line_and_field(tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    path.write_text(PLAIN.replace('dose = "0.25 mg"', 'dose = "0.25 mL"'), "utf-8")
    problem = body("validate", str(path))["problems"][0]
    assert (problem["path"], problem["line"], problem["field"]) == (str(path), 10, "case[0].bolus[0].dose")
    assert (problem["found"], problem["allowed"]) == ("'0.25 mL'", "units: ng, mcg, mg, g")
    assert thecal("validate", str(path)).code == Exit.FILE_REFUSED


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [(None, "unreadable", "No such file"), ("[[case]", "not-toml", "not TOML")],
)
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, content: str | None, code: str, words: str) -> None:
    path = tmp_path / "ours.toml"
    if content is not None:
        path.write_text(content, "utf-8")
    found = body("validate", str(path))
    assert (found["exit"], found["problems"][0]["code"]) == (Exit.FILE_REFUSED, code)
    assert words in found["problems"][0]["found"]


def test_an_unknown_case_is_refused_with_those_there_are() -> None:
    found = body("validate", "morphine-2h")
    assert found["exit"] == Exit.FILE_REFUSED
    assert found["problems"][0]["code"] == "unknown-case"
    assert "morphine-1h" in found["problems"][0]["allowed"]


def test_a_check_with_a_note_shows_it() -> None:
    assert "note: 10 % is ours." in thecal("validate", "cranial-exposure").flat
