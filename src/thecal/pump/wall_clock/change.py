"""Setting the pump clock as a task of its own: what each choice skips or repeats, in dose of every ingredient (T6).

In come a reading, the offset that is wanted, and the pattern that the schedule runs by; out come three choices with
their exact doses, and the offset that the pump is to be given. Boluses, lockouts and ceilings run on elapsed time and
are not touched by any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time
from enum import StrEnum
from typing import TYPE_CHECKING

from thecal.pump.wall_clock.clock import MOST_OFFSET_S, offset_for, offset_text, reading_of
from thecal.pump.wall_clock.zone import changes, zone_offset
from thecal.quantities import Duration, Mass, duration_text
from thecal.therapy.program import DAY_S
from thecal.therapy.refusal import moment_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date
    from zoneinfo import ZoneInfo

    from thecal.pump.wall_clock.clock import PumpClock
    from thecal.therapy.mixture import Mixture
    from thecal.therapy.pattern import Pattern
    from thecal.therapy.wording import Words


class Kind(StrEnum):
    """What can be done about a pump clock that differs."""

    LEAVE = "leave it"
    NOW = "change it now"
    LATER = "change it later"


class WhyNot(StrEnum):
    """Why a pump clock cannot be set so."""

    OFFSET_RANGE = "offset out of range"
    CLOCK_RANGE = "clock out of range"
    NOT_LATER = "not later"


@dataclass(frozen=True, slots=True)
class NoClock:
    """No task, and why: what was found, what is allowed, what to do next."""

    why: WhyNot
    found: str
    allowed: str
    then: str

    @property
    def message(self) -> str:
        """One line for a person."""
        return f"found {self.found}; allowed: {self.allowed}; next: {self.then}"


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice: at ``at_s`` of uptime the pump clock jumps by ``shift_s`` (below zero: back).

    ``offset_s`` is what ``Commands.set_clock`` needs, None where nothing is set. ``skipped`` is what the schedule would
    have given and never gives, ``repeated`` what it gives a second time, by drug; ``next_24h`` is the base of the 24 h
    after it. All exact. The base alone: a bolus does not depend on the clock.
    """

    kind: Kind
    at_s: int
    shift_s: int
    offset_s: int | None
    before: datetime
    after: datetime
    skipped: Mapping[str, Mass]
    repeated: Mapping[str, Mass]
    next_24h: Mapping[str, Mass]

    def lines(self, words: Words) -> tuple[str, ...]:
        """In sentences, with each drug in its own unit."""
        if self.shift_s == 0:
            return (f"{_begun(self.kind)}: the pump clock stays as it is. Nothing is skipped or repeated.",)
        way = "forward" if self.shift_s > 0 else "back"
        by = duration_text(Duration.of(abs(self.shift_s), "s"))
        return (
            f"{_begun(self.kind)}: the pump clock goes {way} by {by},"
            f" from {moment_text(self.before)} to {moment_text(self.after)}.",
            *self._doses("Skipped", self.skipped, words),
            *self._doses("Given a second time", self.repeated, words),
            *self._doses("In the 24 h after it", self.next_24h, words),
        )

    @staticmethod
    def _doses(what: str, doses: Mapping[str, Mass], words: Words) -> Iterator[str]:
        shown = ((words(drug), mass) for drug, mass in doses.items())
        parts = [f"{mass.text(drug.dose_unit)} {drug.display_name}" for drug, mass in shown]
        yield f"{what}: {', '.join(parts) or 'nothing'}."


@dataclass(frozen=True, slots=True)
class ClockTask:
    """The task of bringing a pump clock to a UTC offset: its choices, leaving it first."""

    utc_offset_s: int
    choices: tuple[Choice, ...]

    @property
    def wanted(self) -> str:
        """The offset that is wanted, as written."""
        return offset_text(self.utc_offset_s)

    def choice(self, kind: Kind) -> Choice:
        """The choice of that kind; KeyError where it was not offered."""
        for found in self.choices:
            if found.kind is kind:
                return found
        raise KeyError(kind)


