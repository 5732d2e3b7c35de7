"""The mathematics of transport as tests, on all three engines: nothing is lost, nothing depends on how it is asked,
and what has an answer on paper comes out as it stands there.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from scipy.special import ive
from tests.transport_systems import (
    dense,
    dosings,
    everything,
    exact,
    random_dosing,
    random_system,
    shipped,
    strip,
    systems,
)

from thecal.body.catheter import Line, Parcel, tip_arrival
from thecal.body.reservoir import Reservoir
from thecal.body.spine.neuraxis import channels
from thecal.body.transport.course import Course, Engine, scaled_error
from thecal.body.transport.dosing import Dosing
from thecal.body.transport.engine import run
from thecal.body.transport.stepping import floor
from thecal.body.transport.system import Channels, Plasma, System
from thecal.body.transport.tree import Tree
from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from thecal.body.spine.neuraxis import Neuraxis
    from thecal.body.transport.tree import FloatArray

CLOSE = {Engine.REDUCED: 1e-6, Engine.STEPPING: 2e-9, Engine.MODAL: 2e-9}
SMALL = 15
SITES = {
    "tip": ("csf", 14.5),
    "lumbar": ("csf", 7.5),
    "T10": ("csf", 27.0),
    "cord T10": ("tissue", 31.0),
    "epidural": ("epidural", 14.5),
    "fat": ("fat", 14.5),
    "C7-T1": ("csf", 48.0),
    "cistern": ("cistern", 0.0),
    "brainstem": ("brainstem", 0.0),
    "cortical": ("cortical", 0.0),
    "plasma": ("plasma", 0.0),
    "analgesia": ("analgesia", 0.0),
    "warning": ("warning index", 0.0),
}
DAY = 86400.0


def close(engine: Engine | None, system: System) -> float:
    """How near an engine comes to what is true, in every state; all modes lose the digits that the scale ratio says."""
    lost = 1e-14 * system.tree.scale_ratio if engine is Engine.MODAL else 0.0
    return max(CLOSE[engine or Engine.STEPPING], lost)


every_engine = pytest.mark.parametrize("engine", list(Engine))


def two_rows(dosing: Dosing, row: int = 0) -> Dosing:
    """A dosing of one input, for a system of two."""
    rate, mass = np.zeros((2, dosing.t_s.size)), np.zeros((2, dosing.t_s.size))
    rate[row], mass[row] = dosing.rate_ng_per_s[0], dosing.mass_ng[0]
    return Dosing(dosing.t_s, rate, mass)


def whole(
    system: System, dosing: Dosing, at_s: FloatArray, engine: Engine | None, state: FloatArray | None = None
) -> Course:
    """Every state by one engine. Small trees have states that hardly hold anything, of which the reduced engine cannot
    show much; what it returns is held to ``CLOSE`` all the same.
    """
    shown = 1e-4 if system.tree.size < SMALL else 1e-7
    return run(system, dosing, at_s, everything(system), engine=engine, state=state, tolerance=shown)


def conserving(system: System) -> System:
    """The same system where all that leaves the tree stays in plasma."""
    tree = system.tree
    kept = Tree(tree.parent, tree.up_per_s, tree.down_per_s, tree.loss_per_s, tree.loss_per_s)
    return System(kept, system.inputs, replace(system.plasma, k10_per_s=0.0), system.lags)


def given_by(dosing: Dosing, at_s: FloatArray) -> FloatArray:
    """All that has been given up to each time."""
    edges = np.minimum(np.append(dosing.t_s[1:], np.inf)[:, None], at_s) - dosing.t_s[:, None]
    held = np.clip(edges, 0, None)
    return np.asarray(
        dosing.rate_ng_per_s.sum(axis=0) @ held + dosing.mass_ng.sum(axis=0) @ (dosing.t_s[:, None] <= at_s)
    )


# Where nothing is ever lost there is a mode that never fades, and a reduced basis cannot show its error: stepping takes
# over. With real elimination all three are asked, below.
lossless = pytest.mark.parametrize("engine", [None, Engine.STEPPING, Engine.MODAL])


@lossless
@settings(max_examples=12)
@given(systems, dosings)
def test_mass_is_neither_made_nor_lost(engine: Engine | None, system: System, dosing: Dosing) -> None:
    """All that leaves the tree is caught in plasma: the sum is what was given."""
    assume(np.any(system.tree.loss_per_s > 0))
    closed = conserving(system)
    at_s = np.linspace(float(dosing.t_s[-1]), 2e5, 5)
    found = whole(closed, dosing, at_s, engine).values[: closed.tree.size + 3].sum(axis=0)
    given = given_by(dosing, at_s)
    assert np.max(np.abs(found - given)) <= close(engine, system) * given[-1]


@lossless
def test_mass_of_the_shipped_neuraxis(engine: Engine | None) -> None:
    """30 days: what is in all pools, and what they lost and plasma keeps, is what was given."""
    closed = conserving(shipped(cells=60).system)
    total = Channels(("all",), np.append(np.ones(closed.tree.size + 3), np.zeros(2))[None, :])
    at_s = np.array([0.1, 1.0, 10.0, 30.0]) * DAY
    dosing = Dosing(np.array([0.0, 5 * DAY]), np.array([[2.0, 7.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [1e5, 2e5]]))
    found = run(closed, dosing, at_s, total, engine=engine).values[0]
    assert np.max(np.abs(found / given_by(dosing, at_s) - 1)) < (2e-9 if engine is Engine.MODAL else 1e-10)


@lossless
def test_mass_where_hardly_any_is_lost(engine: Engine | None) -> None:
    """30 days; elimination of 1e-12 /s everywhere takes what it takes, and nothing else is missing."""
    system = shipped(cells=60).system
    tree, slow = system.tree, np.full(system.tree.size, 1e-12)
    closed = System(
        Tree(tree.parent, tree.up_per_s, tree.down_per_s, slow, np.zeros(tree.size)), system.inputs, system.plasma
    )
    at_s = np.array([0.1, 1.0, 10.0, 30.0]) * DAY
    dosing = Dosing(np.array([0.0, 5 * DAY]), np.array([[2.0, 7.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [1e5, 2e5]]))
    total = Channels(("all",), np.append(np.ones(tree.size), np.zeros(3))[None, :])
    found = run(closed, dosing, at_s, total, engine=engine).values[0]
    held = np.array([0.0, 5 * DAY])
    left = np.zeros(4)
    for begin, end, rate, mass in zip(held, (5 * DAY, np.inf), (2.0, 7.0), (1e5, 2e5), strict=True):
        since = np.clip(at_s - begin, 0, None)
        stop = np.clip(at_s - end, 0, None)
        left += mass * np.exp(-1e-12 * since) * (at_s >= begin)
        left += rate * (np.expm1(-1e-12 * stop) - np.expm1(-1e-12 * since)) / 1e-12
    assert np.max(np.abs(found / left - 1)) < (2e-9 if engine is Engine.MODAL else 1e-10)


@every_engine
def test_what_is_lost_is_what_was_eliminated(engine: Engine) -> None:
    """With real elimination: what is missing is the integral of what plasma and tissue lose, by Gauss's rule."""
    neuraxis = shipped(cells=30)
    system, n = neuraxis.system, neuraxis.system.tree.size
    out = np.concatenate((system.tree.loss_per_s - system.tree.to_plasma_per_s, [system.plasma.k10_per_s, 0, 0, 0, 0]))
    there = np.append(np.ones(n + 3), np.zeros(2))
    edges = np.concatenate(([0.0], np.geomspace(1.0, 2 * DAY, 60)))
    node, weight = np.polynomial.legendre.leggauss(12)
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    at_s = np.append((middle[:, None] + half[:, None] * node).ravel(), edges[-1])
    dosing = Dosing(np.zeros(1), np.array([[3.0], [0.0]]), np.array([[0.0], [2e5]]))
    values = run(system, dosing, at_s, Channels(("lost", "there"), np.array([out, there])), engine=engine).values
    lost = np.sum(half[:, None] * weight * values[0, :-1].reshape(-1, node.size))
    given = 2e5 + 3 * 2 * DAY
    assert lost > 0.3 * given
    assert abs(values[1, -1] + lost - given) < 3e-7 * given


