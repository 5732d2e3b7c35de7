"""Days and moments at the clinic: its own zone, with the hour that does not exist and the one that comes twice."""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from thecal.clinic.refused import Refused
from thecal.therapy.refusal import day_text

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

FIRST = date(1970, 1, 1)
EARLIEST, LATEST = date(1970, 1, 2), date(2199, 12, 31)
"""Days between which a moment can be agreed on. Ours: a year outside is a slip of the finger."""


class WhyNoMoment(StrEnum):
    """Why a day and a time at the clinic are no moment."""

    NOT_A_DAY = "not-a-day"
    NOT_A_TIME = "not-a-time"
    SKIPPED = "time-does-not-exist"
    TWICE = "time-comes-twice"


def local(utc_s: int, zone: ZoneInfo) -> datetime:
    """A moment on the clinic's wall."""
    return datetime.fromtimestamp(utc_s, UTC).astimezone(zone)


def day_number(day: date) -> int:
    """Days since 1970."""
    return (day - FIRST).days


def day_of(utc_s: int, zone: ZoneInfo) -> int:
    """The day at the clinic on which a moment falls, in days since 1970."""
    return day_number(local(utc_s, zone).date())


def as_date(day: int) -> date:
    """The date of a day since 1970."""
    return date.fromordinal(FIRST.toordinal() + day)


def moment_at(day: str, time: str, which: str, zone: ZoneInfo) -> int | Refused:
    """UTC in s of a day ("2026-11-23") and a time ("09:30") at the clinic.

    ``which`` is "first" or "second" and is asked for only in the hour that comes twice; a time that the clocks skip is
    refused.
    """
    try:
        on = date.fromisoformat(day.strip())
    except ValueError:
        on = date.max
    if not EARLIEST <= on <= LATEST:
        return Refused(WhyNoMoment.NOT_A_DAY, day or "no day", "a day as in 2026-11-23", "choose the day", "day")
    try:
        at = datetime.strptime(time.strip(), "%H:%M").time()  # noqa: DTZ007 -- the zone is the clinic's, below
    except ValueError:
        return Refused(WhyNoMoment.NOT_A_TIME, time or "no time", "24 hours, as in 09:30", "enter the time", "time")
    first = datetime.combine(on, at, zone)
    second = first.replace(fold=1)
    said = f"{time.strip()} on {day_text(on)}"
    if first.astimezone(UTC).astimezone(zone).time() != at:
        allowed = "a time before or after the change of the clocks"
        return Refused(WhyNoMoment.SKIPPED, f"{said}, which the clocks skip", allowed, "choose another time", "time")
    if first.utcoffset() != second.utcoffset() and which not in ("first", "second"):
        said = f"{said}, which comes twice because the clocks go back"
        return Refused(WhyNoMoment.TWICE, said, "the first or the second", "say which of the two", "which")
    return int((second if which == "second" and first.utcoffset() != second.utcoffset() else first).timestamp())
