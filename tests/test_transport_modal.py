"""The full modal engine against dense exponentials: it is the reference, and so it is held to the last digits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.transport_systems import dosings, everything, exact, random_dosing, random_system, systems

from thecal.body.transport.course import Engine, scaled_error
from thecal.body.transport.dosing import Dosing
from thecal.body.transport.modal import Modes
from thecal.body.transport.system import Channels, Plasma, System
from thecal.body.transport.tree import Tree
from thecal.body.transport.untrusted import Doubt, UntrustedError


@given(systems, dosings, st.integers(0, 10**6))
@settings(max_examples=40)
def test_modes_agree_with_dense_exponentials(system: System, dosing: Dosing, seed: int) -> None:
    random = np.random.default_rng(seed)
    at_s = np.sort(np.append(random.uniform(dosing.t_s[0], 9000, 4), dosing.t_s[-1]))
    state = random.random(system.size) if seed % 2 else None
    course = Modes(system).run(dosing, at_s, state=state)
    true = exact(system, dosing, at_s, state)
    size = np.max(np.abs(true)) + 1e-300
    assert np.max(np.abs(course.values - true)) <= max(1e-9, 10 * course.time_error) * size
    assert course.engine is Engine.MODAL
    assert course.state is not None
    assert np.allclose(course.state, course.values[:, -1])


def test_channels_are_sums_of_states() -> None:
    system, dosing = random_system(3, 8), random_dosing(3)
    at_s = np.array([dosing.t_s[0], dosing.t_s[0], 9000.0])
    weights = np.random.default_rng(1).random((2, system.size))
    all_of_it = Modes(system).run(dosing, at_s)
    course = Modes(system).run(dosing, at_s, Channels(("a", "b"), weights))
    assert scaled_error(course.values, weights @ all_of_it.values) < 1e-12
    assert np.array_equal(course.values[:, 0], course.values[:, 1])
    assert all_of_it.names[0] == "state 0"
    assert scaled_error(Modes(system).run(dosing, at_s, everything(system)).values, all_of_it.values) < 1e-12


def test_a_pool_that_loses_nothing_keeps_everything() -> None:
    tree = Tree(np.array([1, -1]), np.array([1e-3, 0]), np.array([2e-3, 0]), np.zeros(2), np.zeros(2))
    system = System(tree, np.array([[1.0], [0.0]]), Plasma(100.0, 1e-3, 1e-3, 2e-3, 1e-4, 1e-5))
    found = Modes(system).run(Dosing.steady(2.0), np.array([0.0, 1e4])).values
    assert found[:2].sum(axis=0) == pytest.approx([0.0, 2e4])


def test_a_mode_that_decays_as_plasma_does_is_refused() -> None:
    tree = Tree(np.array([-1]), np.zeros(1), np.zeros(1), np.full(1, 0.5), np.full(1, 0.5))
    with pytest.raises(UntrustedError, match="modes of their own") as refused:
        Modes(System(tree, np.ones((1, 1)), Plasma(1.0, 0.5)))
    assert refused.value.doubt is Doubt.LOST_DIGITS


def test_modes_that_would_lose_digits_are_refused() -> None:
    tree = Tree(np.array([1, -1]), np.array([1e18, 0]), np.array([1.0, 0]), np.zeros(2), np.zeros(2))
    with pytest.raises(UntrustedError, match="scale ratio of 1e"):
        Modes(System(tree, np.array([[1.0], [0.0]]), Plasma(1.0, 0.5)))
