"""The color scale of a heat map: ten steps down from the highest concentration, as fine as what there is to tell.

Steps are preferred numbers: ten, five or three to a decade, the finest that reaches down to nearly all of the values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thecal.twin.spine import HeatMap

COLORS = 10
"""Of them the page has so many, from little to much; on paper they are grays."""
_LADDERS = (
    (1.0, 1.25, 1.6, 2.0, 2.5, 3.2, 4.0, 5.0, 6.3, 8.0),
    (1.0, 1.6, 2.5, 4.0, 6.3),
    (1.0, 2.0, 5.0),
)
_TOLD_APART = 5.0  # percent of the values that may lie under the lowest step


@dataclass(frozen=True, slots=True)
class Scale:
    """Edges in ng/mL, ascending: below the first lies the palest color, over the last nothing."""

    edges: tuple[float, ...]

    @property
    def floor(self) -> float:
        """Below this nothing is told apart."""
        return self.edges[0]

    @property
    def top(self) -> float:
        """Nothing is over this."""
        return self.edges[-1]

    def step(self, value: float) -> int:
        """The color that a concentration has, 0 to 9."""
        return sum(value >= edge for edge in self.edges[:-1])


def scale_of(maps: Sequence[HeatMap]) -> Scale | None:
    """One scale for several maps, so that a color means the same in all; None where there is no drug in any."""
    values = np.concatenate([one.csf_ng_per_ml.ravel() for one in maps]) if maps else np.zeros(0)
    some = values[values > 0]
    if not some.size:
        return None
    most, few = float(some.max()), float(np.percentile(values, _TOLD_APART))
    scales = [_down_from(most, ladder) for ladder in _LADDERS]
    return next((scale for scale in scales if scale.floor <= few), scales[-1])


def _down_from(most: float, ladder: Sequence[float]) -> Scale:
    """The steps of a ladder under the first that is not under ``most``."""
    decade = math.floor(math.log10(most))
    steps = [float(f"{step * 10.0**power:.6g}") for power in range(decade - 4, decade + 2) for step in ladder]
    above = next(n for n, edge in enumerate(steps) if edge >= most)
    return Scale(tuple(steps[above - COLORS + 1 : above + 1]))
