"""Small orders for the tests of therapy's arithmetic: amounts from text, a pump, mixtures, programs."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from thecal.formulary.limits import Source
from thecal.quantities import Concentration, DoseRate, Duration, Flow, Mass, Volume
from thecal.therapy.envelope import Can, Envelope
from thecal.therapy.mixture import Ingredient, Mixture
from thecal.therapy.program import (
    Continuous,
    DayPlan,
    DaySchedule,
    PatientBolus,
    Program,
    RepeatedDoses,
    SingleBolus,
    Step,
)
from thecal.therapy.refusal import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thecal.therapy.program import Base

HERE = Source("test", "not stated", "tests", verified=True)
# A Monday, on a pump clock with a fixed offset.
MONDAY = datetime(2026, 8, 17, tzinfo=timezone(timedelta(hours=2)))
WEEKDAYS = frozenset(range(5))
WEEKEND = frozenset({5, 6})


def mg(text: str) -> Mass:
    return Mass.parse(f"{text} mg")


def ml(text: str) -> Volume:
    return Volume.parse(f"{text} mL")


def per_day(text: str) -> DoseRate:
    return DoseRate.parse(f"{text} mg/day")


def flow(text: str) -> Flow:
    return Flow.parse(f"{text} mL/day")


def strength(text: str) -> Concentration:
    return Concentration.parse(f"{text} mg/mL")


def time(text: str) -> Duration:
    return Duration.parse(text)


def mixture(**strengths: str) -> Mixture:
    return Mixture(tuple(Ingredient(drug, strength(text)) for drug, text in strengths.items()))


MORPHINE = mixture(morphine="10")
TRIPLE = mixture(morphine="10", bupivacaine="7.5", clonidine="0.15")

PUMP = Envelope(
    family="test",
    name="Test 20",
    reservoir=ml("20"),
    tubing=ml("0.14"),
    flow_min=flow("0.048"),
    flow_max=flow("24"),
    low_level=ml("2"),
    steps_per_day=24,
    can=frozenset(Can),
    approved=frozenset({"morphine"}),
    minimum_rate=flow("0.006"),
)
PUMP_40 = replace(PUMP, name="Test 40", reservoir=ml("40"))
FIXED = replace(PUMP, name="Fixed 20", fixed_flow=flow("0.5"))


def day(weekdays: frozenset[int], *steps: tuple[int, str]) -> DayPlan:
    """A day plan from (hour, mg/day) pairs."""
    return DayPlan(weekdays, tuple(Step(hour * 3600, per_day(dose)) for hour, dose in steps))


SAME_EVERY_DAY = DaySchedule((day(frozenset(range(7)), (0, "1.2"), (6, "2.4"), (9, "1.2")),))
WEEK_AND_END = DaySchedule((day(WEEKDAYS, (0, "1.2"), (6, "2.4"), (9, "1.2")), day(WEEKEND, (0, "2"))))
HOURLY = RepeatedDoses(mg("0.1"), time("15 min"), time("2 h"), per_day("0.6"))
BOLUS = PatientBolus(mg("0.1"), time("5 min"), time("3 h"), 4)


def program(base: Base, bolus: PatientBolus | None = None, *singles: SingleBolus) -> Program:
    return Program(base, patient_bolus=bolus, single_boluses=singles)


def steady(dose: str, bolus: PatientBolus | None = None) -> Program:
    return program(Continuous(per_day(dose)), bolus)


def refused(found: object, code: Code) -> Refusal:
    """The refusal that ``found`` is, after looking at its code and that every part of its message says something."""
    assert isinstance(found, Refusal), found
    assert found.code is code
    assert found.found
    assert found.allowed
    assert found.then
    assert found.message == f"found {found.found}; allowed: {found.allowed}; next: {found.then}"
    return found


positive = st.fractions(min_value=Fraction(1, 100), max_value=50, max_denominator=100)
not_negative = st.fractions(min_value=0, max_value=50, max_denominator=100)


@st.composite
def day_schedules(draw: st.DrawFn) -> DaySchedule:
    """One plan for every day, or one for each of two sets of weekdays."""
    groups: Sequence[frozenset[int]] = draw(
        st.sampled_from([(frozenset(range(7)),), (WEEKDAYS, WEEKEND), (frozenset({0, 3}), frozenset({1, 2, 4, 5, 6}))])
    )
    plans = []
    for group in groups:
        starts = sorted(draw(st.sets(st.integers(1, 86_399), max_size=3)))
        doses = draw(st.lists(not_negative, min_size=len(starts) + 1, max_size=len(starts) + 1))
        pairs = zip([0, *starts], doses, strict=True)
        plans.append(DayPlan(group, tuple(Step(s, DoseRate.of(d, "mg/day")) for s, d in pairs)))
    return DaySchedule(tuple(plans))


@st.composite
def repeated_doses(draw: st.DrawFn) -> RepeatedDoses:
    every = draw(st.sampled_from([600, 3600, 5400, 7200, 43_200, 86_400]))
    lasts = draw(st.integers(1, every))
    return RepeatedDoses(
        Mass.of(draw(positive), "mg"),
        Duration.of(lasts, "s"),
        Duration.of(every, "s"),
        DoseRate.of(draw(not_negative), "mg/day"),
    )


def bases() -> st.SearchStrategy[Base]:
    """Bases that deliver, or may deliver nothing."""
    steady_doses = not_negative.map(lambda d: Continuous(DoseRate.of(d, "mg/day")))
    return st.one_of(steady_doses, day_schedules(), repeated_doses())


@st.composite
def boluses(draw: st.DrawFn) -> PatientBolus:
    lockout = draw(st.integers(60, 43_200))
    return PatientBolus(
        Mass.of(draw(positive), "mg"),
        Duration.of(draw(st.integers(1, min(lockout, 3600))), "s"),
        Duration.of(lockout, "s"),
        draw(st.integers(1, 12)),
    )