@every_engine
@settings(max_examples=12)
@given(systems, st.integers(0, 10**6))
def test_superposition(engine: Engine, system: System, seed: int) -> None:
    """Two dosings at once are the sum of each alone."""
    first, second = random_dosing(seed), random_dosing(seed + 1)
    t_s = np.union1d(first.t_s, second.t_s)

    def on(dosing: Dosing) -> Dosing:
        held = np.searchsorted(dosing.t_s, t_s, side="right") - 1
        rate = np.where(held >= 0, dosing.rate_ng_per_s[:, held], 0.0)
        return Dosing(t_s, rate, np.where(np.isin(t_s, dosing.t_s), dosing.mass_ng[:, held], 0.0))

    one, other = on(first), on(second)
    both = Dosing(t_s, one.rate_ng_per_s + 3 * other.rate_ng_per_s, one.mass_ng + 3 * other.mass_ng)
    at_s = np.linspace(float(t_s[-1]), 9000, 4)
    parts = [whole(system, dosing, at_s, engine).values for dosing in (one, other)]
    assert scaled_error(parts[0] + 3 * parts[1], whole(system, both, at_s, engine).values) < close(engine, system)


@every_engine
@settings(max_examples=12)
@given(systems, dosings, st.integers(0, 10**6))
def test_splitting_events_changes_nothing(engine: Engine, system: System, dosing: Dosing, seed: int) -> None:
    """Instants at which nothing changes, and times that nobody asked for, leave every reading as it was."""
    random = np.random.default_rng(seed)
    begin = float(dosing.t_s[0])
    t_s = np.union1d(dosing.t_s, random.uniform(begin, 6000, 7))
    held = np.searchsorted(dosing.t_s, t_s, side="right") - 1
    mass = np.where(np.isin(t_s, dosing.t_s), dosing.mass_ng[:, held], 0.0)
    split = Dosing(t_s, dosing.rate_ng_per_s[:, held], mass)
    at_s = np.sort(random.uniform(begin, 8000, 5))
    more = np.union1d(at_s, random.uniform(begin, 8000, 9))
    plain = whole(system, dosing, at_s, engine).values
    found = whole(system, split, more, engine).values[:, np.searchsorted(more, at_s)]
    assert scaled_error(found, plain) < close(engine, system)


