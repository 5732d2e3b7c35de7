"""Which engine makes a run, what it falls back to, what is never returned, and dosings made coarser."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.transport_systems import dosings, everything, random_dosing, random_system, shipped, strip

from thecal.body.spine.neuraxis import channels
from thecal.body.transport import stepping
from thecal.body.transport.course import Course, Engine, scaled_error
from thecal.body.transport.dosing import Dosing
from thecal.body.transport.engine import Prepared, all_states, binned, check, check_sign, run, run_changing
from thecal.body.transport.system import Channels, Plasma, System
from thecal.body.transport.tree import Tree
from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from thecal.body.transport.tree import FloatArray

SITES = {"tip": ("csf", 14.5), "T10": ("csf", 27.0), "plasma": ("plasma", 0.0), "analgesia": ("analgesia", 0.0)}
DOSING = Dosing(np.array([0.0, 600.0]), np.array([[2.0, 3.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [1e5, 0.0]]))
AT_S = np.linspace(0, 86400.0, 25)


def test_reduced_is_taken_by_default() -> None:
    neuraxis = shipped(cells=60)
    course = run(neuraxis.system, DOSING, AT_S, channels(neuraxis, SITES))
    assert course.engine is Engine.REDUCED
    assert course.time_error <= 1e-7
    assert course.names == tuple(SITES)
    assert course.values.shape == (4, 25)


@pytest.mark.parametrize("engine", list(Engine))
def test_the_engine_that_is_asked_for_is_taken(engine: Engine) -> None:
    neuraxis = shipped(cells=60)
    asked = channels(neuraxis, SITES)
    course = run(neuraxis.system, DOSING, AT_S, asked, engine=engine)
    assert course.engine is engine
    other = run(neuraxis.system, DOSING, AT_S, asked, engine=Engine.STEPPING)
    assert scaled_error(course.values, other.values) < 1e-7


@pytest.mark.parametrize("engine", [None, *Engine])
def test_every_state_is_a_channel_where_none_are_named(engine: Engine | None) -> None:
    system = shipped(cells=20).system
    course = run(system, DOSING, AT_S, engine=engine)
    assert course.engine is (engine or Engine.REDUCED)
    assert course.values.shape == (system.size, 25)
    assert course.names == tuple(f"state {k}" for k in range(system.size))
    modal = run(system, DOSING, AT_S, engine=Engine.MODAL)
    assert scaled_error(course.values, modal.values) < 1e-7
    assert course.state is not None
    assert np.allclose(course.state, course.values[:, -1], rtol=1e-9, atol=0)
    assert np.array_equal(all_states(system).weights, np.eye(system.size))


@pytest.mark.parametrize("kappa", [1e-3, 1e-5])
def test_low_dispersion_falls_back_to_stepping(kappa: float) -> None:
    neuraxis = shipped(cells=100, kappa=kappa)
    asked = channels(neuraxis, SITES)
    assert neuraxis.system.tree.scale_ratio > 1e20
    course = run(neuraxis.system, DOSING, AT_S, asked)
    assert course.engine is Engine.STEPPING
    assert course.time_error < 1e-9
    for engine in (Engine.REDUCED, Engine.MODAL):
        with pytest.raises(UntrustedError) as refused:
            run(neuraxis.system, DOSING, AT_S, asked, engine=engine)
        assert refused.value.doubt is Doubt.LOST_DIGITS


def test_an_edge_that_goes_one_way_is_stepped() -> None:
    system = strip(9, d_cm2_per_s=0.0, drift_cm_per_s=1e-4)
    assert run(system, Dosing.bolus(1.0), np.array([60.0]), everything(system)).engine is Engine.STEPPING


def test_what_reduced_cannot_show_is_stepped() -> None:
    """A tolerance between what one and the other can show."""
    neuraxis = shipped(cells=100)
    asked = channels(neuraxis, SITES)
    tight = 1e-12
    with pytest.raises(UntrustedError) as refused:
        run(neuraxis.system, DOSING, AT_S, asked, engine=Engine.REDUCED, tolerance=tight)
    assert refused.value.doubt is Doubt.LOST_DIGITS
    course = run(neuraxis.system, DOSING, AT_S, asked, tolerance=tight)
    assert course.engine is Engine.STEPPING
    assert course.time_error <= tight


def test_what_nobody_can_show_is_refused() -> None:
    neuraxis = shipped(cells=20)
    with pytest.raises(UntrustedError) as refused:
        run(neuraxis.system, DOSING, AT_S, channels(neuraxis, SITES), tolerance=1e-15)
    assert refused.value.doubt is Doubt.LOST_DIGITS
    assert "up to 1e-15" in str(refused.value)
    with pytest.raises(UntrustedError):
        run_changing(((0.0, neuraxis.system),), DOSING, AT_S, tolerance=1e-15)


def test_what_is_under_zero_beyond_the_tolerance_is_refused() -> None:
    """An amount cannot be: what says so has lost digits, whatever it says of its own error."""
    course = Course(("a", "b"), np.zeros(2), np.array([[1.0, -1e-8], [1e-3, -1e-8]]), Engine.MODAL, 1e-12)
    check_sign(course, 1e-7, np.array([0.0, 1.0]))
    check_sign(course, 1e-7, np.array([0.0, np.inf]))
    with pytest.raises(UntrustedError, match="b under 0 from full modal") as refused:
        check_sign(course, 1e-7, np.zeros(2))
    assert refused.value.doubt is Doubt.LOST_DIGITS
    system = shipped(cells=20).system
    taken = Dosing(DOSING.t_s, -DOSING.rate_ng_per_s, -DOSING.mass_ng)
    assert run(system, taken, AT_S).values.min() < 0
    less = Channels(("less",), -np.ones((1, system.size)))
    assert run(system, DOSING, AT_S, less).values.min() < 0


@pytest.mark.parametrize(
    ("values", "error", "state"),
    [
        ([[np.nan]], 0.0, None),
        ([[np.inf]], 0.0, None),
        ([[1.0]], np.nan, None),
        ([[1.0]], 2e-7, None),
        ([[1.0]], 0.0, np.array([np.nan])),
    ],
)
def test_what_is_not_finite_or_not_near_is_refused(values: list[list[float]], error: float, state: FloatArray) -> None:
    with pytest.raises(UntrustedError) as refused:
        check(Course(("a",), np.zeros(1), np.array(values), Engine.REDUCED, error, state), 1e-7)
    assert refused.value.doubt is Doubt.LOST_DIGITS


def test_modes_that_coincide_are_refused() -> None:
    """A pool that loses nothing, and blood that loses nothing: one drives the other at its own rate."""
    tree = Tree(np.array([-1]), np.zeros(1), np.zeros(1), np.zeros(1), np.zeros(1))
    system = System(tree, np.ones((1, 1)), Plasma(1.0, 0.0))
    with pytest.raises(UntrustedError) as refused:
        run(system, Dosing.bolus(1.0), np.array([1.0]), engine=Engine.MODAL)
    assert refused.value.doubt is Doubt.LOST_DIGITS
    course = run(system, Dosing.bolus(1.0), np.array([1.0, 9e9]))
    assert np.allclose(course.values[0], 1.0, rtol=1e-13)


@pytest.mark.parametrize(
    ("change", "doubt"),
    [
        ({"tolerance": 0.0}, Doubt.OUT_OF_RANGE),
        ({"tolerance": 1.0}, Doubt.OUT_OF_RANGE),
        ({"tolerance": float("nan")}, Doubt.OUT_OF_RANGE),
        ({"channels": Channels(("a",), np.ones((1, 4)))}, Doubt.SHAPE),
        ({"dosing": random_dosing(1, 2)}, Doubt.SHAPE),
        ({"state": np.zeros(3)}, Doubt.SHAPE),
        ({"state": np.full(10, np.nan)}, Doubt.NOT_A_NUMBER),
        ({"state": np.full(10, np.inf)}, Doubt.NOT_A_NUMBER),
        ({"at_s": np.array([np.inf])}, Doubt.TIME),
        ({"at_s": np.array([np.nan])}, Doubt.TIME),
        ({"at_s": np.array([9.0, 8.0])}, Doubt.TIME),
        ({"at_s": np.array([-1e9])}, Doubt.TIME),
        ({"at_s": np.zeros(0)}, Doubt.SHAPE),
        ({"at_s": np.zeros((1, 1))}, Doubt.SHAPE),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, object], doubt: Doubt) -> None:
    system = random_system(3, 5)
    assert system.size == 10
    asked: dict[str, object] = {"dosing": Dosing.bolus(1.0), "at_s": np.array([1.0]), "channels": everything(system)}
    with pytest.raises(UntrustedError) as refused:
        run(system, **(asked | change))  # type: ignore[arg-type]
    assert refused.value.doubt is doubt


def test_a_course_that_is_not_finite_is_never_returned() -> None:
    """Amounts that overflow in a channel, though the state is finite."""
    system = random_system(3, 5)
    huge = Channels(("huge",), np.full((1, system.size), 1e308))
    with pytest.raises(UntrustedError):
        run(system, Dosing.bolus(1e6), np.array([1.0]), huge)


@pytest.mark.parametrize("tolerance", [0.0, 1.0, float("nan")])
def test_a_change_needs_a_tolerance_too(tolerance: float) -> None:
    with pytest.raises(UntrustedError) as refused:
        run_changing(((0.0, random_system(3, 5)),), Dosing.bolus(1.0), np.array([1.0]), tolerance=tolerance)
    assert refused.value.doubt is Doubt.OUT_OF_RANGE


def test_what_is_prepared_once_serves_many() -> None:
    neuraxis = shipped(cells=60)
    asked = channels(neuraxis, SITES)
    ready = Prepared(neuraxis.system, asked)
    assert ready.choice == (Engine.REDUCED, Engine.STEPPING)
    for rate in (1.0, 5.0):
        dosing = Dosing(np.zeros(1), np.array([[rate], [0.0]]), np.zeros((2, 1)))
        course = ready.run(dosing, AT_S)
        assert np.array_equal(course.values, run(neuraxis.system, dosing, AT_S, asked).values)
        assert isinstance(course, Course)


def test_going_on_from_a_state() -> None:
    neuraxis = shipped(cells=30)
    system = neuraxis.system
    first = run(system, DOSING, np.array([600.0]))
    assert first.state is not None
    rest = Dosing(np.array([600.0]), np.array([[3.0], [0.0]]), np.zeros((2, 1)))
    at_s = np.array([700.0, 86400.0])
    asked = channels(neuraxis, SITES)
    found = run(system, rest, at_s, asked, state=first.state)
    assert scaled_error(found.values, run(system, DOSING, at_s, asked).values) < 1e-7


def test_physiology_that_changes_by_night() -> None:
    """Less stirring in sleep: amounts go on over each change, mass is kept, and the night shows."""
    day, night = shipped(cells=60), shipped(cells=60, kappa=0.05)
    pieces = tuple((12 * 3600.0 * k, (day, night)[k % 2].system) for k in range(6))
    at_s = np.sort(np.append(np.linspace(0, 3 * 86400.0, 100), 12 * 3600.0 * np.arange(1, 6) - 1e-6))
    course = run_changing(pieces, DOSING, at_s, channels(day, SITES))
    assert course.engine is Engine.STEPPING
    assert course.time_error <= 1e-7
    always = run(day.system, DOSING, at_s, channels(day, SITES), engine=Engine.STEPPING)
    until = at_s <= 12 * 3600
    assert scaled_error(course.values[:, until], always.values[:, until]) < 1e-10
    assert course.of("T10")[-1] < 0.97 * always.of("T10")[-1]
    for change in 12 * 3600.0 * np.arange(1, 6):
        before, after = run_changing(pieces, DOSING, [change - 1e-6, change]).values.T
        assert np.max(np.abs(after - before)) < 1e-4
    tree = day.system.tree
    keep = [(t, System(replace(s.tree, loss_per_s=0 * tree.loss_per_s, to_plasma_per_s=0 * tree.loss_per_s), s.inputs,
                       s.plasma, s.lags)) for t, s in pieces]  # fmt: skip
    total = run_changing(keep, DOSING, [3 * 86400.0]).values[: tree.size].sum()
    assert total == pytest.approx(1e5 + 2 * 600 + 3 * (3 * 86400 - 600), rel=1e-10)


def _given(dosing: Dosing, t_s: float) -> float:
    """All that has been given before a time."""
    until = np.minimum(np.append(dosing.t_s[1:], np.inf), t_s) - dosing.t_s
    return float(np.sum(dosing.rate_ng_per_s * np.clip(until, 0, None)) + np.sum(dosing.mass_ng[:, dosing.t_s < t_s]))


@settings(max_examples=60)
@given(dosings, st.floats(20.0, 9000.0))
def test_a_coarser_dosing_gives_the_same_in_every_stretch(dosing: Dosing, width_s: float) -> None:
    coarse = binned(dosing, width_s)
    begin, last = float(dosing.t_s[0]), float(dosing.t_s[-1])
    assert not coarse.mass_ng.any()
    edges = begin + width_s * np.arange(int((last - begin) / width_s) + 2)
    for edge in edges:
        assert _given(coarse, edge) == pytest.approx(_given(dosing, edge), rel=1e-9, abs=1e-9)
    assert coarse.rate_ng_per_s[0, -1] == dosing.rate_ng_per_s[0, -1]
    gives = (dosing.rate_ng_per_s[0] > 0) | (dosing.mass_ng[0] > 0)
    gives_coarse = coarse.rate_ng_per_s[0] > 0
    if gives.any():
        assert coarse.t_s[gives_coarse][0] == dosing.t_s[gives][0]


def test_each_input_is_made_coarser_by_itself() -> None:
    """A bolus late in a stretch does not come early because an infusion runs from its start."""
    dosing = Dosing(np.array([0.0, 50.0, 130.0]), np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]),
                    np.array([[0.0, 0.0, 0.0], [0.0, 80.0, 0.0]]))  # fmt: skip
    coarse = binned(dosing, 60.0)
    at = dict(zip(coarse.t_s.tolist(), coarse.rate_ng_per_s.T.tolist(), strict=True))
    assert at == {0.0: [1.0, 0.0], 50.0: [1.0, 8.0], 60.0: [1.0, 0.0], 120.0: [pytest.approx(10 / 60), 0.0],
                  180.0: [0.0, 0.0]}  # fmt: skip


def test_a_coarser_dosing_costs_less_and_misses_little() -> None:
    """Strokes of a pump every 20 s, many of them after some hours; the miss falls with the width."""
    neuraxis = shipped(cells=40)
    t_s = np.arange(0, 2 * 86400, 20.0)
    strokes = Dosing(t_s, np.zeros((2, t_s.size)), np.vstack((np.where(t_s % 40000 < 9000, 60.0, 0.0), 0 * t_s)))
    at_s = np.arange(6, 48) * 3600.0 + 10.0
    asked = channels(neuraxis, SITES)
    true = run(neuraxis.system, strokes, at_s, asked)
    missed = []
    for width_s in (3600.0, 300.0):
        coarse = binned(strokes, width_s)
        assert coarse.t_s.size <= 2 * 86400 / width_s + 6
        missed.append(scaled_error(run(neuraxis.system, coarse, at_s, asked).values, true.values))
    assert missed[1] < missed[0] / 3
    assert missed[1] < 0.05


@pytest.mark.parametrize("width_s", [0.0, -1.0, float("nan"), float("inf"), 1e-9])
def test_a_width_that_is_none_is_refused(width_s: float) -> None:
    with pytest.raises(UntrustedError) as refused:
        binned(random_dosing(1), width_s)
    assert refused.value.doubt is Doubt.TIME


def test_the_engines_share_what_counts_as_nothing() -> None:
    """What a channel's error is a share of, at least: a millionth of all that was given, where it weighs most."""
    system = shipped(cells=20).system
    floor = stepping.floor(system, None, DOSING, 600.0)
    assert np.allclose(floor[: system.tree.size + 3], stepping.NOTHING * (1e5 + 1200))
    assert stepping.never_negative(DOSING, np.zeros(1))
    assert not stepping.never_negative(DOSING, np.array([-1.0]))
    assert not stepping.never_negative(Dosing.steady(-1.0))
