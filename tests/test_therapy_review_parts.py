"""The parts of the review one by one: for whom a number is, how numbers are told apart, and the order of findings."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from tests import therapy_review_doses, therapy_review_people, therapy_review_pumps
from tests.therapy_review_orders import (
    BACLOFEN,
    BOLUS,
    CLEAN,
    CLEAN_BOLUS,
    PATIENT,
    STOP_ALL,
    ZICONOTIDE,
    bridge,
    ceiling,
    even_day,
    flow,
    found,
    known,
    mass,
    mix,
    ml,
    only,
    ordered,
    plan,
    priming,
    rate,
    repeated,
    reviewed,
    single,
    steady,
)

from thecal.formulary import (
    Change,
    ConcentrationLimit,
    DoseLimit,
    LimitKind,
    Outcome,
    Population,
    PumpKind,
    Source,
    Stability,
    StudiedRange,
    Titration,
    Vessel,
)
from thecal.quantities import Concentration, Volume
from thecal.therapy.envelope import Can
from thecal.therapy.mixture import Ingredient
from thecal.therapy.order import Indication, Order, Patient
from thecal.therapy.program import EVERY_DAY, DaySchedule, FailSafe, FaultClass, MinimumRate, Response, Stopped
from thecal.therapy.published import published
from thecal.therapy.review import Code, Severity, bounds, finding, review
from thecal.therapy.review.facts import Part, applies, meets
from thecal.therapy.review.feasibility import needs

if TYPE_CHECKING:
    from thecal.formulary import Formulary
    from thecal.therapy.program import Base

CASES = {**therapy_review_doses.CASES, **therapy_review_people.CASES, **therapy_review_pumps.CASES}
NOBODY = Patient("test")  # nothing is known
TWELVE, ELEVEN = replace(PATIENT, age_years=12), replace(PATIENT, age_years=11)


@pytest.mark.parametrize(
    ("population", "patient", "expected"),
    [
        (None, NOBODY, True),
        (Population.OPIOID_NAIVE, NOBODY, None),
        (Population.OPIOID_NAIVE, PATIENT, False),
        (Population.OPIOID_TOLERANT, NOBODY, None),
        (Population.OPIOID_TOLERANT, PATIENT, True),
        (Population.OPIOID_TOLERANT, replace(PATIENT, opioid_naive=True), False),
        (Population.CHILD, NOBODY, None),
        (Population.CHILD, ELEVEN, True),
        (Population.CHILD, TWELVE, False),
        (Population.SPASTICITY_SPINAL, NOBODY, None),
        (Population.SPASTICITY_SPINAL, PATIENT, False),
        (Population.SPASTICITY_SPINAL, replace(PATIENT, indication=Indication.SPASTICITY_SPINAL), True),
    ],
)
def test_for_whom_a_number_is(population: Population | None, patient: Patient, expected: bool | None) -> None:
    assert applies(population, patient) is expected


@pytest.mark.parametrize(
    ("condition", "patient", "expected"),
    [
        (None, NOBODY, True),
        ("adult", NOBODY, None),
        ("adult", TWELVE, True),
        ("adult", ELEVEN, False),
        ("under 12 years", NOBODY, None),
        ("under 12 years", TWELVE, False),
        ("under 12 years", ELEVEN, True),
        ("in hospital", ELEVEN, None),
    ],
)
def test_whether_a_condition_is_met(condition: str | None, patient: Patient, expected: bool | None) -> None:
    assert meets(condition, patient) is expected


def test_as_many_digits_as_it_takes_on_both_sides() -> None:
    """The digits are those of both sides: 1.00012 and 1.00011 differ in the sixth, not where one is cut short."""
    assert finding.apart(mass("1.00012 mg"), mass("1.00011 mg"), "mg") == 6
    assert finding.ratios_apart(Fraction(30012, 100_000), Fraction(30011, 100_000)) == 5
    assert finding.amount(mass("1.23456 mg"), "mg").text == "1.235 mg"
    assert finding.percent(Fraction(123_456, 10**6)).text == "12.3 %"


def test_findings_of_one_code_come_by_drug_and_one_reason_may_answer_them_all() -> None:
    order = ordered(
        pump={"approved": frozenset()},
        mixture={
            "ingredients": (*CLEAN.mixture.ingredients, Ingredient("clonidine", Concentration.parse("100 mcg/mL")))
        },
        program={"reasons": {"pump-not-approved": "usual care"}},
    )
    result = reviewed(order)
    assert [f.drug for f in result.of(Code.PUMP_NOT_APPROVED)] == ["clonidine", "morphine"]
    assert all(f.reason == "usual care" for f in result.of(Code.PUMP_NOT_APPROVED))
    assert result.unused_reasons == ()


# Bounds ---------------------------------------------------------------------------------------------------------------

PACC_12, PACC_17 = Source("PACC", "2012", "table 3", verified=True), Source("PACC", "2017", "table 5", verified=True)
LABEL = Source("FDA label", "not stated", "section 2", verified=True)
MOST = DoseLimit(LimitKind.CONSENSUS, rate("1 mg/day"), rate("15 mg/day"), PACC_12)


def _part(code: str = "morphine", strength: str = "10 mg/mL") -> Part:
    return Part(known().drug(code), Concentration.parse(strength), None, None, starting=False)


def test_editions_that_say_the_same_are_one_bound() -> None:
    later, other = replace(MOST, source=PACC_17), replace(MOST, source=LABEL)
    one, label = bounds.highs((MOST, other, later))
    assert one.source == Source("PACC", "2012, 2017", "table 3; table 5", verified=True)
    assert (one.amount, label.amount, label.source) == (rate("15 mg/day"), rate("15 mg/day"), LABEL)
    assert [b.amount for b in bounds.lows((MOST, later))] == [rate("1 mg/day")]
    assert len(bounds.highs((MOST, replace(later, condition="adult")))) == 2
    assert len(bounds.highs((MOST, replace(later, population=Population.CHILD)))) == 2
    assert len(bounds.highs((MOST, replace(later, kind=LimitKind.LABEL)))) == 2
    assert len(bounds.highs((MOST, replace(later, source=replace(PACC_17, verified=False))))) == 2
    assert len(bounds.highs((MOST, replace(later, source=replace(PACC_17, from_site=True))))) == 2
    assert bounds.highs((replace(MOST, high=None),)) == ()


@pytest.mark.parametrize(
    ("population", "condition", "patient", "may_hold", "holds"),
    [
        (None, None, NOBODY, True, True),
        (Population.CHILD, None, NOBODY, True, False),
        (Population.CHILD, None, TWELVE, False, False),
        (Population.CHILD, None, ELEVEN, True, True),
        (None, "adult", NOBODY, True, False),
        (None, "adult", ELEVEN, False, False),
        (None, "adult", TWELVE, True, True),
        (Population.OPIOID_TOLERANT, "adult", ELEVEN, False, False),
        (Population.OPIOID_TOLERANT, "adult", TWELVE, True, True),
    ],
)
def test_whom_a_bound_counts_for(
    population: Population | None, condition: str | None, patient: Patient, may_hold: bool, holds: bool
) -> None:
    (bound,) = bounds.highs((replace(MOST, population=population, condition=condition),))
    assert (bound.may_hold(patient), bound.holds(patient), bound.counts(patient)) == (may_hold, holds, may_hold)
    assert replace(bound, kind=LimitKind.OBSERVED).counts(patient) is holds


def test_both_sides_of_a_bound_have_the_digits_that_tell_them_apart() -> None:
    for_tolerant = replace(MOST, low=rate("1.00011 mg/day"), high=rate("1.00011 mg/day"), condition="adult")
    code, (bound,) = Code.DAILY_DOSE_ABOVE, bounds.highs((for_tolerant,))
    (above,) = bounds.above(code, _part(), "in all", rate("1.00012 mg/day"), (bound,), after=" today", then="stop")
    assert above.text == (
        "morphine in all: found 1.00012 mg/day today; allowed: at most 1.00011 mg/day (adult) (PACC 2012); "
        "next: stop, or give a reason for going past PACC 2012"
    )
    (below,) = bounds.below(Code.DAILY_DOSE_BELOW, _part(), "in all", rate("1.0001 mg/day"), (bound,))
    assert below.text == (
        "morphine in all: found 1.0001 mg/day; allowed: at least 1.00011 mg/day (adult) (PACC 2012); "
        "next: check the number and its unit, or give a reason for staying below PACC 2012"
    )


UNITS = {"mg", "mcg", "mg/day", "mcg/day", "mg/mL", "mcg/mL", "mL", "mL/day", "%"}
COUNTS = {"steps", "days", "years", "times a day", "pairs of ceilings"}


@pytest.mark.parametrize("name", CASES)
def test_numbers_of_both_sides_are_in_one_unit(name: str) -> None:
    for item in reviewed(CASES[name][0]).findings:
        units = {side.unit for side in (item.found, item.allowed) if side.exact is not None}
        assert len(units) <= 1, item
        assert units <= UNITS | COUNTS, item


# Ceilings -------------------------------------------------------------------------------------------------------------


def test_ceilings_are_said_in_the_unit_of_their_drug_and_with_the_digits_that_it_takes() -> None:
    reversed_ = ordered(BACLOFEN, program={"ceilings": (ceiling("baclofen", "900.012 mcg", "900.011 mcg"),)})
    assert only(reversed_, Code.CEILINGS_REVERSED).message == (
        "baclofen ceiling for 1 h above that for 24 h: found 900.012 mcg in any 1 h; "
        "allowed: at most 900.011 mcg as in any 24 h (a rule of this review)"
    )
    low = ordered(program={"base": steady("3.00012 mg/day"), "ceilings": (ceiling("morphine", "1 mg", "3.00011 mg"),)})
    assert only(low, Code.CEILING_BELOW_PROGRAM).message == (
        "morphine that the program gives in the worst 24 h with every bolus, against its ceiling: "
        "found 3.00012 mg in 24 h; allowed: at most 3.00011 mg in any 24 h (a rule of this review)"
    )
    strange = ordered(
        mixture={"ingredients": mix(morphine="10 mg/mL", clonidine="100 mcg/mL").ingredients},
        program={"ceilings": (*CLEAN.program.ceilings, ceiling("baclofen", "1 mg", "1 mg"))},
    )
    assert only(strange, Code.CEILING_NOT_IN_MIXTURE).allowed.text == "ceilings for morphine, cloNIDine"


def test_a_ceiling_is_held_against_limits_for_this_patient_only() -> None:
    children = DoseLimit(LimitKind.LABEL, None, rate("2 mg/day"), LABEL, Population.CHILD)
    site = _site("morphine", max_daily_dose=(children,))
    grown = review(CLEAN, site).of(Code.CEILING_ABOVE_LIMIT)
    child = review(replace(CLEAN, patient=ELEVEN), site).of(Code.CEILING_ABOVE_LIMIT)
    assert (grown, [f.allowed.text for f in child]) == ((), ["at most 2 mg/day (child)"])


# What the pump does on a fault ----------------------------------------------------------------------------------------

TWO_AT_RISK = ordered(
    BACLOFEN,
    mixture={"ingredients": mix(baclofen="500 mcg/mL", clonidine="100 mcg/mL").ingredients},
    program={"fail_safe": FailSafe({})},
)


def test_every_drug_that_may_not_stop_is_named_where_nobody_chose() -> None:
    risks = "baclofen, cloNIDine"
    assert only(TWO_AT_RISK, Code.FAIL_SAFE_NOT_CHOSEN).what == (
        f"what the pump does on a fault, with {risks} that may not stop abruptly"
    )
    texts = "; ".join(
        f"{known().drug(d).display_name}: {known().drug(d).withdrawal.text}" for d in TWO_AT_RISK.mixture.drugs
    )
    assert only(TWO_AT_RISK, Code.FAIL_SAFE_NO_REASON).allowed.text == f"the physician's reason: {texts}"


@pytest.mark.parametrize("reason", [None, "", "  "])
def test_a_stop_without_a_reason_keeps_its_risk_open(reason: str | None) -> None:
    assert (
        only(
            ordered(BACLOFEN, program={"fail_safe": replace(STOP_ALL, reason=reason)}), Code.FAIL_SAFE_STOP_RISK
        ).reason
        is None
    )


def test_a_fallback_that_the_pump_cannot_give_is_said_in_the_unit_of_the_drug() -> None:
    fallback = FailSafe(dict.fromkeys(FaultClass, Response.FALLBACK), rate("1 mcg/day"), "nurse at home")
    low = only(ordered(BACLOFEN, program={"fail_safe": fallback}), Code.FALLBACK_BELOW_FLOOR)
    assert (low.found.text, low.allowed.text) == ("1 mcg/day", "24 mcg/day to 12,000 mcg/day at 500 mcg/mL")


# Numbers that are close to one another --------------------------------------------------------------------------------

FALLBACK = FailSafe({**STOP_ALL.responses, FaultClass.MOTOR: Response.FALLBACK}, rate("3.00012 mg/day"))
LINE = {"tubing": ml("0.14011")}  # 0.30011 mL with the catheter
CLOSE = {
    Code.LOW_LEVEL_LOW: (
        ordered(pump={"low_level": ml("2.00012")}, program={"low_level": ml("2.00011")}),
        "2.00011 mL",
        "at least 2.00012 mL",
    ),
    Code.LOW_LEVEL_ABOVE_FILL: (
        ordered(program={"low_level": ml("4.00012")}, fill={"volume": ml("4.00011"), "syringe": ml("4.00011")}),
        "4.00012 mL",
        "less than 4.00011 mL filled",
    ),
    Code.SYRINGE_NOT_EMPTIED: (
        ordered(fill={"volume": ml("17.00011"), "syringe": ml("17.00012")}),
        "17.00011 mL",
        "17.00012 mL in the syringe",
    ),
    Code.FALLBACK_ABOVE_BASE: (
        ordered(program={"base": steady("3.00011 mg/day"), "fail_safe": FALLBACK}),
        "3.00012 mg/day",
        "at most 3.00011 mg/day as on the day with the lowest base",
    ),
    Code.BOLUS_FLOW_ABOVE_MAXIMUM: (
        ordered(
            pump={"flow_max": flow("24.00011")},
            program={"single_boluses": (single("237.0012 mg", "24 h"),)},
        ),
        "24.00012 mL/day",
        "at most 24.00011 mL/day",
    ),
    Code.DOSE_QUANTIZED: (
        ordered(pump={"stroke": Volume.parse("250.0001 nL")}, program={"single_boluses": (single("0.30000013 mg"),)}),
        "asked for 0.30000013 mg",
        "achievable 0.30000012 mg in 120 strokes",
    ),
    Code.BRIDGE_VOLUME: (
        ordered(
            pump=LINE, previous={"mixture": mix(morphine="20 mg/mL")}, program={"bridge": bridge("0.30012", "3 mg/day")}
        ),
        "0.30012 mL",
        "0.30011 mL in tubing and catheter",
    ),
    Code.PRIMING_ABOVE_DEAD_VOLUME: (
        ordered(pump=LINE, program={"priming": priming("0.30012")}),
        "0.30012 mL",
        "at most 0.30011 mL in tubing and catheter",
    ),
}


@pytest.mark.parametrize("code", CLOSE)
def test_close_numbers_are_told_apart_on_both_sides(code: Code) -> None:
    order, *texts = CLOSE[code]
    item = only(order, code)
    assert [item.found.text, item.allowed.text] == texts


def _site(code: str, **changes: Any) -> Formulary:
    """The formulary with one drug changed."""
    return replace(known(), drugs={**known().drugs, code: replace(known().drug(code), **changes)})


def test_a_first_fill_that_is_nearly_undiluted() -> None:
    rule = known().drug("ziconotide").first_fill
    assert rule is not None
    site = _site("ziconotide", first_fill=replace(rule, concentration=Concentration.parse("25.0012 mcg/mL")))
    order = ordered(ZICONOTIDE, mixture={"ingredients": mix(ziconotide="25.0011 mcg/mL").ingredients}, first_fill=True)
    (item,) = review(order, site).of(Code.FIRST_FILL_DILUTED)
    assert item.found.text == "25.0011 mcg/mL"
    assert item.allowed.text == f"25.0012 mcg/mL undiluted after {rule.rinses} rinses of {rule.rinse.text('mL')}"


def test_steps_that_are_close_to_what_is_stated() -> None:
    def stated(**step: Any) -> Formulary:
        return _site("morphine", titration=(Titration(LimitKind.LABEL, LABEL, **step),))

    up = ordered(program={"base": steady("3.90039 mg/day")})
    ratio = review(up, stated(percent_high=Fraction(30012, 1000))).of(Code.CHANGE_UP)[0]
    assert (ratio.found.text[:8], ratio.allowed.text) == ("30.013 %", "at most 30.012 %")
    amounts = review(up, stated(step_max=rate("0.90038 mg/day"))).of(Code.CHANGE_UP)
    assert [(f.found.text[:14], f.allowed.text) for f in amounts if "in one step" in f.allowed.text] == [
        ("0.90039 mg/day", "at most 0.90038 mg/day more in one step")
    ]
    down = ordered(program={"base": steady("2.09961 mg/day")})
    step = {"change": Change.DOWN, "percent_high": Fraction(30012, 1000)}
    ratio = review(down, stated(**step)).of(Code.CHANGE_DOWN)[0]
    assert (ratio.found.text[:8], ratio.allowed.text) == ("30.013 %", "at most 30.012 %")


# Limits that no drug of the formulary has in this shape ---------------------------------------------------------------


def test_only_what_was_observed_is_a_low_end_for_a_dose_that_runs() -> None:
    stated = DoseLimit(LimitKind.LABEL, rate("2.5 mg/day"), rate("9 mg/day"), LABEL)
    seen = DoseLimit(LimitKind.OBSERVED, rate("0.5 mg/day"), rate("20 mg/day"), PACC_12)
    site = _site("morphine", max_daily_dose=(stated, seen), starting_dose=())

    def low(dose: str) -> list[str]:
        program = replace(CLEAN.program, base=steady(dose))
        same = ordered(program={"base": program.base}, previous={"program": program})
        return [f.allowed.text for f in review(same, site).of(Code.DAILY_DOSE_BELOW)]

    assert (low("2 mg/day"), low("0.5 mg/day"), low("0.49 mg/day")) == ([], [], ["at least 0.5 mg/day"])


def test_a_drug_with_an_observed_range_alone_has_no_limit() -> None:
    seen = DoseLimit(LimitKind.OBSERVED, None, rate("20 mg/day"), PACC_12)
    low = DoseLimit(LimitKind.LABEL, rate("0.1 mg/day"), None, LABEL)
    assert review(CLEAN, _site("morphine", max_daily_dose=(seen, low))).of(Code.NO_DAILY_LIMIT)
    assert not review(CLEAN, _site("morphine", max_daily_dose=(seen, MOST))).of(Code.NO_DAILY_LIMIT)


@pytest.mark.parametrize(("pump", "counts"), [(None, True), (PumpKind.INTERNAL, True), (PumpKind.EXTERNAL, False)])
def test_strengths_for_a_pump_outside_do_not_count(pump: PumpKind | None, counts: bool) -> None:
    most = ConcentrationLimit(LimitKind.LABEL, None, Concentration.parse("9 mg/mL"), LABEL, pump=pump)
    least = ConcentrationLimit(LimitKind.LABEL, Concentration.parse("11 mg/mL"), None, LABEL, pump=pump)
    result = review(CLEAN, _site("morphine", max_concentration=(most,), min_concentration=(least,)))
    assert bool(result.of(Code.CONCENTRATION_ABOVE)) is counts
    assert bool(result.of(Code.CONCENTRATION_BELOW)) is counts


def test_the_largest_bolus_is_the_one_that_is_named() -> None:
    order = ordered(
        program={"patient_bolus": replace(BOLUS, dose=mass("0.6 mg")), "single_boluses": (single("0.1 mg"),)}
    )
    assert only(order, Code.BOLUS_ABOVE_TRIAL).what == "morphine patient bolus against trial doses"


@pytest.mark.parametrize(
    ("old", "new"),
    [(MinimumRate(), steady("1.44 mg/day")), (steady("0.0025 mg/day"), MinimumRate())],
)
def test_twenty_four_times_the_slowest_flow_is_seen(old: Base, new: Base) -> None:
    """The pump's own slowest flow, 0.006 mL/day, is 0.06 mg/day here."""
    order = ordered(program={"base": new}, previous={"program": replace(CLEAN.program, base=old)})
    assert found(order, Code.HOURLY_FOR_DAILY)