@every_engine
@settings(max_examples=12)
@given(systems, dosings)
def test_to_go_on_is_to_have_gone_on(engine: Engine, system: System, dosing: Dosing) -> None:
    """Run to a time, start again from what was there: the same as never having stopped."""
    begin = float(dosing.t_s[0])
    middle, end = np.array([begin + 2500.0]), np.array([begin + 2500.0, begin + 6000.0, begin + 90000.0])
    state = whole(system, dosing, middle, engine).values[:, 0]
    later = dosing.t_s > middle[0]
    held = int(np.searchsorted(dosing.t_s, middle[0], side="right")) - 1
    rest = Dosing(
        np.append(middle, dosing.t_s[later]),
        np.column_stack((dosing.rate_ng_per_s[:, held], dosing.rate_ng_per_s[:, later])),
        np.column_stack((np.zeros(1), dosing.mass_ng[:, later])),
    )
    found = whole(system, rest, end, engine, state=state).values
    assert scaled_error(found, whole(system, dosing, end, engine).values) < 2 * close(engine, system)


@every_engine
@settings(max_examples=12)
@given(systems, dosings)
def test_nothing_is_negative(engine: Engine, system: System, dosing: Dosing) -> None:
    """Up to rounding, as deep as the course states, as a share of the most that each reading ever is."""
    at_s = np.geomspace(1.0, 1e5, 40) + float(dosing.t_s[0])
    course = whole(system, dosing, at_s, engine)
    size = np.maximum(np.max(course.values, axis=1), floor(system, None, dosing, float(at_s[-1])))
    assert np.all(np.min(course.values, axis=1) >= -max(course.time_error, 1e-10, 1e-2 * close(engine, system)) * size)