def clock_task(
    clock: PumpClock,
    utc_s: int,
    utc_offset_s: int,
    pattern: Pattern,
    mixture: Mixture,
    *,
    later_utc_s: int | None = None,
) -> ClockTask | NoClock:
    """What can be done to make the pump clock keep ``utc_offset_s``; its drift goes with it.

    ``later_utc_s`` is when somebody could do it later, such as the next visit; None where it is not offered.
    """
    if abs(utc_offset_s) >= DAY_S:
        return NoClock(
            WhyNot.OFFSET_RANGE,
            f"an offset of {duration_text(Duration.of(utc_offset_s, 's'))}",
            "less than a day east or west of UTC",
            "check the zone",
        )
    offset = offset_for(clock.uptime_s, utc_s, utc_offset_s)
    if offset is None:
        most = duration_text(Duration.of(MOST_OFFSET_S, "s"))
        return NoClock(
            WhyNot.CLOCK_RANGE,
            f"a time that the pump clock cannot show after {duration_text(Duration.of(clock.uptime_s, 's'))} of uptime",
            f"an offset from 0 s to {most}",
            "check date and time of this machine",
        )
    if later_utc_s is not None and later_utc_s <= utc_s:
        return NoClock(WhyNot.NOT_LATER, "a later moment that has passed", "a moment after now", "choose another one")
    maker = _Maker(clock, offset, pattern, mixture)
    found = [maker.choice(Kind.LEAVE, clock.uptime_s), maker.choice(Kind.NOW, clock.uptime_s)]
    if later_utc_s is not None:
        found.append(maker.choice(Kind.LATER, clock.uptime_s + later_utc_s - utc_s))
    return ClockTask(utc_offset_s, tuple(found))


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes choices for one reading and one wanted offset."""

    clock: PumpClock
    offset_s: int
    pattern: Pattern
    mixture: Mixture

    def choice(self, kind: Kind, at_s: int) -> Choice:
        """One choice; the pump clock runs on until ``at_s`` as it does now."""
        set_it = kind is not Kind.LEAVE
        shift = self.offset_s - self.clock.offset_s if set_it else 0
        before = at_s + self.clock.offset_s
        after = before + shift
        return Choice(
            kind=kind,
            at_s=at_s,
            shift_s=shift,
            offset_s=self.offset_s if set_it else None,
            before=reading_of(before),
            after=reading_of(after),
            skipped=self._between(before, after) if shift > 0 else {},
            repeated=self._between(after, before) if shift < 0 else {},
            next_24h=self._between(after, after + DAY_S),
        )

    def _between(self, start_s: int, end_s: int) -> dict[str, Mass]:
        return _each(self.mixture, self.pattern.between(start_s, end_s))


def _each(mixture: Mixture, primary: Mass) -> dict[str, Mass]:
    return {drug: mixture.follow(drug, primary) for drug in mixture.drugs}


def _begun(text: str) -> str:
    return text[0].upper() + text[1:]


@dataclass(frozen=True, slots=True)
class DayDose:
    """A day by the clock on the wall: how long it is, and the base that a schedule following the wall would give."""

    day: date
    length: Duration
    doses: Mapping[str, Mass]


def wall_day(pattern: Pattern, mixture: Mixture, zone: ZoneInfo, day: date) -> DayDose:
    """What a day would give if the schedule followed the clock on the wall, which no pump of ours does.

    For comparison: a pump on its fixed offset gives the same in every 24 h.
    """
    weekday_s = day.weekday() * DAY_S
    length, primary = 0, Mass.zero()
    for start, end in _stretches(zone, day):
        length += end - start
        primary += pattern.between(weekday_s + start, weekday_s + end)
    return DayDose(day, Duration.of(length, "s"), _each(mixture, primary))


def _stretches(zone: ZoneInfo, day: date) -> Iterator[tuple[int, int]]:
    """The parts of a day on the wall that pass without a jump, in seconds of that day."""
    midnight = int(datetime.combine(day, time(), UTC).timestamp())
    start, end = midnight - 2 * DAY_S, midnight + 3 * DAY_S
    offset = zone_offset(zone, start)
    edges = [*((c.utc_s, c.after_s) for c in changes(zone, start, end)), (end, 0)]
    for until, after in edges:
        first, last = max(start + offset - midnight, 0), min(until + offset - midnight, DAY_S)
        if first < last:
            yield first, last
        start, offset = until, after
