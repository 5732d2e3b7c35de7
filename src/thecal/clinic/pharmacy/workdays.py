"""The days on which the pharmacy does not work: weekdays and single days of the site; a step never falls due on one.

A site that sets none works on every day. Which days are free differs by country and house: none is assumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from thecal.clinic.pharmacy.entries import FIRST_DAY, LAST_DAY
from thecal.clinic.pharmacy.refusing import Why, refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from thecal.clinic.refused import Refused

SETTING = "pharmacy_closed"
"""The name in ``Clinic.settings``: "weekdays" (0 is Monday) and "days" (year-month-day)."""
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MOST_DAYS = 200


@dataclass(frozen=True, slots=True)
class Closed:
    """Free weekdays, 0 for Monday, and free single days."""

    weekdays: frozenset[int] = frozenset()
    days: frozenset[date] = frozenset()

    def open_before(self, last: date, count: int) -> date:
        """The last day of work with ``count`` days of work behind it up to ``last``; ``last`` where all days are."""
        at = last
        while count:
            at -= timedelta(days=1)
            count -= self.works(at)
        while not self.works(at):
            at -= timedelta(days=1)
        return at

    def works(self, on: date) -> bool:
        """Whether the pharmacy works on a day."""
        return on.weekday() not in self.weekdays and on not in self.days


def closed_of(settings: Mapping[str, Any]) -> Closed:
    """The site's free days; none where it set none."""
    kept = settings.get(SETTING, {})
    return Closed(
        frozenset(int(day) for day in kept.get("weekdays", [])),
        frozenset(date.fromisoformat(day) for day in kept.get("days", [])),
    )


def read_closed(weekdays: Sequence[str], days: str) -> dict[str, list[Any]] | tuple[Refused, ...]:
    """Free days as somebody entered them, ready to be kept: weekdays by number, days one a line or with commas."""
    wrong = []
    chosen = sorted({int(w) for w in weekdays if w in "0123456" and len(w) == 1})
    if len(chosen) == len(WEEKDAYS):
        then = "leave at least one day for work"
        wrong.append(refused(Why.NOT_ALLOWED, "every day of the week", "up to six days", then, "closed_weekdays"))
    texts = [part.strip() for line in days.splitlines() for part in line.split(",") if part.strip()]
    found = [(text, _day(text)) for text in texts]
    bad = [text for text, day in found if day is None]
    if bad or len(found) > MOST_DAYS:
        said = repr(bad[0][:40]) if bad else f"{len(found)} days"
        allowed = f"up to {MOST_DAYS} days such as 2026-12-25, one a line or with commas"
        wrong.append(refused(Why.UNREADABLE, said, allowed, "correct the days", "closed_days"))
    if wrong:
        return tuple(wrong)
    return {"weekdays": chosen, "days": sorted({day.isoformat() for _, day in found if day is not None})}


def _day(text: str) -> date | None:
    try:
        on = date.fromisoformat(text)
    except ValueError:
        return None
    return on if FIRST_DAY <= on <= LAST_DAY else None