@every_engine
def test_twice_the_dose_is_exactly_twice(engine: Engine) -> None:
    neuraxis = shipped(cells=40)
    wanted = channels(neuraxis, SITES)
    dosing = Dosing(np.array([0.0, 333.0]), np.array([[2.0, 1.0], [0.0, 0.5]]), np.array([[0.0, 1.0], [2.5e5, 3e3]]))
    double = Dosing(dosing.t_s, 2 * dosing.rate_ng_per_s, 2 * dosing.mass_ng)
    at_s = np.linspace(0, 2 * DAY, 50)
    once = run(neuraxis.system, dosing, at_s, wanted, engine=engine)
    twice = run(neuraxis.system, double, at_s, wanted, engine=engine)
    assert np.array_equal(twice.values, 2 * once.values)
    assert twice.time_error == once.time_error


@every_engine
@pytest.mark.parametrize("loss_per_s", [1e-4, 4e-4])
def test_a_long_canal_at_steady_state(engine: Engine, loss_per_s: float) -> None:
    """tip = R / (2 A lambda k), and exp(-|x| / lambda) from there, with lambda = sqrt(D / k)."""
    step_cm, d, rate, cells, tip = 0.25, 6.25e-4, 3.0, 241, 120
    reach_cm = np.sqrt(d / loss_per_s)
    system = strip(cells, d_cm2_per_s=d, loss_per_s=loss_per_s, step_cm=step_cm, at=tip)
    course = whole(system, Dosing.steady(rate), np.array([4e5]), engine)
    c = course.values[:cells, 0] / step_cm
    away_cm = np.abs(np.arange(cells) - tip) * step_cm
    near = away_cm < 6 * reach_cm
    paper = rate / (2 * reach_cm * loss_per_s) * np.exp(-away_cm / reach_cm)
    assert np.max(np.abs(c[near] / paper[near] - 1)) < (step_cm / reach_cm) ** 2
    # On a grid the same law holds with other constants, and those are met to the last digits.
    mix = d / step_cm**2
    ratio = (2 * mix + loss_per_s - np.sqrt(loss_per_s**2 + 4 * loss_per_s * mix)) / (2 * mix)
    grid = rate / np.sqrt(loss_per_s**2 + 4 * loss_per_s * mix) / step_cm * ratio ** (away_cm / step_cm)
    assert np.max(np.abs(c - grid)[away_cm < 2 * reach_cm] / grid[tip]) < CLOSE[engine]


@every_engine
def test_a_bolus_diffuses_as_a_gaussian(engine: Engine) -> None:
    """Within 2 cm of the tip, where there is something to read."""
    step_cm, d, cells, tip, mass = 0.1, 2e-3, 241, 120, 500.0
    system = strip(cells, d_cm2_per_s=d, loss_per_s=1e-5, step_cm=step_cm, at=tip)
    near = np.arange(tip - 20, tip + 21)
    seen = Channels(tuple(f"cell {k}" for k in near), np.eye(system.size)[near] / step_cm)
    at_s = np.array([300.0, 900.0, 2000.0])
    c = run(system, Dosing.bolus(mass), at_s, seen, engine=engine).values
    x_cm = (near - tip)[:, None] * step_cm
    left = mass * np.exp(-1e-5 * at_s)
    paper = left / np.sqrt(4 * np.pi * d * at_s) * np.exp(-(x_cm**2) / (4 * d * at_s))
    assert np.all(np.abs(c - paper) < step_cm**2 / (8 * d * at_s) * paper[20])
    # On a grid it is a Bessel function, to the last digits.
    grid = left / step_cm * ive(np.abs(near - tip)[:, None], 2 * d * at_s / step_cm**2)
    assert np.max(np.abs(c - grid) / grid[20]) < CLOSE[engine]


