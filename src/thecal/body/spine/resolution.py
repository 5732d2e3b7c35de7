"""How far the grid in space is from right: the same run on cells half as long.

Apart from the error in time, which the engine states, and from what the model does not know of a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thecal.body.spine.neuraxis import CELLS, EffectSite, Leaves, build, channels
from thecal.body.transport import engine

if TYPE_CHECKING:
    import numpy.typing as npt

    from thecal.body.spine.kinetics import Kinetics
    from thecal.body.spine.physiology import Physiology
    from thecal.body.transport.dosing import Dosing
    from thecal.body.transport.tree import FloatArray

# Second order would make it 4/3 of the difference, first order 2 (tests/test_spine_resolution.py shows about second).
SAFETY = 2.0


@dataclass(frozen=True, eq=False, slots=True)
class SpaceError:
    """For each channel of ``names``, the error that the grid of ``cells`` makes in it, as a ``share`` (channels,) of
    the greatest value of that channel: an estimate from the grid of twice as many cells, and not a bound.
    """

    names: tuple[str, ...]
    cells: int
    share: FloatArray

    @property
    def worst(self) -> float:
        """The greatest of them."""
        return float(np.max(self.share))


def space_error(
    physiology: Physiology,
    kinetics: Kinetics,
    tip_cm: float,
    *,
    dosing: Dosing,
    at_s: npt.ArrayLike,
    wanted: dict[str, tuple[str, float]],
    bolus_ml: tuple[float, ...] = (0.0,),
    cells: int = CELLS,
    effects: tuple[EffectSite, ...] = (),
    leaves: Leaves = Leaves.ALL,
) -> SpaceError:
    """The error of the grid in the channels ``wanted`` (as ``neuraxis.channels`` takes them) at ``at_s``.

    Arguments otherwise as for ``build`` and ``engine.run``; costs two runs, one on twice as many cells.
    Whoever built the neuraxis has looked at the ranges.
    """
    readings = []
    for number in (cells, 2 * cells):
        neuraxis = build(
            physiology,
            kinetics,
            tip_cm,
            bolus_ml=bolus_ml,
            cells=number,
            effects=effects,
            leaves=leaves,
            own_ranges=True,
        )
        readings.append(engine.run(neuraxis.system, dosing, at_s, channels(neuraxis, wanted)).values)
    coarse, fine = readings
    return SpaceError(tuple(wanted), cells, estimate(coarse, fine))


def estimate(coarse: FloatArray, fine: FloatArray) -> FloatArray:
    """The same from readings (channels, times) that were made on both grids; nothing where nothing is read."""
    gap, greatest = np.max(np.abs(coarse - fine), axis=1), np.max(np.abs(fine), axis=1)
    return np.asarray(SAFETY * np.divide(gap, greatest, out=np.zeros_like(gap), where=greatest > 0))
