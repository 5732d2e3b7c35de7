"""Doses from flow and back, the doses of every ingredient, windows with boluses, and the change from before."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.therapy_builders import (
    BOLUS,
    FIXED,
    HOURLY,
    MORPHINE,
    PUMP,
    TRIPLE,
    WEEK_AND_END,
    bases,
    boluses,
    flow,
    mg,
    ml,
    per_day,
    positive,
    program,
    refused,
    steady,
    strength,
    time,
)

from thecal.quantities import Concentration, DoseRate, Duration, Flow, Mass, Volume
from thecal.therapy.doses import (
    Basis,
    Change,
    Deliverable,
    DoseRange,
    Strokes,
    Totals,
    Window,
    change_from,
    change_ratio,
    check_dose,
    dose_from_flow,
    dose_range,
    flow_from_dose,
    patient_boluses_in,
    single_boluses_in,
    strokes,
    totals,
    worst_window,
)
from thecal.therapy.order import Previous
from thecal.therapy.pattern import Pattern, pattern_of
from thecal.therapy.program import (
    DAY,
    Base,
    Continuous,
    MinimumRate,
    PatientBolus,
    Program,
    SingleBolus,
    Stopped,
)
from thecal.therapy.refusal import Code, Refusal

HOUR = time("1 h")


def totals_of(order: Program) -> tuple[Totals, ...]:
    found = totals(order, TRIPLE, PUMP)
    assert not isinstance(found, Refusal)
    return found


def test_dose_from_flow_and_back() -> None:
    assert dose_from_flow(flow("0.5"), strength("10")) == per_day("5")
    assert flow_from_dose(per_day("5"), strength("10")) == flow("0.5")


@given(positive, positive)
def test_flow_and_dose_are_each_others_inverse(dose: Fraction, conc: Fraction) -> None:
    rate, c = DoseRate.of(dose, "mg/day"), Concentration.of(conc, "mg/mL")
    assert dose_from_flow(flow_from_dose(rate, c), c) == rate


@pytest.mark.requirement("OP-5.1.2")
def test_floor_and_ceiling() -> None:
    assert dose_range(PUMP, strength("10")) == DoseRange(per_day("0.48"), per_day("240"))
    assert dose_range(FIXED, strength("10")) == DoseRange(per_day("5"), per_day("5"))


@pytest.mark.parametrize(("dose", "volume"), [("0", "0"), ("0.48", "0.048"), ("240", "24")])
def test_a_dose_at_either_end_can_be_given(dose: str, volume: str) -> None:
    assert check_dose(per_day(dose), PUMP, strength("10")) == Deliverable(per_day(dose), flow(volume))


def test_a_dose_below_the_floor_says_how_to_dilute() -> None:
    found = refused(check_dose(per_day("0.24"), PUMP, strength("10")), Code.BELOW_FLOOR)
    assert found.found == "0.24 mg/day"
    assert found.allowed == "0.48 mg/day to 240 mg/day at 10 mg/mL"
    assert found.then == "dilute to 5 mg/mL or less"
    assert isinstance(check_dose(per_day("0.24"), PUMP, strength("5")), Deliverable)


def test_the_unit_of_a_drug_is_kept_in_messages() -> None:
    conc = Concentration.parse("25 mcg/mL")
    found = refused(check_dose(DoseRate.parse("0.6 mcg/day"), PUMP, conc, "mcg"), Code.BELOW_FLOOR)
    assert found.message == (
        "found 0.6 mcg/day; allowed: 1.2 mcg/day to 600 mcg/day at 25 mcg/mL; next: dilute to 12.5 mcg/mL or less"
    )


def test_a_dose_above_the_ceiling_says_what_to_compound() -> None:
    found = refused(check_dose(per_day("480"), PUMP, strength("10")), Code.ABOVE_CEILING)
    assert found.found == "480 mg/day"
    assert found.then == "compound 20 mg/mL or more, or order less"
    assert isinstance(check_dose(per_day("480"), PUMP, strength("20")), Deliverable)


@pytest.mark.parametrize("dose", ["4", "6"])
def test_a_pump_with_one_flow_has_one_dose(dose: str) -> None:
    found = refused(check_dose(per_day(dose), FIXED, strength("10")), Code.FIXED_FLOW)
    assert found.found == f"{dose} mg/day"
    assert found.allowed == "5 mg/day"
    assert found.then == f"this pump has one flow: compound {int(dose) * 2} mg/mL, or order 5 mg/day"
    assert isinstance(check_dose(per_day("5"), FIXED, strength("10")), Deliverable)


def test_strokes_round_down() -> None:
    found = strokes(per_day("0.5"), strength("1"), Volume.parse("10 mcL"))
    assert found == Strokes(per_day("0.5"), flow("0.5"), 50, per_day("0.5"), mg("0.01"))
    assert found.frequencies(4) == (5, 10, 25, 50)
    assert found.frequencies(1) == (1, 2, 5, 10, 25, 50)
    assert found.frequencies(51) == ()
    assert found.dose_per_delivery(25) == mg("0.02")
    odd = strokes(per_day("0.5099"), strength("1"), Volume.parse("10 mcL"))
    assert (odd.per_day, odd.delivered, odd.asked_volume) == (50, per_day("0.5"), flow("0.5099"))


@given(positive, positive, st.integers(1, 100))
def test_strokes_never_give_more_than_asked(dose: Fraction, conc: Fraction, nanoliters: int) -> None:
    asked, c = DoseRate.of(dose, "mg/day"), Concentration.of(conc, "mg/mL")
    stroke = Volume.of(nanoliters * 100, "nL")
    found = strokes(asked, c, stroke)
    assert found.delivered <= asked
    assert asked - found.delivered < stroke * c / DAY
    assert found.dose_per_delivery(1) == found.delivered * DAY


def test_every_ingredient_of_a_week() -> None:
    morphine, bupivacaine, clonidine = totals_of(program(WEEK_AND_END, BOLUS))
    assert morphine.drug == "morphine"
    assert morphine.by_weekday == (mg("1.35"),) * 5 + (mg("2"),) * 2
    assert morphine.boluses == mg("0.4")
    assert morphine.average == mg("10.75") / 7
    assert morphine.average_with_boluses == mg("10.75") / 7 + mg("0.4")
    assert morphine.by_weekday_with_boluses == (mg("1.75"),) * 5 + (mg("2.4"),) * 2
    assert morphine.worst_24h == Window(mg("2"), mg("0.4"), mg("0"))
    assert morphine.worst_24h.total == mg("2.4")
    assert morphine.worst_1h == Window(mg("0.1"), mg("0.1"), mg("0"))
    assert bupivacaine.drug == "bupivacaine"
    assert bupivacaine.by_weekday[0] == mg("1.0125")
    assert bupivacaine.boluses == mg("0.3")
    assert bupivacaine.worst_24h == Window(mg("1.5"), mg("0.3"), mg("0"))
    assert bupivacaine.worst_1h == Window(mg("0.075"), mg("0.075"), mg("0"))
    assert clonidine.worst_24h.total == mg("0.036")


def test_totals_without_boluses_and_of_a_stopped_pump() -> None:
    (one, *_) = totals_of(steady("2.4"))
    assert one.by_weekday == (mg("2.4"),) * 7
    assert one.boluses == mg("0")
    assert one.worst_1h.total == mg("0.1")
    (none, *_) = totals_of(program(Stopped(), BOLUS))
    assert none.worst_24h.total == mg("0")
    assert none.boluses == mg("0")


def test_totals_at_the_minimum_rate() -> None:
    (one, *_) = totals_of(program(MinimumRate()))
    assert one.average == mg("0.06")
    refused(totals(program(MinimumRate()), TRIPLE, FIXED_WITHOUT_MINIMUM), Code.UNKNOWN)


FIXED_WITHOUT_MINIMUM = type(PUMP)(
    family="none",
    name="none",
    reservoir=ml("20"),
    tubing=ml("0"),
    flow_min=flow("1"),
    flow_max=flow("1"),
    low_level=ml("2"),
    steps_per_day=0,
    can=frozenset(),
    approved=frozenset(),
)


def test_single_boluses_count_as_far_as_a_window_holds_them() -> None:
    order = program(
        Continuous(per_day("2.4")), None, SingleBolus(mg("1"), time("2 h")), SingleBolus(mg("0.5"), time("1 h"))
    )
    assert single_boluses_in(order, HOUR) == mg("1")
    assert single_boluses_in(order, DAY) == mg("1.5")
    (one, two, _) = totals_of(order)
    assert one.worst_1h == Window(mg("0.1"), mg("0"), mg("1"))
    assert one.worst_1h.total == mg("1.1")
    assert two.worst_1h == Window(mg("0.075"), mg("0"), mg("0.75"))


def test_boluses_that_start_in_a_window_count_whole() -> None:
    order = program(Continuous(per_day("0")), PatientBolus(mg("1"), time("30 min"), time("40 min"), 30))
    assert patient_boluses_in(order, HOUR) == mg("2")
    assert patient_boluses_in(order, time("40 min")) == mg("1")
    assert patient_boluses_in(order, DAY) == mg("30")
    assert patient_boluses_in(program(Stopped(), BOLUS), DAY) == mg("0")
    assert patient_boluses_in(steady("1"), DAY) == mg("0")


def greedy_in_window(bolus: PatientBolus, window_s: Fraction, offset_s: Fraction) -> Mass:
    """What a patient who always presses delivers in a window that starts ``offset_s`` after the first press."""
    lockout, lasts = bolus.lockout.number("s"), bolus.duration.number("s")
    starts: list[Fraction] = []
    at = Fraction(0)
    while at < offset_s + window_s:
        if len([s for s in starts if at - s < 86_400]) < bolus.most_per_24h:
            starts.append(at)
            at += lockout
        else:
            at = max(at, starts[-bolus.most_per_24h] + 86_400)
    inside = Fraction(0)
    for start in starts:
        overlap = min(start + lasts, offset_s + window_s) - max(start, offset_s)
        inside += max(Fraction(0), overlap) / lasts
    return bolus.dose * inside


@given(boluses(), st.sampled_from([3600, 86_400]), st.integers(0, 90_000))
def test_a_patient_who_always_presses_stays_within_the_window(bolus: PatientBolus, window: int, offset: int) -> None:
    most = patient_boluses_in(program(Continuous(per_day("0")), bolus), Duration.of(window, "s"))
    assert greedy_in_window(bolus, Fraction(window), Fraction(offset)) <= most


@given(boluses())
def test_the_bolus_bound_is_reached_where_boluses_are_short(bolus: PatientBolus) -> None:
    short = PatientBolus(bolus.dose, Duration.of(Fraction(1, 10**6), "s"), bolus.lockout, bolus.most_per_24h)
    most = patient_boluses_in(program(Continuous(per_day("0")), short), DAY)
    assert greedy_in_window(short, Fraction(86_400), Fraction(0)) == most


@given(bases(), boluses(), st.integers(0, 7 * 86_400))
def test_the_worst_window_holds_base_and_boluses_of_any_window(base: Base, bolus: PatientBolus, start: int) -> None:
    order = program(base, bolus)
    pattern = pattern_of(base, MORPHINE, None)
    assert isinstance(pattern, Pattern)
    for window in (HOUR, DAY):
        worst = worst_window(order, pattern, window)
        seconds = window.number("s")
        real = pattern.between(start, start + seconds) + greedy_in_window(bolus, seconds, Fraction(0))
        assert real <= worst.total
        assert worst.total == worst.base + worst.patient + worst.single


@given(bases(), boluses())
def test_ingredients_keep_their_ratio(base: Base, bolus: PatientBolus) -> None:
    first, *others = totals_of(program(base, bolus))
    for other in others:
        share = TRIPLE.share(other.drug)
        assert other.worst_24h.total == first.worst_24h.total * share
        assert other.average_with_boluses == first.average_with_boluses * share
    assert max(first.by_weekday) <= first.worst_24h.base
    assert first.worst_1h.total <= first.worst_24h.total


def test_repeated_doses_say_their_day() -> None:
    (one, *_) = totals_of(program(HOURLY))
    assert one.by_weekday == (mg("1.8"),) * 7
    assert one.worst_1h.base == mg("0.125")


def test_change_ratio() -> None:
    assert change_ratio(mg("2"), mg("2.5")) == Fraction(1, 4)
    assert change_ratio(per_day("2"), per_day("1")) == Fraction(-1, 2)
    refused(change_ratio(mg("0"), mg("1")), Code.FROM_ZERO)


def previous(gap: str | None, delivered: str | None) -> Previous:
    return Previous(
        MORPHINE,
        steady("2"),
        None if gap is None else time(gap),
        None if delivered is None else mg(delivered),
    )


@pytest.mark.requirement("AP-10")
def test_a_change_is_measured_against_what_was_delivered() -> None:
    found = change_from(previous("0 h", "1"), mg("2"), mg("1.5"))
    assert found == Change(mg("1"), mg("1.5"), Fraction(1, 2), Basis.DELIVERED)
    late = change_from(previous("90 h", "0.5"), mg("2"), mg("1.5"))
    assert late == Change(mg("0.5"), mg("1.5"), Fraction(2), Basis.DELIVERED)


def test_the_program_counts_only_where_delivery_never_stopped() -> None:
    found = change_from(previous("0 h", None), mg("2"), mg("1.5"))
    assert found == Change(mg("2"), mg("1.5"), Fraction(-1, 4), Basis.PROGRAMMED)
    gap = refused(change_from(previous("30 h", None), mg("2"), mg("2")), Code.UNKNOWN)
    assert gap.found == "a delivery gap of 30 h and no record of what was delivered"
    unknown = refused(change_from(previous(None, None), mg("2"), mg("2")), Code.UNKNOWN)
    assert unknown.found == "a delivery gap of unknown length and no record of what was delivered"
    refused(change_from(previous("30 h", "0"), mg("2"), mg("2")), Code.FROM_ZERO)


def test_flow_types_stay_apart() -> None:
    assert isinstance(flow_from_dose(per_day("1"), strength("1")), Flow)
    assert isinstance(dose_from_flow(flow("1"), strength("1")), DoseRate)
    assert isinstance(Mass.zero(), Mass)