def _chain(up: FloatArray, down: FloatArray, clear: FloatArray) -> System:
    """Compartments in a row, the input in the first."""
    n = clear.size
    tree = Tree(np.append(np.arange(1, n), -1), np.append(up, 0.0), np.append(down, 0.0), clear, np.zeros(n))
    return System(tree, np.eye(n)[:, :1], Plasma(1000.0, 1e-4))


@every_engine
@pytest.mark.parametrize("compartments", [2, 3, 4])
def test_a_few_compartments(engine: Engine, compartments: int) -> None:
    """A chain that exchanges both ways, against equations written out one by one and a matrix exponential."""
    up, down = np.array([3e-4, 9e-5, 2e-4])[: compartments - 1], np.array([1e-4, 2e-4, 5e-5])[: compartments - 1]
    clear = np.array([2e-5, 0.0, 1e-5, 6e-5])[:compartments]
    matrix = np.diag(-clear)
    for k in range(compartments - 1):
        matrix[k, k] -= up[k]
        matrix[k + 1, k] += up[k]
        matrix[k + 1, k + 1] -= down[k]
        matrix[k, k + 1] += down[k]
    at_s = np.array([60.0, 3600.0, 20000.0, DAY])
    found = whole(_chain(up, down, clear), Dosing.bolus(100.0), at_s, engine).values[:compartments]
    truth = np.array([100.0 * expm(matrix * t)[:, 0] for t in at_s]).T
    assert scaled_error(found, truth) < CLOSE[engine]


MONINE_UP_PER_H = np.array([0.694, 5.46, 0.0947, 0.0372])  # Monine 2021: lumbar to thoracic to cervical to brain, twice
MONINE_CLEAR_PER_H = 2.3e-3  # Monine 2021: clearance from the far part of the brain, as declared


def test_the_published_chain_of_compartments() -> None:
    """Lumbar, thoracic, cervical, near and far brain; drug only goes up. The far brain loses by its own constant, where
    a public copy uses another and so makes mass (transport-science 2).
    """

    def change(_t: float, x: FloatArray) -> FloatArray:
        flows = MONINE_UP_PER_H * x[:4]
        return np.array([
            -flows[0], flows[0] - flows[1], flows[1] - flows[2], flows[2] - flows[3],
            flows[3] - MONINE_CLEAR_PER_H * x[4],
        ])  # fmt: skip

    hours = np.array([0.5, 2.0, 8.0, 24.0, 168.0])
    truth = solve_ivp(change, (0, 168), [100.0, 0, 0, 0, 0], "DOP853", hours, rtol=1e-12, atol=1e-13).y
    up = MONINE_UP_PER_H / 3600
    system = _chain(up, np.zeros(4), np.append(np.zeros(4), MONINE_CLEAR_PER_H / 3600))
    course = run(system, Dosing.bolus(100.0), hours * 3600, everything(system))
    assert course.engine is Engine.STEPPING
    assert scaled_error(course.values[:5], truth) < 1e-9
    for engine in (Engine.REDUCED, Engine.MODAL):
        with pytest.raises(UntrustedError) as refused:
            run(system, Dosing.bolus(100.0), hours * 3600, everything(system), engine=engine)
        assert refused.value.doubt is Doubt.LOST_DIGITS


@every_engine
def test_a_grid_that_mixes_fast_is_a_few_compartments(engine: Engine) -> None:
    """Three stretches of ten cells, each mixed a thousand times and more faster than it exchanges: three compartments,
    up to an error that falls as one mixes faster.
    """
    slow, at_s = 1e-4, np.array([1800.0, 7200.0, 30000.0])
    few = _chain(np.array([slow, slow]), np.array([slow, slow]), np.array([0.0, 0.0, 5e-5]))
    truth = whole(few, Dosing.bolus(100.0), at_s, engine).values[:3]
    missed = []
    for fast in (0.5, 2.0):
        up = np.full(30, fast)
        down = up.copy()
        for joint in (9, 19):
            up[joint] = down[joint] = 10 * slow  # a tenth of a stretch stands at the joint
        up[-1] = down[-1] = 0.0
        loss = np.repeat([0.0, 0.0, 5e-5], 10)
        tree = Tree(np.append(np.arange(1, 30), -1), up, down, loss, np.zeros(30))
        system = System(tree, np.repeat([0.1, 0.0, 0.0], 10)[:, None], Plasma(1000.0, 1e-4))
        fine = whole(system, Dosing.bolus(100.0), at_s, engine).values[:30].reshape(3, 10, 3).sum(axis=1)
        missed.append(scaled_error(fine, truth))
    assert missed[0] < 0.02
    assert missed[1] == pytest.approx(missed[0] / 4, rel=0.1)


