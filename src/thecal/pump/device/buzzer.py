"""What a pump sounds: two tones for 3 s every 10 min for a critical alarm, one for 1 s every hour for any other.

It sounds when an alarm becomes active, then at its interval, for as long as one is; acknowledging does not silence it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.pump.core.alarms import CRITICAL, N_ALARMS, TABLE
from thecal.pump.core.codes import NEVER

if TYPE_CHECKING:
    from thecal.pump.families import Alarm, Family

NEWEST = 256
"""Tones that can still be read; older ones are only counted."""

_CRITICAL = sum(1 << alarm for alarm in range(N_ALARMS) if TABLE[alarm][0] == CRITICAL)


@dataclass(frozen=True, slots=True)
class Tone:
    """One sounding: its number (from 1), when in pump uptime, how long, whether critical, and whether only a test."""

    number: int
    uptime_s: int
    lasts_s: int
    critical: bool
    test: bool


class Buzzer:
    """The sounder of one pump. It forgets what it sounded when the power goes."""

    def __init__(self, kind: Family) -> None:
        # Published for the peristaltic family (device-facts 4); where a family gives none it stands in.
        self._lasts_s = (_seconds(kind.advisory, "lasts", 1), _seconds(kind.critical, "lasts", 3))
        self._every_s = (_seconds(kind.advisory, "every", 3600), _seconds(kind.critical, "every", 600))
        self._tones: deque[Tone] = deque(maxlen=NEWEST)
        self.sounded = 0
        """Tones ever, since the power came."""
        self._active = 0
        self._next_s = 0

    def update(self, uptime_s: int, active: int) -> None:
        """Let time pass up to ``uptime_s``; from then on these alarms (bit mask) are active."""
        if self._active:
            self._sound_until(uptime_s)
        if _is_critical(active) != _is_critical(self._active) or not self._active:
            self._next_s = uptime_s
        self._active = active
        if active:
            self._sound_until(uptime_s)

    def next_s(self) -> int:
        """The uptime of the next tone; NEVER while nothing is active."""
        return self._next_s if self._active else NEVER

    def test(self, uptime_s: int, *, critical: bool) -> None:
        """Sound a tone once."""
        self._sound(uptime_s, critical=critical, test=True)

    def since(self, number: int) -> list[Tone]:
        """The tones after the one with this number, oldest first, as far as they can still be read."""
        return [tone for tone in self._tones if tone.number > number]

    def _sound_until(self, uptime_s: int) -> None:
        critical = _is_critical(self._active)
        every = self._every_s[critical]
        due = (uptime_s - self._next_s) // every + 1
        if due > NEWEST:
            skipped = due - NEWEST  # nobody can read them any more
            self.sounded += skipped
            self._next_s += skipped * every
        while self._next_s <= uptime_s:
            self._sound(self._next_s, critical=critical, test=False)
            self._next_s += every

    def _sound(self, uptime_s: int, *, critical: bool, test: bool) -> None:
        self.sounded += 1
        self._tones.append(Tone(self.sounded, uptime_s, self._lasts_s[critical], critical, test))


def _is_critical(active: int) -> bool:
    return active & _CRITICAL != 0


def _seconds(alarm: Alarm, name: str, otherwise: int) -> int:
    found = getattr(alarm, name)
    return otherwise if found is None else int(found.floor("s"))