# Lists of more than one -----------------------------------------------------------------------------------------------


def test_several_of_a_kind_are_listed_with_commas() -> None:
    two = ordered(
        mixture={"ingredients": mix(morphine="10 mg/mL", hydromorphone="1 mg/mL").ingredients},
        patient={"opioid_naive": True, "systemic_opioids": ("oxycodone", "tramadol"), "sedatives": ("a", "b")},
    )
    assert only(two, Code.NAIVE_ON_OPIOIDS).found.text == "oxycodone, tramadol"
    sedatives = only(two, Code.SEDATIVES_PRESENT)
    assert (sedatives.what, sedatives.found.text) == ("sedatives with morphine, HYDROmorphone", "a, b")
    held = mix(ziconotide="25 mcg/mL", morphine="10 mg/mL", clonidine="100 mcg/mL")
    alone = found(ordered(mixture={"ingredients": held.ingredients}), Code.LABEL_DO_NOT_MIX)
    assert {f.drug: f.found.text for f in alone}["ziconotide"] == "mixed with morphine, cloNIDine"
    unknown = only(ordered(mixture={"ingredients": mix(fentanil="10 mg/mL").ingredients}), Code.UNKNOWN_DRUG)
    assert unknown.next_step == "check the name; did you mean sufentanil or fentanyl?"


