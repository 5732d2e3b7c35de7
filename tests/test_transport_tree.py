"""Trees of pools and the systems they stand in: what is refused, the scaling, and the sweeps that solve them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.transport_systems import any_systems, dense, random_system, systems

from thecal.body.transport.kernels import sweep
from thecal.body.transport.system import Channels, Lag, Plasma, System
from thecal.body.transport.tree import FloatArray, Tree
from thecal.body.transport.untrusted import Doubt, UntrustedError

PARTS = ("parent", "up_per_s", "down_per_s", "loss_per_s", "to_plasma_per_s")


def a_tree(**change: object) -> Tree:
    parts: dict[str, object] = {
        "parent": np.array([2, 2, -1]),
        "up_per_s": np.array([1.0, 2.0, 0.0]),
        "down_per_s": np.array([0.5, 0.25, 0.0]),
        "loss_per_s": np.array([0.0, 0.1, 0.2]),
        "to_plasma_per_s": np.array([0.0, 0.1, 0.1]),
    }
    return Tree(**{**parts, **change})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "doubt"),
    [
        ({"parent": np.zeros(0, dtype=int)}, Doubt.SHAPE),
        ({"parent": np.array([[2, 2, -1]])}, Doubt.SHAPE),
        ({"loss_per_s": np.zeros(2)}, Doubt.SHAPE),
        ({"parent": np.array([2, 2, 2])}, Doubt.NOT_A_TREE),
        ({"parent": np.array([0, 2, -1])}, Doubt.NOT_A_TREE),
        ({"parent": np.array([3, 2, -1])}, Doubt.NOT_A_TREE),
        ({"parent": np.array([-1, 2, -1])}, Doubt.NOT_A_TREE),
        ({"up_per_s": np.array([1.0, 2.0, 3.0])}, Doubt.NOT_A_TREE),
        ({"down_per_s": np.array([0.5, 0.2, 0.1])}, Doubt.NOT_A_TREE),
        *(({name: np.array([0.1, bad, 0.0])}, Doubt.NOT_A_NUMBER)
          for name in ("up_per_s", "down_per_s", "loss_per_s", "to_plasma_per_s") for bad in (np.nan, np.inf)),
        *(({name: np.array([0.1, -1e-9, 0.0])}, Doubt.OUT_OF_RANGE)
          for name in ("up_per_s", "down_per_s", "loss_per_s", "to_plasma_per_s")),
        ({"to_plasma_per_s": np.array([0.0, 0.2, 0.1])}, Doubt.OUT_OF_RANGE),
    ],
)  # fmt: skip
def test_what_is_no_tree_is_refused(change: dict[str, object], doubt: Doubt) -> None:
    with pytest.raises(UntrustedError) as refused:
        a_tree(**change)
    assert refused.value.doubt is doubt


def test_a_tree_of_strided_arrays_that_cannot_be_written_is_the_same_tree() -> None:
    wide = np.array([[1.0, 9], [2.0, 9], [0.0, 9]])
    wide.setflags(write=False)
    parent = np.array([2, 2, -1], dtype=np.int32)
    assert np.array_equal(a_tree(up_per_s=wide[:, 0], parent=parent).matrix.toarray(), a_tree().matrix.toarray())


@given(any_systems)
@settings(max_examples=50)
def test_columns_of_the_matrix_sum_to_what_is_lost(system: System) -> None:
    matrix = system.tree.matrix.toarray()
    assert np.allclose(matrix.sum(axis=0), -system.tree.loss_per_s, atol=1e-15)
    assert np.allclose(system.tree.outflow_per_s, -np.diag(matrix), rtol=1e-14)


@given(systems)
@settings(max_examples=50)
def test_the_scaling_makes_the_matrix_symmetric(system: System) -> None:
    tree = system.tree
    scale = np.exp(tree.log_scale)
    found = tree.matrix.toarray() * scale[None, :] / scale[:, None]
    assert np.allclose(found, found.T, rtol=1e-10, atol=0)
    assert np.max(tree.log_scale) == 0
    assert tree.scale_ratio == pytest.approx(1 / np.min(scale), rel=1e-12)


def test_edges_that_carry_nothing_need_no_scaling_and_one_way_ones_have_none() -> None:
    none = a_tree(up_per_s=np.array([0.0, 2.0, 0.0]), down_per_s=np.array([0.0, 0.25, 0.0]))
    assert none.log_scale[0] == none.log_scale[2]
    for change in ({"up_per_s": np.array([0.0, 2.0, 0.0])}, {"down_per_s": np.array([0.5, 0.0, 0.0])}):
        one_way = a_tree(**change)
        assert np.all(np.isinf(one_way.log_scale))
        assert one_way.scale_ratio == np.inf


def test_a_scaling_beyond_what_a_number_holds_is_infinite() -> None:
    n = 400
    up, down = np.full(n, 100.0), np.full(n, 1.0)
    up[-1] = down[-1] = 0.0
    tree = Tree(np.append(np.arange(1, n), -1), up, down, np.zeros(n), np.zeros(n))
    assert tree.scale_ratio == np.inf


@given(any_systems, st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_one_sweep_solves_shifted_systems(system: System, seed: int) -> None:
    random = np.random.default_rng(seed)
    tree = system.tree
    shifts = 10.0 ** random.uniform(-6, 1, 5)
    side = random.random(tree.size)
    found = sweep.shifted(tree.arrays[:4], shifts, side)
    for k, shift in enumerate(shifts):
        true = np.linalg.solve(shift * np.eye(tree.size) - tree.matrix.toarray(), side)
        assert np.allclose(found[:, k], true, rtol=1e-7, atol=1e-12 * np.max(np.abs(true)))


@given(systems, st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_elimination_is_kept_for_many_sides(system: System, seed: int) -> None:
    tree = system.tree
    inverse, x = np.empty(tree.size), np.random.default_rng(seed).random(tree.size)
    side = x.copy()
    sweep.pivots(tree.arrays[:4], inverse)
    sweep.solve(tree.arrays[:4], inverse, x)
    once = sweep.shifted(tree.arrays[:4], np.zeros(1), side)[:, 0]
    assert np.allclose(x, once, rtol=1e-12)
    assert np.allclose(-tree.matrix @ x, side, atol=1e-6)


def test_a_part_that_loses_nothing_has_no_steady_state_and_gives_nothing() -> None:
    tree = a_tree(loss_per_s=np.zeros(3), to_plasma_per_s=np.zeros(3))
    inverse = np.empty(3)
    sweep.pivots(tree.arrays[:4], inverse)
    assert inverse[2] == 0
    assert sweep.shifted(tree.arrays[:4], np.zeros(1), np.ones(3))[2, 0] == 0


def _plain(system: System) -> None:
    tree, random = system.tree, np.random.default_rng(1)
    parent, up, down, loss, _ = tree.arrays
    assert sweep.fault.py_func(*tree.arrays) == 0
    assert np.array_equal(sweep.outflow.py_func(parent, up, down, loss), tree.outflow_per_s)
    assert np.allclose(sweep.log_scale.py_func(parent, up, down), tree.log_scale, rtol=1e-14)
    shifts, side = np.array([0.0, 1e-3]), random.random(tree.size)
    pools = tree.arrays[:4]
    assert np.allclose(sweep.shifted.py_func(pools, shifts, side), sweep.shifted(pools, shifts, side), rtol=1e-12)
    one, other = np.empty(tree.size), np.empty(tree.size)
    sweep.pivots.py_func(pools, one)
    sweep.pivots(pools, other)
    assert np.allclose(one, other, rtol=1e-14)
    x, y = side.copy(), side.copy()
    sweep.solve.py_func(pools, one, x)
    sweep.solve(pools, one, y)
    assert np.allclose(x, y, rtol=1e-12)
    scale, rows = np.exp(tree.log_scale), random.random((3, tree.size))
    assert sweep.length.py_func(side, scale) == pytest.approx(np.linalg.norm(side / scale), rel=1e-14)
    symmetric = tree.matrix.toarray() * scale[None, :] / scale[:, None]
    coupling = np.sqrt(up * down)
    for found in (sweep.applied, sweep.applied.py_func):
        assert np.allclose(found(parent, coupling, tree.outflow_per_s, rows), rows @ symmetric, atol=1e-15)


@pytest.mark.parametrize("pools", [1, 2, 9])
def test_compiled_sweeps_do_what_they_say_in_python(pools: int) -> None:
    _plain(random_system(pools, pools))


@pytest.mark.parametrize(
    "change",
    [
        {"parent": np.array([2, 2, 2])},
        {"parent": np.array([0, 2, -1])},
        {"up_per_s": np.array([1.0, 2.0, 3.0])},
        {"up_per_s": np.array([np.nan, 2.0, 0.0])},
        {"loss_per_s": np.array([0.0, -1.0, 0.2])},
        {"to_plasma_per_s": np.array([0.0, 0.2, 0.1])},
    ],
)
def test_the_check_says_the_same_in_python(change: dict[str, FloatArray]) -> None:
    parts: dict[str, Any] = dict(zip(PARTS, a_tree().arrays, strict=True)) | change
    assert sweep.fault.py_func(*parts.values()) == sweep.fault(*parts.values()) != 0


def test_no_scaling_and_no_steady_state_in_python() -> None:
    parent, up, down, _, _ = a_tree(down_per_s=np.array([0.5, 0.0, 0.0])).arrays
    assert np.all(np.isinf(sweep.log_scale.py_func(parent, up, down)))
    lossless = a_tree(loss_per_s=np.zeros(3), to_plasma_per_s=np.zeros(3)).arrays[:4]
    inverse = np.empty(3)
    sweep.pivots.py_func(lossless, inverse)
    assert inverse[2] == 0
    assert sweep.shifted.py_func(lossless, np.zeros(1), np.ones(3))[2, 0] == 0
    apart = a_tree(up_per_s=np.array([0.0, 2.0, 0.0]), down_per_s=np.array([0.0, 0.25, 0.0])).arrays
    assert sweep.log_scale.py_func(*apart[:3])[0] == sweep.log_scale.py_func(*apart[:3])[2]


# Systems and channels ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "numbers",
    [(0.0, 1.0), (-1.0, 1.0), (np.nan, 1.0), (np.inf, 1.0), (1.0, -1.0), (1.0, np.nan), (1.0, 0.0, 0.0, 0.0, np.inf)],
)
def test_plasma_without_volume_or_with_rates_that_are_none_is_refused(numbers: tuple[float, ...]) -> None:
    with pytest.raises(UntrustedError, match="volume over 0"):
        Plasma(*numbers)


@pytest.mark.parametrize(
    ("ke0", "weight", "doubt"),
    [
        (0.0, 1.0, Doubt.OUT_OF_RANGE),
        (np.inf, 1.0, Doubt.OUT_OF_RANGE),
        (np.nan, 1.0, Doubt.OUT_OF_RANGE),
        (1.0, np.nan, Doubt.NOT_A_NUMBER),
    ],
)
def test_a_lag_without_a_rate_or_a_weight_is_refused(ke0: float, weight: float, doubt: Doubt) -> None:
    with pytest.raises(UntrustedError) as refused:
        Lag("late", ke0, np.full(3, weight))
    assert refused.value.doubt is doubt
    if ke0 == 1.0:
        with pytest.raises(UntrustedError):
            Lag("late", ke0, np.ones(3), np.inf)


@pytest.mark.parametrize(
    ("inputs", "lag", "doubt"),
    [
        (np.ones(3) / 3, 3, Doubt.SHAPE),
        (np.ones((2, 1)) / 2, 3, Doubt.SHAPE),
        (np.ones((3, 1)) / 3, 2, Doubt.SHAPE),
        (np.array([[np.nan], [0.5], [0.5]]), 3, Doubt.NOT_A_NUMBER),
        (np.array([[-0.1], [0.6], [0.5]]), 3, Doubt.OUT_OF_RANGE),
        (np.array([[0.1], [0.1], [0.1]]), 3, Doubt.OUT_OF_RANGE),
    ],
)
def test_a_system_that_does_not_fit_together_is_refused(inputs: FloatArray, lag: int, doubt: Doubt) -> None:
    with pytest.raises(UntrustedError) as refused:
        System(a_tree(), inputs, Plasma(1.0, 1.0), (Lag("late", 1.0, np.ones(lag)),))
    assert refused.value.doubt is doubt


def test_what_lies_below_the_tree_is_one_matrix() -> None:
    system = random_system(4, 5)
    whole = dense(system)
    n = system.tree.size
    assert system.size == n + 5
    blood = whole[n : n + 3, n : n + 3]
    assert blood.sum(axis=0) == pytest.approx([-system.plasma.k10_per_s, 0, 0], abs=1e-18)
    for row, lag in enumerate(system.lags, start=n + 3):
        assert whole[row, row] == -lag.ke0_per_s
        assert np.allclose(whole[row, :n], lag.ke0_per_s * lag.weights)
        assert whole[row, n] == lag.ke0_per_s * lag.plasma_weight


@pytest.mark.parametrize(
    ("names", "weights", "doubt"),
    [
        (("a",), np.ones(3), Doubt.SHAPE),
        (("a", "b"), np.ones((1, 3)), Doubt.SHAPE),
        (("a",), np.full((1, 3), np.nan), Doubt.NOT_A_NUMBER),
    ],
)
def test_channels_have_a_row_of_numbers_each(names: tuple[str, ...], weights: FloatArray, doubt: Doubt) -> None:
    with pytest.raises(UntrustedError) as refused:
        Channels(names, weights)
    assert refused.value.doubt is doubt
