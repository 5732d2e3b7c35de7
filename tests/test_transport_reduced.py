"""The reduced engine against the full one: its error, what it says of its error, and what it refuses."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numba
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.transport_people import Person, drawn, looks, month, patient
from tests.transport_systems import dosings, everything, exact, random_dosing, random_system, systems

import thecal.body.transport.kernels as kernels_room
from thecal.body.transport import reduced as module
from thecal.body.transport.course import Engine, scaled_error
from thecal.body.transport.dosing import Dosing, timeline
from thecal.body.transport.kernels import basis, eigen, march, reduce, vectors
from thecal.body.transport.modal import Modes
from thecal.body.transport.reduced import Reduced
from thecal.body.transport.system import Channels, Lag, Plasma, System
from thecal.body.transport.tree import Tree
from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from thecal.body.transport.cohort import Patient
    from thecal.body.transport.tree import FloatArray


def gap(found: FloatArray, true: FloatArray) -> float:
    """The greatest difference, against the greatest value of all."""
    return float(np.max(np.abs(found - true)) / (np.max(np.abs(true)) + 1e-300))


# What it gives ----------------------------------------------------------------------------------------------------


@given(systems, dosings, st.integers(0, 10**6))
@settings(max_examples=60)
def test_small_trees_come_out_exactly(system: System, dosing: Dosing, seed: int) -> None:
    random = np.random.default_rng(seed)
    at_s = np.sort(random.uniform(dosing.t_s[0], 9000, 5))
    state = random.random(system.size) if seed % 2 else None
    try:
        course = Reduced(system, everything(system)).run(dosing, at_s, state=state)
    except UntrustedError as error:
        assert error.doubt is Doubt.LOST_DIGITS
        return
    assert gap(course.values, exact(system, dosing, at_s, state)) < 1e-8
    assert course.engine is Engine.REDUCED
    assert course.state is None


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("number", range(3))
def test_people_come_out_as_from_all_modes(number: int, deep: bool) -> None:
    _person(number, deep=deep)


@pytest.mark.long
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("first", range(0, 300, 20))
def test_people_by_the_hundred_come_out_as_from_all_modes(first: int, deep: bool) -> None:
    refused = [number for number in range(first, first + 20) if not _person(number, deep=deep)]
    assert len(refused) <= 2


def _person(number: int, *, deep: bool) -> bool:
    system, channels, _ = patient(drawn(1, number), deep=deep)
    dosing, at_s = month(), looks()
    try:
        course = Reduced(system, channels, tolerance=1e-6).run(dosing, at_s)
    except UntrustedError as refused:
        assert refused.doubt is Doubt.LOST_DIGITS
        return False
    error = scaled_error(course.values, Modes(system).run(dosing, at_s, channels).values)
    assert error <= 1e-6
    assert error <= 3 * course.time_error + 1e-10
    return True


def _honest(one: Patient, dosing: Dosing, at_s: FloatArray) -> float:
    """The most by which the true error is over what is said of it, whatever the number of shifts."""
    system, channels, _ = one
    true = Modes(system).run(dosing, at_s, channels).values
    held = Reduced(system, channels, tolerance=1.0)
    line = timeline(dosing, at_s)
    worst = 0.0
    for sets in range(2, module.LAST + 1):
        pair, values = held.pair(sets), np.empty(true.shape)
        said = held.doubt(line, pair, module.marched(line, pair, values), None)
        worst = max(worst, scaled_error(values, true) / (said + 1e-11))
    return worst


def test_the_stated_error_is_honest() -> None:
    boluses, at_s = month(3), looks(3)
    for number in range(6):
        assert _honest(patient(drawn(2, number), deep=number % 2 == 0), boluses, at_s) < 4


@pytest.mark.long
@pytest.mark.parametrize("first", range(0, 400, 20))
def test_the_stated_error_is_honest_by_the_hundred(first: int) -> None:
    single, at_s = Dosing.bolus(1e6), np.concatenate(([0.0], np.geomspace(1, 3e5, 400)))
    for number in range(first, first + 20):
        one = patient(drawn(2, number), deep=number % 2 == 0)
        if one.system.tree.scale_ratio < 1e8:
            assert _honest(one, month(3, seed=number), looks(3)) < 4
            assert _honest(one, single, at_s) < 4


@given(st.integers(0, 10**6), st.integers(20, 120))
@settings(max_examples=25)
def test_the_stated_error_is_honest_on_any_tree(seed: int, pools: int) -> None:
    system, dosing = random_system(seed, pools), random_dosing(seed)
    rows = np.random.default_rng(seed).choice(system.size, 4, replace=False)
    channels = Channels(tuple("abcd"), np.eye(system.size)[rows])
    at_s = np.linspace(dosing.t_s[0], 9000, 60)
    assume(system.tree.scale_ratio < 1e8)
    full = Modes(system).run(dosing, at_s, channels)
    try:
        course = Reduced(system, channels, tolerance=1e-6).run(dosing, at_s)
    except UntrustedError:
        return
    size = np.max(np.abs(full.values), axis=1)
    reach = 1e-9 * timeline(dosing, at_s).given_ng
    assert np.max(np.max(np.abs(course.values - full.values), axis=1) / np.maximum(size, reach)) < 1e-6 + 1e-9


def test_the_tip_is_right_at_the_instant_of_an_impulse_and_just_after() -> None:
    system, channels, _ = patient(drawn(1, 4), bolus_ml=(0.0, 1.0))
    mass = np.array([[1e4, 0.0, 2e4], [0.0, 1e5, 0.0]])
    dosing = Dosing(np.array([0.0, 4001.0, 9000.0]), np.zeros((2, 3)), mass)
    at_s = np.sort((dosing.t_s[:, None] + np.array([0.0, 1.0, 2.0, 5.0, 20.0, 300.0])).ravel())
    course = Reduced(system, channels, tolerance=1e-6).run(dosing, at_s)
    true = Modes(system).run(dosing, at_s, channels).values
    near = [k for k in range(true.shape[0]) if np.max(true[k]) > 1e-3 * np.max(true)]
    assert len(near) > 3
    assert scaled_error(course.values[near], true[near]) <= 1e-6


def test_a_state_goes_on_where_a_run_ended() -> None:
    system, channels, _ = patient(drawn(1, 5))
    dosing, at_s = month(2), looks(2)
    modes = Modes(system)
    half = modes.run(dosing, at_s[:100])
    rest = Dosing(np.array([at_s[99]]), np.array([[3.0]]), np.zeros((1, 1)))
    later = at_s[99:]
    true = modes.run(rest, later, channels, state=half.state).values
    held = Reduced(system, channels, tolerance=1e-6)
    assert scaled_error(held.run(rest, later, state=half.state).values, true) < 1e-6
    nothing = held.run(rest, later, state=np.zeros(system.size)).values
    assert gap(nothing, held.run(rest, later).values) < 1e-9


def test_runs_add_up_and_do_not_depend_on_how_a_dosing_is_cut() -> None:
    system, channels, _ = patient(drawn(1, 6))
    held, at_s = Reduced(system, channels), looks(2)
    first, second = month(2, seed=1), month(2, seed=2)
    t_s = np.union1d(first.t_s, second.t_s)

    def cut(dosing: Dosing) -> FloatArray:
        return dosing.rate_ng_per_s[:, np.searchsorted(dosing.t_s, t_s, side="right") - 1]

    nothing = np.zeros((1, t_s.size))
    parts = [held.run(Dosing(t_s, cut(dosing), nothing), at_s).values for dosing in (first, second)]
    assert gap(parts[0], held.run(first, at_s).values) < 1e-12
    both = held.run(Dosing(t_s, 2 * cut(first) - 0.5 * cut(second), nothing), at_s).values
    assert gap(both, 2 * parts[0] - 0.5 * parts[1]) < 1e-12


def test_strokes_by_the_thousand_are_added_one_by_one() -> None:
    system, dosing = random_system(11, 9), random_dosing(11)
    random = np.random.default_rng(2)
    t_s = np.unique(random.integers(0, 86_400, 6000)).astype(float)
    strokes = Dosing(t_s, np.zeros((1, t_s.size)), np.full((1, t_s.size), 2.5))
    at_s = looks(1)
    channels = everything(system)
    course = Reduced(system, channels).run(strokes, at_s)
    assert gap(course.values, Modes(system).run(strokes, at_s, channels).values) < 1e-9
    assert dosing.t_s.size


def test_very_many_lengths_of_step_are_gone_through_in_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    system, channels, _ = patient(drawn(1, 7), bolus_ml=(0.0, 0.5))
    random = np.random.default_rng(3)
    t_s = np.append(0.0, np.sort(random.uniform(0, 9e4, 300)))
    dosing = Dosing(t_s, random.random((2, t_s.size)), random.random((2, t_s.size)) * 50)
    at_s = np.sort(np.concatenate((random.uniform(0, 1e5, 1500), t_s[::3])))
    held = Reduced(system, channels, tolerance=1e-6)
    whole = held.run(dosing, at_s)
    monkeypatch.setattr(module, "MOST_LENGTHS", 100)
    parts = held.run(dosing, at_s)
    assert gap(parts.values, whole.values) < 1e-13
    assert parts.time_error == pytest.approx(whole.time_error, rel=1e-3)


# Where rates meet -------------------------------------------------------------------------------------------------

PLASMAS = (
    Plasma(100.0, 1e-3),
    Plasma(100.0, 0.0),
    Plasma(100.0, 1e-3, 2e-3, 0.0),
    Plasma(100.0, 1e-3, 0.0, 2e-3),
    Plasma(100.0, 1e-3, 2e-3, 5e-4, 0.0, 1e-3),
    Plasma(100.0, 1e-3, 2e-3, 5e-4, 2e-3, 5e-4),
)


@pytest.mark.parametrize("plasma", PLASMAS)
@pytest.mark.parametrize("loss", [0.0, 1e-3, 2e-3])
@pytest.mark.parametrize("paces", [(3e-4, 3e-4, 7e-4), (1e-3, 1e-3, 2e-3)])
def test_modes_that_meet_those_below_come_out(plasma: Plasma, loss: float, paces: tuple[float, ...]) -> None:
    """A lone pool and a pair decay just as plasma does, or as a lag, or not at all; where three are alike, it may be
    refused.
    """
    tree = Tree(
        np.array([2, 2, -1]), np.array([0.0, 1e-3, 0.0]), np.array([0.0, 2e-3, 0.0]),
        np.full(3, loss), np.full(3, loss),
    )  # fmt: skip
    lags = tuple(Lag(f"lag {k}", ke0, np.array([0.1, 0.2, 0.0]), 0.01) for k, ke0 in enumerate(paces))
    system = System(tree, np.array([[0.5], [0.2], [0.3]]), plasma, lags)
    dosing = Dosing(np.array([0.0, 500.0]), np.array([[0.3, 0.0]]), np.array([[20.0, 0.0]]))
    at_s = np.array([0.0, 10.0, 500.0, 4000.0])
    for state in (None, np.arange(1.0, 10.0)):
        try:
            course = Reduced(system, everything(system), tolerance=1e-6).run(dosing, at_s, state=state)
        except UntrustedError as error:
            assert error.doubt is Doubt.LOST_DIGITS
            assert loss in paces
            continue
        assert gap(course.values, exact(system, dosing, at_s, state)) < 1e-6


def test_pools_without_a_way_to_them_stay_empty() -> None:
    system, channels, _ = patient(drawn(1, 8)._replace(dura=0.0), deep=True)
    weights = np.eye(system.size)[[0, 1]]
    dosing, at_s = month(1), looks(1)
    both = Channels((*channels.names, "fat", "epidural"), np.vstack((channels.weights, weights)))
    course = Reduced(system, both, tolerance=1e-6).run(dosing, at_s)
    assert np.all(course.values[-2:] == 0)
    assert scaled_error(course.values, Modes(system).run(dosing, at_s, both).values) < 1e-6


def test_nothing_given_is_nothing_read() -> None:
    system, channels, _ = patient(Person(), cells=20)
    course = Reduced(system, channels).run(Dosing.steady(0.0), np.array([0.0, 100.0]))
    assert np.all(course.values == 0)
    assert course.time_error == 0


# What it refuses --------------------------------------------------------------------------------------------------


def _refused(doubt: Doubt, make: Callable[[], object]) -> None:
    with pytest.raises(UntrustedError) as refused, np.errstate(all="ignore"):
        make()
    assert refused.value.doubt is doubt


def test_what_cannot_be_shown_is_refused() -> None:
    system, channels, _ = patient(drawn(1, 9))
    dosing, at_s = month(1), looks(1)
    _refused(Doubt.LOST_DIGITS, lambda: Reduced(system, channels, tolerance=1e-14).run(dosing, at_s))
    steep = patient(drawn(1, 9)._replace(kappa=1e-5))
    assert steep.system.tree.scale_ratio > 1e8
    _refused(Doubt.LOST_DIGITS, lambda: Reduced(steep.system, steep.channels))
    huge = Dosing(np.zeros(1), np.full((1, 1), 1e308), np.zeros((1, 1)))
    _refused(Doubt.LOST_DIGITS, lambda: Reduced(system, channels).run(huge, at_s))


def test_a_reading_before_anything_arrives_is_not_called_right() -> None:
    """Half a minute after a bolus in the sac, the cistern holds far less than rounding of what the tip holds."""
    system, channels, _ = patient(Person(tip=10.0))
    far = Channels(("cistern",), channels.weights[[channels.names.index("cistern")]])
    _refused(Doubt.LOST_DIGITS, lambda: Reduced(system, far).run(Dosing.bolus(1e6), np.array([10.0, 30.0])))


def test_what_does_not_fit_is_refused() -> None:
    system, channels, _ = patient(drawn(1, 9), cells=20)
    _refused(Doubt.SHAPE, lambda: Reduced(system, Channels(("a",), np.ones((1, 3)))))
    two = Dosing(np.zeros(1), np.zeros((2, 1)), np.zeros((2, 1)))
    _refused(Doubt.SHAPE, lambda: Reduced(system, channels).run(two, [1.0]))
    _refused(Doubt.SHAPE, lambda: Reduced(system, channels).run(Dosing.steady(1.0), [1.0], state=np.ones(3)))
    unknown = np.full(system.size, np.nan)
    _refused(Doubt.NOT_A_NUMBER, lambda: Reduced(system, channels).run(Dosing.steady(1.0), [1.0], state=unknown))
    _refused(Doubt.TIME, lambda: Reduced(system, channels).run(Dosing.steady(1.0), [1.0, np.inf]))
    _refused(Doubt.OUT_OF_RANGE, lambda: Reduced(system, channels, tolerance=np.nan))


def test_modes_that_are_not_found_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    system, channels, _ = patient(drawn(1, 9), cells=20)
    monkeypatch.setattr(module, "close", lambda *_: -1)
    _refused(Doubt.LOST_DIGITS, lambda: Reduced(system, channels).run(Dosing.steady(1.0), [1.0]))


# Compiled loops, in Python ----------------------------------------------------------------------------------------


def test_an_orthonormal_basis_drops_what_is_not_new() -> None:
    random = np.random.default_rng(0)
    rows = random.standard_normal((9, 12))
    rows[4], rows[6] = rows[1] + rows[2], 0.0
    for one in (basis.orthonormalize, basis.orthonormalize.py_func):
        found = rows.copy()
        kept = one(found, 0, 5)
        found[kept : kept + 4] = rows[5:]
        kept = one(found, kept, kept + 4)
        assert kept == 7
        assert np.allclose(found[:7] @ found[:7].T, np.eye(7), atol=1e-14)
        part = rows @ found[:7].T @ found[:7]
        assert np.allclose(part, rows, atol=1e-13)


def test_products_in_fours_are_products() -> None:
    random = np.random.default_rng(0)
    rows, x = random.standard_normal((7, 10)), random.standard_normal(10)
    for count in range(8):
        found, left = np.zeros(7), x.copy()
        basis.dots.py_func(rows, count, x, found)
        assert np.allclose(found[:count], rows[:count] @ x)
        basis.take.py_func(rows, count, found, left)
        assert np.allclose(left, x - found[:count] @ rows[:count])
    matrix = np.zeros((7, 7))
    basis.project.py_func(rows, rows[3:], 3, 7, matrix)
    assert np.allclose(matrix[3:, :], (rows @ rows.T)[3:, :])
    assert np.array_equal(matrix, matrix.T)


@given(st.integers(0, 10**6), st.integers(1, 30))
@settings(max_examples=60)
def test_modes_of_a_symmetric_matrix(seed: int, size: int) -> None:
    random = np.random.default_rng(seed)
    matrix = random.standard_normal((size, size)) * 10.0 ** random.uniform(-6, 6, size)[:, None]
    matrix = matrix + matrix.T
    if seed % 3 == 0:
        matrix = np.diag(np.diag(matrix))
    turned = np.eye(size)
    rate, fine = eigen.modes(matrix.copy(), turned)
    assert fine
    assert np.allclose(turned.T @ (rate[:, None] * turned), matrix, atol=1e-12 * np.max(np.abs(matrix)) * size)
    assert np.allclose(turned @ turned.T, np.eye(size), atol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_modes_in_python(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(size)
    matrix = random.standard_normal((size, size))
    matrix += matrix.T
    rate, fine = eigen.modes.py_func(matrix.copy(), np.eye(size))
    assert fine
    assert np.allclose(np.sort(rate), np.linalg.eigvalsh(matrix))
    diagonal, beside = eigen.tridiagonal.py_func(matrix.copy(), np.eye(size))
    again = np.diag(diagonal) + np.diag(beside[1:], 1) + np.diag(beside[1:], -1)
    assert np.allclose(np.linalg.eigvalsh(again), np.linalg.eigvalsh(matrix))
    sparse = np.diag(np.arange(1.0, 5.0))
    sparse[0, 3] = sparse[3, 0] = 0.5
    assert np.allclose(np.sort(eigen.modes.py_func(sparse.copy(), np.eye(4))[0]), np.linalg.eigvalsh(sparse))
    swapped = np.array([[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [1.0, 1.0, 0.0]])
    assert np.allclose(np.sort(eigen.modes.py_func(swapped.copy(), np.eye(3))[0]), np.linalg.eigvalsh(swapped))
    monkeypatch.setattr(eigen, "_MOST_TURNS", 0)
    assert eigen.modes.py_func(sparse.copy(), np.eye(4))[1] is False


@given(st.integers(0, 10**6))
@settings(max_examples=30)
def test_growth_loses_no_digit(seed: int) -> None:
    random = np.random.default_rng(seed)
    rate = np.append(-(10.0 ** random.uniform(-9, 2, 8)), [0.0, 1e-18])
    steps = 10.0 ** random.uniform(-3, 7, 5)
    for one in (march.growth, march.growth.py_func):
        grown, given_then = one(rate, steps)
        power = np.maximum(rate * steps[:, None], -700)
        assert np.allclose(grown, np.exp(power), rtol=1e-13, atol=1e-300)
        true = np.where(rate == 0, steps[:, None], np.expm1(power) / np.where(rate == 0, 1, rate))
        assert np.allclose(given_then, true, rtol=1e-13)


def test_vectors_do_what_they_say_in_numpy() -> None:
    random = np.random.default_rng(0)
    z, tables, supply = random.random(24), random.random((2, 3, 24)), random.random(24)
    weights, block = random.random((24, 16)), random.random((16, 24))

    def all_of_it(
        z: FloatArray, y: FloatArray, kept: FloatArray, sums: FloatArray, x: FloatArray, tables: FloatArray
    ) -> float:
        vectors.grow(z, tables[0], tables[1], 2, x)
        vectors.keep(z, 8, kept, 1)
        vectors.tile(weights, 8, block, 8, y)
        vectors.four_eights(block, 3, x, 16, sums)
        vectors.less_four(block, 5, z, x, 16)
        return vectors.eights(z, x, 24)

    njit: Any = numba.njit
    compiled = njit(all_of_it)  # not cached: so that the instructions are built here
    plain, fast = ((z.copy(), np.zeros((16, 16)), np.zeros((2, 16)), np.zeros(9), supply.copy()) for _ in range(2))
    assert compiled(*fast, tables) == pytest.approx(all_of_it(*plain, tables), rel=1e-13)
    for a, b in zip(plain, fast, strict=True):
        assert np.allclose(a, b, rtol=1e-13)
    assert np.allclose(plain[0], tables[0, 2] * z + tables[1, 2] * supply)
    assert np.allclose(plain[1][8:, 8:], (block @ weights).T[8:, 8:])
    assert np.array_equal(plain[2][1], plain[0][8:])
    assert np.allclose(plain[3][3:7], block[3:7, :16] @ supply[:16])
    assert np.allclose(plain[4][:16], supply[:16] - plain[0][5:9] @ block[5:9, :16])
    assert np.array_equal(plain[4][16:], supply[16:])


def _in_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the engine run on the Python of its loops."""
    for room in (basis, eigen, march, reduce):
        for name, found in vars(room).copy().items():
            if hasattr(found, "py_func"):
                monkeypatch.setattr(room, name, found.py_func)
    for name in ("blood", "close", "doubt", "extend", "filled", "reach", "seen", "settle", "span"):
        monkeypatch.setattr(module, name, getattr(reduce, name))
    monkeypatch.setattr(module, "growth", march.growth)
    monkeypatch.setattr(module, "march", march.march)


