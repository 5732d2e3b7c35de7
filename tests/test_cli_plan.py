"""``thecal plan``: dates, bridge, priming, restart, titration, worksheet and gap, as text and as JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from thecal.cli import main
from thecal.cli.exits import Exit

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
FIRST, BACLOFEN, ZICONOTIDE = (
    str(EXAMPLES / f"{name}.toml") for name in ("first-patient", "baclofen", "ziconotide-first-fill")
)
OLD = """ingredients = [
  { drug = "morphine", concentration = "4 mg/mL" },
  { drug = "bupivacaine", concentration = "10 mg/mL" },
  { drug = "clonidine", concentration = "150 mcg/mL" },
]

[previous.program]"""


def thecal(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    code = main(["plan", *words])
    captured = capsys.readouterr()
    assert captured.err == ""
    return code, " ".join(captured.out.split())


def parts(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    code = main(["plan", *words, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert code == found["exit"]
    made: dict[str, Any] = found["parts"]
    return made


@pytest.fixture
def new_strength(tmp_path: Path) -> str:
    """The first patient's order after a weaker mixture of two drugs, and after 30 h without any."""
    text = Path(FIRST).read_text("utf-8")
    assert OLD in text
    old = 'ingredients = [{ drug = "morphine", concentration = "2 mg/mL" }]\n\n[previous.program]'
    path = tmp_path / "order.toml"
    path.write_text(text.replace(OLD, old).replace('gap = "0 h"', 'gap = "30 h"'), "utf-8")
    return str(path)


def edited(tmp_path: Path, source: str, *pairs: tuple[str, str]) -> str:
    text = Path(source).read_text("utf-8")
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = tmp_path / "edited.toml"
    path.write_text(text, "utf-8")
    return str(path)


# Dates ------------------------------------------------------------------------------------------------------------


