"""The pattern of a base: totals, crossing times and windows against a reference that walks second by second."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.therapy_builders import (
    HOURLY,
    MONDAY,
    MORPHINE,
    SAME_EVERY_DAY,
    WEEK_AND_END,
    bases,
    mg,
    per_day,
    positive,
    refused,
    time,
)

from thecal.quantities import DoseRate, Duration, Flow, Mass
from thecal.therapy.pattern import Pattern, Piece, elapsed, later, pattern_of, steady, week_second
from thecal.therapy.program import Continuous, DaySchedule, MinimumRate, RepeatedDoses, Stopped
from thecal.therapy.refusal import Code, Refusal

if TYPE_CHECKING:
    from thecal.therapy.program import Base

HOUR, DAY, WEEK = 3600, 86_400, 7 * 86_400


def made(base: Base) -> Pattern:
    pattern = pattern_of(base, MORPHINE, None)
    assert isinstance(pattern, Pattern)
    return pattern


def rate_at(base: Base, second: int) -> DoseRate:
    """What the base gives at a second of the week, straight from its definition."""
    weekday, in_day = divmod(second % WEEK, DAY)
    match base:
        case Continuous(dose=dose):
            return dose
        case DaySchedule():
            return [s.dose for s in base.plan(weekday).steps if s.start_s <= in_day][-1]
        case RepeatedDoses():
            on = in_day % base.every.number("s") < base.duration.number("s")
            return base.background + base.dose / base.duration if on else base.background
        case _:
            return DoseRate.zero()


def slow_between(base: Base, start: int, end: int) -> Mass:
    """Edges of every kind, and one rate between two of them."""
    edges = {start, end, *range(start - start % HOUR, end, HOUR)}
    for cycle in range(start // DAY, end // DAY + 1):
        if isinstance(base, DaySchedule):
            edges |= {cycle * DAY + s.start_s for p in base.plans for s in p.steps}
        if isinstance(base, RepeatedDoses):
            every, lasts = int(base.every.number("s")), int(base.duration.number("s"))
            edges |= {cycle * DAY + k * every + e for k in range(DAY // every) for e in (0, lasts)}
    inside = sorted(e for e in edges if start <= e <= end)
    total = Mass.zero()
    for a, b in itertools.pairwise(inside):
        total += rate_at(base, a) * Duration.of(b - a, "s")
    return total


def test_schedule_totals() -> None:
    assert made(SAME_EVERY_DAY).period_s == DAY
    assert made(SAME_EVERY_DAY).total == mg("1.35")
    assert made(WEEK_AND_END).period_s == WEEK
    assert made(WEEK_AND_END).total == mg("10.75")
    assert made(HOURLY).period_s == 7200
    assert made(HOURLY).total == mg("0.15")
    assert made(HOURLY).between(0, DAY) == mg("1.8")
    assert made(Stopped()).total == mg("0")


def test_repeated_doses_without_a_pause_are_one_piece() -> None:
    pattern = made(RepeatedDoses(mg("1"), time("1 h"), time("1 h"), per_day("0")))
    assert pattern == Pattern(HOUR, (Piece(Fraction(0), per_day("24")),))


def test_minimum_rate_needs_the_pump() -> None:
    found = pattern_of(MinimumRate(), MORPHINE, Flow.parse("0.006 mL/day"))
    assert found == steady(per_day("0.06"))
    refused(pattern_of(MinimumRate(), MORPHINE, None), Code.UNKNOWN)


@pytest.mark.parametrize(
    ("period", "starts"), [(10, ()), (10, (1,)), (10, (0, 5, 5)), (10, (0, 6, 5)), (10, (0, 10)), (0, (0,))]
)
def test_pieces_that_do_not_follow_are_refused(period: int, starts: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="follow one another"):
        Pattern(period, tuple(Piece(Fraction(s), per_day("1")) for s in starts))


def test_dose_at_belongs_to_the_piece_that_starts() -> None:
    pattern = made(SAME_EVERY_DAY)
    assert pattern.dose_at(6 * HOUR) == per_day("2.4")
    assert pattern.dose_at(6 * HOUR - 1) == per_day("1.2")
    assert pattern.dose_at(DAY + 9 * HOUR) == per_day("1.2")
    weekend = made(WEEK_AND_END)
    assert weekend.dose_at(5 * DAY) == per_day("2")
    assert weekend.dose_at(WEEK) == per_day("1.2")


@given(bases(), st.integers(0, 2 * WEEK), st.integers(0, 2 * DAY))
def test_between_agrees_with_the_definition(base: Base, start: int, length: int) -> None:
    pattern = made(base)
    assert pattern.between(start, start + length) == slow_between(base, start, start + length)
    assert pattern.dose_at(start) == rate_at(base, start)


@given(bases(), st.integers(0, WEEK), st.integers(1, 3 * DAY))
def test_slices_add_up_and_join(base: Base, start: int, length: int) -> None:
    pattern = made(base)
    parts = list(pattern.slices(start, start + length))
    assert parts[0][0] == start
    assert parts[-1][1] == start + length
    assert all(a[1] == b[0] for a, b in itertools.pairwise(parts))
    assert all(begin < end and dose == pattern.dose_at(begin) for begin, end, dose in parts)
    given_mass = sum((d * Duration.of(e - b, "s") for b, e, d in parts), start=Mass.zero())
    assert given_mass == pattern.between(start, start + length)


def test_slices_of_nothing() -> None:
    assert list(made(SAME_EVERY_DAY).slices(5, 5)) == []


@given(bases(), st.integers(0, WEEK), positive)
def test_seconds_to_is_the_first_crossing(base: Base, start: int, mass_mg: Fraction) -> None:
    pattern = made(base)
    mass = Mass.of(mass_mg, "mg")
    found = pattern.seconds_to(start, mass)
    if found is None:
        assert not pattern.total
        return
    assert pattern.between(start, start + found) == mass
    assert found > 0
    before = start + found - Fraction(1, 1000)
    assert pattern.between(start, before) < mass


def test_seconds_to_edges() -> None:
    assert made(Stopped()).seconds_to(0, mg("1")) is None
    assert made(Stopped()).seconds_to(7, mg("0")) == 0
    assert steady(per_day("2")).seconds_to(5, mg("2")) == DAY
    assert steady(per_day("2")).seconds_to(5, mg("1")) == DAY / 2
    # The dose at noon stops and begins again the next day: it is reached when it stops, not a day later.
    half = Pattern(DAY, (Piece(Fraction(0), per_day("2")), Piece(Fraction(DAY // 2), per_day("0"))))
    assert half.seconds_to(0, mg("1")) == DAY / 2
    assert half.seconds_to(DAY // 2, mg("1")) == DAY
    assert half.seconds_to(0, mg("3")) == 2 * DAY + DAY / 2


def test_windows_of_a_known_schedule() -> None:
    pattern = made(WEEK_AND_END)
    # Saturday and Sunday give 2 mg each; a window from Friday 09:00 holds less than one inside the weekend.
    assert pattern.most_in(DAY) == mg("2")
    assert pattern.most_in(HOUR) == mg("0.1")
    assert pattern.least_in(HOUR) == mg("0.05")
    # 06:00 on Friday until 06:00 on Saturday: 0.3 + 15 h at 0.05 + 6 h at 2/24.
    odd = made(DaySchedule(WEEK_AND_END.plans))
    assert odd.most_in(12 * HOUR) == mg("1")
    assert odd.least_in(DAY) == mg("1.35")


def test_worst_window_straddles_midnight() -> None:
    # 3 mg/day from 12:00 on weekdays, 3 mg/day until 12:00 at the weekend: the worst 24 h is Friday noon to Saturday.
    late = [Piece(Fraction(d * DAY), per_day("0")) for d in range(5)]
    late += [Piece(Fraction(d * DAY + DAY // 2), per_day("3")) for d in range(5)]
    early = [Piece(Fraction(5 * DAY), per_day("3")), Piece(Fraction(5 * DAY + DAY // 2), per_day("0"))]
    pattern = Pattern(WEEK, tuple(sorted([*late, *early], key=lambda p: p.start_s)))
    assert pattern.most_in(DAY) == mg("3")
    assert max(pattern.between(d * DAY, (d + 1) * DAY) for d in range(7)) == mg("1.5")


@given(bases(), st.sampled_from([60, HOUR, 5 * HOUR, DAY]), st.lists(st.integers(0, WEEK - 1), max_size=20))
def test_no_window_beats_the_worst(base: Base, window: int, starts: list[int]) -> None:
    pattern = made(base)
    most, least = pattern.most_in(window), pattern.least_in(window)
    tried = [pattern.between(s, s + window) for s in [*starts, *range(0, WEEK, 7200)]]
    assert least <= min(tried)
    assert max(tried) <= most
    edges = {p.start_s for p in pattern.pieces}
    corners = [e + k for e in edges for k in (0, -window)]
    assert most == max(pattern.between(c % pattern.period_s, c % pattern.period_s + window) for c in corners)
    assert least == min(pattern.between(c % pattern.period_s, c % pattern.period_s + window) for c in corners)


def test_the_worst_window_may_end_where_a_piece_ends() -> None:
    # 5 h that end at 22:00 hold 3 h at 2 and 2 h at 5 mg/day; those that start at an edge hold less.
    hours = [(0, "0"), (10, "2"), (20, "5"), (22, "0")]
    up = Pattern(DAY, tuple(Piece(Fraction(h * HOUR), per_day(d)) for h, d in hours))
    assert up.most_in(5 * HOUR) == mg("16") / 24
    down = Pattern(DAY, tuple(Piece(Fraction(h * HOUR), per_day("5") - per_day(d)) for h, d in hours))
    assert down.least_in(5 * HOUR) == mg("9") / 24


def test_plus_raises_every_piece() -> None:
    pattern = made(SAME_EVERY_DAY).plus(per_day("1"))
    assert pattern.total == mg("2.35")
    assert pattern.period_s == DAY
    assert [p.dose for p in pattern.pieces] == [per_day("2.2"), per_day("3.4"), per_day("2.2")]


def test_week_second() -> None:
    assert week_second(MONDAY) == 0
    at = MONDAY + timedelta(days=6, hours=23, minutes=59, seconds=58, microseconds=250_000)
    assert week_second(at) == WEEK - 2 + Fraction(1, 4)
    assert week_second(datetime(2026, 8, 18, 1, 2, 3)) == DAY + 3723  # noqa: DTZ001  (a naive pump clock)
    assert week_second(datetime(2026, 8, 18, tzinfo=UTC)) == DAY


def test_a_zone_that_changes_its_clock_is_no_pump_clock() -> None:
    with pytest.raises(ValueError, match="Europe/Berlin may change its clock"):
        week_second(datetime(2026, 8, 18, tzinfo=ZoneInfo("Europe/Berlin")))


def test_later_rounds_down_and_ends_with_the_calendar() -> None:
    assert later(MONDAY, Duration.of(Fraction(3, 2), "s")) == MONDAY + timedelta(seconds=1)
    assert later(MONDAY, time("1 day")) == MONDAY + timedelta(days=1)
    refused(later(MONDAY, Duration.of(3_000_000, "days")), Code.BEYOND_CALENDAR)
    assert isinstance(later(MONDAY, Duration.of(10**12, "days")), Refusal)


def test_elapsed_is_exact() -> None:
    end = MONDAY + timedelta(days=2, hours=3, seconds=4, microseconds=5)
    assert elapsed(MONDAY, end) == Duration.of(2 * DAY + 3 * HOUR + 4 + Fraction(5, 10**6), "s")
    assert elapsed(end, MONDAY) == -elapsed(MONDAY, end)