@every_engine
def test_the_catheter_delays_to_the_second(engine: Engine) -> None:
    """Strokes, a line full of saline, then drug at the tip: not a trace before the first stroke that brings it."""
    t_s = np.arange(1, 2401) * 37
    line = Line(0.2, (Parcel(0.2, {"morphine": 0.0}),))
    arrival = tip_arrival(t_s, 0.00025, Reservoir(20.0, {"morphine": 10.0}), line)
    mass = np.diff(arrival.arrived_mg()[0], prepend=0.0) * 1e6
    mass[mass < 1e-6] = 0.0  # ng: rounding of the sum of strokes
    first = float(t_s[np.flatnonzero(mass)[0]])
    assert arrival.fronts[-1].reaches_tip_s == 37 * 800
    assert first == 37 * 801
    dosing = Dosing(t_s.astype(np.float64), np.zeros((2, t_s.size)), np.vstack((mass, np.zeros(t_s.size))))
    neuraxis = shipped(cells=40)
    at_s = np.array([first - 1e-6, first, first + 600.0])
    near = {name: SITES[name] for name in ("tip", "lumbar")}
    course = run(neuraxis.system, dosing, at_s, channels(neuraxis, near), engine=engine)
    tip = course.of("tip")
    assert not np.any(course.values[:, 0])
    assert tip[1] == pytest.approx(
        mass.max() * neuraxis.system.inputs[:, 0] @ neuraxis.reading("csf", 14.5)[:-5], rel=1e-6
    )
    assert tip[2] > tip[1]


def _agrees(engine: Engine, system: System, dosing: Dosing, seed: int) -> None:
    at_s = np.sort(np.random.default_rng(seed).uniform(float(dosing.t_s[0]), 2e4, 5))
    course = whole(system, dosing, at_s, engine)
    truth = exact(system, dosing, at_s)
    size = np.maximum(np.max(np.abs(truth), axis=1), floor(system, None, dosing, float(at_s[-1])))
    assert course.engine is engine
    assert np.all(np.max(np.abs(course.values - truth), axis=1) <= close(engine, system) * size)


@every_engine
@settings(max_examples=12)
@given(systems, dosings, st.integers(0, 10**6))
def test_engines_agree_on_any_tree(engine: Engine, system: System, dosing: Dosing, seed: int) -> None:
    _agrees(engine, system, dosing, seed)


@pytest.mark.long
@every_engine
@settings(max_examples=1000)
@given(systems, dosings, st.integers(0, 10**6))
def test_engines_agree_on_any_tree_at_length(engine: Engine, system: System, dosing: Dosing, seed: int) -> None:
    _agrees(engine, system, dosing, seed)