def test_the_whole_engine_runs_in_python_too(monkeypatch: pytest.MonkeyPatch) -> None:
    system, dosing = random_system(5, 20, inputs=2), random_dosing(5, inputs=2)
    still = Tree(*system.tree.arrays[:3], np.zeros(20), np.zeros(20))
    lone = Tree(np.array([-1]), *np.zeros((4, 1)))
    cases = (
        system,
        System(still, system.inputs, Plasma(10.0, 1e-3), (Lag("late", 1e-3, np.eye(20)[3], 1.0),)),
        System(lone, np.ones((1, 2)), Plasma(10.0, 1e-3, 1e-3, 0.0)),
    )
    at_s = np.linspace(dosing.t_s[0], 9000, 130)
    compiled = [Reduced(one, everything(one), tolerance=1e-5).run(dosing, at_s).values for one in cases]
    _in_python(monkeypatch)
    for one, values in zip(cases, compiled, strict=True):
        found = Reduced(one, everything(one), tolerance=1e-5).run(dosing, at_s).values
        assert gap(found, values) < 1e-9


def test_closing_in_python() -> None:
    """Rates that meet are moved aside; what is not a number has no modes."""
    lag = np.array([1e-3])
    for rate in (-1e-3, -2e-3):
        below = reduce.blood.py_func(np.zeros(2), np.zeros(2), 2e-3, lag, np.array([1e-4]))
        weights, places = np.ones((1, 4)), (0, 1)
        columns = np.array([[0.1, 0.2, 0.3]])
        out = [(np.zeros(5), np.zeros(5), np.zeros((5, 8))) for _ in range(2)]
        both: Any = reduce.close, reduce.close.py_func
        for close, room in zip(both, out, strict=True):
            assert close(np.full((1, 1), rate), columns, 1.0, below, weights, places, *room) == 1
        for a, b in zip(*out, strict=True):
            assert np.allclose(a, b, rtol=1e-6)
    meets = reduce.blood.py_func(np.zeros(2), np.zeros(2), 1e-3, lag, lag)
    assert meets[3] != lag
    broken = np.full((2, 2), np.nan)
    room = np.zeros(5), np.zeros(5), np.zeros((5, 8))
    assert reduce.close.py_func(broken, np.zeros((2, 3)), 1.0, meets, np.ones((1, 4)), (0, 2), *room) == -1