def test_dates_with_and_without_boluses(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = thecal(capsys, FIRST)
    assert code == Exit.GO_ON
    for words in ("low level 2 mL, without boluses", "3 mL left, every bolus taken", "PLANNED REFILL", "1 Apr 2026"):
        assert words in out
    found = parts(capsys, FIRST)["dates"]
    # 20 mL to 2 mL at 0.35 mL/day, and to 3 mL with 0.1 mL/day of boluses on top
    assert found["expected_alert"] == {"on": "2026-04-22", "days": 51}
    assert found["worst_alert"] == {"on": "2026-04-08", "days": 37}
    assert found["planned"] == {"on": "2026-04-01", "days": 30}
    assert found["planned_by"] == "reservoir volume"


def test_the_stability_cap_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    out = thecal(capsys, BACLOFEN, "--only", "dates")[1]
    assert "set by drug stability" in out
    assert "Stability: 28 days" in out
    assert "without boluses" not in out
    assert parts(capsys, BACLOFEN)["dates"]["planned_by"] == "drug stability"


def test_expected_boluses_and_another_lead(capsys: pytest.CaptureFixture[str]) -> None:
    found = parts(capsys, FIRST, "--boluses-per-day", "2", "--lead", "3")["dates"]
    assert found["expected_alert"]["days"] == 45  # 18 mL at 0.4 mL/day
    assert found["planned"]["days"] == 34
    assert "2 boluses a day" in thecal(capsys, FIRST, "--boluses-per-day", "2")[1]


def test_a_lead_that_is_too_long_is_no_plan(capsys: pytest.CaptureFixture[str]) -> None:
    found = parts(capsys, FIRST, "--lead", "60")["dates"]
    assert found["planned"] is None
    assert any("lead" in note for note in found["notes"])


def test_only_what_was_kept_in_a_pump_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mixed = '{ drug = "baclofen", concentration = "1,000 mcg/mL" }'
    path = edited(tmp_path, BACLOFEN, (mixed, mixed + ', { drug = "morphine", concentration = "1 mg/mL" }'))
    assert parts(capsys, path)["dates"]["stability"]["days"] == 30  # in a syringe 7 days


def test_an_order_without_a_title(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = edited(tmp_path, BACLOFEN, ('title = "Baclofen: stiff on waking, later at the weekend"\n', ""))
    assert "Baclofen" not in thecal(capsys, path)[1]
    main(["review", path])
    assert "Baclofen: stiff" not in capsys.readouterr().out


def test_unknown_stability_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mixed = '{ drug = "baclofen", concentration = "1,000 mcg/mL" }'
    path = edited(tmp_path, BACLOFEN, (mixed, mixed + ', { drug = "ketamine", concentration = "1 mg/mL" }'))
    out = thecal(capsys, path, "--only", "dates")[1]
    assert "that is unknown, not unlimited" in out


def test_no_fill_no_dates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = Path(BACLOFEN).read_text("utf-8")
    path = tmp_path / "order.toml"
    path.write_text(text[: text.index("[fill]")] + text[text.index("[previous]") :], "utf-8")
    code, out = thecal(capsys, str(path), "--today", "2026-03-02")
    assert code == Exit.GO_ON
    assert "MISSING: the fill" in out
    assert "today, from 00:00" in out
    assert "MISSING: the volume" in out


def test_a_pump_that_never_empties(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = edited(tmp_path, ZICONOTIDE, ('base = "continuous"\ndose = "1.2 mcg/day"', 'base = "stopped"'))
    out = thecal(capsys, path)[1]
    assert "not known" in out
    assert "no date for empty" in out


def test_the_minimum_rate_of_a_pump_that_states_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calibrated = ('serial = "EXAMPLE-P20-0003"', 'calibration = { fixed_flow = "0.5 mL/day" }')
    family = ('family = "peristaltic-20"', 'family = "constant-flow-30"')
    base = ('base = "continuous"\ndose = "1.2 mcg/day"', 'base = "minimum rate"')
    path = edited(tmp_path, ZICONOTIDE, calibrated, family, base)
    code, out = thecal(capsys, path, "--titrate-to", "2 mcg/day", "--step", "0.5 mcg/day", "--every", "7 days")
    assert code == Exit.PUMP_REFUSED
    assert "REFUSED: found the minimum rate" in out


def test_a_start_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    out = thecal(capsys, FIRST, "--start", "2026-03-10T14:30")[1]
    assert "10 Mar 2026 14:30 by the pump clock (as given)" in out


# The line ---------------------------------------------------------------------------------------------------------


def test_the_same_fluid_needs_no_bridge(capsys: pytest.CaptureFixture[str]) -> None:
    out = thecal(capsys, FIRST, "--only", "bridge")[1]
    assert "none: the fluid stays the same" in out
    assert "0.286 mL (tubing 0.15 mL + catheter 0.136 mL)" in out
    assert "2 Mar 2026 19:55" in out
    assert "Refill dates" not in out


def test_a_bridge_by_arithmetic(new_strength: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = thecal(capsys, new_strength, "--only", "bridge")[1]
    assert "NONE IS ORDERED although the fluid changes" in out
    assert "without a bridge" in out
    planned = parts(capsys, new_strength)["bridge"]["planned"]
    # 0.286 mL at 1.4 mg/day of 2 mg/mL
    assert planned["flow"]["value"] == "0.7"
    assert planned["new_drug_at_tip"] == "2026-03-02T09:48:20"
    assert planned["doses"]["morphine"]["value"] == "1.4"


def test_a_bridge_as_ordered(new_strength: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bridge = '[program.bridge]\nvolume = "0.2 mL"\ndose = "1.2 mg/day"\n\n[program.fail_safe]'
    path = edited(tmp_path, new_strength, ("[program.fail_safe]", bridge))
    out = thecal(capsys, path, "--only", "bridge")[1]
    assert "the bridge ordered has 0.2 mL, the line 0.286 mL" in out
    assert parts(capsys, path)["bridge"]["ordered"]["volume"]["value"] == "0.2"


def test_a_bridge_that_the_pump_cannot_give(
    new_strength: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bridge = '[program.bridge]\nvolume = "0.286 mL"\ndose = "500 mg/day"\n\n[program.fail_safe]'
    code, out = thecal(capsys, edited(tmp_path, new_strength, ("[program.fail_safe]", bridge)), "--only", "bridge")
    assert code == Exit.PUMP_REFUSED
    assert "REFUSED: found a bridge at 250 mL/day" in out


def test_another_drug_is_bridged_at_its_own_dose(
    new_strength: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = '{ drug = "morphine", concentration = "2 mg/mL" }'
    path = edited(tmp_path, new_strength, (old, '{ drug = "hydromorphone", concentration = "2 mg/mL" }'))
    assert "by arithmetic, at the old dose" in thecal(capsys, path, "--only", "bridge")[1]


def test_a_program_that_moves_nothing_never_arrives(
    new_strength: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = Path(new_strength).read_text("utf-8")
    start, end = text.index('base = "day schedule"'), text.index("[program.patient_bolus]")
    path = tmp_path / "stopped.toml"
    path.write_text(text[:start] + 'base = "stopped"\n\n' + text[end:], "utf-8")
    out = thecal(capsys, str(path), "--only", "bridge")[1]
    assert "found a dose of nothing" in out
    text = Path(FIRST).read_text("utf-8")
    start, end = text.index('base = "day schedule"'), text.index("[program.patient_bolus]")
    path.write_text(text[:start] + 'base = "stopped"\n\n' + text[end:], "utf-8")
    assert "found a dose of nothing" in thecal(capsys, str(path), "--only", "bridge")[1]


def test_priming_and_the_first_fill(capsys: pytest.CaptureFixture[str]) -> None:
    out = thecal(capsys, ZICONOTIDE, "--only", "prime")[1]
    assert "0.294 mL" in out
    assert "3 rinses of 2 mL" in out
    assert "fill again by 16 Mar 2026" in out
    assert "the line is empty of drug until" in thecal(capsys, ZICONOTIDE)[1]
    found = parts(capsys, ZICONOTIDE)["prime"]
    assert found["ordered"]["value"] == "0.29"
    assert found["first_fill"]["refill_by"] == "2026-03-16"


def test_a_prime_of_more_than_the_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = edited(tmp_path, ZICONOTIDE, ('volume = "0.29 mL"', 'volume = "0.4 mL"'))
    assert "MORE THAN TUBING AND CATHETER HOLD" in thecal(capsys, path, "--only", "prime")[1]


def test_a_diluted_first_fill_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = edited(tmp_path, ZICONOTIDE, ('"25 mcg/mL"', '"5 mcg/mL"'))
    code, out = thecal(capsys, path, "--only", "prime")
    assert code == Exit.PUMP_REFUSED
    assert "undiluted" in out


def test_no_catheter_no_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = Path(BACLOFEN).read_text("utf-8")
    path = tmp_path / "order.toml"
    path.write_text(text[: text.index("[catheter]")] + text[text.index("[mixture]") :], "utf-8")
    assert thecal(capsys, str(path))[1].count("MISSING: the catheter") == 2


# Doses ------------------------------------------------------------------------------------------------------------


def test_a_restart_begins_from_zero(new_strength: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = thecal(capsys, new_strength)[1]
    assert "without drug: 30 h" in out
    assert "from zero" in out
    assert "never begins with the dose that ran before" in out
    found = parts(capsys, new_strength)["restart"]
    assert found["from_empty"] is True
    assert found["drugs"]["morphine"]["lost"] is True
    assert found["drugs"]["clonidine"]["lost"] is False
    assert "restart" not in parts(capsys, FIRST)


def test_a_restart_of_drugs_that_may_be_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    path = edited(tmp_path, BACLOFEN, ('gap = "0 h"', 'gap = "12 h"'))
    Path(path).write_text(Path(path).read_text("utf-8").replace('"baclofen"', '"morphine"'), "utf-8")
    out = thecal(capsys, path)[1]
    assert "not shown to be lost; not proven to be kept" in out
    assert "begin: with a reason" in out
    assert "risk of withdrawal" not in out


def test_a_titration(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--titrate-to", "1.8 mg/day", "--step", "10 %", "--every", "7 days")
    out = thecal(capsys, FIRST, *words)[1]
    assert "Titration" in out
    assert "30 Mar 2026 00:00" not in out
    steps = parts(capsys, FIRST, *words)["titration"]["steps"]
    assert [s["dose"]["value"] for s in steps] == ["1.4", "1.54", "1.694", "1.8"]
    assert [s["at"][:10] for s in steps] == ["2026-03-02", "2026-03-09", "2026-03-16", "2026-03-23"]


def test_a_step_that_no_rule_allows(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = thecal(capsys, FIRST, "--titrate-to", "5 mg/day", "--step", "2 mg/day", "--every", "1 day")
    assert code == Exit.PUMP_REFUSED
    assert "REFUSED: found a step of 2 mg/day" in out


def test_a_titration_without_a_rule(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mixed = '{ drug = "baclofen", concentration = "1,000 mcg/mL" }'
    path = edited(tmp_path, BACLOFEN, (mixed, '{ drug = "ketamine", concentration = "1 mg/mL" }'))
    path = edited(tmp_path, path, ('drug = "baclofen"\nper_1h', 'drug = "ketamine"\nper_1h'))
    out = thecal(capsys, path, "--titrate-to", "5 mg/day", "--step", "2 mg/day", "--every", "1 day")[1]
    assert "MISSING: a rule for raising ketamine" in out


# Worksheet --------------------------------------------------------------------------------------------------------


def test_amounts_without_stock(capsys: pytest.CaptureFixture[str]) -> None:
    out = thecal(capsys, FIRST, "--only", "worksheet")[1]
    assert "80 mg per 20 mL" in out
    assert "3,000 mcg per 20 mL" in out
    assert "MISSING: the stock" in out
    assert parts(capsys, FIRST)["worksheet"]["amounts"]["morphine"]["value"] == "80"


STOCK = ("--stock", "morphine=25 mg/mL", "--stock", "bupivacaine=powder 98 %", "--stock", "clonidine=500 mcg/mL")


def test_a_worksheet_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--only", "worksheet", *STOCK, "--overfill", "0.5 mL")
    out = thecal(capsys, FIRST, *words)[1]
    assert "check sum of volumes" in out
    assert "label, cloNIDine: 3,075 mcg per 20.5 mL (150 mcg/mL)" in out
    found = parts(capsys, FIRST, *words)["worksheet"]
    assert found["check_sum"]["value"] == "20.5"
    assert found["lines"]["morphine"]["draw"]["value"] == "3.28"
    assert found["diluent"]["value"] == "11.07"


def test_stock_that_is_too_weak_or_missing(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = thecal(capsys, FIRST, "--stock", "morphine=0.5 mg/mL", *STOCK[2:])
    assert code == Exit.PUMP_REFUSED
    assert "stronger stock" in out
    assert "no stock for bupivacaine, clonidine" in thecal(capsys, FIRST, *STOCK[:2])[1]


def test_a_mixture_that_may_hold_preservative(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = edited(tmp_path, BACLOFEN, ("preservative_free = true\n", ""))
    out = thecal(capsys, path, "--stock", "baclofen=2,000 mcg/mL")[1]
    assert "PRESERVATIVE-FREE IS NOT STATED" in out
    assert "DILUENT NOT STATED" in out


# Gap --------------------------------------------------------------------------------------------------------------

SINCE = ("--filled", "20 mL", "--filled-at", "2026-01-31T00:00", "--boluses", "0")


@pytest.mark.parametrize(
    ("found", "says", "verdict"),
    [
        ("9 mL", "2 mL less found than expected", "fired"),
        ("13 mL", "2 mL more found than expected", "fired"),
        ("11 mL", "none", "no rule fired"),
        ("10.9 mL", "0.1 mL less found", "no rule fired"),
    ],
)
def test_the_gap_at_a_refill(found: str, says: str, verdict: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = thecal(capsys, FIRST, *SINCE, "--aspirated", found, "--only", "gap")[1]
    assert "expected residual: 11 mL" in out  # 30 days at 1.2 mg/day of 4 mg/mL
    assert says in out
    assert verdict in out
    assert "proves nothing" in out or "look for the cause" in out
    assert "pocket fill" in out


def test_the_gap_is_left_out_where_nobody_asks(capsys: pytest.CaptureFixture[str]) -> None:
    assert "gap" not in parts(capsys, FIRST)
    asked = parts(capsys, FIRST, "--only", "gap")
    assert asked["gap"]["expected"] is None
    assert asked["gap"]["missing"]


def test_boluses_of_a_program_that_has_none(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = thecal(capsys, BACLOFEN, "--filled", "18 mL", "--filled-at", "2026-01-31T00:00", "--boluses", "3")
    assert code == Exit.PUMP_REFUSED
    assert "with a program that has none" in out


# The command line -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--overfill", ".5 mL"], "write 0.5 mL"),
        (["--boluses-per-day", "2.0"], "write 2"),
        (["--boluses-per-day", "many"], "not a plain decimal"),
        (["--start", "2026-03-02"], "as in 2026-03-01T10:00"),
        (["--start", "noon"], "as in 2026-03-01T10:00"),
        (["--titrate-to", "6 mg/day"], "--step and --every"),
        (["--step", "10 %"], "the dose to reach"),
        (["--filled", "20 mL"], "when it was filled"),
        (["--stock", "aspirin=1 mg/mL"], "not in the formulary"),
        (["--stock", "fentanyl=1 mg/mL"], "not in the mixture"),
        (["--stock", "morphine=powder 0 %"], "more than 0 %"),
        (["--stock", "morphine=25"], "no unit"),
        (["--lead", "soon"], "--lead"),
        (["--boluses", "-1"], "--boluses"),
    ],
)
def test_a_wrong_option_says_what_to_write(words: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", FIRST, *words]) == Exit.USAGE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert hint in " ".join(captured.err.split())
    assert "Traceback" not in captured.err


# What cannot be said ------------------------------------------------------------------------------------------------


def test_a_part_that_has_nothing_to_say_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    only = ("--only", "restart", "--only", "titration")
    out = thecal(capsys, BACLOFEN, *only)[1]
    assert "No gap: the drug ran until this order." in out
    assert "No steps are asked for: state --titrate-to, --step, --every." in out
    assert set(parts(capsys, BACLOFEN, *only)) == {"restart", "titration"}
    assert "Nothing ran before: the order has no [previous]." in thecal(capsys, ZICONOTIDE, *only)[1]
    unknown = edited(tmp_path, FIRST, ('gap = "0 h"', ""))
    assert "How long no drug ran is not stated" in thecal(capsys, unknown, *only)[1]


def test_stock_without_its_sign(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", FIRST, "--stock", "morphine 25 mg/mL"]) == Exit.USAGE
    assert "the = between drug and stock is missing" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("columns", [44, 60, 80, 100])
def test_numbers_stay_with_their_units(
    columns: int, new_strength: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    main(["plan", new_strength, *STOCK])
    out = capsys.readouterr().out
    assert "1.4 mg/day" in out
    assert "\ue000" not in out
    assert not re.search(r"^ *(mL|mg|mcg|mg/day|mL/day|days|h|min)\b", out, re.MULTILINE)
    assert not re.search(r"[0-9]  +(mL|mg|mcg|mg/day|mL/day|h|min)\b", out)


def test_the_arrival_of_the_same_fluid(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    main(["plan", FIRST, "--only", "bridge"])
    lines = capsys.readouterr().out.splitlines()
    facts = [text for text in lines if text.startswith(("dead volume:", "bridge:", "arrival:"))]
    assert [len(text) - len(text.split(":", 1)[1].lstrip()) for text in facts] == [13, 13, 13]
