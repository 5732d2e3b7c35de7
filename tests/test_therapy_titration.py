"""Titration: single increases against a rule, plans, the bounds of a label."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.therapy_builders import HERE, MONDAY, per_day, positive, refused, time

from thecal.formulary.limits import LimitKind, Titration
from thecal.quantities import DoseRate, Duration
from thecal.therapy.refusal import Code
from thecal.therapy.titration import (
    Bounds,
    DatedDose,
    Increase,
    Plan,
    bounds,
    check_increase,
    largest_step,
    plan,
    within_step,
)

if TYPE_CHECKING:
    from thecal.therapy.refusal import Refusal


def mcg(text: str) -> DoseRate:
    return DoseRate.parse(f"{text} mcg/day")


def at(hours: float, text: str) -> DatedDose:
    return DatedDose(MONDAY + timedelta(hours=hours), mcg(text))


LABEL = Titration(kind=LimitKind.LABEL, source=HERE, step_max=mcg("2.4"), interval_min=time("24 h"), max_per_week=3)
PERCENT = Titration(
    kind=LimitKind.LABEL, source=HERE, percent_low=Fraction(10), percent_high=Fraction(30), interval_min=time("24 h")
)
BOTH = Titration(kind=LimitKind.LABEL, source=HERE, step_max=mcg("50"), percent_high=Fraction(10))


def increase(history: list[DatedDose], proposed: DatedDose, rule: Titration = LABEL) -> Increase:
    found = check_increase(history, proposed, rule, mcg("19.2"), "mcg/day")
    assert isinstance(found, Increase)
    return found


def codes(history: list[DatedDose], proposed: DatedDose, rule: Titration = LABEL) -> list[Code]:
    return [r.code for r in refusals(history, proposed, rule)]


def refusals(history: list[DatedDose], proposed: DatedDose, rule: Titration = LABEL) -> tuple[Refusal, ...]:
    found = check_increase(history, proposed, rule, mcg("19.2"), "mcg/day")
    assert isinstance(found, tuple)
    assert found
    return tuple(refused(r, r.code) for r in found)


@pytest.mark.requirement("AP-10")
def test_largest_step_is_the_smaller_of_two() -> None:
    assert largest_step(mcg("100"), LABEL) == mcg("2.4")
    assert largest_step(mcg("100"), PERCENT) == mcg("30")
    assert largest_step(mcg("100"), BOTH) == mcg("10")
    assert largest_step(mcg("1,000"), BOTH) == mcg("50")


def test_an_increase_at_every_bound() -> None:
    found = increase([at(0, "2.4")], at(24, "4.8"))
    assert found == Increase(mcg("2.4"), mcg("4.8"), Fraction(1))
    assert increase([at(0, "16.8")], at(24, "19.2")).after == mcg("19.2")
    assert increase([at(0, "0")], at(24, "2.4")).ratio is None
    assert increase([at(0, "10")], at(24, "13"), PERCENT).ratio == Fraction(3, 10)


def test_a_step_too_big() -> None:
    (found,) = refusals([at(0, "2.4")], at(24, "4.9"))
    assert found.code is Code.STEP_TOO_BIG
    assert found.message == (
        "found a step of 2.5 mcg/day; allowed: at most 2.4 mcg/day, by test; next: order at most 4.8 mcg/day"
    )
    (percent,) = refusals([at(0, "10")], at(24, "13.1"), PERCENT)
    assert percent.allowed == "at most 3 mcg/day (30 %), by test"


def test_too_soon() -> None:
    (found,) = refusals([at(0, "2.4")], at(23.5, "3"))
    assert found.code is Code.TOO_SOON
    assert found.found == "an increase 23.5 h after the last"
    assert found.allowed == "24 h or more, by test"
    assert found.then == "wait 0.5 h longer"
    assert increase([at(0, "10")], at(0, "11"), BOTH)


def test_no_more_than_so_many_in_any_seven_days() -> None:
    history = [at(0, "1"), at(48, "2"), at(96, "3"), at(144, "4")]
    (found,) = refusals(history, at(192, "5"))
    assert found.code is Code.TOO_MANY_PER_WEEK
    assert found.found == "4 increases in 7 days"
    assert found.allowed == "3 in any 7 days, by test"
    assert found.then == "wait until 26 Aug 2026 00:00:00"
    (still,) = refusals(history, at(48 + 168 - 0.5, "5"))
    assert still.code is Code.TOO_MANY_PER_WEEK
    assert increase(history, at(48 + 168, "5"))
    # A decrease between does not count as an increase.
    down = [at(0, "4"), at(24, "3"), at(48, "2"), at(96, "3"), at(144, "4")]
    assert increase(down, at(192, "5"))
    # Neither does the same dose again.
    same = [at(0, "2"), at(48, "3"), at(72, "3"), at(96, "3"), at(144, "4")]
    assert increase(same, at(192, "5"))


def test_every_reason_is_named() -> None:
    history = [at(0, "10"), at(1, "12"), at(2, "14"), at(3, "16")]
    assert codes(history, at(4, "20")) == [
        Code.STEP_TOO_BIG,
        Code.TOO_SOON,
        Code.TOO_MANY_PER_WEEK,
        Code.ABOVE_MAXIMUM,
    ]
    (top,) = refusals([at(0, "18")], at(24, "19.3"))
    assert (top.code, top.found, top.allowed) == (Code.ABOVE_MAXIMUM, "19.3 mcg/day", "at most 19.2 mcg/day")
    assert isinstance(check_increase([at(0, "18")], at(24, "19.3"), LABEL, None), Increase)


@pytest.mark.parametrize("dose", ["2.4", "1"])
def test_what_is_not_an_increase(dose: str) -> None:
    (found,) = refusals([at(0, "2.4")], at(1, dose))
    assert found.code is Code.NOT_AN_INCREASE
    assert found.found == f"{dose} mcg/day after 2.4 mcg/day"
    with pytest.raises(ValueError, match="runs now"):
        check_increase([], at(0, "1"), LABEL, None)


def made(start: DatedDose, ceiling: str, step: DoseRate | Fraction, interval: str, rule: Titration = LABEL) -> Plan:
    found = plan(start, mcg(ceiling), step, time(interval), rule=rule, maximum=mcg("1,000"), unit="mcg/day")
    assert isinstance(found, Plan)
    return found


def stopped(start: str, ceiling: str, step: DoseRate | Fraction, interval: str, rule: Titration = LABEL) -> list[Code]:
    found = plan(at(0, start), mcg(ceiling), step, time(interval), rule=rule, maximum=mcg("1,000"), unit="mcg/day")
    assert isinstance(found, tuple)
    return [refused(r, r.code).code for r in found]


def test_a_plan_dates_every_step_and_ends_at_the_ceiling() -> None:
    found = made(at(0, "2.4"), "8", mcg("2.4"), "56 h")
    assert found.steps == (at(0, "2.4"), at(56, "4.8"), at(112, "7.2"), at(168, "8"))
    assert found.increases == 3
    assert made(at(0, "8"), "8", mcg("2.4"), "56 h").steps == (at(0, "8"),)
    full = made(at(0, "2.4"), "19.2", mcg("2.4"), "56 h")
    assert full.increases == 7
    assert full.steps[-1] == at(7 * 56, "19.2")


def test_a_plan_in_percent_of_the_running_dose() -> None:
    found = made(at(0, "100"), "130", Fraction(1, 5), "24 h", PERCENT)
    assert [s.dose for s in found.steps] == [mcg("100"), mcg("120"), mcg("130")]


def test_a_plan_that_breaks_the_rule_is_refused_whole() -> None:
    assert stopped("2.4", "19.2", mcg("2.5"), "56 h") == [Code.STEP_TOO_BIG]
    assert stopped("2.4", "19.2", mcg("2.4"), "23 h") == [Code.TOO_SOON]
    assert stopped("2.4", "19.2", mcg("2.4"), "48 h") == [Code.TOO_MANY_PER_WEEK]
    assert stopped("999", "1,001", mcg("2"), "56 h") == [Code.ABOVE_MAXIMUM]
    assert stopped("100", "200", Fraction(31, 100), "24 h", PERCENT) == [Code.STEP_TOO_BIG]
    assert stopped("2.4", "19.2", mcg("0.01"), "90000 days") == [Code.BEYOND_CALENDAR]


@pytest.mark.parametrize(
    ("start", "ceiling", "step", "interval"),
    [
        ("0", "10", Fraction(1, 5), "24 h"),
        ("1", "10", mcg("0"), "24 h"),
        ("1", "10", Fraction(0), "24 h"),
        ("1", "10", mcg("1"), "0 h"),
        ("10", "9.9", mcg("1"), "24 h"),
    ],
)
def test_a_plan_without_a_way_up_is_refused(start: str, ceiling: str, step: DoseRate | Fraction, interval: str) -> None:
    assert stopped(start, ceiling, step, interval) == [Code.NOT_POSITIVE]


def test_a_plan_without_a_way_up_says_what_was_asked() -> None:
    found = plan(at(0, "10"), mcg("9"), mcg("1"), time("24 h"), rule=LABEL, maximum=None, unit="mcg/day")
    assert isinstance(found, tuple)
    assert len(found) == 1
    big = plan(at(0, "10"), mcg("99"), mcg("9"), time("24 h"), rule=LABEL, maximum=None, unit="mcg/day")
    assert isinstance(big, tuple)
    assert big[0].found == "a step of 9 mcg/day"
    assert found[0].found == "steps of 1 mcg/day every 24 h from 10 mcg/day to 9 mcg/day"


@given(positive, positive, positive, st.integers(1, 200))
def test_plans_never_exceed(start: Fraction, ceiling: Fraction, step: Fraction, hours: int) -> None:
    first = DatedDose(MONDAY, DoseRate.of(start, "mcg/day"))
    top = DoseRate.of(ceiling, "mcg/day")
    by = DoseRate.of(step / 20 + Fraction(1, 10), "mcg/day")
    found = plan(first, top, by, Duration.of(hours, "h"), rule=LABEL, maximum=mcg("19.2"))
    if isinstance(found, tuple):
        assert found
        return
    assert found.steps[-1].dose == top
    assert found.increases == bounds(first.dose, by, top, 3).increases
    for i, step_ in enumerate(found.steps[1:], start=1):
        before = found.steps[i - 1]
        assert before.dose < step_.dose <= min(top, mcg("19.2"))
        assert step_.dose - before.dose <= mcg("2.4")
        assert step_.at - before.at >= timedelta(hours=24)
        week = [s for s in found.steps[1 : i + 1] if step_.at - s.at < timedelta(days=7)]
        assert len(week) <= 3


def test_bounds_of_a_label() -> None:
    assert bounds(mcg("2.4"), mcg("2.4"), mcg("19.2"), 3) == Bounds(7, Duration.of(Fraction(49, 3), "days"))
    assert bounds(mcg("2.4"), mcg("2.5"), mcg("19.2"), 2) == Bounds(7, Duration.of(Fraction(49, 2), "days"))
    assert bounds(mcg("2.4"), mcg("3"), mcg("19.2"), 1) == Bounds(6, time("42 days"))
    assert bounds(mcg("20"), mcg("3"), mcg("19.2"), 1) == Bounds(0, time("0 days"))


def test_within_a_step_limit() -> None:
    assert within_step(Fraction(3, 10), Fraction(3, 10))
    assert not within_step(Fraction(31, 100), Fraction(3, 10))
    assert per_day("1") == mcg("1,000")