def test_a_condition_where_the_formulary_knows_none() -> None:
    bare = replace(
        known(),
        drugs={code: replace(drug, contraindications=()) for code, drug in known().drugs.items()},
        contraindications=(),
    )
    (item,) = review(ordered(patient={"contraindications": ("odd",)}), bare).of(Code.CONDITION_UNKNOWN)
    assert item.allowed.text == "none"


# From the old mixture to the new --------------------------------------------------------------------------------------

STRONGER = ordered(BACLOFEN, mixture={"ingredients": mix(baclofen="1,000 mcg/mL").ingredients})


def test_bridge_and_priming_are_said_in_the_unit_of_the_old_drug() -> None:
    bridged = ordered(STRONGER, program={"bridge": bridge("0.3", "400 mcg/day"), "priming": priming("0.3")})
    off = only(bridged, Code.BRIDGE_DOSE)
    assert off.what == "bridge of 400 mcg/day in baclofen against the old base"
    assert (off.found.text, off.allowed.text) == ("33.3 % more", "at most 30 % off 300 mcg/day")
    assert only(bridged, Code.PRIMING_AGAIN).found.text == "150 mcg of baclofen in the line at once"
    slow = ordered(STRONGER, program={"bridge": bridge("0.3", "1 mcg/day")})
    assert only(slow, Code.FLOW_BELOW_FLOOR).found.text == "1 mcg/day: a bridge at 0.002 mL/day"


