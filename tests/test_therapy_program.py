"""Programs as types: what may be built, and the totals that follow."""

from __future__ import annotations

from fractions import Fraction

import pytest

from thecal.quantities import DoseRate, Duration, Mass
from thecal.therapy.program import EVERY_DAY, Ceiling, Continuous, DayPlan, DaySchedule, PatientBolus, Program, Step
from thecal.therapy.program import RepeatedDoses as Repeated

MG = DoseRate.parse("1 mg/day")


def test_a_day_plan_adds_up() -> None:
    plan = DayPlan(EVERY_DAY, (Step(0, MG), Step(43_200, MG * 3)))
    assert plan.total == Mass.of(2, "mg")


@pytest.mark.parametrize(
    ("weekdays", "starts", "words"),
    [
        (EVERY_DAY, (), "the first step starts at 00:00"),
        (EVERY_DAY, (1,), "the first step starts at 00:00"),
        (EVERY_DAY, (0, 0), "one after the other"),
        (EVERY_DAY, (0, 7, 6), "one after the other"),
        (EVERY_DAY, (0, 86_400), "within one day"),
        (frozenset(), (0,), "at least one weekday"),
        (frozenset({7}), (0,), "Monday = 0 to Sunday = 6"),
    ],
)
def test_what_is_no_day_plan(weekdays: frozenset[int], starts: tuple[int, ...], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DayPlan(weekdays, tuple(Step(s, MG) for s in starts))


def test_the_last_second_of_a_day_may_be_a_step() -> None:
    assert DayPlan(EVERY_DAY, (Step(0, MG), Step(86_399, MG))).total == Mass.of(1, "mg")


def test_every_weekday_is_planned_once() -> None:
    week = DayPlan(frozenset(range(5)), (Step(0, MG),))
    weekend = DayPlan(frozenset({5, 6}), (Step(0, MG * 2),))
    assert DaySchedule((week, weekend)).plan(6) is weekend
    assert DaySchedule((week, weekend)).plan(4) is week
    with pytest.raises(ValueError, match=r"exactly once; found weekdays \[0, 1, 2, 3, 4\]"):
        DaySchedule((week,))
    with pytest.raises(ValueError, match="exactly once"):
        DaySchedule((week, weekend, weekend))


def minutes(n: int) -> Duration:
    return Duration.of(n, "min")


def test_repeated_doses_a_day() -> None:
    assert Repeated(Mass.of(1, "mg"), minutes(30), minutes(90), MG).times_per_day == 16
    assert Repeated(Mass.of(1, "mg"), minutes(90), minutes(90), MG).times_per_day == 16


@pytest.mark.parametrize(
    ("duration", "every", "words"),
    [
        (minutes(5), minutes(7 * 60), "divides the day"),
        (minutes(5), minutes(0), "divides the day"),
        (minutes(5), Duration.of(Fraction(1, 2), "s"), "divides the day"),
        (minutes(0), minutes(60), "at most until the next one"),
        (minutes(61), minutes(60), "at most until the next one"),
    ],
)
def test_what_are_no_repeated_doses(duration: Duration, every: Duration, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Repeated(Mass.of(1, "mg"), duration, every, MG)


def bolus(lockout: int = 180, most: int = 4, dose: int = 1, duration: int = 10) -> PatientBolus:
    return PatientBolus(Mass.of(dose, "mg"), minutes(duration), minutes(lockout), most)


@pytest.mark.parametrize(
    ("lockout", "most", "window_min", "starts"),
    [(180, 4, 1440, 4), (180, 9, 1440, 8), (180, 4, 60, 1), (60, 9, 60, 1), (59, 9, 60, 2), (20, 2, 60, 2)],
)
def test_starts_that_fit_in_a_window(lockout: int, most: int, window_min: int, starts: int) -> None:
    assert bolus(lockout, most).starts_in(minutes(window_min)) == starts


def test_every_allowed_bolus() -> None:
    assert bolus().most_in_24h == Mass.of(4, "mg")


@pytest.mark.parametrize("wrong", [{"dose": 0}, {"duration": 0}, {"most": 0}])
def test_what_is_no_patient_bolus(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="a dose, a duration and at least one start"):
        bolus(**wrong)


def test_a_lockout_is_at_least_the_bolus() -> None:
    assert bolus(lockout=10).lockout == minutes(10)
    with pytest.raises(ValueError, match="at least as long as the bolus"):
        bolus(lockout=9)


def test_a_ceiling_by_its_drug() -> None:
    one = Ceiling("morphine", Mass.of(1, "mg"), Mass.of(2, "mg"))
    program = Program(Continuous(MG), ceilings=(one,))
    assert program.ceiling("morphine") is one
    assert program.ceiling("clonidine") is None
