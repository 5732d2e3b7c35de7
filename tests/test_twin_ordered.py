"""What was ordered: base, bridges and boluses as one exact curve."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.therapy_builders import day_schedules, mg, per_day
from tests.twin_builders import DAY, MORPHINE, TRIPLE

from thecal.therapy.pattern import Pattern, pattern_of, steady
from thecal.twin.ordered import Ordering

if TYPE_CHECKING:
    from thecal.therapy.program import DaySchedule


def test_base_and_bolus_add_up_for_every_ingredient() -> None:
    ordering = Ordering(0)
    ordering.base(0, TRIPLE, steady(per_day("24")))
    ordering.bolus(3600, 600, TRIPLE, mg("1"))
    curve = ordering.curve(DAY, TRIPLE.drugs)
    morphine, bupivacaine, clonidine = curve.mass([0, 3600, 3900, 4200, DAY])
    assert morphine.tolist() == pytest.approx([0, 1, 1 + 1 / 12 + 0.5, 1 + 1 / 6 + 1, 25])
    assert bupivacaine[-1] == pytest.approx(25 * 0.75)
    assert clonidine[-1] == pytest.approx(25 * 0.015)


def test_new_base_takes_the_place_of_the_old_one() -> None:
    ordering = Ordering(0)
    ordering.base(0, MORPHINE, steady(per_day("24")))
    ordering.base(DAY // 2, TRIPLE, steady(per_day("48")))
    curve = ordering.curve(DAY, TRIPLE.drugs)
    assert curve.mass(DAY)[:, 0].tolist() == pytest.approx([36, 18, 0.36])


def test_stop_ends_base_and_boluses() -> None:
    ordering = Ordering(0)
    ordering.base(0, MORPHINE, steady(per_day("24")))
    ordering.bolus(0, 7200, MORPHINE, mg("2"))
    ordering.stop(3600)
    ordering.bolus(7200, 600, MORPHINE, mg("3"))
    curve = ordering.curve(DAY, ("morphine",))
    assert curve.mass([3600, 7200, DAY])[0].tolist() == pytest.approx([2, 2, 5])


def test_nothing_is_ordered_after_the_end_of_the_run() -> None:
    ordering = Ordering(0)
    ordering.bolus(DAY - 300, 600, MORPHINE, mg("2"))
    curve = ordering.curve(DAY, ("morphine",))
    assert curve.mass([DAY, 2 * DAY])[0].tolist() == [1, 1]


def test_nothing_ordered_is_zero() -> None:
    assert Ordering(5).curve(DAY, ("morphine",)).mass([0, 10, DAY]).tolist() == [[0, 0, 0]]


@given(day_schedules(), st.integers(0, 7 * DAY - 1), st.integers(1, 3 * DAY), st.lists(st.integers(0, 3 * DAY)))
def test_curve_is_the_integral_of_the_pattern(base: DaySchedule, clock_s: int, end_s: int, at: list[int]) -> None:
    pattern = pattern_of(base, MORPHINE, None)
    assert isinstance(pattern, Pattern)
    ordering = Ordering(clock_s)
    ordering.base(0, MORPHINE, pattern)
    curve = ordering.curve(end_s, ("morphine",))
    for at_s in at:
        exact = pattern.between(clock_s, clock_s + min(at_s, end_s)).number("mg")
        assert curve.mass(at_s)[0, 0] == pytest.approx(float(exact), rel=1e-12, abs=1e-12)