def test_a_bridge_far_above_next_to_nothing_is_seen() -> None:
    old = replace(CLEAN.program, base=steady("0.0000000001 mg/day"))
    order = ordered(
        program={"bridge": bridge("0.3", "3 mg/day")},
        previous={"mixture": mix(morphine="20 mg/mL"), "program": old},
    )
    assert only(order, Code.BRIDGE_DOSE).allowed.text == "at most 30 % off 0.0000000001 mg/day"


# Changes --------------------------------------------------------------------------------------------------------------


def test_what_was_delivered_of_another_ingredient_follows_the_primary_one() -> None:
    held = mix(morphine="10 mg/mL", bupivacaine="5 mg/mL")
    order = ordered(
        mixture={"ingredients": held.ingredients}, previous={"mixture": held, "delivered_per_day": mass("2 mg")}
    )
    ups = {f.drug: f.found.text for f in found(order, Code.CHANGE_UP)}
    assert {drug: text.partition(";")[0] for drug, text in ups.items()} == {
        "morphine": "50 % (2 mg to 3 mg in 24 h",
        "bupivacaine": "50 % (1 mg to 1.5 mg in 24 h",
    }


def test_boluses_count_in_a_decrease_where_what_was_delivered_is_known() -> None:
    """With every bolus 4.2 mg come in 24 h, the base alone is 3 mg."""
    boluses = ordered(program={"patient_bolus": BOLUS}, previous={"program": CLEAN_BOLUS})
    assert not found(ordered(boluses, previous={"delivered_per_day": mass("4.4 mg")}), Code.CHANGE_DOWN)
    more = replace(CLEAN_BOLUS, base=steady("4.5 mg/day"))
    assert only(ordered(boluses, previous={"program": more}), Code.CHANGE_DOWN).found.text.startswith("33.3 %")


