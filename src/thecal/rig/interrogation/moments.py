"""The three times of whatever happened in a pump, and how sure they are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from thecal.link.log_reading import Event
from thecal.pump.wall_clock import UtcIs, offset_text, times_of
from thecal.pump.wall_clock.clock import utc_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from thecal.link.log_chain import Record
    from thecal.pump.wall_clock import Belief, Times


def utc_text(moment: datetime) -> str:
    """A moment as ISO text in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True, slots=True)
class Moments:
    """Times of records and alarms, from one reading at ``read_at_s`` of uptime.

    ``offset_s`` is the offset of the pump clock at the reading (None: not read). ``records`` are those of the log that
    were read, in order, and ``newest`` is the number of the newest that the pump holds (None: not read).
    """

    read_at_s: int
    read_utc_s: int
    offset_s: int | None
    beliefs: Sequence[Belief]
    records: Sequence[Record]
    newest: int | None

    def of_record(self, record: Record) -> dict[str, Any]:
        """The times of a record: its pump clock was written with it."""
        return self._json(self._times(record.uptime_s, record.clock_s, record.number))

    def at(self, uptime_s: int) -> dict[str, Any]:
        """The times of something that is known by uptime alone; its pump clock is found in the log, or is null."""
        clock_s = self._clock_s(uptime_s)
        later = next((r.number for r in self.records if r.uptime_s >= uptime_s), (self.newest or 0) + 1)
        times = self._json(self._times(uptime_s, clock_s or 0, later))
        if clock_s is None:
            times["pump_clock"] = None
        return times

    def now(self) -> dict[str, Any]:
        """The times of the reading itself, which are certain; its pump clock is null where it was not read."""
        clock_s = self.read_at_s + (self.offset_s or 0)
        times = self._json(
            times_of(
                self.read_at_s,
                clock_s,
                read_at_s=self.read_at_s,
                read_at_utc_s=self.read_utc_s,
                beliefs=self.beliefs,
                booted=False,
            )
        )
        if self.offset_s is None:
            times["pump_clock"] = None
        return times

    def _clock_s(self, uptime_s: int) -> int | None:
        """The pump clock at that uptime, by the first record from it on; None where one before that may be missing."""
        before = 0
        for record in self.records:
            if record.uptime_s >= uptime_s:
                if record.number != before + 1:
                    return None
                offset = record.a if record.event == Event.CLOCK else record.clock_s - record.uptime_s
                return uptime_s + offset
            before = record.number
        if self.offset_s is None or before != self.newest:
            return None
        return uptime_s + self.offset_s

    def _power_may_have_gone(self, number: int) -> bool:
        """Whether the pump started anew after record ``number``, or records after it are missing that could say so."""
        after = [r for r in self.records if r.number >= number]
        complete = self.newest is not None and len(after) == max(0, self.newest + 1 - number)
        return not complete or any(r.event == Event.BOOT and r.number > number for r in after)

    def _times(self, uptime_s: int, clock_s: int, number: int) -> Times:
        return times_of(
            uptime_s,
            clock_s,
            read_at_s=self.read_at_s,
            read_at_utc_s=self.read_utc_s,
            beliefs=self.beliefs,
            booted=self._power_may_have_gone(number),
        )

    @staticmethod
    def _json(times: Times) -> dict[str, Any]:
        believed = times.utc_offset_s
        return {
            "uptime_s": times.uptime_s,
            "pump_clock": times.clock.isoformat(),
            "believed_offset": None if believed is None else offset_text(believed),
            "utc": utc_text(times.utc),
            "utc_is": "counted" if times.utc_is is UtcIs.COUNTED else "at the latest",
        }


def later_json(uptime_s: int, read_at_s: int, read_utc_s: int) -> dict[str, Any]:
    """Something to come at an uptime: in how many seconds, and its day in UTC if power never fails until then."""
    return {
        "uptime_s": uptime_s,
        "in_s": uptime_s - read_at_s,
        "on": utc_of(read_utc_s + uptime_s - read_at_s).date().isoformat(),
    }
