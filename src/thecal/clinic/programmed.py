"""What programs ask for over time: the rates of a day with what is pending, and a program folded on one day.

In come the programs that were confirmed, the order that is signed and not yet in the pump, and where the pump's clock
stood; out come exact dose rates as text, and the ends of scales that come from the plan (rules C1, C3 and C5).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import select

from thecal.clinic.programming.order_text import parsed
from thecal.clinic.record.tables import Order, ProgramRun
from thecal.quantities import Duration
from thecal.therapy.pattern import pattern_of
from thecal.therapy.program import DAY_S
from thecal.therapy.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from zoneinfo import ZoneInfo

    from sqlalchemy.orm import Session as Db

    from thecal.clinic.practice import Practice
    from thecal.clinic.record.tables import Interrogation
    from thecal.formulary import Drug
    from thecal.quantities import Mass, Volume
    from thecal.therapy.order import Order as Therapy
    from thecal.therapy.pattern import Pattern

_HOUR = Duration.of(1, "h")
_UNREAD = "The order behind a program of this day cannot be read: its rates are not drawn."


@dataclass(frozen=True, slots=True)
class RateStep:
    """From a moment (UTC in s) on: the dose rate of the primary ingredient, and what a pending order asks for.

    ``text`` is empty where no program is known. ``other`` is the rate where another drug ran than the one that is
    drawn: it has no place on that drug's scale.
    """

    at_utc_s: int
    text: str
    pending: str = ""
    other: str = ""


@dataclass
class Rates:
    """Programmed rates of a day. ``top`` ends the scale of rates and ``bolus_top`` that of volumes in mL: both are the
    plan's own ceiling for 1 h, empty where it has none. ``low_level`` is where the pump says that it is low.
    """

    steps: list[RateStep] = field(default_factory=list)
    drug: str = ""
    unit: str = ""
    top: str = ""
    bolus_top: str = ""
    bolus_scale: str = ""
    low_level: str = ""
    pending: str = ""
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What one order asks for."""

    order: Therapy
    pattern: Pattern
    drug: Drug

    @property
    def unit(self) -> str:
        return f"{self.drug.dose_unit}/h"

    @property
    def ceiling(self) -> Mass | None:
        found = self.order.program.ceiling(self.drug.code)
        return None if found is None else found.per_1h

    @property
    def low_level(self) -> Volume:
        return self.order.program.low_level or self.order.pump.low_level

    def slices(self, span: tuple[int, int], ahead_s: int) -> Iterator[tuple[int, str]]:
        """From when on which rate; ``ahead_s`` is pump clock minus UTC."""
        for start, _end, dose in self.pattern.slices(span[0] + ahead_s, span[1] + ahead_s):
            yield int(start) - ahead_s, dose.text(self.unit)


def _asked(practice: Practice, text: str) -> _Asked | str:
    """What the text of an order asks for, or why that is not known."""
    file = parsed(text, practice)
    if isinstance(file, tuple):
        return _UNREAD
    order = file.order
    pattern = pattern_of(order.program.base, order.mixture, order.pump.minimum_rate)
    if isinstance(pattern, Refusal):
        return pattern.message
    return _Asked(order, pattern, practice.formulary.drug(order.mixture.primary.drug))


def rates(db: Db, practice: Practice, reading: Interrogation, span: tuple[int, int]) -> Rates:
    """What was asked for from ``span[0]`` up to ``span[1]``, by the pump's own clock as it was last read.

    A pending order is one that is signed and not yet in the pump; it has no place in days that are over.
    """
    found = Rates()
    ahead_s = reading.pump_clock_s - reading.read_utc_s
    ran = list(_ran(db, practice, reading.serial, span, found.notes))
    pending = _pending(db, practice, reading.serial, found) if span[1] > practice.now_s() else None
    last = ran[-1][0] if ran else pending
    if last is None:
        return found
    if pending is not None and pending.drug.code != last.drug.code:
        found.notes.append(f"{found.pending} is for {pending.drug.display_name}: it has no place on this scale.")
        pending, found.pending = None, ""
    own = [s for asked, stretch in ran if asked.drug.code == last.drug.code for s in asked.slices(stretch, ahead_s)]
    others = [
        (at, f"{asked.drug.display_name} {text}")
        for asked, stretch in ran
        if asked.drug.code != last.drug.code
        for at, text in asked.slices(stretch, ahead_s)
    ]
    coming = [] if pending is None else list(pending.slices(span, ahead_s))
    found.steps = _together(own, coming, others)
    _scales(found, last, pending)
    return found


def _ran(
    db: Db, practice: Practice, serial: str, span: tuple[int, int], notes: list[str]
) -> Iterator[tuple[_Asked, tuple[int, int]]]:
    """Every program that ran in a span, with the stretch that it ran in."""
    query = select(ProgramRun).where(ProgramRun.serial == serial, ProgramRun.confirmed_utc_s < span[1])
    runs = list(db.scalars(query.order_by(ProgramRun.confirmed_utc_s, ProgramRun.id)))
    ends = [run.confirmed_utc_s for run in runs[1:]] + [span[1]] * bool(runs)
    for run, end_s in zip(runs, ends, strict=True):
        start_s = max(span[0], run.confirmed_utc_s)
        if start_s >= end_s:
            continue
        asked = _asked(practice, run.order_text)
        if isinstance(asked, str):
            notes.append(asked)
        else:
            yield asked, (start_s, end_s)


