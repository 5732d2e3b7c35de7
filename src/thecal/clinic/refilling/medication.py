"""The fork of a refill: the same medication or another one, and the patient's consent; all that was derived before is
wiped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.clinic.record.tables import Session as SessionRow
from thecal.clinic.refilling.case import case_of, name_of
from thecal.clinic.refilling.entries import Wrong, finish, near_miss, open_here
from thecal.clinic.refilling.hands import DRAW, FILL, RINSE, last_of
from thecal.clinic.refilling.syringe import same_fluid
from thecal.clinic.refilling.without_drug import against_same
from thecal.clinic.refused import Refused
from thecal.clinic.session.beginning import turn
from thecal.clinic.workflow import Step, Workflow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.who import Who

SAME, OTHER = "same", "different"
CONSENTS = (("patient", "The patient said yes"), ("proxy", "Somebody who may speak for the patient said yes"))
MOST_NOTE = 500


def answer(  # noqa: PLR0917 -- as a form asks for it
    practice: Practice, who: Who, session_id: int, seen: int, medication: str, consent: str, note: str
) -> tuple[Refused, ...]:
    """Say whether the medication stays, and who consented. Another medication is for a physician, and wipes what was
    derived.
    """
    wrong = list(_wrong(medication, consent, note))
    with practice.reading() as db:
        session = db.get(SessionRow, session_id)
        if session is None:
            return (
                Refused(Wrong.NOT_KNOWN, f"no session {session_id}", "a session of this clinic", "begin a session"),
            )
        refused = open_here(session, Step.MEDICATION)
        moved = any(last_of(db, session_id, what) is not None for what in (DRAW, RINSE, FILL))
        stop = _against_same(practice, db, session_id) if refused is None and medication == SAME else None
    if refused is not None or wrong:
        return (refused,) if refused is not None else tuple(wrong)
    if stop is not None:
        near_miss(practice, who, session, "refill: the same medication", [stop])
        return (stop,)
    turned = _turned(practice, who, session, seen, medication, moved=moved)
    if isinstance(turned, Refused):
        return (turned,)
    value = {
        "medication": medication,
        "consent": consent,
        "note": note.strip(),
        "by": who.person_id,
        "at_utc_s": practice.now_s(),
    }
    return finish(practice, who, session_id, turned, Step.MEDICATION, value)


def _turned(
    practice: Practice, who: Who, session: SessionRow, seen: int, medication: str, *, moved: bool
) -> int | Refused:
    """The revision after the session was turned to what the answer asks for; refused once fluid was moved."""
    workflow = Workflow.REFILL_SAME if medication == SAME else Workflow.REFILL_NEW
    if session.workflow == workflow.value:
        return seen
    if moved:
        found, allowed = "fluid that was moved already", "the fork before fluid is moved"
        then = "finish this refill as it is, or close the session and begin another one"
        return Refused(Wrong.NOT_ALLOWED, found, allowed, then, "medication")
    turned = turn(practice, who, session.id, seen, workflow)
    return _at(turned) if isinstance(turned, Refused) else turned.revision


def _against_same(practice: Practice, db: Session, session_id: int) -> Refused | None:
    """Why all else does not stay as it is: too long without drug, or another fluid in the pump than its program is
    for.
    """
    case = case_of(practice, db, session_id)
    long_off = against_same(case, db, practice.now_s())
    if long_off is not None or case.held is None or case.order is None or same_fluid(case.held, case.order.mixture):
        return long_off
    return Refused(
        Wrong.HARD_STOP,
        f"{name_of(case.held, case.formulary)} in the reservoir, by the last fill, and a program for "
        f"{name_of(case.order.mixture, case.formulary)}",
        "one mixture in reservoir and program",
        "answer 'different' (a physician): the new program is written for what goes in",
        "medication",
    )


def _wrong(medication: str, consent: str, note: str) -> list[Refused]:
    found = []
    if medication not in (SAME, OTHER):
        found.append(
            Refused(Wrong.MISSING, "no answer", "same, or different", "say whether the medication stays", "medication")
        )
    if consent not in dict(CONSENTS):
        found.append(
            Refused(Wrong.MISSING, "no consent recorded", "who said yes to this refill", "ask, and choose", "consent")
        )
    if len(note) > MOST_NOTE:
        found.append(Refused(Wrong.NOT_ALLOWED, f"{len(note)} characters", f"up to {MOST_NOTE}", "shorten it", "note"))
    return found


def _at(refused: Refused) -> Refused:
    return Refused(refused.code, refused.found, refused.allowed, refused.then, "medication")
