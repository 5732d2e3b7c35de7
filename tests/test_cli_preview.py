"""``thecal preview`` and ``thecal spine``: real runs through the command line, the JSON held to its form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from tests.cli_world import FIRST, Ran, thecal

from thecal.body.spine.prior import modelled_drugs
from thecal.body.transport.untrusted import Doubt, UntrustedError
from thecal.cli import bare_spine
from thecal.cli.exits import Exit
from thecal.cli.progress import bar
from thecal.cli.spine_figures import NOT_A_PREDICTION
from thecal.cli.spine_of_run import looks
from thecal.twin import preview as twin_preview
from thecal.twin.spine import NoPreview, SpineCourse

TEXT = FIRST.read_text("utf-8")
ORDER = TEXT[: TEXT.index("\n[run]")]
FEW = ("--draws", "3")
BOLUS = ("spine", "morphine", "--bolus", "0.25 mg", "--volume", "1 mL", "--tip", "L3-4")

NUMBERS = {"type": "array", "items": {"type": "number"}}
LINE = {
    "type": "object",
    "required": ["site", "drug", "band"],
    "properties": {
        "site": {
            "type": "object",
            "required": ["key", "label", "kind", "level", "at_cm", "unit"],
            "additionalProperties": False,
            "properties": {
                **{key: {"type": "string"} for key in ("key", "label", "kind", "unit")},
                "level": {"type": ["string", "null"]},
                "at_cm": {"type": ["number", "null"]},
            },
        },
        "drug": {"type": ["string", "null"]},
        "figures": {"type": "object"},
        "band": {"type": ["object", "null"], "properties": {"draws": {"type": "integer"}}},
    },
    "patternProperties": {"^central_(ng_per_ml|mcg_per_h|share|times_ec50)$": NUMBERS},
    "additionalProperties": False,
}
COURSE = {
    "type": "object",
    "required": ["title", "start", "at_s", "drugs", "no_model", "errors", "notes", "lines", "neuraxis"],
    "additionalProperties": False,
    "properties": {
        "title": {"type": "string"},
        "start": {"type": ["string", "null"]},
        "at_s": NUMBERS,
        "drugs": {"type": "array", "items": {"type": "string"}},
        "no_model": {"type": "array", "items": {"type": "string"}},
        "errors": {
            "type": "object",
            "required": ["time_share", "strokes_share", "space_share", "model"],
            "properties": {"model": {"type": "string"}},
            "additionalProperties": {"type": "number"},
        },
        "notes": {"type": "array", "items": {"type": "string"}},
        "lines": {"type": "array", "minItems": 1, "items": LINE},
        "neuraxis": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["drug", "at_s", "x_cm", "csf_ng_per_ml", "levels"],
                "additionalProperties": False,
                "properties": {
                    "drug": {"type": "string"},
                    "at_s": NUMBERS,
                    "x_cm": NUMBERS,
                    "csf_ng_per_ml": {"type": "array", "items": NUMBERS},
                    "levels": {"type": "array", "items": {"type": "object", "required": ["name", "at_cm"]}},
                },
            },
        },
    },
}


def body(*words: str, code: int = Exit.GO_ON) -> dict[str, Any]:
    ran = thecal(*words, "--json")
    assert (ran.code, ran.err) == (code, ""), ran.err
    found: dict[str, Any] = json.loads(ran.out)
    assert found["exit"] == code
    assert found["notice"] == "Not a medical device. Virtual pump."
    return found


def held(course: dict[str, Any]) -> dict[str, Any]:
    """A course whose form and lengths are as they are documented."""
    jsonschema.validate(course, COURSE)
    times = len(course["at_s"])
    for line in course["lines"]:
        (values,) = (value for name, value in line.items() if name.startswith("central_"))
        assert len(values) == times
        assert line["site"]["kind"] != "warning index" or line["drug"] is None
        if line["band"] is not None:
            low, middle, high = (
                np.array(next(v for k, v in line["band"].items() if k.startswith(p))) for p in ("p10_", "p50_", "p90_")
            )
            assert low.shape == (times,)
            assert np.all(low <= middle)
            assert np.all(middle <= high)
        assert max(values) == line["figures"][next(k for k in line["figures"] if k.startswith("peak_"))]
    for one in course["neuraxis"]:
        assert np.array(one["csf_ng_per_ml"]).shape == (len(one["at_s"]), len(one["x_cm"]))
    return course


def line_of(course: dict[str, Any], key: str, drug: str | None) -> dict[str, Any]:
    (found,) = (line for line in course["lines"] if line["site"]["key"] == key and line["drug"] == drug)
    return dict(found)


@pytest.fixture
def order(tmp_path: Path) -> Path:
    path = tmp_path / "order.toml"
    path.write_text(ORDER, "utf-8")
    return path


def edited(path: Path, *changes: tuple[str, str], text: str = ORDER) -> str:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text, "utf-8")
    return str(path)


# The body alone -------------------------------------------------------------------------------------------------------


def test_a_bolus_without_a_pump() -> None:
    found = body(*BOLUS, "--hours", "6", "--level", "T10", *FEW)
    course = held(found["course"])
    assert course["start"] is None
    assert course["drugs"] == ["morphine"]
    assert course["at_s"][-1] == 6 * 3600
    assert line_of(course, "csf-T10", "morphine")["band"]["draws"] == 3
    assert line_of(course, "tip", "morphine")["band"] is None
    tip = line_of(course, "csf-tip", "morphine")
    assert tip["figures"]["peak_at_s"] == 0
    assert tip["figures"]["peak_ng_per_ml"] > 1000
    assert found["report"] is None


def test_a_bolus_is_linear_in_its_dose_and_the_same_again() -> None:
    one = held(body(*BOLUS, "--hours", "2", "--no-band")["course"])
    again = held(body(*BOLUS, "--hours", "2", "--no-band")["course"])
    double = held(body(*("0.5 mg" if w == "0.25 mg" else w for w in BOLUS), "--hours", "2", "--no-band")["course"])
    assert again == one
    single, twice = (np.array(line_of(c, "plasma", "morphine")["central_ng_per_ml"]) for c in (one, double))
    assert np.allclose(twice, 2 * single, rtol=1e-6, atol=1e-9 * twice.max())
    assert all(line["band"] is None for line in one["lines"])


def test_an_infusion_rises_and_stays() -> None:
    words = ("spine", "baclofen", "--infusion", "200 mcg/day", "--tip", "T10", "--hours", "48", "--no-band")
    tip = line_of(held(body(*words)["course"]), "csf-tip", "baclofen")["central_ng_per_ml"]
    assert tip[0] == 0
    assert np.all(np.diff(tip) > -1e-6 * max(tip))


def test_the_body_alone_on_the_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    page = tmp_path / "out" / "spine.html"
    ran = thecal(*BOLUS, "--hours", "6", *FEW, "--report", str(page))
    assert (ran.code, ran.err) == (0, "")
    for words in (
        "morphine at L3-4: 0.25 mg in 1 mL, without a pump",
        "Not a medical device. Virtual pump. Computed, not measured",
        "CSF at the tip (L3-4), ng/mL",
        "lowest, last 3 h",
        "h after the start",
        "Error in space: ",
        "How far people differ: 10 to 90 of 100, from 3 drawn persons",
        NOT_A_PREDICTION,
        f"Report: {page}",
    ):
        assert words in ran.flat, words
    assert ran.out.index("Error in space") < ran.out.index("How far people differ"), "the central line comes first"
    text = page.read_text("utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert "://" not in text


def test_a_terminal_without_utf8_gets_no_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rich.console.Console.encoding", "ascii")
    assert "Charts need a terminal that shows UTF-8" in thecal(*BOLUS, "--hours", "2", "--no-band").flat


def test_a_drug_without_a_model_names_those_that_have_one() -> None:
    ran = thecal("spine", "ketamine", "--infusion", "1 mg/day", "--tip", "T10")
    assert ran.code == Exit.PUMP_REFUSED
    assert "which has no model of the spine" in ran.flat
    assert all(drug in ran.flat for drug in modelled_drugs())
    assert thecal("spine", "nothing", "--infusion", "1 mg/day", "--tip", "T10").code == Exit.FILE_REFUSED


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--tip", "T10"), "neither --bolus nor --infusion"),
        (("--tip", "T10", "--bolus", "1 mg"), "only one of --bolus and --volume"),
        (("--tip", "X4", "--infusion", "1 mg/day"), "found the level"),
        (("--tip", "T10", "--infusion", "1 mg"), "found '1 mg'"),
        (("--tip", "T10", "--infusion", "1 mg/day", "--level", "T99"), "found the level"),
        (("--tip", "T10", "--infusion", "1 mg/day", "--dermatome", "C1"), "the dermatome"),
        (("--tip", "T10", "--infusion", "1 mg/day", "--hours", "0.5"), "found 0.5 h; allowed: 1 to"),
        (("--tip", "T10", "--infusion", "1 mg/day", "--hours", "long"), "allowed: a number of hours"),
        (("--tip", "T10", "--infusion", "1 mg/day", "--hours", "1.2.3"), "allowed: a number of hours"),
        (("--tip", "T10", "--infusion", "1 mg/day", "--draws", "1"), "1 draws"),
    ],
)
def test_a_wrong_command_line_says_what_is_allowed(words: tuple[str, ...], said: str) -> None:
    ran = thecal("spine", "morphine", *words)
    assert ran.code == Exit.USAGE
    assert said in " ".join(ran.err.replace("│", " ").split())


def test_a_number_that_the_body_refuses_is_an_answer() -> None:
    ran = thecal("spine", "morphine", "--bolus", "1 mg", "--volume", "90 mL", "--tip", "T10", "--no-band")
    assert ran.code == Exit.PUMP_REFUSED
    assert "found:" in ran.flat
    assert "Nothing was computed." in ran.flat


def test_a_page_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = (*BOLUS, "--hours", "1", "--no-band", "--report")
    assert thecal(*words, str(tmp_path)).code == Exit.NOT_WRITTEN

    def full(*_: object) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr(Path, "replace", full)
    ran = thecal(*words, str(tmp_path / "page.html"))
    assert ran.code == Exit.NOT_WRITTEN
    assert "no space left" in ran.flat
    assert list(tmp_path.iterdir()) == []


def test_a_refused_person_leaves_the_central_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise UntrustedError(Doubt.OUT_OF_RANGE, "a canal of 0 cm", "54 to 66 cm")

    monkeypatch.setattr(bare_spine, "drawn_person", refuse)
    ran = thecal(*BOLUS, "--hours", "2", *FEW)
    assert ran.code == Exit.GO_ON
    assert "There is no band: out of range: found a canal of 0 cm" in ran.flat
    assert "plasma, ng/mL" in ran.flat


# An order -------------------------------------------------------------------------------------------------------------


def test_a_scenario_and_its_json(monkeypatch: pytest.MonkeyPatch) -> None:
    found = body("preview", str(FIRST), "--hours", "12", *FEW)
    course = held(found["course"])
    assert course["drugs"] == ["morphine", "bupivacaine", "clonidine"]
    assert course["start"] == "2026-03-02T09:30:00"
    assert found["patient"] == "EXAMPLE-0001"
    assert found["teach"] is False
    assert len(course["neuraxis"]) == 3
    monkeypatch.setenv("COLUMNS", "120")
    ran = thecal("preview", str(FIRST), "--hours", "12", "--no-band", "--level", "T8")
    for words in (
        f"Preview of {FIRST}",
        "12 h from 2 Mar 2026 09:30 by the pump clock",
        "cloNIDine",
        "CSF at T8, ng/mL",
        "All drugs together",
        "leaves the tip (T10), mcg/h",
    ):
        assert words in ran.flat, words
    assert "How far people differ" not in ran.flat


def test_an_order_alone_begins_with_its_fill(order: Path) -> None:
    course = held(body("preview", str(order), "--hours", "3", "--no-band")["course"])
    assert course["start"] == "2026-03-02T00:00:00"
    later = held(body("preview", str(order), "--hours", "3", "--no-band", "--start", "2026-03-02T09:30")["course"])
    assert later["start"] == "2026-03-02T09:30:00"


def test_the_file_may_come_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    for text in (ORDER, TEXT):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert body("preview", "-", "--hours", "2", "--no-band", "--today", "2026-03-02")["course"]["drugs"]


def test_two_orders_and_their_difference(order: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    more = [(f'dose = "{a} mg/h"', f'dose = "{b} mg/h"') for a, b in (("0.05", "0.06"), ("0.075", "0.08"))]
    proposed = edited(tmp_path / "more.toml", *more)
    page = tmp_path / "page.html"
    words = ("preview", proposed, "--against", str(order), "--hours", "24", "--teach", *FEW)
    found = json.loads(thecal(*words, "--json").out)["comparison"]
    held(found["current"])
    held(found["proposed"])
    for gap, now, then in zip(found["differences"], found["current"]["lines"], found["proposed"]["lines"], strict=True):
        jsonschema.validate(gap, LINE)
        (name,) = (key for key in gap if key.startswith("central_"))
        assert np.allclose(gap[name], np.array(then[name]) - np.array(now[name]), atol=1e-9)
    figures = [f for f in found["figures"] if f["site"] == "plasma" and f["drug"] == "morphine"]
    assert figures[0]["name"] == "peak"
    assert figures[0]["ratio"] == pytest.approx(figures[0]["proposed"] / figures[0]["current"])
    assert figures[0]["ratio_p10"] <= figures[0]["ratio_p50"] <= figures[0]["ratio_p90"]
    monkeypatch.setenv("COLUMNS", "120")
    ran = thecal(*words, "--report", str(page))
    for said in ("plasma: peak", "How far the ratio differs", "each in both", "ratio", f"Report: {page}"):
        assert said in ran.flat, said
    assert "proposed less current" in page.read_text("utf-8")


@pytest.mark.parametrize(
    "words",
    [
        ("--case", "bridge"),
        ("--case", "missed-refill", "--gap", "24 h", "--restart", "50 %"),
        ("--case", "mri", "--stop", "4 h"),
        ("--case", "mri", "--stop", "4 h", "--at", "2 h"),
    ],
)
def test_cases(words: tuple[str, ...]) -> None:
    found = body("preview", str(FIRST), "--no-band", *words)["comparison"]
    assert found["title"]
    current, proposed = held(found["current"]), held(found["proposed"])
    tips = [np.array(line_of(c, "csf-tip", "morphine")["central_ng_per_ml"]) for c in (current, proposed)]
    assert not np.allclose(tips[0], tips[1])
    assert any(line["central_ng_per_ml"] for line in found["differences"] if "central_ng_per_ml" in line)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--case", "flood"), Exit.USAGE, "allowed: bridge, missed-refill, mri"),
        (("--case", "mri"), Exit.USAGE, "found no --stop"),
        (("--case", "missed-refill", "--gap", "24 h"), Exit.USAGE, "found no --restart"),
        (("--case", "missed-refill", "--gap", "24 h", "--restart", "300 %"), Exit.USAGE, "up to 200 %"),
        (("--gap", "24 h"), Exit.USAGE, "with --case missed-refill alone"),
        (("--case", "bridge", "--stop", "4 h"), Exit.USAGE, "with --case mri alone"),
        (("--case", "mri", "--stop", "0 h"), Exit.USAGE, "found"),
        (("--case", "bridge", "--against", str(FIRST)), Exit.USAGE, "found --against and --case"),
        (("--from", "99999999"), Exit.USAGE, "a window from"),
    ],
)
def test_a_case_says_what_it_needs(words: tuple[str, ...], code: Exit, said: str) -> None:
    ran = thecal("preview", str(FIRST), "--no-band", *words)
    assert ran.code == code
    assert said in " ".join(ran.err.replace("│", " ").split())


def test_what_cannot_be_previewed_is_an_answer(order: Path, tmp_path: Path) -> None:
    without = edited(tmp_path / "no-tip.toml", ('tip_level = "T10"\n', ""))
    refused = body("preview", without, code=Exit.FILE_REFUSED)
    assert refused["problems"][0]["code"] == "no-tip-level"
    assert thecal("preview", str(order), "--case", "bridge", "--no-band").code == Exit.FILE_REFUSED
    assert body("preview", without, code=Exit.FILE_REFUSED)["problems"][0]["allowed"]


STOPPED = ("preservative_free = true", "preservative_free = false")


def test_what_the_review_stops_is_previewed_for_teaching_only(tmp_path: Path) -> None:
    stopped = edited(tmp_path / "stopped.toml", STOPPED)
    plain = thecal("preview", stopped, "--no-band", "--hours", "2")
    assert plain.code == Exit.STOPPED
    assert "NOT RUN." in plain.flat
    assert body("preview", stopped, "--no-band", code=Exit.STOPPED)["course"] is None
    page = tmp_path / "page.html"
    ran: Ran = thecal("preview", stopped, "--no-band", "--hours", "2", "--teach", "--report", str(page))
    assert ran.code == Exit.STOPPED
    assert ran.flat.count("TEACHING RUN") == 2
    assert "TEACHING RUN" in page.read_text("utf-8")
    assert body("preview", stopped, "--no-band", "--hours", "2", "--teach", code=Exit.STOPPED)["teach"] is True


def test_what_the_pump_cannot_do_is_not_previewed_even_for_teaching(tmp_path: Path) -> None:
    wrong = edited(tmp_path / "wrong.toml", ("0.075 mg/h", "0.9 mg/h"))
    ran = thecal("preview", wrong, "--no-band", "--teach")
    assert ran.code in {Exit.STOPPED, Exit.PUMP_REFUSED}
    assert "Nothing was computed. Next: " in ran.flat


def test_a_report_where_none_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert thecal("preview", str(FIRST), "--no-band", "--report", str(tmp_path)).code == Exit.NOT_WRITTEN

    def full(*_: object) -> None:
        raise OSError(28, "no space left")

    monkeypatch.setattr(Path, "replace", full)
    page = str(tmp_path / "page.html")
    ran = thecal("preview", str(FIRST), "--no-band", "--hours", "2", "--report", page)
    assert ran.code == Exit.NOT_WRITTEN
    assert "its report was not written" in ran.flat


def test_a_look_may_begin_later() -> None:
    words = ("preview", str(FIRST), "--no-band", "--hours", "2", "--from", "48.5", "--dermatome", "T6")
    course = held(body(*words)["course"])
    assert course["start"] == "2026-03-04T10:00:00"
    assert any(line["site"]["key"] == "analgesia-T6" for line in course["lines"])


def test_a_refused_person_leaves_the_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise UntrustedError(Doubt.OUT_OF_RANGE, "a canal of 0 cm", "54 to 66 cm")

    monkeypatch.setattr(twin_preview, "drawn_person", refuse)
    ran = thecal("preview", str(FIRST), "--hours", "2", "--case", "mri", "--stop", "1 h", *FEW)
    assert "There is no band: " in ran.flat
    assert "There is no band" in thecal("preview", str(FIRST), "--hours", "2", *FEW).flat


# A run and its report -------------------------------------------------------------------------------------------------


def test_looks_at_a_run_that_cannot_be_followed(tmp_path: Path) -> None:
    from thecal.cli.references import references

    path = edited(tmp_path / "s.toml", ('tip_level = "T10"\n', ""), text=TEXT)
    with bar("x", quiet=True) as tell:
        (look,) = looks(references(None).scenario(Path(path)), tell)
    assert isinstance(look.course, NoPreview)
    page = tmp_path / "page.html"
    assert thecal("simulate", path, "--report", str(page)).code == 0
    assert "Nothing can be shown beyond the tip:" in page.read_text("utf-8")


def test_looks_at_a_short_run_and_at_one_without_a_change() -> None:
    from dataclasses import replace

    from thecal.cli.references import references

    whole = references(None).scenario(FIRST)
    short = replace(whole, run=replace(whole.run, days=1), events=(), pressers=())
    told: list[float] = []
    (look,) = looks(short, told.append)
    assert (look.key, look.title) == ("run", "the whole run")
    assert told[-1] == 1.0
    steady = replace(whole, run=replace(whole.run, days=5), events=(), pressers=())
    found = looks(steady, lambda _: None)
    assert [one.title for one in found] == ["the whole run", "the first 72 h"]
    assert isinstance(found[1].course, SpineCourse)
    assert found[1].course.at_s[-1] == 72 * 3600


def test_help_ends_with_examples() -> None:
    for command in ("preview", "spine"):
        text = thecal(command, "--help").flat
        assert f"thecal {command} " in text
        assert "Exit codes:" in text
