"""The battery of a virtual pump: age, strokes and frames wear it down.

The service life stands in the pump family. What a stroke and a frame cost is ours, for no source gives it
(verified = false): a pump at its greatest flow lives a quarter shorter, which a published 5 to 7 years allows.
"""

from __future__ import annotations

STROKE_MS = 300  # of service life; verified = false
FRAME_MS = 500  # of service life; verified = false


class Battery:
    """What is left, from the service life of the family and what was used. Times are pump uptime in s."""

    def __init__(self, replace_soon_s: int, end_of_service_s: int) -> None:
        self._replace_s = replace_soon_s
        self._end_s = end_of_service_s
        self.frames = 0  # sent or heard by the radio
        self.used_s = 0  # of service life, by strokes and frames
        self.film = False  # there is a film on it that the pump has not measured yet
        self.film_s = -1  # uptime at which the pump measured a film; -1: it never did

    def measure(self, uptime_s: int, strokes: int) -> None:
        """The pump looks at its battery, having made so many strokes; what was used only rises."""
        self.used_s = max(self.used_s, (strokes * STROKE_MS + self.frames * FRAME_MS) // 1000)
        if self.film and self.film_s < 0:
            self.film_s = uptime_s

    def replace_soon_s(self) -> int:
        """When the replacement date is reached: as measured last, and at once where there is a film."""
        due = max(0, self._replace_s - self.used_s)
        return due if self.film_s < 0 else min(due, self.film_s)

    def end_of_service_s(self) -> int:
        """When service ends: as long after the replacement date as the family says."""
        return self.replace_soon_s() + self._end_s - self._replace_s

    def percent(self, uptime_s: int) -> int:
        """What is left until the end of service, 0 to 100, rounded down."""
        end = self.end_of_service_s()
        return max(0, end - uptime_s) * 100 // max(1, end)