def _pending(db: Db, practice: Practice, serial: str, found: Rates) -> _Asked | None:
    """The newest order that is signed and waits for its pump."""
    query = select(Order).where(Order.serial == serial, Order.state == "signed").order_by(Order.id.desc())
    row = db.scalars(query.limit(1)).first()
    if row is None:
        return None
    asked = _asked(practice, row.text)
    if isinstance(asked, str):
        found.notes.append(f"Order {row.id} is signed and not in the pump, and cannot be drawn.")
        return None
    found.pending = f"Order {row.id}, signed and not in the pump,"
    return asked


def _together(
    own: Iterable[tuple[int, str]], coming: Iterable[tuple[int, str]], others: Iterable[tuple[int, str]]
) -> list[RateStep]:
    """One row for each moment at which anything changes; what does not change is said again."""
    at: dict[int, dict[str, str]] = {}
    for start_s, text in others:
        at.setdefault(start_s, {}).update(text="", other=text)
    for start_s, text in own:
        at.setdefault(start_s, {}).update(text=text, other="")
    for start_s, text in coming:
        at.setdefault(start_s, {})["pending"] = text
    steps: list[RateStep] = []
    now = {"text": "", "pending": "", "other": ""}
    for start_s, changed in sorted(at.items()):
        if {**now, **changed} != now:
            now = {**now, **changed}
            steps.append(RateStep(start_s, **now))
    return steps


def _scales(found: Rates, last: _Asked, pending: _Asked | None) -> None:
    """The ends of the scales, from the plans that are drawn."""
    found.drug, found.unit = last.drug.display_name, last.unit
    found.low_level = last.low_level.text("mL")
    ceilings = [asked.ceiling for asked in (last, pending) if asked is not None and asked.ceiling is not None]
    if ceilings:
        found.top = (max(ceilings) / _HOUR).text(found.unit)
    if last.ceiling is not None:
        strength = last.order.mixture.primary.concentration
        found.bolus_top = (last.ceiling / strength).text("mL")
        found.bolus_scale = (
            f"the plan's own ceiling for 1 h, {last.ceiling.text(last.drug.dose_unit)} of {last.drug.display_name} "
            f"at {strength.text(last.drug.conc_unit)}"
        )


@dataclass(frozen=True, slots=True)
class Folded:
    """The program that runs, on one day of the clinic's clock: from which second of the day on which rate.

    ``steps`` is empty where weekdays differ or nothing is known, and ``note`` says so.
    """

    steps: tuple[tuple[int, str], ...] = ()
    drug: str = ""
    unit: str = ""
    top: str = ""
    note: str = ""


def folded(
    db: Db, practice: Practice, reading: Interrogation | None, zone: ZoneInfo, *, weekdays: Iterable[int], from_s: int
) -> Folded:
    """The program that was confirmed last, for these weekdays (Monday = 0); days since ``from_s`` (UTC) are folded."""
    if reading is None:
        return Folded(note="The pump was never read: its program is not drawn.")
    query = select(ProgramRun).where(ProgramRun.serial == reading.serial).order_by(ProgramRun.number.desc())
    run = db.scalars(query.limit(1)).first()
    if run is None:
        return Folded(note="No program was ever confirmed.")
    asked = _asked(practice, run.order_text)
    if isinstance(asked, str):
        return Folded(note="The program that runs cannot be read: it is not drawn.")
    ahead_s = _ahead_of_wall(reading, practice.now_s(), zone)
    days = {_one_day(asked, weekday, ahead_s) for weekday in weekdays}
    if len(days) != 1:
        return Folded(note="The program differs between these weekdays: it has no place on one day.")
    top = "" if asked.ceiling is None else (asked.ceiling / _HOUR).text(asked.unit)
    changed = "It was confirmed within these days: before it another one ran." if run.confirmed_utc_s > from_s else ""
    return Folded(days.pop(), asked.drug.display_name, asked.unit, top, changed)


def _ahead_of_wall(reading: Interrogation, now_s: int, zone: ZoneInfo) -> int:
    """Pump clock minus the clinic's wall in s, at ``now_s``, within a week."""
    wall = datetime.fromtimestamp(now_s, UTC).astimezone(zone)
    wall_s = wall.weekday() * DAY_S + wall.hour * 3600 + wall.minute * 60 + wall.second
    return (reading.pump_clock_s + now_s - reading.read_utc_s - wall_s) % (7 * DAY_S)


def _one_day(asked: _Asked, weekday: int, ahead_s: int) -> tuple[tuple[int, str], ...]:
    """The steps of one day of the wall, each from its second of that day on; what does not change stands once."""
    begin_s = weekday * DAY_S
    steps: list[tuple[int, str]] = []
    for at_s, text in asked.slices((begin_s, begin_s + DAY_S), ahead_s):
        if not steps or steps[-1][1] != text:
            steps.append((at_s - begin_s, text))
    return tuple(steps)