def test_the_smallest_step_down_that_anybody_states_is_named() -> None:
    """For pain a general step stands beside the drug's own; the first of two alike is named."""
    down = ordered(
        BACLOFEN, program={"base": steady("180 mcg/day")}, patient={"indication": Indication.NON_CANCER_PAIN}
    )
    assert only(down, Code.WITHDRAWAL_RISK).allowed.text == "at most 20 %"
    own = Titration(LimitKind.CONSENSUS, PACC_12, change=Change.DOWN, percent_high=Fraction(30))
    (alike,) = review(down, _site("baclofen", titration=(own,))).of(Code.WITHDRAWAL_RISK)
    assert (alike.allowed.text, alike.source) == ("at most 30 %", published().dose_steps["non_malignant"].source)
    close = _site("baclofen", titration=(replace(own, percent_high=Fraction(20012, 1000)),))
    (item,) = review(ordered(down, program={"base": steady("239.961 mcg/day")}), close).of(Code.WITHDRAWAL_RISK)
    assert (item.found.text[:8], item.allowed.text) == ("20.013 %", "at most 20.012 %")


@pytest.mark.parametrize(
    ("patient", "counts"), [(ELEVEN, False), (TWELVE, True), (replace(PATIENT, age_years=None), True)]
)
def test_a_step_under_a_condition_counts_unless_it_is_not_met(patient: Patient, counts: bool) -> None:
    adults = Titration(LimitKind.LABEL, LABEL, percent_high=Fraction(10), condition="adult")
    up = replace(ordered(program={"base": steady("3.6 mg/day")}), patient=patient)
    said = [f.allowed.text for f in review(up, _site("morphine", titration=(adults,))).of(Code.CHANGE_UP)]
    assert said == (["at most 10 % (adult)"] if counts else [])


