"""The clock of a pump: from true seconds to uptime, with what an oscillator gets wrong.

Uptime comes from a counter that only counts up; a second one counts beside it, and where the two disagree the proven
one stands. Drift is in the oscillator itself: both counters share it, and the pump cannot see it.
"""

from __future__ import annotations

_MILLION = 1_000_000


class Oscillator:
    """Counts uptime from the second at which the pump woke."""

    def __init__(self, true_s: int, uptime_s: int) -> None:
        self._true_s = true_s
        self._millionths = uptime_s * _MILLION
        self.ppm = 0
        self._jumped_s = 0

    def uptime_s(self, true_s: int) -> int:
        """The proven uptime at a true second."""
        return (self._millionths + (true_s - self._true_s) * (_MILLION + self.ppm)) // _MILLION

    def main_counter_s(self, true_s: int) -> int:
        """What the main counter says: the proven uptime, or something else after a jump."""
        return self.uptime_s(true_s) + self._jumped_s

    def true_s(self, uptime_s: int) -> int:
        """The first true second at which that uptime is reached, at this drift."""
        ahead = uptime_s * _MILLION - self._millionths
        return self._true_s - (-ahead // (_MILLION + self.ppm))

    def drift(self, true_s: int, ppm: int) -> None:
        """From this true second on it runs fast by so many parts per million."""
        self._millionths += (true_s - self._true_s) * (_MILLION + self.ppm)
        self._true_s = true_s
        self.ppm = ppm

    def jump(self, seconds: int) -> None:
        """The main counter jumps."""
        self._jumped_s += seconds

    def agree(self, true_s: int) -> bool:
        """Compare both counters and set the main one by the proven one; False where they did not agree."""
        agreed = self.main_counter_s(true_s) == self.uptime_s(true_s)
        self._jumped_s = 0
        return agreed
