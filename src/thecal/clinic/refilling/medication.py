"""The fork of a refill: the same medication or another one, and the patient's consent; all that was derived before is
wiped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.clinic.record.tables import Session as SessionRow
from thecal.clinic.refilling.entries import Wrong, finish, open_here
from thecal.clinic.refilling.hands import DRAW, FILL, last_of
from thecal.clinic.refused import Refused
from thecal.clinic.session.beginning import turn
from thecal.clinic.workflow import Step, Workflow

if TYPE_CHECKING:
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
        moved = last_of(db, session_id, DRAW) is not None or last_of(db, session_id, FILL) is not None
    if refused is not None:
        return (refused,)
    if wrong:
        return tuple(wrong)
    workflow = Workflow.REFILL_SAME if medication == SAME else Workflow.REFILL_NEW
    if session.workflow != workflow.value:
        if moved:
            then = "finish this refill as it is, or close the session and begin another one"
            return (
                Refused(
                    Wrong.NOT_ALLOWED,
                    "fluid that was moved already",
                    "the fork before fluid is moved",
                    then,
                    "medication",
                ),
            )
        turned = turn(practice, who, session_id, seen, workflow)
        if isinstance(turned, Refused):
            return (_at(turned),)
        seen = turned.revision
    value = {
        "medication": medication,
        "consent": consent,
        "note": note.strip(),
        "by": who.person_id,
        "at_utc_s": practice.now_s(),
    }
    return finish(practice, who, session_id, seen, Step.MEDICATION, value)


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