@pytest.mark.parametrize("other", ["morphine", "hydromorphone", "ziconotide"])
def test_a_drug_that_ends_is_seen_whatever_stands_before_it(other: str) -> None:
    """The other goes on, gives its place to another opioid, or may stop at once."""
    order = ordered(previous={"mixture": mix(**{other: "10 mg/mL", "clonidine": "100 mcg/mL"})})
    assert only(order, Code.WITHDRAWAL_RISK).drug == "clonidine"


# What the pump has to be able to do -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("base", "fixed", "wanted"),
    [
        (Stopped(), False, [Can.STOP]),
        (MinimumRate(), False, [Can.MINIMUM_RATE]),
        (steady("3 mg/day"), False, [Can.SET_RATE]),
        (steady("3 mg/day"), True, []),
        (even_day(2), False, [Can.DAY_SCHEDULE]),
        (
            DaySchedule((plan((0, "1 mg/day"), days=frozenset({0})), plan((0, "2 mg/day"), days=EVERY_DAY - {0}))),
            False,
            [Can.DAY_SCHEDULE, Can.WEEKDAYS],
        ),
        (repeated("0.1 mg", "1 h"), False, [Can.REPEATED_DOSES]),
    ],
)
def test_what_a_base_asks_of_the_pump(base: Base, fixed: bool, wanted: list[Can]) -> None:
    assert list(needs(base, fixed=fixed)) == wanted


