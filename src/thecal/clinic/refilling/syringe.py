"""The syringe: scanned or typed, whose it is, what is in it, how long it may be used, and whether it was used before.

A scanner is a keyboard: what it types is checked like anything typed, so that the whole path works without one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import select

from thecal.clinic.pharmacy.lookup import by_code, mixture_in
from thecal.clinic.pharmacy.states import State
from thecal.clinic.programming.order_text import ingredient_rows
from thecal.clinic.record.tables import Clinic, Fill, Preparation
from thecal.clinic.refilling.case import Case, case_of, name_of
from thecal.clinic.refilling.entries import Wrong, begun, entry, finish, keep_begun, near_miss, open_here
from thecal.clinic.refilling.hands import closed_by_filling
from thecal.clinic.refilling.spoken import in_words
from thecal.clinic.refused import Refused
from thecal.clinic.workflow import Step
from thecal.quantities import Concentration
from thecal.therapy.mixture import Ingredient, Mixture
from thecal.therapy.refusal import day_text

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.record.tables import Session as SessionRow
    from thecal.clinic.who import Who


class Stop(StrEnum):
    """Why a syringe may not be used."""

    NO_CODE = "no code"
    UNKNOWN = "no such syringe"
    OTHER_PATIENT = "syringe of another patient"
    OTHER_MIXTURE = "another mixture"
    BEYOND_USE = "past its beyond-use date"
    NO_BEYOND_USE = "no beyond-use date"
    NOT_RECEIVED = "not received"
    USED = "already used"


@dataclass(frozen=True, slots=True)
class Syringe:
    """A syringe that was looked at: the row of the pharmacy with its mixture."""

    row: Preparation
    mixture: Mixture


def look_up(db: Session, code: str) -> Syringe | Refused:
    """The syringe with a code, as a scanner or a person types it."""
    typed = code.strip()
    if not typed:
        return Refused(Stop.NO_CODE, "no code", "the code on the syringe's label", "scan it, or type it", "code")
    row = by_code(db, typed)
    if row is None:
        found = f"the code {typed[:60]!r}, which no syringe of this clinic has"
        return Refused(Stop.UNKNOWN, found, "a code of a syringe that was labeled here", "read the label again", "code")
    return Syringe(row, mixture_in(db, row))


def today_of(db: Session, utc_s: int) -> date:
    """The day on the clinic's wall."""
    zone = db.scalars(select(Clinic.zone)).first() or "UTC"
    return datetime.fromtimestamp(utc_s, UTC).astimezone(ZoneInfo(zone)).date()


def stops(case: Case, db: Session, syringe: Syringe, now_s: int) -> tuple[Refused, ...]:
    """Everything that stops this syringe from going into this pump; each is hard."""
    row, today = syringe.row, today_of(db, now_s)
    found = []
    if row.patient_id != case.patient.id:
        found.append(
            _stop(
                Stop.OTHER_PATIENT,
                "a syringe of another patient",
                f"a syringe for {case.patient.given} {case.patient.family}, number {case.patient.number}",
                "put it aside and find whose it is",
            )
        )
    wanted = wanted_mixture(case)
    if wanted is None:
        found.append(
            _stop(
                Stop.OTHER_MIXTURE,
                "no mixture to compare with",
                "what runs in the pump, or the new mixture",
                "read the pump, or enter the new mixture",
            )
        )
    elif not same_fluid(wanted, syringe.mixture):
        found.append(
            _stop(
                Stop.OTHER_MIXTURE,
                name_of(syringe.mixture, case.formulary),
                name_of(wanted, case.formulary),
                "do not fill; compare label, order and pump",
            )
        )
    if row.beyond_use is None:
        found.append(_stop(Stop.NO_BEYOND_USE, "no beyond-use date", "a date from the pharmacy", "ask the pharmacy"))
    elif row.beyond_use < today:
        found.append(
            _stop(
                Stop.BEYOND_USE,
                f"beyond-use date {day_text(row.beyond_use)}",
                f"{day_text(today)} or later",
                "do not fill; ask the pharmacy for another syringe",
            )
        )
    used = used_in(db, case.session, row)
    if used is not None:
        found.append(_stop(Stop.USED, used, "a syringe that was never used", "put it aside; tell the pharmacy"))
    elif row.state != State.RECEIVED:
        found.append(
            _stop(
                Stop.NOT_RECEIVED,
                f"a syringe that is '{row.state}'",
                "one that was received at the clinic",
                "receive it first, or ask the pharmacy",
            )
        )
    return tuple(found)


