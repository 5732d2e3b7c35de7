"""When the clock of a zone changes: by the tz database, to the second."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING

from thecal.pump.wall_clock.clock import utc_of
from thecal.quantities import Duration, duration_text
from thecal.therapy.refusal import day_text
from thecal.therapy.wording import clock_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from zoneinfo import ZoneInfo

LOOK_EVERY_S = 6 * 3600
"""How densely a zone is looked at. A change that is taken back within less is not seen; no zone has done so."""
HORIZON_S = 400 * 86_400
"""How far ahead a change is looked for where nobody says: more than a year, so that a yearly one is found."""


def zone_offset(zone: ZoneInfo, utc_s: int) -> int:
    """The UTC offset of the zone at a moment, in seconds east."""
    moment = utc_of(utc_s)
    there = moment.astimezone(zone).replace(tzinfo=UTC)
    return int((there - moment).total_seconds())


@dataclass(frozen=True, slots=True)
class ZoneChange:
    """From ``utc_s`` on the zone's offset is ``after_s`` and no longer ``before_s``."""

    utc_s: int
    before_s: int
    after_s: int
    zone: str

    @property
    def shift_s(self) -> int:
        """How far the clock on the wall jumps; below zero where it goes back."""
        return self.after_s - self.before_s

    @property
    def old_reading(self) -> datetime:
        """What the clock on the wall would have shown at that moment, without a zone."""
        return utc_of(self.utc_s + self.before_s).replace(tzinfo=None)

    @property
    def new_reading(self) -> datetime:
        """What it shows from then on, without a zone."""
        return utc_of(self.utc_s + self.after_s).replace(tzinfo=None)

    @property
    def text(self) -> str:
        """In a sentence."""
        way = "forward" if self.shift_s > 0 else "back"
        by = duration_text(Duration.of(abs(self.shift_s), "s"))
        old, new = (clock_text(m.hour * 3600 + m.minute * 60 + m.second) for m in (self.old_reading, self.new_reading))
        return f"On {day_text(self.old_reading)} at {old} clocks in {self.zone} go {way} by {by}, to {new}."


def changes(zone: ZoneInfo, after_s: int, until_s: int) -> Iterator[ZoneChange]:
    """Every change of the zone's clock after one moment and up to another, in order (Unix seconds)."""
    at, offset = after_s, zone_offset(zone, after_s)
    while at < until_s:
        step = min(at + LOOK_EVERY_S, until_s)
        later = zone_offset(zone, step)
        if later != offset:
            moment = _moment(zone, at, step)
            yield ZoneChange(moment, offset, later, zone.key)
        at, offset = step, later


def _moment(zone: ZoneInfo, low_s: int, high_s: int) -> int:
    """The first second of the new offset."""
    before = zone_offset(zone, low_s)
    while high_s - low_s > 1:
        middle = (low_s + high_s) // 2
        if zone_offset(zone, middle) == before:
            low_s = middle
        else:
            high_s = middle
    return high_s


def next_change(zone: ZoneInfo, after_s: int, until_s: int | None = None) -> ZoneChange | None:
    """The next change of the zone's clock, such as one before the refill; None where there is none until then (T5)."""
    return next(changes(zone, after_s, after_s + HORIZON_S if until_s is None else until_s), None)
