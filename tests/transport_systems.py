"""Systems and dosings for tests of transport: random trees, an even canal, the shipped neuraxis, and their truth."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from hypothesis import strategies as st
from scipy.linalg import expm

from thecal.body.spine.neuraxis import EffectSite, Neuraxis, build
from thecal.body.spine.prior import nominal_kinetics, nominal_physiology
from thecal.body.transport.dosing import Dosing
from thecal.body.transport.system import Channels, Lag, Plasma, System
from thecal.body.transport.tree import FloatArray, Tree


def random_system(seed: int, pools: int, *, lags: int = 2, one_way: bool = False, inputs: int = 1) -> System:
    """A tree of any shape with rates over four decades that loses something at its root; with ``one_way``, some edges
    lack a direction, and nothing need be lost.
    """
    random = np.random.default_rng(seed)
    parent = np.array([random.integers(k + 1, pools) if k + 1 < pools else -1 for k in range(pools)])
    up, down = 10.0 ** random.uniform(-5, -1, (2, pools))
    if one_way:
        up[random.random(pools) < 0.2] = 0.0
        down[random.random(pools) < 0.2] = 0.0
    up[-1] = down[-1] = 0.0
    loss = 10.0 ** random.uniform(-6, -3, pools) * (random.random(pools) < 0.7)
    loss[-1] = loss[-1] if one_way else 3e-5
    share = random.random((pools, inputs))
    plasma = Plasma(float(random.uniform(10, 1e4)), *(10.0 ** random.uniform(-6, -2, 5)))
    followed = tuple(
        Lag(
            f"lag {k}",
            float(10.0 ** random.uniform(-5, -3)),
            random.random(pools) * (random.random(pools) < 0.5),
            float(random.random() * (k % 2)),
        )
        for k in range(lags)
    )
    tree = Tree(parent, up, down, loss, loss * random.random(pools))
    return System(tree, share / share.sum(axis=0), plasma, followed)


def random_dosing(seed: int, inputs: int = 1, instants: int = 12) -> Dosing:
    """Rates and masses at random instants within an hour and a half; some of both are 0."""
    random = np.random.default_rng(seed)
    t_s = np.unique(random.uniform(0, 5400, instants))
    shape = (inputs, t_s.size)
    rate = random.uniform(0, 2, shape) * (random.random(shape) < 0.7)
    mass = random.uniform(0, 500, shape) * (random.random(shape) < 0.5)
    return Dosing(t_s, rate, mass)


systems = st.builds(random_system, st.integers(0, 10**6), st.integers(2, 14), lags=st.integers(0, 3))
any_systems = st.builds(
    random_system, st.integers(0, 10**6), st.integers(1, 14), lags=st.integers(0, 3), one_way=st.booleans()
)
dosings = st.builds(random_dosing, st.integers(0, 10**6))


def dense(system: System) -> FloatArray:
    """The matrix of the whole state."""
    n = system.tree.size
    found = np.zeros((system.size,) * 2)
    found[:n, :n] = system.tree.matrix.toarray()
    found[n:, :n], found[n:, n:] = system.feed, system.below
    return found


def exact(system: System, dosing: Dosing, at_s: FloatArray, state: FloatArray | None = None) -> FloatArray:
    """Every state (n + 3 + lags, times), by a dense exponential for each step: nothing shared with the engines."""
    n, size = system.tree.size, system.size
    whole = np.zeros((size + 1,) * 2)
    whole[:size, :size] = dense(system)
    now = np.zeros(size + 1) if state is None else np.append(state, 0.0)
    now[size] = 1.0
    instants = np.union1d(dosing.t_s[dosing.t_s <= at_s[-1]], at_s)
    seen = {}
    for k, t in enumerate(instants):
        held = int(np.searchsorted(dosing.t_s, t, side="right")) - 1
        if dosing.t_s[held] == t:
            now[:n] += system.inputs @ dosing.mass_ng[:, held]
        seen[float(t)] = now[:size].copy()
        if k + 1 < instants.size:
            whole[:n, size] = system.inputs @ dosing.rate_ng_per_s[:, held]
            now = expm(whole * (instants[k + 1] - t)) @ now
    return np.array([seen[float(t)] for t in at_s]).T


def everything(system: System) -> Channels:
    """A channel for each part of the state."""
    return Channels(tuple(f"state {k}" for k in range(system.size)), np.eye(system.size))


def strip(
    pools: int, *, d_cm2_per_s: float, drift_cm_per_s: float = 0.0, loss_per_s: float = 0.0, step_cm: float = 0.1,
    at: int = 0,
) -> System:  # fmt: skip
    """An even canal of 1 cm2: ``pools`` cells in a row, an input into cell ``at``, drift towards the root."""
    each = np.full(pools, d_cm2_per_s / step_cm**2)
    up, down = each + drift_cm_per_s / step_cm, each.copy()
    up[-1] = down[-1] = 0.0
    loss = np.full(pools, loss_per_s)
    share = np.zeros((pools, 1))
    share[at] = 1.0
    return System(
        Tree(np.append(np.arange(1, pools), -1), up, down, loss, np.zeros(pools)), share, Plasma(1000.0, 1e-4)
    )


EFFECTS = (
    EffectSite("analgesia", "tissue", 31.0, 0.01),
    EffectSite("warning index", "brainstem", 0.0, 0.003, 0.5),
)


@cache
def shipped(drug: str = "morphine", cells: int = 200, tip_cm: float = 14.5, kappa: float | None = None) -> Neuraxis:
    """The shipped person and drug, with an infusion and a bolus of 1 mL; ``kappa`` may be outside its range."""
    person = nominal_physiology()
    if kappa is not None:
        person = replace(person, kappa=kappa)
    return build(
        person,
        nominal_kinetics(drug),
        tip_cm,
        bolus_ml=(0.0, 1.0),
        cells=cells,
        effects=EFFECTS,
        own_ranges=kappa is not None,
    )
