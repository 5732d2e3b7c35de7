"""Which steps of a session are what they were, and are shown from the record instead of worked out anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from thecal.clinic import watching
from thecal.clinic.record.tables import Session, Watch
from thecal.clinic.refilling.hands import closed_by_filling
from thecal.clinic.session.stepping import SENT, is_done
from thecal.clinic.workflow import Step

if TYPE_CHECKING:
    from sqlalchemy.orm import Session as Db

_FIXED_BY_FILLING = frozenset(
    {Step.MEDICATION, Step.MIXTURE, Step.SYRINGE, Step.CHECKLIST, Step.GAP, Step.RINSE, Step.FILL}
)
_FIXED_BY_SENDING = _FIXED_BY_FILLING | {
    *(Step.TIMELINE, Step.PROGRAM, Step.BRIDGE, Step.PREVIEW, Step.BOLUS, Step.CLOCK, Step.SECOND, Step.REVIEW)
}


def fixed(db: Db, session: Session, step: Step) -> bool:
    """Whether a step is what it was: its session is over, or it is done and fluid in the pump or what was sent holds it
    fast. An open watch goes on after its session.
    """
    if step is Step.WATCH and _watched(db, session):
        return False
    if session.state != "open":
        return True
    if not is_done(session, step):
        return False
    if SENT in session.entered and step in _FIXED_BY_SENDING:
        return True
    return step in _FIXED_BY_FILLING and closed_by_filling(db, session.id) is not None


def _watched(db: Db, session: Session) -> bool:
    query = select(Watch.id).where(Watch.session_id == session.id, Watch.state == watching.OPEN)
    return db.scalars(query.limit(1)).first() is not None
