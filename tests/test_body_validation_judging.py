"""Verdicts and the page: inside and outside by each way of expecting, nothing is left out, and the page is stable."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.validation_files import PLAIN, parsed, values, with_measure

from thecal.body.validation import wording
from thecal.body.validation.cases import CaseFile, Expected, Status
from thecal.body.validation.dimensions import CONCENTRATION
from thecal.body.validation.dimensions import PLAIN as NO_UNIT
from thecal.body.validation.judging import Finding, Verdict, judge, limits
from thecal.body.validation.page import page
from thecal.body.validation.reading import Cases, read, shipped

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
NEEDLE = {"kind": "value", "place": "csf", "at": "L3-4", "time": "1 h"}
LATER = NEEDLE | {"time": "6 h"}
SAME: dict[str, Any] = {"kind": "ratio", "of": NEEDLE, "over": NEEDLE}


def finding(measure: dict[str, Any], expected: dict[str, Any] | None = None, **case: Any) -> Finding:
    case = {"status": "H", "cells": 60} | case
    return judge(parsed(with_measure(measure, expected, **case)))[0]


@pytest.mark.parametrize(
    ("expected", "verdict", "ratio", "words"),
    [
        ({"value": 1.4, "factor": 1.5}, Verdict.INSIDE, 1 / 1.4, "within a factor of 1.5"),
        ({"value": 1.6, "factor": 1.5}, Verdict.OUTSIDE, 1 / 1.6, "within a factor of 1.5"),
        ({"value": 1.5, "factor": 1.5}, Verdict.INSIDE, 1 / 1.5, "within a factor of 1.5"),
        ({"value": 1.2, "plus_minus": 0.3}, Verdict.INSIDE, 1 / 1.2, "within ± 0.3"),
        ({"value": 1.2, "plus_minus": "10 %"}, Verdict.OUTSIDE, 1 / 1.2, "within ± 10 %"),
        ({"least": 0.25, "most": 4}, Verdict.INSIDE, 1.0, "0.25 to 4"),
        ({"least": 1, "most": 4}, Verdict.INSIDE, 0.5, "1 to 4"),
        ({"least": 2, "most": 8}, Verdict.OUTSIDE, 0.25, "2 to 8"),
        ({"least": -1, "most": 4}, Verdict.INSIDE, 1 / 1.5, "-1 to 4"),
        ({"least": 2}, Verdict.OUTSIDE, 0.5, "at least 2"),
        ({"most": 2}, Verdict.INSIDE, 0.5, "at most 2"),
        ({"sign": "positive"}, Verdict.INSIDE, None, "positive"),
        ({"sign": "negative"}, Verdict.OUTSIDE, None, "negative"),
    ],
)
def test_a_verdict_by_each_way_of_expecting(
    expected: dict[str, Any], verdict: Verdict, ratio: float | None, words: str
) -> None:
    found = finding(SAME, expected)
    assert found.verdict is verdict
    assert found.ratio == (pytest.approx(ratio) if ratio is not None else None)
    assert wording.inside_text(found) == words


def test_an_order_needs_more_than_a_tie() -> None:
    assert finding({"kind": "order", "falling": [NEEDLE, LATER]}).verdict is Verdict.INSIDE
    assert finding({"kind": "order", "falling": [LATER, NEEDLE]}).verdict is Verdict.OUTSIDE
    over_nothing = finding({"kind": "order", "falling": [NEEDLE, {"kind": "value", "place": "plasma", "time": "0 h"}]})
    assert (over_nothing.verdict, over_nothing.ratio, over_nothing.model) == (Verdict.INSIDE, None, None)
    assert over_nothing.space_error == 0.0
    tie = finding({"kind": "order", "falling": [NEEDLE, NEEDLE]})
    assert (tie.verdict, tie.ratio) == (Verdict.OUTSIDE, 1.0)
    assert (wording.inside_text(tie), wording.model_text(tie)) == ("ratio over 1", "")


def test_what_is_marked_x_is_shown_and_not_judged() -> None:
    for measure, expected in (
        (SAME, {"value": 5}),
        (SAME, {"least": 5, "most": 6}),
        (SAME, None),
        ({"kind": "order", "falling": [NEEDLE, NEEDLE]}, None),
    ):
        found = finding(measure, expected, status="X")
        assert found.verdict is Verdict.NOT_JUDGED
        assert found.model == pytest.approx(1.0)
    assert finding(SAME, {"value": 4}, status="X").ratio == pytest.approx(0.25)


def test_a_check_may_have_a_status_of_its_own() -> None:
    file = with_measure(SAME, {"value": 5}, status="C")
    file["case"][0]["check"][0] |= {"status": "X", "source": "elsewhere"}
    found = judge(parsed(file))[0]
    assert (found.status, found.verdict) == (Status.NOT_JUDGED, Verdict.NOT_JUDGED)
    assert "| elsewhere |" in page([parsed(file)], [found])


def test_the_model_is_shown_in_the_unit_of_the_paper() -> None:
    plain = finding(NEEDLE, {"value": "4 mcg/mL", "factor": 10})
    assert plain.unit == "mcg/mL"
    assert plain.model == pytest.approx(4.2, rel=0.5)
    usual = finding(NEEDLE, status="X")
    assert usual.unit == "ng/mL"
    assert usual.model == pytest.approx(4200, rel=0.5)
    file = with_measure(NEEDLE)
    file["case"][0]["check"][0]["unit"] = "mg/mL"
    assert judge(parsed(file))[0].unit == "mg/mL"


def test_a_finding_says_how_it_was_run() -> None:
    found = finding(NEEDLE, {"value": "4 mcg/mL", "factor": 10})
    assert found.engines == ("reduced modal",)
    assert (found.cells, found.time_error < 1e-6) == (60, True)
    assert found.space_error is not None
    assert 0 < found.space_error < 0.1
    assert finding(SAME, {"value": 1, "factor": 2}).space_error == 0
    zero = {"kind": "value", "place": "plasma", "time": "0 h"}
    assert finding(zero, {"most": "1 ng/mL"}).space_error == 0


def test_a_case_that_cannot_be_run_says_why_and_stays() -> None:
    file = values()
    file["person"] = {"giant": {"change": {"canal_cm": "160 cm"}}}
    file["case"][0]["person"] = "giant"
    checked = parsed(file)
    found = judge(checked)[0]
    assert (found.verdict, found.model, found.ratio) == (Verdict.NOT_RUN, None, None)
    assert "canal_cm 160 cm" in found.why
    text = page([checked], [found])
    assert "Could not be run:" in text
    assert text.count("canal_cm 160 cm") == 2


def test_a_reading_that_a_run_does_not_have_stays_too() -> None:
    rising = {"kind": "peak", "place": "plasma", "between": ["0 h", "10 min"]}
    found = finding(rising, {"value": "1 ng/mL", "factor": 2})
    assert (found.verdict, found.why) == (Verdict.NOT_RUN, "it still rises at the end of this time")


def test_a_grid_that_is_too_coarse_for_half_of_it_leaves_the_error_open() -> None:
    narrow = {"kind": "decay length", "place": "csf", "time": "1 h", "span": ["tip + 3 mm", "tip + 17 mm"]}
    found = finding(narrow, {"least": "0 cm"}, cells=60)
    assert found.model is not None
    assert found.space_error is None
    assert wording.space_error_text(found) == "not known"


def test_limits_without_an_end() -> None:
    assert limits(Expected(least="2 ng/mL"), CONCENTRATION) == (2.0, float("inf"))
    assert limits(Expected(value=3.0), NO_UNIT) == (3.0, 3.0)


# The page


def made_up() -> tuple[CaseFile, list[Finding]]:
    """One check of each verdict."""
    file = values()
    case, check = file["case"][0], file["case"][0]["check"][0]
    case |= {"cells": 60, "note": "A note | with a bar."}
    case["check"] = [
        check | {"what": "inside one", "expected": {"least": "1 ng/mL"}},
        check | {"what": "outside one", "expected": {"most": "1 ng/mL"}, "note": "Far out."},
        {"what": "impossible one", "paper": "up", "not_applicable": "no wings"},
        check | {"what": "shown one", "status": "X"},
    ]
    file["person"] = {
        "p": {"change": {"csf_ml": "90 mL", "cord_ml": {"value": "18 mL", "source": "b", "verified": True}}}
    }
    found = parsed(file)
    return found, list(judge(found))


def test_the_page_counts_names_and_keeps_everything() -> None:
    file, findings = made_up()
    text = page([file], findings)
    assert [f.verdict for f in findings] == ["inside", "outside", "not applicable", "not judged"]
    assert "| Held out (H) | 3 | 1 | 1 | 1 | 0 | 0 |" in text
    assert "| Shown without a verdict (X) | 1 | 0 | 0 | 0 | 0 | 1 |" in text
    assert "Of calibration, **0 of 0 checks are inside**" in text
    assert "Of all others that are judged, **1 of 2 checks are inside**" in text
    outside = text.split("Outside:\n")[1].split("Not applicable:")[0]
    assert "outside one" in outside
    assert "inside one" not in outside
    assert "| **outside** |" in text
    assert "not applicable: no wings" in text
    assert "A note | with a bar. Far out." in text
    assert "| p | csf_ml | 90 mL | none given | no |" in text
    assert "| p | cord_ml | 18 mL | b | yes |" in text
    assert "morphine, tip at L3-4, 0.25 mg in 1 mL" in text
    for word in ("no proof", "Not a medical device", "fit for dosing"):
        assert word in text
    assert text == page([file], findings)


def test_a_page_without_outside_has_no_such_list() -> None:
    file, findings = made_up()
    assert "Outside:" not in page([file], [findings[0]])


def test_figures_have_three_digits_and_no_zeros_at_their_end() -> None:
    for number, text in (
        (4247.3, "4,250"), (1234567.0, "1,230,000"), (0.5641, "0.564"), (1.0, "1"), (1.3001, "1.3"), (0.0, "0"),
        (-2.499, "-2.5"), (1e-7, "0.0000001"), (float("inf"), "without end"), (99.96, "100"),
    ):  # fmt: skip
        assert wording.figure(number) == text


def test_errors_are_written_so_that_machines_agree() -> None:
    file, findings = made_up()
    small = findings[0]
    assert wording.time_error_text(small) == "under 1e-6"
    from dataclasses import replace

    assert wording.time_error_text(small, replace(small, time_error=3e-6)) == "under 1e-5"
    assert wording.time_error_text(replace(small, time_error=1e-5)) == "under 1e-5"
    assert wording.space_error_text(replace(small, space_error=1e-5)) == "under 0.1 %"
    assert wording.space_error_text(replace(small, space_error=0.0123), replace(small, space_error=0.2)) == "up to 20 %"
    assert wording.ratio_text(replace(small, ratio=1.00012345)) == "1.00012"
    assert file.case[0].cells == small.cells


def test_what_is_given_is_said_in_words() -> None:
    file = values()
    file["case"][0] |= {
        "bolus": [
            {"dose": "50 mcg", "volume": "0.5 mL", "over": "90 s", "at": "2 h", "every": "3 days", "times": 2},
            {"dose": "50 ng", "volume": "0.5 mL", "every": "30 s"},
        ],
        "infusion": [{"dose": "1 mg/day", "start": "1 h", "lasting": "14 days"}, {"dose": "40 ng/day"}],
    }
    assert wording.arm_text(parsed(file).case[0].arms[0]) == (
        "morphine, tip at L3-4, 50 mcg in 0.5 mL over 1.5 min at 2 h every 3 days, 2 times, "
        "50 ng in 0.5 mL every 30 s, 1 mg/day from 1 h for 14 days, 40 ng/day"
    )
    file["case"][0] |= {"arm": [{"name": "a", "person": "p"}]}
    file["case"][0]["check"][0]["measure"]["arm"] = "a"
    file["person"] = {"p": {}}
    assert wording.arm_text(parsed(file).case[0].arms[0]).startswith("a: morphine, person p, tip")


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("validate_script", ROOT / "scripts" / "validate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["validate_script"] = module
    spec.loader.exec_module(module)
    return module


def test_the_script_writes_the_page_and_sees_when_it_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = _script()
    cases = tmp_path / "cases.toml"
    cases.write_text(PLAIN, "utf-8")
    monkeypatch.setattr(script, "shipped", lambda: (read(cases),))
    (tmp_path / "docs").mkdir()
    assert script.main(["--check", str(tmp_path)]) == 1
    assert "is not the newest" in capsys.readouterr().out
    assert script.main([str(tmp_path)]) == 0
    written = (tmp_path / "docs" / "validation.md").read_text("utf-8")
    assert "Morphine, made up" in written
    assert script.main(["--check", str(tmp_path)]) == 0
    (tmp_path / "docs" / "validation.md").write_text(written.replace("made up", "real"), "utf-8")
    assert script.main(["--check", str(tmp_path)]) == 1
    assert "1 checks: 1 inside" in capsys.readouterr().out


def test_the_kept_page_names_every_check_that_ships() -> None:
    kept = (ROOT / "docs" / "validation.md").read_text("utf-8")
    files: tuple[Cases, ...] = shipped()
    for case in (case for file in files for case in file.file.case):
        assert f"`{case.id}`" in kept
        for check in case.check:
            assert f"| {check.what} | {check.paper} |" in kept


@pytest.mark.long
def test_the_kept_page_is_the_newest() -> None:
    assert _script().main(["--check"]) == 0
