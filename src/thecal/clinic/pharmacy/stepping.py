"""One step on a syringe's way: from the state it is in to one that the table allows, or a refusal that says why not."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from thecal.clinic.pharmacy.refusing import Why, refused
from thecal.clinic.pharmacy.states import IN_WORDS, NEXT, State
from thecal.clinic.record.tables import Clinic, Preparation
from thecal.clinic.refused import Refused

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from thecal.clinic.record import Record


def before(db: Session, preparation_id: int, to: State) -> Preparation | Refused:
    """A syringe that may go to a state; a refusal for one that may not, or that there is not."""
    row = db.get(Preparation, preparation_id)
    if row is None:
        return refused(
            Why.UNKNOWN, f"no syringe {preparation_id}", "a syringe of the pharmacy's list", "look it up there"
        )
    if to not in NEXT[State(row.state)]:
        now = IN_WORDS[State(row.state)]
        allowed = ", ".join(sorted(NEXT[State(row.state)])) or "nothing more"
        found = f"a syringe that is {now.done}, to be {to}"
        return refused(Why.OUT_OF_ORDER, found, f"from there: {allowed}", now.then)
    return row


def changed(
    record: Record,
    preparation_id: int,
    to: State,
    seen: int | None = None,
    details: dict[str, Any] | None = None,
    **new: Any,
) -> Preparation | Refused:
    """Take the step within a transaction; EditedMeanwhile where somebody else changed the syringe since it was seen."""
    row = before(record.session, preparation_id, to)
    if isinstance(row, Refused):
        return row
    done = record.change(row, str(to), seen, details, state=str(to), **new)
    refresh_board(record, row.patient_id)
    return done


def refresh_board(record: Record, patient_id: int) -> None:
    """Make the patient's line of the board anew: it shows where the syringe stands and when it is needed."""
    from thecal.clinic.desk.lines import refresh  # noqa: PLC0415  (the desk may read the pharmacy's countdown)

    refresh(record, patient_id)


def clinic_day(db: Session, utc_s: int) -> date:
    """The day at the clinic."""
    clinic = db.scalars(select(Clinic)).first()
    zone = ZoneInfo(clinic.zone) if clinic is not None else UTC
    return datetime.fromtimestamp(utc_s, UTC).astimezone(zone).date()
