"""A clinic's own times and thresholds for its desk, as somebody enters them: checked as a whole, and kept."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from thecal.clinic.desk.checking import GivenUp, alone, attempt
from thecal.clinic.desk.settings import LEAST_BEFORE, DeskSettings, Rung
from thecal.clinic.record.tables import Clinic
from thecal.clinic.refused import EditedMeanwhile, Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.who import Who

NUMBERS: dict[str, tuple[str, int, int]] = {
    "book_before_days": ("Days that a refill is booked before its worst case", 1, 60),
    "book_within_days": ("Days before the worst case within which a refill must be booked", 1, 120),
    "soon_days": ("The band Soon: days up to", 1, 120),
    "later_days": ("The band Plan: days up to", 1, 365),
    "stale_hours": ("Hours after which a reading is old", 1, 8760),
    "use_days": ("Days of log from which the use of boluses is counted", 1, 365),
    "missed_after_minutes": ("Minutes after its end when an unmarked visit counts as missed", 0, 1440),
    "canceled_task_hours": ("Hours to find a new time after a visit was canceled", 1, 168),
    "task_missed_hours": ("Hours after which a late task counts as missed", 1, 2000),
    "canceled_days": ("Days that a canceled visit stays in calendars", 0, 90),
}
"""Whole numbers that a clinic sets: what each is, the least and the most. Bounds are ours."""
ROLES = ("desk", "nurse", "physician")
MOST_RUNGS = 20
LATEST_HOURS = 720


class No(StrEnum):
    """Why the settings were not kept."""

    NOT_ALLOWED = "not-allowed"
    NO_CLINIC = "no-clinic"


def set_desk(practice: Practice, who: Who, seen: int, entered: Mapping[str, str]) -> DeskSettings | tuple[Refused, ...]:
    """Keep what was entered; the board goes by it at once. EditedMeanwhile where somebody else set something."""

    def made(record: Record) -> DeskSettings:
        alone(record)
        clinic = record.session.scalars(select(Clinic).order_by(Clinic.id).limit(1)).first()
        if clinic is None:
            raise GivenUp(Refused(No.NO_CLINIC, "no clinic", "a clinic that is set up", "run thecal clinic init"))
        if clinic.revision != seen:
            raise EditedMeanwhile("the clinic's settings", seen, clinic.revision)
        found = _read(entered)
        settings = {**(clinic.settings or {}), "desk": asdict(found)}
        record.change(clinic, "desk settings", settings=settings)
        return found

    return attempt(practice, who, "desk settings changed", None, made)


def entries_of(settings: DeskSettings) -> dict[str, str]:
    """The settings as somebody would enter them."""
    numbers = {name: str(getattr(settings, name)) for name in NUMBERS}
    ladder = "\n".join(_line(rung) for rung in settings.ladder)
    reason = settings.book_before_reason
    return {**numbers, "identify_by": settings.identify_by, "book_before_reason": reason, "ladder": ladder}


def _line(rung: Rung) -> str:
    risk = "; high risk" if rung.high_risk else ""
    return f"{rung.after_hours}; {rung.role}{risk}; {rung.what}"


def _read(entered: Mapping[str, str]) -> DeskSettings:
    """The settings; GivenUp with everything that is wrong."""
    wrong: list[Refused] = []
    known: dict[str, Any] = {name: _number(name, entered.get(name, ""), wrong) for name in NUMBERS}
    known["ladder"] = _ladder(entered.get("ladder", ""), wrong)
    known["identify_by"] = entered.get("identify_by", "")
    known["book_before_reason"] = entered.get("book_before_reason", "").strip()[:400]
    if known["identify_by"] not in ("initials", "number"):
        found = known["identify_by"][:40] or "nothing"
        wrong.append(Refused(No.NOT_ALLOWED, found, "initials, number", "choose one", "identify_by"))
    if known["book_before_days"] < LEAST_BEFORE and not known["book_before_reason"]:
        allowed = f"at least {LEAST_BEFORE} days, or fewer with a reason"
        found = f"{known['book_before_days']} days without a reason"
        wrong.append(Refused(No.NOT_ALLOWED, found, allowed, "give the reason", "book_before_reason"))
    if not wrong and known["soon_days"] >= known["later_days"]:
        allowed = "a band Plan that ends after the band Soon"
        wrong.append(Refused(No.NOT_ALLOWED, f"{known['later_days']} days", allowed, "enter more days", "later_days"))
    if wrong:
        raise GivenUp(*wrong)
    return DeskSettings(**known)


def _number(name: str, text: str, wrong: list[Refused]) -> int:
    _, least, most = NUMBERS[name]
    number = int(text) if text.isascii() and text.strip().isdigit() and len(text) < 8 else -1
    if not least <= number <= most:
        allowed = f"a whole number from {least:,} to {most:,}"
        wrong.append(Refused(No.NOT_ALLOWED, text[:40] or "nothing", allowed, "correct it", name))
        return most
    return number


def _ladder(text: str, wrong: list[Refused]) -> tuple[Rung, ...]:
    lines = [line for line in text.splitlines() if line.strip()]
    rungs = [_rung(line) for line in lines]
    bad = [line for line, rung in zip(lines, rungs, strict=True) if rung is None]
    if bad or not 1 <= len(lines) <= MOST_RUNGS:
        allowed = (
            f"1 to {MOST_RUNGS} lines as in “24; nurse; high risk; Offer a refill at home”: up to {LATEST_HOURS} "
            f"hours, {', '.join(ROLES)}, and what is to be done"
        )
        found = f"“{bad[0][:60]}”" if bad else f"{len(lines)} lines"
        wrong.append(Refused(No.NOT_ALLOWED, found, allowed, "correct the line", "ladder"))
    return tuple(rung for rung in rungs if rung is not None)


def _rung(line: str) -> Rung | None:
    parts = [part.strip() for part in line.split(";")]
    high = len(parts) == 4 and parts[2] == "high risk"
    if len(parts) != 3 + high or not (parts[0].isascii() and parts[0].isdigit() and len(parts[0]) < 5):
        return None
    hours, role, what = int(parts[0]), parts[1], parts[-1]
    return (
        Rung(hours, what, role, high_risk=high)
        if hours <= LATEST_HOURS and role in ROLES and 3 <= len(what) <= 200
        else None
    )