def _month(neuraxis: Neuraxis) -> tuple[Dosing, FloatArray]:
    """30 days: a rate that changes by the hour and a bolus of four minutes now and then, at odd seconds."""
    random = np.random.default_rng(4)
    hours = np.arange(0, 30 * 24) * 3600.0
    begin = np.sort(random.integers(0, 30 * 86400, 40)).astype(np.float64)
    t_s = np.unique(np.concatenate((hours, begin, begin + 240)))
    rate = np.zeros((2, t_s.size))
    rate[0] = 8 + 3 * np.sin(t_s // 3600)
    rate[1] = 200.0 * np.sum((begin[:, None] <= t_s) & (t_s < begin[:, None] + 240), axis=0)
    assert neuraxis.system.inputs.shape[1] == 2
    return Dosing(t_s, rate, np.zeros((2, t_s.size))), np.linspace(3600.0, 30 * DAY, 30 * 24)


@pytest.mark.parametrize("drug", ["morphine", "fentanyl", "baclofen"])
def test_engines_agree_on_the_shipped_neuraxis(drug: str) -> None:
    neuraxis = shipped(drug)
    wanted = channels(neuraxis, SITES)
    dosing, at_s = _month(neuraxis)
    found = {engine: run(neuraxis.system, dosing, at_s, wanted, engine=engine) for engine in Engine}
    for engine, course in found.items():
        assert course.time_error <= 1e-7
        assert scaled_error(course.values, found[Engine.STEPPING].values) < max(2 * course.time_error, 1e-9), engine


@every_engine
def test_a_stiff_solver_finds_the_same(engine: Engine) -> None:
    """A small neuraxis, its equations given to a solver of another kind at a tight tolerance."""
    neuraxis = shipped(cells=12)
    system = neuraxis.system
    matrix = dense(system)
    dose = np.append(system.inputs[:, 0] * 4.0, np.zeros(5))
    start = np.append(system.inputs[:, 1] * 1e5, np.zeros(5))
    at_s = np.array([600.0, 3600.0, 20000.0])
    solved = solve_ivp(
        lambda _t, x: matrix @ x + dose,
        (0, at_s[-1]),
        start,
        "BDF",
        at_s,
        jac=lambda _t, _x: matrix,
        rtol=1e-8,
        atol=1e-8,
    )
    dosing = Dosing(np.zeros(1), np.array([[4.0], [0.0]]), np.array([[0.0], [1e5]]))
    found = whole(system, dosing, at_s, engine).values
    assert scaled_error(found, solved.y) < 1e-6


def test_the_order_in_which_doses_are_named_is_nothing() -> None:
    """Two inputs swapped, with their columns: the same course to the bit."""
    system = random_system(9, 10, inputs=2)
    dosing = random_dosing(9, 2)
    at_s = np.linspace(float(dosing.t_s[0]), 9000, 5)
    swapped = System(system.tree, system.inputs[:, ::-1], system.plasma, system.lags)
    other = Dosing(dosing.t_s, dosing.rate_ng_per_s[::-1], dosing.mass_ng[::-1])
    for engine in Engine:
        a, b = whole(system, dosing, at_s, engine).values, whole(swapped, other, at_s, engine).values
        assert scaled_error(a, b) < 1e-12


def _missed(kappa: float, cells: tuple[int, ...], names: tuple[str, ...]) -> FloatArray:
    """How much each channel (columns) changes from one number of cells to the next (rows)."""
    sites = {name: SITES[name] for name in names}
    dosing = Dosing(np.zeros(1), np.array([[10.0], [0.0]]), np.array([[0.0], [2e5]]))
    at_s = np.array([1800.0, 7200.0, 30000.0, 5 * DAY])
    found = []
    for count in cells:
        neuraxis = shipped(cells=count, kappa=kappa)
        found.append(run(neuraxis.system, dosing, at_s, channels(neuraxis, sites)).values)
    steps = [np.max(np.abs(fine - coarse), axis=1) for coarse, fine in pairwise(found)]
    return np.asarray(np.array(steps) / np.max(np.abs(found[-1]), axis=1))


def test_the_grid_converges_with_the_square_of_its_cells() -> None:
    """Twice the cells, a quarter of the error, at every site, once the bolus and the end of the cord are resolved."""
    missed = _missed(0.15, (200, 400, 800), ("tip", "lumbar", "T10", "cord T10", "C7-T1", "cistern", "plasma"))
    order = np.log2(missed[0] / missed[1])
    assert np.all((order > 1.8) & (order < 2.25)), order
    assert np.max(missed) < 1e-3


def test_the_grid_converges_linearly_where_drift_dominates() -> None:
    """Exponential fitting turns into upwinding: near the tip the order falls towards 1, until cells are so short that
    dispersion crosses them as fast as drift.
    """
    missed = _missed(1e-5, (50, 100, 200, 400), ("tip",))
    order = np.log2(missed[:-1] / missed[1:])
    assert np.all((order > 0.7) & (order < 1.5)), order
