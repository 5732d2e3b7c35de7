"""Compile every loop once, into numba's cache, so that the first result of a new process does not wait for it.

``python -m thecal.body.transport.warm``, once after an installation. Where the package may not be written, numba keeps
its cache in the user's own directory; then whoever runs Thecal runs this.
"""

from __future__ import annotations

import numpy as np

from thecal.body.transport.cohort import Patient, run_cohort
from thecal.body.transport.course import Engine
from thecal.body.transport.dosing import Dosing
from thecal.body.transport.engine import run
from thecal.body.transport.reduced import Reduced
from thecal.body.transport.system import Channels, Lag, Plasma, System
from thecal.body.transport.tree import Tree

_POOLS = 40


def small() -> tuple[System, Channels]:
    """A short canal with plasma and a lag: enough to go through every loop."""
    each = np.full(_POOLS, 1e-2)
    each[-1] = 0.0
    tree = Tree(np.append(np.arange(1, _POOLS), -1), each, each, np.full(_POOLS, 1e-4), np.full(_POOLS, 5e-5))
    inputs = np.zeros((_POOLS, 2))
    inputs[3, 0], inputs[5, 1] = 1.0, 1.0
    lag = Lag("effect", 1e-3, np.eye(_POOLS)[9], 1e-4)
    system = System(tree, inputs, Plasma(1e4, 1e-3, 1e-3, 5e-4, 2e-4, 1e-5), (lag,))
    return system, Channels(("near", "lag"), np.eye(system.size)[[4, -1]])


def warm() -> None:
    """Go through every compiled loop."""
    system, channels = small()
    dosing = Dosing(np.array([0.0, 60.0]), np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[0.0, 0.0], [5.0, 0.0]]))
    at_s = np.arange(1, 11) * 60.0
    Reduced(system, channels).run(dosing, at_s, state=np.ones(system.size))
    run(system, dosing, at_s, channels, engine=Engine.STEPPING)
    run_cohort([Patient(system, channels)], 1, dosing, at_s)


if __name__ == "__main__":
    warm()
