"""What is given and when it is looked at: joined in one pass, exactly as a slow account of it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.transport_systems import dosings, random_dosing

from thecal.body.transport import dosing as module
from thecal.body.transport.course import Course, Engine, scaled_error
from thecal.body.transport.dosing import Dosing, Timeline, timeline
from thecal.body.transport.kernels import instants
from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from thecal.body.transport.tree import FloatArray


@pytest.mark.parametrize(
    ("t_s", "rate", "mass", "doubt"),
    [
        (np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 1)), Doubt.SHAPE),
        (np.zeros(0), np.zeros((1, 0)), np.zeros((1, 0)), Doubt.SHAPE),
        (np.zeros(1), np.zeros(1), np.zeros(1), Doubt.SHAPE),
        (np.zeros(1), np.zeros((1, 2)), np.zeros((1, 2)), Doubt.SHAPE),
        (np.zeros(1), np.zeros((1, 1)), np.zeros((2, 1)), Doubt.SHAPE),
        (np.array([0.0, 0.0]), np.zeros((1, 2)), np.zeros((1, 2)), Doubt.TIME),
        (np.array([1.0, 0.0]), np.zeros((1, 2)), np.zeros((1, 2)), Doubt.TIME),
        (np.array([np.nan]), np.zeros((1, 1)), np.zeros((1, 1)), Doubt.TIME),
        (np.array([np.inf]), np.zeros((1, 1)), np.zeros((1, 1)), Doubt.TIME),
        (np.zeros(1), np.full((1, 1), np.nan), np.zeros((1, 1)), Doubt.NOT_A_NUMBER),
        (np.zeros(1), np.zeros((1, 1)), np.full((1, 1), np.inf), Doubt.NOT_A_NUMBER),
    ],
)
def test_a_dosing_that_cannot_be_is_refused(t_s: FloatArray, rate: FloatArray, mass: FloatArray, doubt: Doubt) -> None:
    with pytest.raises(UntrustedError) as refused:
        Dosing(t_s, rate, mass)
    assert refused.value.doubt is doubt


def test_a_bolus_is_a_mass_at_an_instant_or_a_rate_for_a_while() -> None:
    at_once, slow = Dosing.bolus(5.0, at_s=3.0), Dosing.bolus(5.0, at_s=3.0, over_s=10.0)
    assert (at_once.mass_ng[0, 0], at_once.rate_ng_per_s[0, 0]) == (5.0, 0.0)
    assert np.sum(slow.rate_ng_per_s[:, :-1] * np.diff(slow.t_s)) == 5.0
    assert slow.rate_ng_per_s[0, -1] == 0
    steady = Dosing.steady(2.0, from_s=1.0)
    assert (steady.t_s[0], steady.rate_ng_per_s[0, 0], steady.mass_ng[0, 0]) == (1.0, 2.0, 0.0)


@pytest.mark.parametrize(
    ("asked", "doubt"),
    [
        ([], Doubt.SHAPE),
        ([[1.0]], Doubt.SHAPE),
        ([2.0, 1.0], Doubt.TIME),
        ([-1.0, 1.0], Doubt.TIME),
        ([np.nan], Doubt.TIME),
        ([1.0, np.inf], Doubt.TIME),
    ],
)
def test_times_that_nobody_can_look_at_are_refused(asked: list[float], doubt: Doubt) -> None:
    with pytest.raises(UntrustedError) as refused:
        timeline(Dosing.steady(1.0), asked)
    assert refused.value.doubt is doubt


def test_more_instants_than_can_be_held_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_INSTANTS", 3)
    assert timeline(Dosing.steady(1.0), [0.0, 1.0]).t_s.size == 2
    with pytest.raises(UntrustedError, match="up to 3"):
        timeline(Dosing.steady(1.0), [1.0, 2.0, 3.0])


def slow(dosing: Dosing, asked: FloatArray) -> tuple[list[float], list[list[float]], list[list[float]], list[int]]:
    """Instants, rates, masses and places of reads, one by one."""
    t_s = sorted({*dosing.t_s[dosing.t_s <= asked[-1]], *asked})
    rate = [[row[max(k for k, s in enumerate(dosing.t_s) if s <= t)] for t in t_s[:-1]] for row in dosing.rate_ng_per_s]
    given_at = {float(t): k for k, t in enumerate(dosing.t_s)}
    mass = [[row[given_at[t]] if t in given_at else 0.0 for t in map(float, t_s)] for row in dosing.mass_ng]
    return t_s, rate, mass, [t_s.index(t) for t in asked]


def times(seed: int, count: int, dosing: Dosing) -> FloatArray:
    """Times that repeat, lie on instants of a dosing, between them and behind them."""
    random = np.random.default_rng(seed)
    within = random.choice(np.concatenate((dosing.t_s, random.uniform(dosing.t_s[0], 9000, 5))), count)
    return np.sort(within)


@given(dosings, st.integers(0, 10**6), st.integers(1, 20))
@settings(max_examples=100)
def test_a_timeline_is_what_a_slow_account_says(dosing: Dosing, seed: int, count: int) -> None:
    asked = times(seed, count, dosing)
    line = timeline(dosing, asked)
    t_s, rate, mass, read = slow(dosing, asked)
    assert line.t_s.tolist() == t_s
    assert line.rate_ng_per_s.tolist() == rate
    assert line.mass_ng.tolist() == mass
    assert line.read.tolist() == read
    _steps(line)


def _steps(line: Timeline) -> None:
    assert np.array_equal(line.step_s, np.diff(line.t_s))
    assert np.array_equal(line.steps_s, np.unique(line.step_s))
    assert np.array_equal(line.steps_s[line.which], line.step_s)
    assert np.all(line.step_s > 0)
    masses = [row != 0 for row in line.mass_ng]
    rates = [np.append(True, np.append(row[1:] != row[:-1], False)[: line.t_s.size - 1]) for row in line.rate_ng_per_s]
    assert line.happens.tolist() == (np.any(masses, axis=0) + 2 * np.any(rates, axis=0)).tolist()
    amount = np.sum(np.abs(line.mass_ng)) + np.sum(np.abs(line.rate_ng_per_s) @ line.step_s)
    assert line.given_ng == pytest.approx(amount, rel=1e-12)
    assert np.array_equal(line.checked, np.arange(line.read.size))


def test_one_look_at_the_first_instant_takes_no_step() -> None:
    line = timeline(Dosing.bolus(3.0), [0.0, 0.0])
    assert (line.t_s.size, line.steps_s.size, line.step_s.size) == (1, 0, 0)
    assert line.read.tolist() == [0, 0]
    assert line.mass_ng.tolist() == [[3.0]]


def test_of_many_reads_some_are_checked_evenly_and_after_the_greatest_changes() -> None:
    at_s = np.arange(1, 20_001) * 60.0
    mass = np.zeros((1, 3))
    mass[0, 1] = 5.0
    line = timeline(Dosing(np.array([0.0, 600_030.0, 900_030.0]), np.array([[0.0, 0.0, 9.0]]), mass), at_s)
    checked = set(line.checked.tolist())
    assert len(checked) < 1100
    assert np.max(np.diff(line.checked)) < 60
    assert {10_000, 10_001, 10_002, 15_000, 15_001, 15_002, 0, 19_999} <= checked
    quiet = timeline(Dosing.steady(0.0), at_s)
    assert quiet.checked.size <= 1100


@pytest.mark.parametrize("seed", [1, 2])
def test_compiled_instants_do_what_they_say_in_python(seed: int) -> None:
    dosing = random_dosing(seed, inputs=2)
    asked = times(seed, 9, dosing)
    t_s, held, read = instants.joined.py_func(dosing.t_s, asked)
    for a, b in zip((t_s, held, read), instants.joined(dosing.t_s, asked), strict=True):
        assert np.array_equal(a, b)
    rate, mass = np.empty((2, t_s.size - 1)), np.empty((2, t_s.size))
    instants.spread.py_func(held, dosing.rate_ng_per_s, dosing.mass_ng, rate, mass)
    other_rate, other_mass = np.empty_like(rate), np.empty_like(mass)
    instants.spread(held, dosing.rate_ng_per_s, dosing.mass_ng, other_rate, other_mass)
    assert np.array_equal(rate, other_rate)
    assert np.array_equal(mass, other_mass)
    step = np.tile(np.random.default_rng(seed).random(30), 3)
    with np.errstate(over="ignore"):
        found = instants.lengths.py_func(step)
    for a, b in zip(found, np.unique(step, return_inverse=True), strict=True):
        assert np.array_equal(a, b)


def test_many_lengths_of_step_are_told_apart() -> None:
    step = np.random.default_rng(0).integers(1, 5000, 20_000) / 7
    found, which = instants.lengths(step)
    true, true_which = np.unique(step, return_inverse=True)
    assert np.array_equal(found, true)
    assert np.array_equal(which, true_which)


# Courses ----------------------------------------------------------------------------------------------------------


def test_the_scaled_error_takes_each_channel_by_its_own_greatest_value() -> None:
    true = np.array([[1.0, -10.0], [0.0, 1e-6]])
    assert scaled_error(true, true) == 0
    assert scaled_error(true + np.array([[0.0, 0.5], [0.0, 0.0]]), true) == pytest.approx(0.05)
    assert scaled_error(true + np.array([[0.0, 0.5], [1e-6, 0.0]]), true) == pytest.approx(1.0)
    assert scaled_error([1.0, 2.0], [1.0, 4.0]) == 0.5
    assert scaled_error([[0.0]], [[0.0]]) == 0
    assert scaled_error([[1e-30]], [[0.0]]) == np.inf


def test_a_course_is_read_by_name() -> None:
    course = Course(("a", "b"), np.zeros(1), np.array([[1.0], [2.0]]), Engine.MODAL, 0.0)
    assert course.of("b") == 2.0