def test_a_constant_that_nobody_read_is_not_verified() -> None:
    item = only(ordered(pump={"unverified": frozenset({"stroke"})}), Code.PUMP_UNVERIFIED)
    assert item.as_json()["verified"] is False


# How long a mixture keeps ---------------------------------------------------------------------------------------------

STUDY = Stability(
    frozenset({"morphine"}), LimitKind.OBSERVED, Outcome.STABLE, 10, LABEL, vessel=Vessel.PUMP, vessel_name="Test 20"
)
STRONG = replace(STUDY, days=5, tested=(StudiedRange("morphine", Concentration.parse("20 mg/mL"), None),))


def _kept(*facts: Stability, order: Order = CLEAN) -> list[tuple[Code, str, str]]:
    """What the review says of stability where the formulary holds just these facts on morphine."""
    codes = (Code.STABILITY_EXCEEDED, Code.STABILITY_UNKNOWN, Code.STABILITY_UNTESTED, Code.MIXTURE_DEGRADES)
    result = review(order, _site("morphine", stability=facts))
    return [(f.code, f.found.text, f.allowed.text) for code in codes for f in result.of(code)]


@pytest.mark.parametrize("vessel", Vessel)
def test_only_what_was_kept_in_a_pump_or_nobody_says_where_counts(vessel: Vessel) -> None:
    (said,) = _kept(replace(STUDY, vessel=vessel, vessel_name=None))
    known_for = vessel in (Vessel.PUMP, Vessel.NOT_STATED)
    assert said[0] is (Code.STABILITY_EXCEEDED if known_for else Code.STABILITY_UNKNOWN)


