"""The therapy profile: days folded on one (rules C3 and C4).

In come scores and the pump's log; out come hours with medians and bands, boluses, and each day by itself. An hour
without a score has none: nothing is filled in.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

from thecal.clinic import observing
from thecal.clinic.charting import boluses, log_of, midnight, zone_of
from thecal.clinic.implants import implant_of
from thecal.clinic.programmed import folded
from thecal.clinic.session.readings import reading as reading_of
from thecal.quantities import number_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session as Db

    from thecal.clinic.practice import Practice
    from thecal.clinic.programmed import Folded
    from thecal.clinic.record.tables import Patient

SPANS = (7, 14, 28)
"""Days that the profile may fold; 14 unless another is chosen (rule C4)."""
WEEKDAYS = {"all": frozenset(range(7)), "weekdays": frozenset(range(5)), "weekend": frozenset({5, 6})}
DECILES = (Fraction(1, 10), Fraction(1, 4), Fraction(1, 2), Fraction(3, 4), Fraction(9, 10))


@dataclass(frozen=True, slots=True)
class Hour:
    """One hour of the folded day: scores of pain at the shares of ``DECILES``, None without any, and boluses."""

    hour: int
    n: int
    scores: tuple[Fraction, ...] | None
    given: int
    refused: int

    @property
    def texts(self) -> tuple[str, ...]:
        """The scores as they are shown."""
        return () if self.scores is None else tuple(number_text(score) for score in self.scores)


@dataclass(frozen=True, slots=True)
class OneDay:
    """One day by itself: its scores with the second of the day at which each was seen, and their median as text."""

    day: date
    scores: tuple[tuple[int, int], ...] = ()
    median: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """Days folded on one: each hour, how often pain was at or under the patient's own goal, and each day by itself."""

    days: int
    weekdays: str
    from_day: date
    until_day: date
    hours: list[Hour]
    goal: int | None
    at_goal: int
    scored: int
    each_day: list[OneDay]
    program: Folded

    @property
    def over_goal(self) -> int:
        """Scores over the goal."""
        return self.scored - self.at_goal

    def share(self, count: int) -> str:
        """A count as whole percent of all scores, as text; nothing where nothing was scored."""
        return f"{round(Fraction(100 * count, self.scored))} %" if self.scored else ""


def profile(db: Db, practice: Practice, patient: Patient, days: int, weekdays: str) -> Profile:
    """The past ``days`` days (7, 14 or 28) up to today, of all days, weekdays or the weekend."""
    zone = zone_of(db)
    today = datetime.fromtimestamp(practice.now_s(), UTC).astimezone(zone).date()
    first = today - timedelta(days=days - 1)
    chosen = weekdays if weekdays in WEEKDAYS else "all"
    from_s, until_s = midnight(first, zone), midnight(today + timedelta(days=1), zone)
    wanted = WEEKDAYS[chosen]

    def local(utc_s: int) -> datetime:
        return datetime.fromtimestamp(utc_s, UTC).astimezone(zone)

    rows = [r for r in observing.seen(db, patient.id, from_s, until_s) if r.kind == "pain-now"]
    scores = [(local(r.seen_utc_s), int(r.value)) for r in rows if local(r.seen_utc_s).weekday() in wanted]
    implant = implant_of(db, patient.id)
    marks = [] if implant is None else boluses(log_of(db, implant.serial, from_s, until_s), 0)
    given, refused = Counter[int](), Counter[int]()
    for mark in marks:
        at = local(mark.at_utc_s)
        if at.weekday() in wanted:
            (refused if mark.outcome == "refused" else given)[at.hour] += 1
    reading = None if implant is None else reading_of(db, implant.serial)
    spanned = [first + timedelta(days=n) for n in range(days)]
    program = folded(db, practice, reading, zone, weekdays=wanted, from_s=from_s)
    goal_row = observing.newest(db, patient.id).get("pain-goal")
    goal = None if goal_row is None else int(goal_row.value)
    return Profile(
        days=days,
        weekdays=chosen,
        from_day=first,
        until_day=today,
        hours=[_hour(h, [v for at, v in scores if at.hour == h], given[h], refused[h]) for h in range(24)],
        goal=goal,
        at_goal=0 if goal is None else sum(value <= goal for _, value in scores),
        scored=len(scores),
        each_day=_each_day(scores, [day for day in spanned if day.weekday() in wanted]),
        program=program,
    )


def _hour(hour: int, values: Sequence[int], given: int, refused: int) -> Hour:
    shares = tuple(quantile(values, share) for share in DECILES) if values else None
    return Hour(hour, len(values), shares, given, refused)


def quantile(values: Sequence[int], share: Fraction) -> Fraction:
    """The value under which a share of the values lies, between neighbors in proportion (Hyndman and Fan, type 7)."""
    ordered = sorted(values)
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def _each_day(scores: Sequence[tuple[datetime, int]], days: Sequence[date]) -> list[OneDay]:
    """Every day that is folded, those without a score too."""
    by_day: dict[date, list[tuple[int, int]]] = {}
    for at, value in scores:
        by_day.setdefault(at.date(), []).append((at.hour * 3600 + at.minute * 60 + at.second, value))
    half = Fraction(1, 2)
    return [
        OneDay(day, tuple(found), number_text(quantile([value for _, value in found], half)))
        if (found := by_day.get(day))
        else OneDay(day)
        for day in days
    ]
