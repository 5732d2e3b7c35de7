"""The letter for a traveler: which time the pump clock keeps, and what to expect by the clock on the wall (T9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from thecal.pump.wall_clock.clock import offset_text, utc_of
from thecal.pump.wall_clock.difference import SHOWN_AT_S, wall_text
from thecal.pump.wall_clock.zone import changes, zone_offset
from thecal.therapy.program import DAY_S
from thecal.therapy.refusal import day_text
from thecal.therapy.wording import clock_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date
    from zoneinfo import ZoneInfo

    from thecal.therapy.pattern import Pattern

MOST_TIMES = 24
"""Changes of dose in a day that a letter lists; more are summed up in a sentence."""


@dataclass(frozen=True, slots=True)
class Stay:
    """Somewhere from one moment to a later one, in Unix seconds."""

    place: str
    zone: ZoneInfo
    from_s: int
    until_s: int

    def __post_init__(self) -> None:
        if self.until_s <= self.from_s:
            raise ValueError(f"a stay ends after it begins; found {self.place}")


def travel_letter(utc_offset_s: int, stays: Sequence[Stay], pattern: Pattern) -> tuple[str, ...]:
    """The letter in lines, for a pump clock that keeps ``utc_offset_s``."""
    return (
        f"The pump clock keeps {offset_text(utc_offset_s)} all the time. It does not follow the clock on the wall.",
        *(line for stay in stays for line in _stay(utc_offset_s, stay, pattern)),
        "The base of any 24 h stays the same wherever the pump is, for a program that repeats every day."
        if pattern.period_s <= DAY_S
        else "The program changes with the day of the week, by the date of the pump clock.",
        "The wait between boluses and the count of boluses in 24 h run on elapsed time. Travel does not change them.",
        "The pump clock can be changed at the clinic only. For a short trip it is often best left as it is.",
    )


def _stay(utc_offset_s: int, stay: Stay, pattern: Pattern) -> Iterator[str]:
    """One part of a stay for each offset that its zone has meanwhile."""
    start, offset = stay.from_s, zone_offset(stay.zone, stay.from_s)
    edges = [*((c.utc_s, c.after_s) for c in changes(stay.zone, stay.from_s, stay.until_s)), (stay.until_s, 0)]
    for until, after in edges:
        ahead = offset - utc_offset_s
        first, last = _day(start, offset), _day(until, offset)
        yield (
            f"{stay.place}, {day_text(first)} to {day_text(last)}: "
            f"pump {clock_text(SHOWN_AT_S)} = clock on the wall {wall_text(SHOWN_AT_S, ahead)}."
        )
        yield from _times(pattern, ahead)
        start, offset = until, after


def _day(utc_s: int, offset_s: int) -> date:
    return utc_of(utc_s + offset_s).date()


def _times(pattern: Pattern, ahead_s: int) -> Iterator[str]:
    """When the dose changes, by both clocks."""
    starts = [int(p.start_s) for p in pattern.pieces]
    if len(starts) == 1:
        yield "The base is the same at all hours."
    elif pattern.period_s != DAY_S or len(starts) > MOST_TIMES:
        yield "The base changes with the time of day, by the pump clock."
    else:
        parts = ", ".join(f"{clock_text(s)} ({wall_text(s, ahead_s)} on the wall)" for s in starts)
        yield f"The base changes at these times of the pump clock: {parts}."
