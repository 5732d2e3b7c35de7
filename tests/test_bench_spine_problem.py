"""The problem that the bench of the spine times is the one that it says, and the bench's own arithmetic is right."""

from __future__ import annotations

import numpy as np
import pytest
from bench import spine_problem, spine_timing
from bench.spine_problem import BASE_NG_PER_DAY, BOLUS_NG, BOLUS_S, DAY_S, DAYS, HOUR_S, LOOK_S, SITES
from hypothesis import given, settings
from hypothesis import strategies as st

from thecal.body.spine.neuraxis import Leaves
from thecal.body.transport.dosing import Dosing, timeline


def boluses(of: Dosing) -> tuple[np.ndarray, np.ndarray]:
    """Begin and end of each stretch that is above what its hour gives alone."""
    rate, hour = of.rate_ng_per_s[0], (of.t_s % DAY_S) // HOUR_S
    alone = np.array([np.min(rate[hour == h]) for h in range(24)])
    above = rate - alone[hour.astype(int)] > 0.5 * BOLUS_NG / BOLUS_S
    edges = np.diff(np.concatenate(([False], above, [False])).astype(int))
    times = np.append(of.t_s, of.t_s[-1])
    return times[np.flatnonzero(edges == 1)], times[np.flatnonzero(edges == -1)]


def test_it_has_410_states_16_channels_and_30_days_of_10_minutes() -> None:
    found = spine_problem.problem()
    assert (found.states, found.system.tree.size, len(found.system.lags)) == (410, 404, 3)
    assert found.channels.weights.shape == (16, 410)
    assert np.all(np.any(found.channels.weights, axis=1))
    np.testing.assert_array_equal(found.at_s, LOOK_S * np.arange(1, 4321))
    assert len(set(found.channels.names)) == len(SITES) == 16


def test_the_shipped_model_has_its_epidural_and_fat_leaves_and_the_same_dosing() -> None:
    bare, whole = spine_problem.problem(), spine_problem.problem(leaves=Leaves.ALL)
    assert (whole.states, whole.system.tree.size) == (810, 804)
    np.testing.assert_array_equal(whole.dosing.t_s, bare.dosing.t_s)
    np.testing.assert_array_equal(whole.dosing.rate_ng_per_s, bare.dosing.rate_ng_per_s)
    assert whole.channels.names == bare.channels.names


def test_six_boluses_of_four_minutes_a_day_and_24_rates_that_repeat() -> None:
    of = spine_problem.dosing()
    begin, end = boluses(of)
    assert begin.size == 6 * DAYS
    np.testing.assert_array_equal(end - begin, BOLUS_S)
    np.testing.assert_array_equal(np.bincount((begin // DAY_S).astype(int)), [6] * DAYS)
    hours = of.rate_ng_per_s[0][of.t_s % HOUR_S == 0]
    assert np.unique(np.round(hours, 9)).size >= 24
    assert np.any(begin % LOOK_S != 0)


def test_it_has_about_as_many_exact_stretches_as_the_prototype_had() -> None:
    found = spine_problem.problem()
    assert 4320 + 350 < timeline(found.dosing, np.append(0.0, found.at_s)).step_s.size <= 4320 + 360


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 12), st.integers(1, 96), st.integers(0, 10_000))
def test_boluses_never_lie_on_another_and_the_mass_is_right(days: int, count: int, seed: int) -> None:
    of = spine_problem.dosing(days, count, seed)
    step_s = np.diff(np.append(of.t_s, days * DAY_S))
    given_ng = float(np.sum(of.rate_ng_per_s[0] * step_s))
    assert given_ng == pytest.approx(days * (BASE_NG_PER_DAY + count * BOLUS_NG), rel=1e-12)
    assert float(of.rate_ng_per_s.max()) < 1.5 * 2 * BASE_NG_PER_DAY / DAY_S + BOLUS_NG / BOLUS_S
    assert np.all(of.mass_ng == 0)


def test_the_same_seed_gives_the_same_and_another_gives_another() -> None:
    one, same, other = spine_problem.dosing(), spine_problem.dosing(), spine_problem.dosing(seed=63)
    np.testing.assert_array_equal(one.t_s, same.t_s)
    assert one.t_s.size != other.t_s.size or np.any(one.t_s != other.t_s)


def test_the_first_days_are_the_first_days() -> None:
    found = spine_problem.problem(days=2).first(1.0)
    assert float(found.at_s[-1]) == DAY_S
    assert found.states == 410


def test_each_virtual_patient_has_a_physiology_of_his_own_and_keeps_it() -> None:
    people = [spine_problem.patient(number) for number in range(4)]
    assert len({float(one.system.tree.up_per_s[1]) for one in people}) == 4
    for number, one in enumerate(people):
        again = spine_problem.patient(number)
        assert (one.system.size, one.channels.weights.shape) == (410, (16, 410))
        np.testing.assert_array_equal(one.system.tree.up_per_s, again.system.tree.up_per_s)
        np.testing.assert_array_equal(one.channels.weights, again.channels.weights)
    assert spine_problem.patient(0, Leaves.ALL).system.size == 810


def test_growth_is_the_power_of_size() -> None:
    sizes = [50, 100, 200, 400]
    assert spine_timing.exponent(sizes, [2e-6 * n**1.5 for n in sizes]) == pytest.approx(1.5)


def test_a_contestant_is_held_against_the_truth_and_scaled_to_the_whole() -> None:
    true = np.array([[1.0, 2.0], [10.0, 20.0]])
    right = spine_timing.Contestant("right", lambda: true, true)
    half = spine_timing.Contestant("half", lambda: true + np.array([[0.0], [2e-3]]), true, "1 day", share=0.5)
    first, second = spine_timing.race([right, half], 3)
    assert (first["name"], first["error"], first["ratio_wall"]) == ("right", 0.0, 1.0)
    assert (second["error"], second["note"]) == (1e-4, "1 day")
    assert len(half.wall_s) == len(half.process_s) == 3
    before = half.wall
    half.wall_s = [2 * one for one in half.wall_s]
    assert half.wall == 2 * before