def test_nothing_and_what_is_not_a_number_in_python() -> None:
    below = reduce.blood.py_func(np.zeros(2), np.zeros(2), 1.0, np.zeros(0), np.zeros(0))
    room = np.zeros(3), np.zeros(3), np.zeros((3, 8))
    assert reduce.close.py_func(np.zeros((0, 0)), np.zeros((0, 2)), 0.0, below, np.ones((1, 3)), (0, 0), *room) == 0
    one = np.ones(1)
    for found in (reduce.doubt, reduce.doubt.py_func):
        assert found(-one, one, np.ones((1, 8)), 0 * one, one, 1.0) == pytest.approx(5 * 2.0**-52)
        assert found(-one, one * np.nan, np.ones((1, 8)), one, one, 1.0) == np.inf
        with np.errstate(divide="ignore"):
            assert found(-one, one, np.ones((1, 8)), one, 0 * one, 1.0) == np.inf
        assert found(-one, 0 * one, np.ones((1, 8)), 0 * one, 0 * one, 1.0) == 0


def test_what_is_nothing_makes_no_row() -> None:
    rows = np.ones((2, 3))
    reduce.turn.py_func(np.array([[0.0, 3.0], [0.0, 0.0], [0.0, 4.0]]), np.ones(3), rows, 0)
    assert np.allclose(rows, [[0.0, 0.0, 0.0], [0.6, 0.0, 0.8]], rtol=1e-15)


