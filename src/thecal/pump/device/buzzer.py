"""What a pump sounds: two tones for 3 s every 10 min for a critical alarm, one for 1 s every hour for any other.

It sounds when an alarm becomes active, then at its interval, for as long as one is. An alarm that somebody acknowledged
is quiet for the pause of ``annunciation``, and then sounds again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.pump.annunciation import alarm_table
from thecal.pump.core.alarms import CRITICAL, N_ALARMS, TABLE
from thecal.pump.core.codes import NEVER

if TYPE_CHECKING:
    from thecal.pump.core.alarms import Alarms
    from thecal.pump.families import Alarm, Family

NEWEST = 256
"""Tones that can still be read; older ones are only counted."""


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
        self._pause_s = alarm_table().pause.lasts.floor("s")
        self._from_s = [NEVER, NEVER]  # from when on an alarm of each priority is loud; NEVER: none is active
        self._next_s = [0, 0]  # when each priority is due

    def update(self, uptime_s: int, alarms: Alarms) -> None:
        """Let time pass up to ``uptime_s``; from then on these alarms are active, and some of them acknowledged."""
        self._sound_until(uptime_s)
        were = tuple(s != NEVER for s in self._from_s)
        for critical in (False, True):
            self._from_s[critical] = self._loud_from_s(alarms, critical=critical)
            if self._from_s[critical] != NEVER and not were[critical]:
                self._next_s[critical] = uptime_s
        if were[True] and self._from_s[True] == NEVER:
            self._next_s[False] = uptime_s  # what the critical one was heard in place of
        self._sound_until(uptime_s)

    def _loud_from_s(self, alarms: Alarms, *, critical: bool) -> int:
        """From when on the first active alarm of a priority is not in the pause after it was acknowledged."""
        found = NEVER
        for alarm in range(N_ALARMS):
            if alarms.on(alarm) and (TABLE[alarm][0] == CRITICAL) == critical:
                seen_s = alarms.acknowledged_s[alarm]
                found = min(found, seen_s + self._pause_s if seen_s else 0)
        return found

    def _due_s(self, *, critical: bool) -> int:
        if self._from_s[critical] == NEVER:
            return NEVER
        return max(self._next_s[critical], self._from_s[critical])

    def next_s(self) -> int:
        """The uptime of the next tone; NEVER while nothing is active."""
        return min(self._due_s(critical=True), self._due_s(critical=False))

    def test(self, uptime_s: int, *, critical: bool) -> None:
        """Sound a tone once."""
        self._sound(uptime_s, critical=critical, test=True)

    def since(self, number: int) -> list[Tone]:
        """The tones after the one with this number, oldest first, as far as they can still be read."""
        return [tone for tone in self._tones if tone.number > number]

    def _sound_until(self, uptime_s: int) -> None:
        while self.next_s() <= uptime_s:
            critical = self._due_s(critical=True) <= self._due_s(critical=False)
            at_s, every = self._due_s(critical=critical), self._every_s[critical]
            self._next_s[critical] = at_s + every
            if not critical and self._from_s[True] <= at_s:
                continue  # it gives way: the critical tone is heard in its place
            end_s = uptime_s if critical else min(uptime_s, self._from_s[True])
            due = (end_s - at_s) // every + 1
            if due > NEWEST:
                skipped = due - NEWEST  # nobody can read them any more
                self.sounded += skipped
                at_s += skipped * every
                self._next_s[critical] = at_s + every
            self._sound(at_s, critical=critical, test=False)

    def _sound(self, uptime_s: int, *, critical: bool, test: bool) -> None:
        self.sounded += 1
        self._tones.append(Tone(self.sounded, uptime_s, self._lasts_s[critical], critical, test))


def _seconds(alarm: Alarm, name: str, otherwise: int) -> int:
    found = getattr(alarm, name)
    return otherwise if found is None else int(found.floor("s"))
