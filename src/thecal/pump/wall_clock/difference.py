"""How far pump clock and clock on the wall are apart at a reading: what the zone makes of it, and what is drift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.pump.wall_clock.zone import next_change, zone_offset
from thecal.quantities import Duration, duration_text
from thecal.therapy.program import DAY_S
from thecal.therapy.refusal import day_text
from thecal.therapy.wording import clock_text

if TYPE_CHECKING:
    from datetime import date
    from zoneinfo import ZoneInfo

    from thecal.pump.wall_clock.clock import PumpClock
    from thecal.pump.wall_clock.zone import ZoneChange

SHOWN_AT_S = 6 * 3600
"""The time of day that the sentence takes as its example: 06:00."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How far a pump clock is from the time that it is believed to keep; ahead is more than zero."""

    seconds: int

    @property
    def text(self) -> str:
        """In words: every second is shown (T6)."""
        if self.seconds == 0:
            return "the pump clock keeps time to the second"
        by = duration_text(Duration.of(abs(self.seconds), "s"))
        return f"the pump clock is {by} {'ahead' if self.seconds > 0 else 'behind'}"


def drift(clock: PumpClock, utc_s: int) -> Drift | None:
    """The drift of a pump clock, found at a reading; None where nobody wrote down which offset it keeps."""
    return None if clock.utc_s is None else Drift(clock.utc_s - utc_s)


@dataclass(frozen=True, slots=True)
class Difference:
    """At a reading: the clock on the wall minus the pump clock, in seconds, and the parts it is made of.

    ``zone_s`` is what the zone's offset is more than the one believed of the pump, ``drift`` what the pump clock is
    off from that; both None where no offset is believed. ``change`` is the next change of the zone's clock, after
    which the difference is another one.
    """

    seconds: int
    zone_s: int | None
    drift: Drift | None
    change: ZoneChange | None
    zone: str

    @property
    def until(self) -> date | None:
        """The day on which the difference changes; None where no change is known."""
        return None if self.change is None else self.change.old_reading.date()

    def text(self, pump_s: int = SHOWN_AT_S) -> str:
        """The line for every screen while they differ (T4); it says so where they agree."""
        until = "" if self.until is None else f" until {day_text(self.until)}"
        if self.seconds == 0:
            return f"pump clock = clock on the wall{until}"
        return f"pump {clock_text(pump_s)} = clock on the wall {wall_text(pump_s, self.seconds)}{until}"


def wall_text(pump_s: int, ahead_s: int) -> str:
    """What the clock on the wall shows when the pump clock shows ``pump_s`` seconds of its day."""
    days, second = divmod(pump_s + ahead_s, DAY_S)
    if days == 0:
        return clock_text(second)
    day = "of the next day" if days == 1 else "of the day before" if days == -1 else f"{days:+,} days"
    return f"{clock_text(second)} {day}"


@dataclass(frozen=True, slots=True)
class Notice:
    """What is said at a visit before the clock of the zone changes: to the clinician, and to the patient."""

    clinician: str
    patient: str


def before_change(change: ZoneChange, utc_offset_s: int) -> Notice:
    """The warning of a change for a pump clock that keeps ``utc_offset_s`` and does not follow (T5)."""
    later = wall_text(SHOWN_AT_S, change.after_s - utc_offset_s)
    by = duration_text(Duration.of(abs(change.shift_s), "s"))
    way, when = ("forward", "later") if change.shift_s > 0 else ("back", "earlier")
    return Notice(
        f"{change.text} The pump clock does not follow: from then on pump {clock_text(SHOWN_AT_S)} = "
        f"clock on the wall {later}. Doses that change with the time of day come {by} {when} by the clock on the wall.",
        f"On {day_text(change.old_reading)} your clock goes {way} by {by}. Your pump clock stays the same. "
        f"Doses set by time come {by} {when} by your clock.",
    )


def compare(clock: PumpClock, utc_s: int, zone: ZoneInfo, until_s: int | None = None) -> Difference:
    """Both clocks at a reading; the next change is looked for until ``until_s``, or for 400 days."""
    offset = zone_offset(zone, utc_s)
    wall_s = utc_s + offset
    return Difference(
        seconds=wall_s - clock.as_if_utc_s,
        zone_s=None if clock.utc_offset_s is None else offset - clock.utc_offset_s,
        drift=drift(clock, utc_s),
        change=next_change(zone, utc_s, until_s),
        zone=zone.key,
    )