def test_marching_in_python() -> None:
    """Without reads nothing is written; without checks nothing is compared; what overflows is not a number."""
    none = np.zeros(0, dtype=np.int64)
    line = np.zeros(1, dtype=np.int64), np.ones((1, 1)), np.zeros((1, 2)), np.array([0, 1]), none, np.array([2, 0])
    weights = np.ones((8, 8)), np.ones((8, 8))
    for rate, fine in ((-1.0, True), (1e308, False)):
        for one in (march.march, march.march.py_func):
            values = np.zeros((1, 2))
            growths = np.full((1, 16), rate), np.full((1, 16), rate)
            with np.errstate(all="ignore"):
                gap, size, mode, z = one(np.full(16, 1e100), np.ones((1, 16)), weights, growths, line, values)
            assert gap == 0
            assert bool(np.all(np.isfinite(mode))) is fine
            assert bool(np.all(np.isfinite(z))) is fine
            assert values[0, 0] == 8e100
            assert not fine or size == 8e100
            nobody = *line[:3], none, none, line[5]
            one(np.zeros(16), np.zeros((1, 16)), weights, growths, nobody, np.zeros((1, 0)))
    seen, values = (np.zeros(8), np.zeros(8)), np.zeros((1, 8))
    march.flush.py_func(weights, (np.ones((8, 8)),) * 2, np.zeros((8, 8)), (8, 8), none, values, seen)
    assert np.all(values == 8)
    assert (seen[0][0], seen[1][0]) == (0, 8)


