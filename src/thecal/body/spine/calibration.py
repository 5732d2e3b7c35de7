"""The published numbers that morphine and the person were fitted to, and what the model gives for each.

Only these; every other published number is held out. How each is read, where its source as known here leaves it open,
is said in ``READINGS`` and is ours. Nothing here looks for better parameters: ``scripts/calibrate.py`` does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse.linalg import spsolve

from thecal.body.spine.levels import vertebra_cm
from thecal.body.spine.neuraxis import CELLS, Neuraxis, build, channels
from thecal.body.transport import engine
from thecal.body.transport.dosing import Dosing

if TYPE_CHECKING:
    from thecal.body.spine.kinetics import Kinetics
    from thecal.body.spine.physiology import Physiology
    from thecal.body.transport.tree import FloatArray

READINGS = (
    "An injection and every lumbar sample lie at L3-4; 1 mL is injected at an instant.",
    "The last half-life is the slope of a line through the logarithms at 4, 5, 6, 7 and 8 h.",
    "Steady ratios are those of an infusion for ever; lumbar fluid is taken at L3-4, cisternal is the cistern's pool.",
    "The ratio of fluid to plasma is read at L3-4 with the tip at L2.",
)
_LUMBAR = "L3-4"
_BOLUS_ML = 1.0
_PLASMA_MIN = np.arange(5.0, 725.0, 5.0)
_LAST_H = np.arange(4.0, 9.0)


@dataclass(frozen=True, slots=True)
class Case:
    """A published number and the range in which the model should lie; ``source`` as in the project's notes."""

    key: str
    title: str
    unit: str
    expected: float
    low: float
    high: float
    source: str

    def inside(self, found: float) -> bool:
        """Whether the model lies within the range."""
        return self.low <= found <= self.high


def _within(expected: float, factor: float) -> tuple[float, float, float]:
    """A number and the range from it over the factor to it times the factor."""
    return expected, expected / factor, expected * factor


_NORDBERG = "Nordberg 1984, pubmed 6546839"
_MOULIN = "Moulin 1986, vivo.med.cornell.edu/display/pubid3530119"
_KOTOB = "Kotob 1986, 10.1213/00000539-198607000-00002"

CASES = (
    Case("csf_1h", "lumbar CSF 1 h after 0.25 mg", "ng/mL", *_within(4228.0, 1.5), _NORDBERG),
    Case("half_life", "last half-life in lumbar CSF", "min", math.sqrt(73 * 196), 73.0, 196.0,
         f"{_NORDBERG}; {_MOULIN}; {_KOTOB}"),
    Case("ratio_l2", "steady lumbar : cisternal CSF, tip L2", "1", *_within(7.0, 1.6), _MOULIN),
    Case("ratio_t10", "steady lumbar : cisternal CSF, tip T10", "1", *_within(2.0, 1.6), _MOULIN),
    Case("csf_plasma", "steady lumbar CSF : plasma", "1", 1000.0, 300.0, 5000.0, _MOULIN),
    Case("plasma_max", "greatest plasma concentration after 1 mg", "ng/mL", *_within(2.3, 2.0), _KOTOB),
    Case("plasma_at", "time of the greatest plasma concentration", "min", 216.0, 140.0, 300.0, _KOTOB),
)  # fmt: skip


def found(physiology: Physiology, kinetics: Kinetics, cells: int = CELLS) -> dict[str, float]:
    """What the model gives for each of ``CASES``, by key."""
    lumbar = vertebra_cm(_LUMBAR, physiology.canal_cm)
    tips = (vertebra_cm(tip, physiology.canal_cm) for tip in ("L2", "T10"))
    low, high = (_steady(build(physiology, kinetics, tip, cells=cells), lumbar) for tip in tips)
    return {
        **_injected(physiology, kinetics, cells),
        "ratio_l2": float(low[0] / low[1]),
        "ratio_t10": float(high[0] / high[1]),
        "csf_plasma": float(low[0] / low[2]),
    }


def _steady(neuraxis: Neuraxis, lumbar_cm: float) -> FloatArray:
    """Lumbar, cisternal and plasma concentrations under 1 ng/s for ever."""
    system = neuraxis.system
    tree = spsolve(-system.tree.matrix.tocsc(), system.inputs[:, 0])
    below = np.linalg.solve(-system.below, system.feed @ tree)
    rows = [neuraxis.reading("csf", lumbar_cm), neuraxis.reading("cistern"), neuraxis.reading("plasma")]
    return np.asarray(np.array(rows) @ np.concatenate((tree, below)))


def _injected(physiology: Physiology, kinetics: Kinetics, cells: int) -> dict[str, float]:
    lumbar = vertebra_cm(_LUMBAR, physiology.canal_cm)
    neuraxis = build(physiology, kinetics, lumbar, bolus_ml=(_BOLUS_ML,), cells=cells)
    wanted = channels(neuraxis, {"csf": ("csf", lumbar), "plasma": ("plasma", 0.0)})
    run = engine.run(neuraxis.system, Dosing.bolus(1e6), _PLASMA_MIN * 60, wanted)
    csf, plasma = run.of("csf"), run.of("plasma")
    late = np.searchsorted(_PLASMA_MIN, _LAST_H * 60)
    slope = np.polyfit(_LAST_H * 60, np.log(csf[late]), 1)[0]
    at_min, greatest = _peak(_PLASMA_MIN, plasma)
    return {
        "csf_1h": 0.25 * float(csf[np.searchsorted(_PLASMA_MIN, 60.0)]),
        "half_life": -math.log(2) / float(slope),
        "plasma_max": greatest,
        "plasma_at": at_min,
    }


def _peak(at_min: FloatArray, value: FloatArray) -> tuple[float, float]:
    """Where and how high the top of a curve is: a parabola through the highest point and its neighbors."""
    top = int(np.argmax(value))
    if top in {0, value.size - 1}:
        return float(at_min[top]), float(value[top])
    before, here, after = value[top - 1 : top + 2]
    shift = (before - after) / (2 * (before - 2 * here + after))
    step = at_min[top + 1] - at_min[top]
    return float(at_min[top] + shift * step), float(here - (before - after) * shift / 4)