def test_the_longest_study_of_the_strength_that_is_ordered_counts() -> None:
    """The fill stays for 53 days: 16 mL down to the low level at 0.3 mL a day."""
    exceeded = Code.STABILITY_EXCEEDED
    longest = (exceeded, "53 days", "at most 20 days in Test 20")
    assert _kept(replace(STUDY, days=20), replace(STUDY, days=7)) == [longest]
    assert _kept(replace(STUDY, days=7), replace(STUDY, days=20), replace(STRONG, days=30)) == [longest]
    alone, untested = _kept(STRONG)
    assert alone == (exceeded, "53 days", "at most 5 days in Test 20")
    assert untested == (Code.STABILITY_UNTESTED, "morphine 10 mg/mL", "tested: morphine 20 mg/mL")


def test_a_single_day_is_a_day() -> None:
    fast = ordered(program={"base": steady("120 mg/day")})
    (item,) = _kept(replace(STUDY, days=0), order=fast)
    assert item == (Code.STABILITY_EXCEEDED, "1 day", "at most 0 days in Test 20")
    (item,) = _kept(replace(STUDY, days=1))
    assert item[2] == "at most 1 day in Test 20"


def test_what_degrades_is_told_by_the_gravest_source_and_in_all_its_words() -> None:
    worse = replace(STUDY, outcome=Outcome.DEGRADES)
    facts = (
        replace(worse, remaining="half after a day"),
        replace(worse, kind=LimitKind.LABEL, note="cloudy", source=PACC_17),
        worse,
    )
    (item,) = review(CLEAN, _site("morphine", stability=facts)).of(Code.MIXTURE_DEGRADES)
    assert item.found.text == "degrades: half after a day; cloudy; degrades"
    assert (item.source, item.severity) == (PACC_17, Severity.LABEL_LIMIT)
