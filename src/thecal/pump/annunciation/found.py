"""What a reading finds that no alarm of the pump says: in its log, in its status, against the clock on the wall.

In come the entries of the log since the last reading and a few facts of this one; out come conditions of the table,
each with how often it was found and when. Times are pump uptime in s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from thecal.pump.annunciation.table import alarm_table
from thecal.pump.core import codes as k

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from thecal.pump.annunciation.condition import Condition


class Entry(Protocol):
    """One record of a log."""

    @property
    def uptime_s(self) -> int:
        """When it was written."""

    @property
    def event(self) -> int:
        """The event, as the core numbers them."""

    @property
    def a(self) -> int:
        """Its first number."""

    @property
    def b(self) -> int:
        """Its second number."""


@dataclass(frozen=True, slots=True)
class Found:
    """A condition that a reading found: how often (for missed strokes: how many), first and last time.

    Both times are None where the reading itself is the finding.
    """

    condition: Condition
    count: int
    first_s: int | None = None
    last_s: int | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What a reading knows beside the log; the defaults are those of a reading that finds nothing."""

    stopped: bool = False
    stalled: bool = False
    """A stall is active, and this is the first reading."""
    log_broken: bool = False
    records_missing: int = 0
    clock_off_s: int = 0
    """Seconds by which pump clock and clock on the wall differ, either way."""


_OF_REASON = {
    k.LOCKOUT: "bolus-too-soon",
    k.COUNT: "bolus-count-reached",
    k.CEILING_1H: "ceiling-refused",
    k.CEILING_24H: "ceiling-refused",
}


def found_in(log: Iterable[Entry], facts: Facts) -> tuple[Found, ...]:
    """Every condition that the reading finds, in the order of the table."""
    entries = tuple(log)
    found = {f.condition.code: f for f in (*_now(facts), *_then(entries), *_loops(entries))}
    return tuple(found[c.code] for c in alarm_table().conditions if c.code in found)


def _now(facts: Facts) -> Iterator[Found]:
    counts = {
        "stopped": int(facts.stopped),
        "stall-not-recovered": int(facts.stalled),
        "log-broken": int(facts.log_broken),
        "log-gap": facts.records_missing,
        "clock-differs": int(facts.clock_off_s != 0),
    }
    return (Found(alarm_table()[code], count) for code, count in counts.items() if count)


def _then(entries: Sequence[Entry]) -> Iterator[Found]:
    """What single records say, counted."""
    times: dict[str, list[int]] = {}
    missed = 0
    for entry in entries:
        code = _code(entry)
        if code is not None:
            times.setdefault(code, []).append(entry.uptime_s)
            missed += entry.b if code == "strokes-missed" else 0
    for code, at in times.items():
        yield Found(alarm_table()[code], missed if code == "strokes-missed" else len(at), min(at), max(at))


def _code(entry: Entry) -> str | None:
    if entry.event == k.E_REFUSED:
        return _OF_REASON.get(entry.a)
    if entry.event == k.E_TOTAL:
        return "strokes-missed" if entry.b > 0 else None
    if entry.event == k.E_BOLUS_CUT:
        return "bolus-cut"
    return "bridge-ended" if entry.event == k.E_BRIDGE_END else None


def _loops(entries: Sequence[Entry]) -> Iterator[Found]:
    """The same alarm issued again within a short time, as often as the table says; one finding for all alarms."""
    limit = alarm_table().repeats
    issued: dict[int, list[int]] = {}
    for entry in entries:
        if entry.event == k.E_ALARM:
            issued.setdefault(entry.a, []).append(entry.uptime_s)
    within = limit.within.floor("s")
    again = [
        (at[i], at[i + limit.times - 1])
        for at in issued.values()
        for i in range(len(at) - limit.times + 1)
        if at[i + limit.times - 1] - at[i] <= within
    ]
    if again:
        yield Found(alarm_table()["alarm-loop"], len(again), min(a for a, _ in again), max(b for _, b in again))
