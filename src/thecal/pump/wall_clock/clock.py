"""The pump clock: uptime plus an offset that is set, counted from a Monday; and the three times of every record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from thecal.pump.core.codes import WEEK_S

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST_MONDAY = datetime(2001, 1, 1)  # noqa: DTZ001  (a reading of the pump clock has no zone)
"""What the pump clock reads at second 0. The day is ours; that it is a Monday is what schedules need."""
FIRST_UTC_S = 978_307_200
"""The same day at 00:00 UTC, in Unix seconds."""
MOST_OFFSET_S = WEEK_S * 3500 - 1
"""The largest offset that a pump takes."""


@dataclass(frozen=True, slots=True)
class PumpClock:
    """A reading of a pump: uptime, the offset that is set, and the UTC offset that the clinic believes it keeps.

    All in whole seconds; ``utc_offset_s`` counts east of UTC, and is None where nobody wrote it down.
    """

    uptime_s: int
    offset_s: int
    utc_offset_s: int | None

    @property
    def clock_s(self) -> int:
        """Seconds since the Monday that the pump clock counts from."""
        return self.uptime_s + self.offset_s

    @property
    def reading(self) -> datetime:
        """What it reads, without a zone."""
        return reading_of(self.clock_s)

    @property
    def as_if_utc_s(self) -> int:
        """The reading in Unix seconds, as if the pump clock kept UTC."""
        return self.clock_s + FIRST_UTC_S

    @property
    def utc_s(self) -> int | None:
        """The UTC that the reading stands for by the offset believed, in Unix seconds; None where there is none."""
        return None if self.utc_offset_s is None else self.as_if_utc_s - self.utc_offset_s


def reading_of(clock_s: int) -> datetime:
    """What the pump clock reads at a second of it, without a zone."""
    return FIRST_MONDAY + timedelta(seconds=clock_s)


def utc_of(utc_s: int) -> datetime:
    """A moment in Unix seconds as a moment in UTC."""
    return datetime.fromtimestamp(utc_s, UTC)


def offset_for(uptime_s: int, utc_s: int, utc_offset_s: int) -> int | None:
    """The offset that makes the pump clock read the time ``utc_offset_s`` east of UTC; None where no pump takes it.

    It is what ``Commands.set_clock`` needs.
    """
    offset = utc_s + utc_offset_s - FIRST_UTC_S - uptime_s
    return offset if 0 <= offset <= MOST_OFFSET_S else None


def offset_text(utc_offset_s: int) -> str:
    """An offset as written: UTC, UTC+02:00, UTC-06:00, UTC+00:19:32."""
    if utc_offset_s == 0:
        return "UTC"
    hours, rest = divmod(abs(utc_offset_s), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"UTC{'-' if utc_offset_s < 0 else '+'}{hours:02}:{minutes:02}" + (f":{seconds:02}" if seconds else "")


@dataclass(frozen=True, slots=True)
class Belief:
    """Since ``since_s`` of uptime the clinic believes that the pump clock keeps this UTC offset."""

    since_s: int
    utc_offset_s: int


class UtcIs(StrEnum):
    """How sure the UTC of a record is."""

    COUNTED = "counted back from the reading"
    AT_THE_LATEST = "at the latest: the pump was without power since, and counts that time as none"


@dataclass(frozen=True, slots=True)
class Times:
    """The three times of a record: pump clock as read, offset believed at that moment, UTC (T3).

    ``utc_offset_s`` is None where nobody had written down an offset by then.
    """

    uptime_s: int
    clock: datetime
    utc_offset_s: int | None
    utc: datetime
    utc_is: UtcIs


def times_of(
    uptime_s: int,
    clock_s: int,
    *,
    read_at_s: int,
    read_at_utc_s: int,
    beliefs: Iterable[Belief],
    booted: bool,
) -> Times:
    """The times of something at ``uptime_s``, known from a reading at uptime ``read_at_s`` and ``read_at_utc_s``.

    ``booted`` is True where the pump started anew in between. UTC is counted back by elapsed uptime, never taken from
    the pump clock, so that setting the clock changes no record.
    """
    known = [b for b in beliefs if b.since_s <= uptime_s]
    newest = max(known, key=lambda b: b.since_s, default=None)
    return Times(
        uptime_s=uptime_s,
        clock=reading_of(clock_s),
        utc_offset_s=None if newest is None else newest.utc_offset_s,
        utc=utc_of(read_at_utc_s - (read_at_s - uptime_s)),
        utc_is=UtcIs.AT_THE_LATEST if booted else UtcIs.COUNTED,
    )
