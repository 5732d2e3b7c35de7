"""When a patient presses: a pattern of the day with some chance in it, the same for the same patient and day.

So the world that is made and the world that goes on have one pattern, and nothing about it is kept.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from zoneinfo import ZoneInfo

    from thecal.demonstration.scenario import Presses

AGAIN_S = 7 * 60
"""After how long somebody who presses again does so."""


def presses_between(who: str, presses: Presses, zone: ZoneInfo, after_s: int, until_s: int) -> Iterator[int]:
    """UTC of the presses of a patient after one moment, up to and including another, in their order."""
    day = datetime.fromtimestamp(after_s, UTC).astimezone(zone).date() - timedelta(days=1)
    last = datetime.fromtimestamp(until_s, UTC).astimezone(zone).date() + timedelta(days=1)
    while day <= last:
        for at_s in _of_day(who, presses, zone, day):
            if after_s < at_s <= until_s:
                yield at_s
        day += timedelta(days=1)


def _of_day(who: str, presses: Presses, zone: ZoneInfo, day: date) -> list[int]:
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp())
    found: list[int] = []
    for number, at_s in enumerate(presses.at_s):
        skip, later, again = _chance(who, day, number)
        if skip % 100 < presses.skip_percent:
            continue
        pressed_s = midnight + at_s + later % (presses.spread_s + 1)
        found.append(pressed_s)
        if again % 100 < presses.again_percent:
            found.append(pressed_s + AGAIN_S)
    return sorted(found)


def _chance(who: str, day: date, number: int) -> tuple[int, int, int]:
    """Three numbers that are the same for the same patient, day and press."""
    digest = sha256(f"{who} {day.isoformat()} {number}".encode()).digest()
    return tuple(int.from_bytes(digest[at : at + 4], "big") for at in (0, 4, 8))  # type: ignore[return-value]