def _stop(code: Stop, found: str, allowed: str, then: str) -> Refused:
    return Refused(code, found, allowed, then, "code")


def used_in(db: Session, session: SessionRow, row: Preparation) -> str | None:
    """Where a syringe was used before, in words; None where it was not."""
    earlier = db.scalars(
        select(Fill).where(Fill.preparation_id == row.id, Fill.session_id.is_distinct_from(session.id))
    ).first()
    if earlier is not None:
        return f"a syringe that went into pump {earlier.serial}"
    return "a syringe that was used before" if row.state == State.USED else None


def wanted_mixture(case: Case) -> Mixture | None:
    """What the syringe must hold: the new mixture where one was entered, else what is in the pump."""
    new = new_mixture(case.session)
    return case.held if new is None else new


def new_mixture(session: SessionRow) -> Mixture | None:
    """The new mixture that was entered in this session; None where the medication stays."""
    rows = entry(session, Step.MIXTURE).get("ingredients")
    if not rows:
        return None
    parts = tuple(Ingredient(i["drug"], Concentration.parse(i["concentration"])) for i in rows)
    return Mixture(parts, preservative_free=entry(session, Step.MIXTURE).get("preservative_free"))


def same_fluid(one: Mixture, other: Mixture) -> bool:
    """Whether two mixtures hold the same drugs in the same strengths, in whatever order they are written."""
    return sorted(map(str, ingredient_rows(one))) == sorted(map(str, ingredient_rows(other)))


def read_back(case: Case, syringe: Syringe) -> tuple[str, ...]:
    """What is in the syringe, in words (rule E13)."""
    lines = [f"{in_words(syringe.row.volume, 'mL')} in the syringe"]
    for i in syringe.mixture.ingredients:
        drug = case.drug(i.drug)
        lines.append(f"{drug.display_name}: {in_words(i.concentration, drug.conc_unit)}")
    if syringe.row.beyond_use is not None:
        lines.append(f"to be used by {day_text(syringe.row.beyond_use)}")
    return tuple(lines)


def choose(
    practice: Practice, who: Who, session_id: int, code: str, seen: int, *, scanned: bool = False
) -> Syringe | tuple[Refused, ...]:
    """Take a syringe by its code; every stop is hard, and is kept as a near miss."""
    with practice.reading() as db:
        case = case_of(practice, db, session_id)
        early = open_here(case.session, Step.SYRINGE) or closed_by_filling(db, session_id)
        if early is not None:
            return (early,)
        found = look_up(db, code)
        refused = (found,) if isinstance(found, Refused) else stops(case, db, found, practice.now_s())
    if isinstance(found, Refused) or refused:
        if code.strip():
            near_miss(practice, who, case.session, "refill: syringe", refused)
        return refused
    value = {"preparation_id": found.row.id, "code": code.strip(), "how": "scanned" if scanned else "typed"}
    return keep_begun(practice, who, session_id, seen, Step.SYRINGE, value) or found


def confirm(practice: Practice, who: Who, session_id: int, seen: int) -> tuple[Refused, ...]:
    """The person has compared the words with the label: the step is done. The syringe is looked at once more."""
    with practice.reading() as db:
        case = case_of(practice, db, session_id)
        chosen = chosen_syringe(case, db)
        if chosen is None:
            return (Refused(Wrong.MISSING, "no syringe", "one that was scanned or typed", "scan it first", "code"),)
        early = closed_by_filling(db, session_id)
        if early is not None:
            return (early,)
        refused = stops(case, db, chosen, practice.now_s())
    if refused:
        near_miss(practice, who, case.session, "refill: syringe", refused)
        return refused
    value = {**begun(case.session, Step.SYRINGE), "confirmed_by": who.person_id}
    return finish(practice, who, session_id, seen, Step.SYRINGE, value)


def chosen_syringe(case: Case, db: Session) -> Syringe | None:
    """The syringe of this session; None where none was taken."""
    number = begun(case.session, Step.SYRINGE).get("preparation_id")
    row = None if number is None else db.get(Preparation, number)
    return None if row is None else Syringe(row, mixture_in(db, row))