# Cold and warm ----------------------------------------------------------------------------------------------------

FIRST_RESULT = """
import json
import numba
from thecal.body.transport.warm import small, warm
from thecal.body.transport import kernels
warm()
import sys
found = {}
for name, room in list(sys.modules.items()):
    if name.startswith("thecal.body.transport.kernels."):
        for one in vars(room).values():
            if hasattr(one, "stats") and hasattr(one, "py_func"):
                found[f"{one.py_func.__module__}.{one.py_func.__name__}"] = sum(one.stats.cache_misses.values())
print(json.dumps(found))
"""


@pytest.mark.parametrize("cold", [pytest.param(True, marks=pytest.mark.long), False], ids=["cold", "as set up"])
def test_what_is_warm_is_not_compiled_again(tmp_path: Path, cold: bool) -> None:
    """From nothing, which takes half a minute; and with what setting up has compiled."""
    measured = "COVERAGE_PROCESS"  # what is compiled is not counted line by line
    env = {name: value for name, value in os.environ.items() if not name.startswith(measured)}
    if cold:
        env["NUMBA_CACHE_DIR"] = str(tmp_path)
    missed = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", FIRST_RESULT], env=env, check=True, capture_output=True, text=True
        )
        missed.append(json.loads(done.stdout))
    assert len(missed[1]) > 10
    assert sum(missed[0].values()) > 10 or not cold
    assert sum(missed[1].values()) == 0


def test_what_was_compiled_from_other_sources_is_forgotten(tmp_path: Path) -> None:
    sources, cache = tmp_path / "sources", tmp_path / "cache"
    sources.mkdir()
    (sources / "loop.py").write_text("1")
    assert kernels_room.forget_old(sources, cache)
    old = cache / "loop.nbi"
    old.write_text("compiled")
    assert not kernels_room.forget_old(sources, cache)
    assert old.exists()
    os.utime(sources / "loop.py", (1, 1))
    assert kernels_room.forget_old(sources, cache)
    assert not old.exists()
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert not kernels_room.forget_old(sources, blocked)


def test_warming_goes_through_a_small_canal() -> None:
    assert runpy.run_module("thecal.body.transport.warm")["small"]()[0].size == 44
    runpy.run_module("thecal.body.transport.warm", run_name="__main__")
