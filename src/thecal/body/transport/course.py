"""What came of a run: readings over time, the engine that made them, and the error of its arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from thecal.body.transport.tree import FloatArray


class Engine(StrEnum):
    """How a run is made; every one of them is exact at instants of dosing, up to its stated error."""

    REDUCED = "reduced modal"
    STEPPING = "rational stepping"
    MODAL = "full modal"


@dataclass(frozen=True, eq=False, slots=True)
class Course:
    """Readings (channels, times) at ``at_s`` (times,); ``state`` (n + 3 + lags,) at the last time, where it is known.

    ``time_error`` bounds the error of the arithmetic in time, as a share of the greatest value of a channel; it says
    nothing of the grid in space, and nothing of biology.
    """

    names: tuple[str, ...]
    at_s: FloatArray
    values: FloatArray
    engine: Engine
    time_error: float
    state: FloatArray | None = None

    def of(self, name: str) -> FloatArray:
        """One channel over time."""
        return np.asarray(self.values[self.names.index(name)])


def scaled_error(found: npt.ArrayLike, true: npt.ArrayLike) -> float:
    """The greatest difference, each channel (row) scaled by the greatest absolute value that it truly has."""
    a, b = np.atleast_2d(found), np.atleast_2d(true)
    greatest = np.max(np.abs(b), axis=1, keepdims=True)
    gap = np.max(np.abs(a - b), axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(gap == 0, 0.0, gap / greatest)
    return float(np.max(share))
