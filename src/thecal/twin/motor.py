"""The virtual motor: every commanded train of strokes is kept exactly, and a stall moves nothing.

The controller says in one line how many strokes fall where; the motor keeps that line for the strokes that moved, and
writes out the second of every single one only when asked. Leaping and stepping keep different lines and the same
strokes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from thecal.pump.core.codes import NEVER
from thecal.pump.core.hardware import Motor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy.typing as npt

    from thecal.twin.events import Stall

    IntArray = npt.NDArray[np.int64]


class VirtualMotor(Motor):
    """Turns as commanded, except in the seconds from each stall's ``from_s`` until, not including, its ``until_s``."""

    def __init__(self, stalls: Sequence[Stall] = ()) -> None:
        self._stalls = sorted((s.from_s, s.until_s) for s in stalls)
        self._trains: list[tuple[int, int, int, int, int, int]] = []
        self.lost = 0
        """Strokes that were commanded and did not move."""

    def turn(self, t0_s: int, t1_s: int, acc: int, rate: int, unit: int, strokes: int) -> int:  # noqa: PLR0917
        """Do what is commanded; the answer is how many strokes the rotor confirmed."""
        moved = 0
        for start_s, end_s in self._good(t0_s, t1_s):
            before = (acc + rate * (start_s - t0_s)) // unit
            after = (acc + rate * (end_s - t0_s)) // unit
            if after > before:
                self._trains.append((t0_s, acc, rate, unit, before, after))
                moved += after - before
        self.lost += strokes - moved
        return moved

    def good_until(self, now_s: int) -> int:
        """Until when every stroke is certain; ``now_s`` where the next second lies in a stall."""
        for from_s, until_s in self._stalls:
            if from_s <= now_s + 1 < until_s:
                return now_s
            if from_s > now_s + 1:
                return from_s - 1
        return NEVER

    def stroke_s(self) -> IntArray:
        """The second of every stroke that moved, ascending."""
        if not self._trains:
            return np.zeros(0, dtype=np.int64)
        t0, acc, rate, unit, before, after = np.array(self._trains, dtype=np.int64).T
        count = after - before
        first = np.cumsum(count) - count
        k = np.arange(1, int(count.sum()) + 1, dtype=np.int64) - np.repeat(first - before, count)
        due = k * np.repeat(unit, count) - np.repeat(acc, count)
        seconds = np.repeat(t0, count) - (-due // np.repeat(rate, count))
        return np.sort(seconds, kind="stable")

    def _good(self, t0_s: int, t1_s: int) -> Iterator[tuple[int, int]]:
        """The parts of the seconds after ``t0_s`` up to ``t1_s`` in which the motor moves."""
        start_s = t0_s
        for from_s, until_s in self._stalls:
            if from_s > t1_s:
                break
            if until_s > start_s:
                if from_s - 1 > start_s:
                    yield start_s, from_s - 1
                start_s = max(start_s, until_s - 1)
        if start_s < t1_s:
            yield start_s, t1_s
