"""The worked examples of the domain, each a test by its id: inputs and expected values are read from the file.

A case is worked out from its inputs by its kind and compared key by key with everything it expects. A number agrees
where it is the same exactly, or rounds to the digits that the file prints. It may be rounded only where the exact
result is longer than four digits, or where the case states a rounding.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.therapy_builders import HERE, MONDAY, PUMP

from thecal.formulary.limits import LimitKind, Titration
from thecal.formulary.reading import load
from thecal.pump.core import alarms
from thecal.pump.families import family
from thecal.quantities import (
    Concentration,
    DoseRate,
    Duration,
    Flow,
    Length,
    LinearVolume,
    Mass,
    Quantity,
    Volume,
    exact_number_text,
    number_text,
)
from thecal.therapy.bridge import Bridge, check_bridge, plan_bridge
from thecal.therapy.doses import change_ratio, check_dose, dose_from_flow, flow_from_dose, strokes, totals
from thecal.therapy.line import bore_volume, dead_volume, implanted_catheter, prime, tubing_correction
from thecal.therapy.mixture import Ingredient, Mixture
from thecal.therapy.program import DAY, Program, RepeatedDoses
from thecal.therapy.published import Measure, published
from thecal.therapy.refill import accuracy, alarm_precedes, refill_due
from thecal.therapy.refusal import Code, Refusal
from thecal.therapy.reservoir import drug_in
from thecal.therapy.residual import RuleOutcome, Visit, judge
from thecal.therapy.service import ReplaceBy, check_replace_by, end_of_service, life_months_to_plan
from thecal.therapy.tally import Reconciled, rate, reconcile, times_reference
from thecal.therapy.titration import Bounds, DatedDose, bounds, check_increase, within_step
from thecal.therapy.trial import growth, volume_of_dose

if TYPE_CHECKING:
    from collections.abc import Callable

Case = dict[str, Any]

CASES: list[Case] = json.loads(
    (Path(__file__).parent / "data" / "worked-examples.json").read_text(encoding="utf-8"), parse_float=Decimal
)

TYPES: tuple[type[Quantity], ...] = (Mass, Volume, Duration, Concentration, Flow, DoseRate, Length, LinearVolume)
WRITTEN = {"uL": "mcL", "ug": "mcg", "hr": "h", "hour": "h", "d": "day", "ml": "mL"}
ONE = Fraction(1)
PLAIN = {"1": ONE, "step": ONE, "1/week": ONE, "year": ONE, "years": ONE, "month": ONE, "%": Fraction(1, 100)}


def unit_of(text: str) -> str:
    return "/".join(WRITTEN.get(part, part) for part in text.split("/"))


def plain(entry: Any) -> Fraction:
    """A number of the file without a dimension; a percentage as a part."""
    if isinstance(entry, dict):
        return Fraction(entry["value"]) * PLAIN[entry["unit"]]
    return Fraction(entry)


def amount(entry: Case) -> Any:
    """An amount of the file as its type."""
    unit = unit_of(entry["unit"])
    for kind in TYPES:
        if unit in kind.UNITS:
            return kind.of(Fraction(entry["value"]), unit)
    raise ValueError(f"no type has the unit {unit!r}")


def given(outcome: Any) -> Any:
    """The outcome, which is not a refusal."""
    assert not isinstance(outcome, Refusal), outcome
    return outcome


# One function for each kind: from the inputs to everything that such a case may expect.


def dose_from_rate(inputs: Case) -> Case:
    conc = amount(inputs["concentration"])
    flow = amount(inputs.get("flow_rate") or inputs["flow"])
    dose = dose_from_flow(flow, conc)
    assert flow_from_dose(dose, conc) == flow
    floor = replace(PUMP, flow_min=flow, flow_max=flow * 1000)
    less = check_dose(dose * Fraction(999, 1000), floor, conc, "mcg")
    assert isinstance(less, Refusal)
    assert less.code is Code.BELOW_FLOOR
    assert not isinstance(check_dose(dose, floor, conc, "mcg"), Refusal)
    return {"daily_dose": dose, "hourly_dose": dose, "dose": dose}


def unit_conversion(inputs: Case) -> Case:
    doses = [amount(d) for d in inputs.get("daily_doses") or inputs["hourly_doses"]]
    return {"hourly_doses": doses, "daily_doses": doses}


def titration_bound(inputs: Case) -> Case:
    start, step, top = (amount(inputs[k]) for k in ("start_dose", "max_step", "max_dose"))
    per_week = int(plain(inputs["max_steps_per_week"]))
    found = bounds(start, step, top, per_week)
    assert isinstance(found, Bounds)
    rule = Titration(kind=LimitKind.LABEL, source=HERE, step_max=step, max_per_week=per_week)
    unit = inputs["max_step"]["unit"]
    refused_texts = []
    for history, dose, code, text in (
        ([start], start + step * Fraction(1001, 1000), Code.STEP_TOO_BIG, f"single step > {step.text(unit)}"),
        ([top], top * Fraction(1001, 1000), Code.ABOVE_MAXIMUM, f"dose > {top.text(unit)}"),
        (
            [start + step * Fraction(n, 1000) for n in range(per_week + 1)],
            start + step * Fraction(per_week + 1, 1000),
            Code.TOO_MANY_PER_WEEK,
            f"more than {per_week} increases in 7 days",
        ),
    ):
        dated = [DatedDose(MONDAY + timedelta(days=n), d) for n, d in enumerate(history)]
        refusals = check_increase(dated, DatedDose(MONDAY + timedelta(days=len(dated)), dose), rule, top, unit)
        assert isinstance(refusals, tuple)
        assert [r.code for r in refusals] == [code]
        refused_texts.append(text)
    if "label_time_to_max" in inputs:
        assert found.shortest <= amount(inputs["label_time_to_max"])
    return {
        "steps_to_max": Fraction(found.increases),
        f"min_time_to_max_at_{per_week}_per_week": found.shortest,
        "reject": refused_texts,
    }


def refill_due_stability_cap(inputs: Case) -> Case:
    days = [amount(inputs[k]) for k in ("theoretical_volume_limited_interval", "recommended_max_interval")]
    found = given(refill_due(days[0].floor("day"), days[1].floor("day"), 0))
    return {"refill_due_in": Duration.of(found.days, "day"), "limiting_factor": str(found.limit)}


def volume_from_dose(inputs: Case) -> Case:
    conc = amount(inputs["concentration"])
    doses = [amount(d) for d in inputs.get("doses") or [inputs["dose"]]]
    found = [volume_of_dose(d, conc) for d in doses]
    assert [v * conc for v in found] == doses
    last = doses[-1].text((inputs.get("doses") or [inputs["dose"]])[-1]["unit"])
    return {
        "volumes": found,
        "volume": found[0],
        "stop_after": f"{last} without response: not a candidate for an implant",
    }


def catheter_volume(inputs: Case) -> Case:
    supplied, trimmed, per_cm = (amount(inputs[k]) for k in ("supplied_length", "trimmed_length", "volume_per_length"))
    found = given(implanted_catheter(supplied, trimmed, per_cm))
    millimeter = Length.of(1, "mm")
    for wrong in (-millimeter, supplied + millimeter):
        refusal = implanted_catheter(supplied, wrong, per_cm)
        assert isinstance(refusal, Refusal)
        assert refusal.code is Code.TRIM_OUT_OF_RANGE
    result = {"implanted_length": found.length, "implanted_volume": found.volume}
    if "tubing_volume" in inputs:
        tubing = amount(inputs["tubing_volume"])
        result |= {"dead_volume": dead_volume(tubing, found.volume)}
        result |= {"priming_volume": prime(tubing, found.volume, pump_primed=False).volume}
    return result


def priming_volume_correction(inputs: Case) -> Case:
    old, new = (amount(inputs[f"tubing_volume_{k}_software"]) for k in ("old", "new"))
    found = tubing_correction(old, new)
    known = {t.volume for t in published().tubing}
    if old in known:
        assert published().tubing_of("SynchroMed II").volume == new
    return {"reduction": found.reduction, "reduction_fraction": found.ratio}


def dose_change_percent(inputs: Case) -> Case:
    return {"change": given(change_ratio(amount(inputs["old_dose"]), amount(inputs["new_dose"])))}


def flex_schedule_total(inputs: Case) -> Case:
    meant, typed = inputs["intended"], inputs["programmed"]
    intended = amount(meant["bolus"]) * meant["times_per_day"] / DAY
    every, hours = amount(typed["every"]), Duration.of(Fraction(typed["hours"]), "h")
    base = RepeatedDoses(amount(typed["dose"]), every, every, DoseRate.zero())
    drug = Mixture((Ingredient("x", Concentration.of(1, "mg/mL")),))
    (whole_day,) = given(totals(Program(base), drug, PUMP))
    programmed = whole_day.average * (hours / DAY) / DAY
    # What a person must see before the change: the total of the day, and by how much it changed.
    assert given(change_ratio(intended, programmed)) == programmed / intended - 1
    return {
        "intended_added_daily_dose": intended,
        "programmed_daily_dose": programmed,
        "ratio": programmed / intended,
        "software_must": "show the 24 h total and percent change before commit and require explicit confirmation",
    }


def refill_discrepancy_flag(inputs: Case) -> Case:
    rules = [r for r in published().gap_rules if r.measure is Measure.AFTER_REFILL]
    flags = []
    for case in inputs["cases"]:
        gap = amount(case["abs_discrepancy"])
        visit = Visit(amount(case["pump"]), injected=gap, measured_after=Volume.zero())
        judged = [judge(rule, visit).outcome for rule in rules]
        assert judged.count(RuleOutcome.NOT_JUDGED) == len(rules) - 1
        flags.append(RuleOutcome.FIRED in judged)
    return {"potentially_consequential": flags}


def low_level_choice(inputs: Case) -> Case:
    top = max(amount(v) for v in inputs["withdrawal_residual_range"])
    return {
        "fraction_affected": given(rate(inputs["with_early_withdrawal"], inputs["patients"])),
        "alarm_would_precede_symptoms": [alarm_precedes(amount(v), top) for v in inputs["candidate_levels"]],
    }


def eri_to_eos(inputs: Case) -> Case:
    days = int(amount(inputs["eri_to_eos"]).number("day"))
    for notice in (date(2024, 2, 29), *(date(2026, 1, 1) + timedelta(days=n) for n in range(366))):
        end: date = given(end_of_service(notice, days))
        assert end == notice + timedelta(days=days)
        for on in (notice, end):
            assert isinstance(check_replace_by(notice, on, days), ReplaceBy)
        late = check_replace_by(notice, end + timedelta(days=1), days)
        assert isinstance(late, Refusal)
        assert late.code is Code.AFTER_END_OF_SERVICE
    months = life_months_to_plan(
        int(plain(inputs["max_service_life"])), int(plain(inputs["plan_replacement_before_shutoff"]))
    )
    return {
        "eos_date": f"D + {days} days",
        "replace_by_must": ["be a valid calendar date", f"be on or before D + {days} days"],
        "latest_planned_replacement_age": Fraction(months, 12),
    }


def stroke_quantisation(inputs: Case) -> Case:
    dose, conc, stroke = (amount(inputs[k]) for k in ("primary_dose", "primary_concentration", "stroke_volume"))
    found = strokes(dose, conc, stroke)
    assert found.delivered <= dose
    return {
        "daily_volume": found.asked_volume,
        "strokes_per_day": found.per_day,
        "max_deliveries_per_day": found.per_day,
        "dose_per_delivery": found.dose_per_delivery(found.per_day),
        "allowed_frequencies": list(found.frequencies(inputs["min_deliveries_per_day"])),
    }


def bridge_bolus(inputs: Case) -> Case:
    result: Case = {}
    volume = amount(inputs["stated_bridge_volume"]) if "stated_bridge_volume" in inputs else None
    if "catheter_supplied" in inputs:
        per_cm = amount(inputs.get("volume_per_length", {"value": 0, "unit": "mL/cm"}))
        left = given(
            implanted_catheter(amount(inputs["catheter_supplied"]), amount(inputs["catheter_removed"]), per_cm)
        )
        result["implanted_length"] = left.length
        bore = inputs.get("inner_diameter")
        catheter = left.volume if bore is None else bore_volume(amount(bore), left.length)
        result["geometric_volume" if bore else "catheter_volume"] = catheter
        tubing = amount(inputs["tubing_volume"]) if "tubing_volume" in inputs else Volume.zero()
        volume = volume or dead_volume(tubing, catheter)
    volume = volume or amount(inputs["bridge_volume"])
    result["bridge_volume"] = volume
    # Without a concentration the flow stands for the dose: 1 mg/mL.
    conc = amount(inputs.get("old_concentration", {"value": 1, "unit": "mg/mL"}))
    dose = amount(inputs["old_dose"]) if "old_dose" in inputs else amount(inputs["base_flow"]) * conc
    kept = plan_bridge(volume, Mixture((Ingredient("old", conc),)), dose)
    assert isinstance(kept, Bridge)
    assert kept.flow * conc == dose
    result |= {"duration_if_base_flow_kept": kept.duration, "bridge_duration": kept.duration, "bridge_flow": kept.flow}
    if "stated_bridge_duration" in inputs:
        stated = amount(inputs["stated_bridge_duration"])
        result["bridge_flow"] = volume / stated
        checked = check_bridge(volume, stated, conc, dose)
        assert isinstance(checked, Refusal) == (abs(stated - kept.duration) > Duration.of(1, "s"))
        assert not isinstance(checked, Refusal) or checked.code is Code.BRIDGE_INCONSISTENT
    return result


def dose_step_bound(inputs: Case) -> Case:
    step = plain(inputs["step"])
    for name, limit in inputs["limits"].items():
        assert name not in published().dose_steps or published().dose_steps[name].ratio == plain(limit)
    return {f"within_{name}_limit": within_step(step, plain(limit)) for name, limit in inputs["limits"].items()}


def drug_mass_in_reservoir(inputs: Case) -> Case:
    mixture = Mixture((Ingredient(inputs.get("drug", "x"), amount(inputs["concentration"])),))
    (left,) = drug_in(amount(inputs["telemetry_remaining"]), mixture)
    (full,) = drug_in(amount(inputs["reservoir"]), mixture)
    return {"drug_remaining": left.mass, "drug_in_full_reservoir": full.mass}


def trial_dose_ladder(inputs: Case) -> Case:
    ladders = load().drug(inputs["drug"]).trial_ladders
    lead_in = amount(inputs["opioid_free_lead_in"]) if "opioid_free_lead_in" in inputs else None
    (ladder,) = [found for found in ladders if found.lead_in == lead_in]
    doubles = set(growth(ladder.steps)) == {Fraction(2)}
    return {"steps": list(ladder.steps), "property": "each step doubles the last" if doubles else "the steps rise"}


def event_count_reconciliation(inputs: Case) -> Case:
    total = sum(inputs.values())
    assert reconcile(inputs, total) == Reconciled(total)
    assert isinstance(reconcile(inputs, total + 1), Refusal)
    return {"total": total}


def rate_report(inputs: Case) -> Case:
    rates = {year: given(rate(n["pocket_fills"], n["refills"])) for year, n in inputs.items()}
    reference = Fraction(1, 10_000)
    times = [f"{times_reference(r, reference).__round__()}x" for r in rates.values()]
    return {
        **{f"rate_{year}": found for year, found in rates.items()},
        "versus_manufacturer_1_in_10000": " and ".join(times) + " higher",
    }


def delivery_accuracy(inputs: Case) -> Case:
    low, high = (plain(v) for v in inputs["endpoint_range"])
    programmed = Volume.of(1, "mL")
    found = [given(accuracy(programmed * plain(v), programmed)) for v in inputs["observed"]]
    return {"within_endpoint": [low <= a <= high for a in found]}


ALARMS = {
    "low reservoir": alarms.LOW_RESERVOIR,
    "replacement date reached": alarms.REPLACE_SOON,
    "non-critical memory error": alarms.MEMORY_MINOR,
    "empty reservoir": alarms.EMPTY_RESERVOIR,
    "end of service": alarms.END_OF_SERVICE,
    "motor stall": alarms.STALL,
    "stopped longer than 48 h": alarms.STOPPED_48H,
    "critical memory error": alarms.MEMORY_CRITICAL,
}


def alarm_classification(inputs: Case) -> Case:
    """The class from the controller's own table; the tones from the pump family's constants."""

    def priority(event: str) -> int:
        named = max((name for name in ALARMS if event.endswith(name)), key=len)
        return alarms.TABLE[ALARMS[named]][0]

    pump = family("peristaltic-20")
    tone = str(pump.advisory.sound).removesuffix(" tone")
    return {
        "class": ["critical" if priority(event) == alarms.CRITICAL else "non-critical" for event in inputs["events"]],
        "non_critical_tone": f"{tone}, about once an hour" if pump.advisory.every == Duration.of(1, "h") else tone,
        "critical_tone": pump.critical.sound,
    }


KINDS: dict[str, Callable[[Case], Case]] = {
    work.__name__: work
    for work in (
        dose_from_rate,
        unit_conversion,
        titration_bound,
        refill_due_stability_cap,
        volume_from_dose,
        catheter_volume,
        priming_volume_correction,
        dose_change_percent,
        flex_schedule_total,
        refill_discrepancy_flag,
        low_level_choice,
        eri_to_eos,
        stroke_quantisation,
        bridge_bolus,
        dose_step_bound,
        drug_mass_in_reservoir,
        trial_dose_ladder,
        event_count_reconciliation,
        rate_report,
        delivery_accuracy,
        alarm_classification,
    )
}


def in_unit(found: Any, unit: str) -> Fraction:
    """The exact number of a result in the unit that the file expects it in."""
    if isinstance(found, Quantity):
        return found.number(unit_of(unit))
    return Fraction(found) / PLAIN[unit]


def is_short(number: Fraction) -> bool:
    """Whether a number can be printed exactly in four significant digits."""
    try:
        return exact_number_text(number) == number_text(number, 4)
    except ValueError:
        return False


def assert_number(printed: int | Decimal, found: Fraction, *, rounded: bool) -> None:
    """The same, or the same once rounded to the digits that the file prints."""
    if found == Fraction(printed):
        return
    assert rounded or not is_short(found), f"expected {printed}, found exactly {found}"
    places = -int(Decimal(printed).as_tuple().exponent)
    assert abs(found - Fraction(printed)) <= Fraction(1, 2) / Fraction(10) ** places, f"expected {printed}: {found}"


def assert_same(expected: Any, found: Any, *, rounded: bool) -> None:
    if isinstance(expected, dict):
        assert_number(expected["value"], in_unit(found, expected["unit"]), rounded=rounded)
    elif isinstance(expected, list):
        assert len(expected) == len(found)
        for one, other in zip(expected, found, strict=True):
            assert_same(one, other, rounded=rounded)
    else:
        assert type(expected) is type(found), (expected, found)
        assert expected == found


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
def test_worked_example(case: Case) -> None:
    expected = dict(case["expected"])
    rounding = str(expected.pop("rounding", ""))
    found = KINDS[case["kind"]](case["inputs"])
    missing = set(expected) - set(found)
    assert not missing, f"nothing compares {sorted(missing)}"
    for key, value in expected.items():
        assert_same(value, found[key], rounded=bool(rounding))
    for text in re.findall(r"exact ([0-9.]+[0-9])", rounding):
        exact = [in_unit(f, e["unit"]) for k, v in expected.items() for e, f in zip(v, found[k], strict=True)]
        assert Fraction(text) in exact


def test_every_id_is_unique_and_every_kind_is_known() -> None:
    ids = [case["id"] for case in CASES]
    assert len(set(ids)) == len(ids)
    assert {case["kind"] for case in CASES} <= set(KINDS)


@pytest.mark.parametrize(
    ("printed", "found", "rounded"),
    [
        ("1.2", Fraction(121, 100), False),
        ("16.3", Fraction(1636, 100), True),
        ("0.29", Fraction(2875, 10_000), False),
        ("50", Fraction(51), True),
        ("0.399", Fraction(4, 752), False),
    ],
)
def test_a_number_that_differs_fails(printed: str, found: Fraction, rounded: bool) -> None:
    with pytest.raises(AssertionError):
        assert_number(Decimal(printed), found, rounded=rounded)


@pytest.mark.parametrize(
    ("printed", "found", "rounded"),
    [
        ("1.20", Fraction(12, 10), False),
        ("16.3", Fraction(49, 3), False),
        ("0.29", Fraction(2875, 10_000), True),
        ("0.189", Fraction(18_902, 100_000), False),
        ("24", Fraction(2100, 88), False),
    ],
)
def test_a_number_that_agrees_passes(printed: str, found: Fraction, rounded: bool) -> None:
    assert_number(Decimal(printed), found, rounded=rounded)
