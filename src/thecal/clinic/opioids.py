"""Opioids beside the pump: what a patient takes by mouth or patch, its load over time, and a plan to come down.

The load is in morphine milligram equivalents by a table with a version. It is a measure of load and nothing else: it is
never used to convert one opioid into another, and what the pump gives has none.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from thecal.clinic.record.tables import SystemicOpioid, Taper
from thecal.clinic.refused import Refused
from thecal.quantities import AmountError, Mass, number_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.who import Who

_FILE = Path(__file__).with_name("mme.toml")
TABLE = "cdc-2022"
PATCH = "fentanyl patch"
MOST = Mass.of(5_000, "mg")
MOST_ROUTE = 40
MOST_STEPS = 40
_AHEAD_S = 14 * 3600  # where the day begins first, it is that much later than in UTC


class NotTaken(StrEnum):
    """Why an opioid was not written down."""

    UNKNOWN = "unknown opioid"
    BAD_AMOUNT = "not an amount"
    BAD_DAY = "not a day"
    BAD_STEP = "not a step"


@dataclass(frozen=True, slots=True)
class Table:
    """Factors by drug, with their source."""

    code: str
    name: str
    source: str
    verified: bool
    factors: Mapping[str, Fraction]


@cache
def table(code: str = TABLE) -> Table:
    """A version of the table; KeyError for one that there is not."""
    row = tomllib.loads(_FILE.read_text("utf-8"))[code]
    factors = {drug: Fraction(number) for drug, number in row["factors"].items()}
    return Table(code, row["name"], row["source"], row["verified"], factors)


@dataclass(frozen=True, slots=True)
class Load:
    """The load from a day on: morphine milligram equivalents of a day, and the drugs without a factor."""

    day: date
    mme: Fraction
    unknown: tuple[str, ...]

    @property
    def text(self) -> str:
        """As it is shown."""
        return f"{number_text(self.mme)} MME a day" + (f", without {', '.join(self.unknown)}" if self.unknown else "")


def write_down(
    practice: Practice, who: Who, patient_id: int, *, drug: str, route: str, from_day: str, per_day: str
) -> SystemicOpioid | tuple[Refused, ...]:
    """Write down what a patient takes of one opioid from a day (year first) on; ``0 mg`` says that it was stopped.

    For a patch, ``per_day`` is its mcg per hour written as a mass ("25 mcg"), which is how the table counts it.
    """
    name = drug.strip().lower()
    known = table().factors
    refused = []
    if name not in known:
        refused.append(Refused(NotTaken.UNKNOWN, repr(drug), ", ".join(known), "choose one of them", "drug"))
    day = _day(from_day, practice.now_s())
    if day is None:
        refused.append(
            Refused(NotTaken.BAD_DAY, repr(from_day), "a day up to today, year first", "correct it", "from_day")
        )
    try:
        amount = Mass.parse(per_day)
    except AmountError as wrong:
        amount = Mass.zero()
        refused.append(Refused(NotTaken.BAD_AMOUNT, repr(per_day), str(wrong), "correct the amount", "per_day"))
    unit = "mcg" if name == PATCH else "mg"
    if amount and not per_day.strip().endswith(f" {unit}"):
        allowed = f"{name} in {unit}" + (" an hour" if name == PATCH else " a day")
        refused.append(Refused(NotTaken.BAD_AMOUNT, repr(per_day), allowed, f"write the amount in {unit}", "per_day"))
    if amount > MOST:
        refused.append(Refused(NotTaken.BAD_AMOUNT, per_day, f"up to {MOST.text('mg')} a day", "check it", "per_day"))
    if refused or day is None:
        return tuple(refused)
    row = SystemicOpioid(
        patient_id=patient_id,
        drug=name,
        route=route.strip()[:MOST_ROUTE],
        from_day=day,
        per_day=amount,
        factor=str(known[name]),
        table=TABLE,
    )
    with practice.writing(who, "systemic opioid written down", patient_id) as record:
        return record.keep(row)


def _day(text: str, now_s: int) -> date | None:
    """A day that has begun somewhere; None for anything else."""
    try:
        found = date.fromisoformat(text.strip())
    except ValueError:
        return None
    return found if found <= datetime.fromtimestamp(now_s + _AHEAD_S, UTC).date() else None


def taken(db: Session, patient_id: int) -> list[SystemicOpioid]:
    """Everything written down, the oldest day first; of one day, the later entry stands."""
    query = select(SystemicOpioid).where(SystemicOpioid.patient_id == patient_id)
    return list(db.scalars(query.order_by(SystemicOpioid.from_day, SystemicOpioid.id)))


def loads(rows: Sequence[SystemicOpioid]) -> list[Load]:
    """The load from each day on at which it changed."""
    now: dict[str, SystemicOpioid] = {}
    found: list[Load] = []
    for row in rows:
        now[row.drug] = row
        load = _load(row.from_day, list(now.values()))
        if found and found[-1].day == row.from_day:
            found[-1] = load
        else:
            found.append(load)
    return found


def _load(day: date, rows: Sequence[SystemicOpioid]) -> Load:
    mme, unknown = Fraction(0), []
    for row in rows:
        number = row.per_day.number("mcg" if row.drug == PATCH else "mg")
        if row.factor is None and number:
            unknown.append(row.drug)
        else:
            mme += number * Fraction(row.factor or 0)
    return Load(day, mme, tuple(unknown))


# Coming down ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """From a day on so much a day."""

    day: date
    per_day: Mass


def plan_taper(practice: Practice, who: Who, patient_id: int, *, drug: str, steps: str) -> Taper | tuple[Refused, ...]:
    """Write a plan down: a line for each step, a day and an amount ("2026-12-01 30 mg"), each later and not more.

    A plan for the same drug takes the place of the one before. How fast is the physician's: nothing is proposed here.
    """
    name = drug.strip().lower()
    refused = []
    if name not in table().factors:
        allowed = ", ".join(table().factors)
        refused.append(Refused(NotTaken.UNKNOWN, repr(drug), allowed, "choose one of them", "taper_drug"))
    found = steps_in(steps)
    if isinstance(found, Refused):
        refused.append(found)
    if refused or isinstance(found, Refused):
        return tuple(refused)
    written = [[step.day.isoformat(), step.per_day.exact_text("mg")] for step in found]
    with practice.writing(who, "taper planned", patient_id) as record:
        query = select(Taper).where(Taper.patient_id == patient_id, Taper.drug == name, Taper.state == "planned")
        for before in record.session.scalars(query):
            record.change(before, "replaced", state="given up")
        return record.keep(Taper(patient_id=patient_id, drug=name, steps=written, state="planned"))


def steps_in(text: str) -> list[Step] | Refused:
    """The steps of a plan as they were typed."""
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    if not 0 < len(lines) <= MOST_STEPS:
        return _bad_step(f"{len(lines)} lines", f"1 to {MOST_STEPS}, each a day and an amount, as 2026-12-01 30 mg")
    found: list[Step] = []
    for number, words in enumerate(lines, 1):
        step = _step(words)
        if step is None:
            return _bad_step(f"line {number}: {' '.join(words)}", "a day and an amount of it, as 2026-12-01 30 mg")
        if found and step.day <= found[-1].day:
            return _bad_step(f"line {number}: {step.day.isoformat()}", "a day after that of the line before")
        if found and step.per_day > found[-1].per_day:
            return _bad_step(f"line {number}: {step.per_day.text('mg')}", "no more than the line before")
        found.append(step)
    return found


def _step(words: list[str]) -> Step | None:
    try:
        day, amount = words
        return Step(date.fromisoformat(day), Mass.parse(amount))
    except (ValueError, AmountError):
        return None


def _bad_step(found: str, allowed: str) -> Refused:
    return Refused(NotTaken.BAD_STEP, found, allowed, "correct this line", "steps")


def tapers(db: Session, patient_id: int) -> list[Taper]:
    """The plans that hold."""
    query = select(Taper).where(Taper.patient_id == patient_id, Taper.state == "planned")
    return list(db.scalars(query.order_by(Taper.drug)))
