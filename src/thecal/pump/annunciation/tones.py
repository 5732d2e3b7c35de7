"""How alarms sound: one tone for each priority, by the data of the pump's family, and when the next one is due.

An acknowledged alarm is quiet for the pause of the table and then sounds again for as long as it is active: no alarm
can be silenced for good. Times are pump uptime in s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.pump.annunciation.condition import Priority
from thecal.pump.annunciation.table import alarm_table
from thecal.pump.families import Kind
from thecal.pump.families import family as family_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from thecal.pump.annunciation.state import AlarmState
    from thecal.pump.families import Alarm, Family
    from thecal.quantities import Duration

_PART = {Priority.CRITICAL: "critical", Priority.NON_CRITICAL: "advisory"}


@dataclass(frozen=True, slots=True)
class Tone:
    """A tone: how it sounds, how long it lasts, how often it comes.

    ``stands_in`` is True where the family has none of its own and that of another one stands in; ``verified`` where
    all of it was read for this family.
    """

    priority: Priority
    sound: str
    lasts: Duration
    every: Duration
    stands_in: bool
    verified: bool


@dataclass(frozen=True, slots=True)
class Sound:
    """A tone at a second of uptime."""

    at_s: int
    tone: Tone


def tone(pump: Family, priority: Priority) -> Tone | None:
    """The tone of a family for a priority; None for a family without electronics, which never sounds."""
    if pump.kind is Kind.CONSTANT_FLOW:
        return None
    own = _alarm(pump, priority)
    source = pump if _whole(own) else family_named(alarm_table().stand_in)
    found = _alarm(source, priority)
    if found.sound is None or found.lasts is None or found.every is None:
        raise RuntimeError(f"the family whose tones stand in has none: {source.code}")
    names = (f"{_PART[priority]}_{part}" for part in ("sound", "lasts", "every"))
    read = all(source.constants[name].verified for name in names)
    return Tone(priority, found.sound, found.lasts, found.every, source is not pump, read and source is pump)


def tones_of(pump: Family) -> Mapping[Priority, Tone]:
    """The tones of a family by priority; empty for one without electronics."""
    found = {priority: tone(pump, priority) for priority in Priority}
    return {priority: t for priority, t in found.items() if t is not None}


def _alarm(pump: Family, priority: Priority) -> Alarm:
    return pump.critical if priority is Priority.CRITICAL else pump.advisory


def _whole(alarm: Alarm) -> bool:
    return alarm.sound is not None and alarm.lasts is not None and alarm.every is not None


def next_sound(states: Iterable[AlarmState], tones: Mapping[Priority, Tone], now_s: int) -> Sound | None:
    """The next tone at ``now_s`` or later, as long as nothing else happens; None where nothing will sound.

    A tone comes when an alarm is issued and then by its interval, counted from the newest alarm of its priority. While
    a critical alarm is not paused, non-critical tones give way to its own.
    """
    active = [s for s in states if s.active]
    critical, other = (_due(active, tones.get(priority), now_s) for priority in Priority)
    if critical is None or other is None:
        return critical or other
    return critical if _loud_from(active, Priority.CRITICAL) <= other.at_s else other


def _loud_from(active: Iterable[AlarmState], priority: Priority) -> int:
    """The second from which at least one alarm of a priority is not in its pause."""
    pause_s = alarm_table().pause.lasts.floor("s")
    return min(
        (s.issued_s or 0) if s.acknowledged_s is None else s.acknowledged_s + pause_s
        for s in active
        if s.condition.priority is priority
    )


def _due(active: Iterable[AlarmState], wanted: Tone | None, now_s: int) -> Sound | None:
    issued = [s.issued_s or 0 for s in active if wanted is not None and s.condition.priority is wanted.priority]
    if wanted is None or not issued:
        return None
    every, anchor = wanted.every.floor("s"), max(issued)
    earliest = max(now_s, anchor, _loud_from(active, wanted.priority))
    return Sound(anchor + -(-(earliest - anchor) // every) * every, wanted)
