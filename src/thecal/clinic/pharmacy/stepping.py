"""One step on a syringe's way: from the state it is in to one that the table allows, or a refusal that says why not."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import select

from thecal.clinic.pharmacy.refusing import Why, refused
from thecal.clinic.pharmacy.states import IN_WORDS, NEXT, OPEN, State
from thecal.clinic.record.tables import Clinic, Preparation
from thecal.clinic.refused import Refused

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from thecal.clinic.record import Record


NO_DRUG = "drug"
"""The kind of a task that asks for a new syringe."""


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


def canceled(record: Record, preparation_id: int, why: str, seen: int | None = None) -> Preparation | Refused:
    """Give a syringe up within a transaction; where a refill is to come and no other is on its way, it is a task."""
    from thecal.clinic.desk.lines import next_refill  # noqa: PLC0415  (the desk reads the pharmacy's states)
    from thecal.clinic.desk.settings import desk_of  # noqa: PLC0415
    from thecal.clinic.desk.tasks import raise_task  # noqa: PLC0415

    row = changed(record, preparation_id, State.CANCELED, seen, {"why": why})
    if isinstance(row, Refused):
        return row
    session, desk = record.session, desk_of(record.session)
    others = select(Preparation.id).where(
        Preparation.patient_id == row.patient_id, Preparation.state.in_([str(state) for state in OPEN])
    )
    refill = next_refill(session, row.patient_id, record.now_s, desk)
    if refill is not None and session.scalars(others.limit(1)).first() is None:
        due = record.now_s + desk.settings.canceled_task_hours * 3600
        raise_task(record, f"preparation {row.id} canceled", row.patient_id, kind=NO_DRUG, due_utc_s=due,
            text=f"No syringe is on its way for the refill that is booked: {why}. Order a new one, or move the visit.",
            for_role="physician")  # fmt: skip
    return row


def refresh_board(record: Record, patient_id: int) -> None:
    """Make the patient's line of the board anew: it shows where the syringe stands and when it is needed."""
    from thecal.clinic.desk.lines import refresh  # noqa: PLC0415  (the desk may read the pharmacy's countdown)

    refresh(record, patient_id)


def clinic_day(db: Session, utc_s: int) -> date:
    """The day at the clinic."""
    clinic = db.scalars(select(Clinic)).first()
    zone = ZoneInfo(clinic.zone) if clinic is not None else UTC
    return datetime.fromtimestamp(utc_s, UTC).astimezone(zone).date()
