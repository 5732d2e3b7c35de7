"""The dose of before, or nearly so, after a time without drug: two physicians decide that, in whatever session (J9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from thecal.clinic.record.tables import Act
from thecal.clinic.refused import Refused
from thecal.clinic.session.ended import No
from thecal.clinic.session.stepping import who_entered
from thecal.clinic.workflow import Step
from thecal.therapy.review import Code

if TYPE_CHECKING:
    from sqlalchemy.orm import Session as Look

    from thecal.clinic.programming.judging import Judged
    from thecal.clinic.record.tables import Order, Session

AGREED = "second physician agreed"


def agreed(db: Look, session_id: int, digest: str) -> Act | None:
    """The second physician's agreement to the very order that is written in a session."""
    query = select(Act).where(Act.subject_kind == "session", Act.subject_id == session_id, Act.kind == AGREED)
    return next((a for a in db.scalars(query.order_by(Act.id.desc())) if a.details["digest"] == digest), None)


def gives_old_dose(found: Judged) -> bool:
    """Whether the review says that an order gives the dose of before, or nearly so, after a time without drug."""
    return any(finding.code is Code.RESTART_OLD_DOSE for finding in found.findings)


def against_old_dose(db: Look, session: Session, order: Order, found: Judged) -> Refused | None:
    """Why an order is not brought to the pump: its dose needs a second physician, and none has agreed to this order."""
    if not gives_old_dose(found) or agreed(db, session.id, order.digest) is not None:
        return None
    return Refused(
        No.SECOND_PHYSICIAN,
        "the dose of before, or nearly so, after a time without drug",
        "a lower dose, planned from zero, or a second physician who agrees to this order",
        f"write a lower dose; or a second physician opens session {session.id} at another screen and agrees",
    )


def wrote(db: Look, session: Session) -> frozenset[int]:
    """Who wrote the program of a session, and who works in it now: none of them is the second physician."""
    return who_entered(db, session.id, Step.PROGRAM) | {session.person_id}
