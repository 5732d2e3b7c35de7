"""Which step of a session is open, and what entering one does to those after it (rule E1: no short way to send).

A step is done where something was entered for it; it is open where every one before it is done. Entering something else
for an earlier step voids what was decided on the grounds of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from thecal.clinic.record.tables import Act, Person, Session
from thecal.clinic.refused import Refused
from thecal.clinic.session.ended import No
from thecal.clinic.session.writing import written
from thecal.clinic.workflow import WAYS, Step, Workflow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session as Look

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.who import Who

SENT = "send"
"""Where a session keeps what was sent of it; from then on no step before it changes."""

_LAST = (Step.REVIEW, Step.SEND)
_VOIDS: dict[Step, tuple[Step, ...]] = {
    Step.MEDICATION: tuple(s for s in Step if s not in (Step.READ, Step.MEDICATION, Step.CLOSE)),
    Step.TIMELINE: (Step.PROGRAM, Step.PREVIEW, Step.SECOND, *_LAST),
    Step.MIXTURE: (
        *(Step.SYRINGE, Step.RINSE, Step.FILL, Step.PROGRAM, Step.BRIDGE, Step.PREVIEW, Step.SECOND, *_LAST),
    ),
    Step.SYRINGE: (Step.FILL, Step.BRIDGE, Step.SECOND, *_LAST),
    Step.CHECKLIST: (Step.GAP, Step.RINSE, Step.FILL, Step.SECOND, *_LAST),
    Step.GAP: (Step.RINSE, Step.FILL, Step.SECOND, *_LAST),
    Step.RINSE: (Step.FILL, Step.BRIDGE, Step.PREVIEW, Step.SECOND, *_LAST),
    Step.FILL: (Step.PROGRAM, Step.BRIDGE, Step.PREVIEW, Step.SECOND, *_LAST),
    Step.PROGRAM: (Step.BRIDGE, Step.PREVIEW, Step.SECOND, *_LAST),
    Step.BRIDGE: (Step.PREVIEW, Step.SECOND, *_LAST),
    Step.BOLUS: _LAST,
    Step.CLOCK: _LAST,
    Step.SECOND: _LAST,
    Step.REVIEW: (Step.SEND,),
}
"""What is void where a step is entered anew: what was decided on its grounds; what was measured stays.

A program says what was filled, and is judged by it: another volume needs it signed again (its draft stays).
"""

HANDS: dict[Step, str] = {
    Step.SYRINGE: "refill.do",
    Step.CHECKLIST: "refill.do",
    Step.GAP: "refill.do",
    Step.FILL: "refill.do",
    Step.SECOND: "refill.do",
    Step.WATCH: "watch.do",
}
"""Steps that are done by hand, and the action that lets a colleague do them in somebody else's open session.

Whoever does one is who it is kept under. What is prescribed (mixture, rinse, program, bridge), reviewed and sent stays
with whoever works in the session.
"""


_PRESCRIBED = (Workflow.REFILL_NEW, Workflow.RESTART, Workflow.BOLUS)
"""Workflows that a physician begins, and in which hands of others are needed."""


def enter(  # noqa: PLR0917 -- as a form asks for it
    practice: Practice, who: Who, session_id: int, seen: int, step: Step, entered: dict[str, Any]
) -> Session | tuple[Refused, ...]:
    """Keep what was entered for a step, and go to the first step that is not done.

    ``entered`` is text, whole numbers, yes or no, lists and maps of them; what was entered is not judged here but by
    the step's own rules before. Refused where the step is not open or something was sent already; EditedMeanwhile
    where somebody else changed the session since revision ``seen``.
    """

    def kept(record: Record) -> Session | Refused:
        found = at_step(record.session, session_id, who, step)
        refused = found if isinstance(found, Refused) else _closed(found, step)
        if isinstance(found, Refused) or refused is not None:
            return refused or found
        new = {**without_those_after(found.entered, step, entered), step.value: entered}
        return record.change(found, f"entered {step.value}", seen, entered=new, step=first_not_done(found, new).value)

    action = f"entered {step.value}"
    done = written(practice, who, action, patient_of(practice, session_id), kept, session=session_id)
    return (done,) if isinstance(done, Refused) else done


def _closed(session: Session, step: Step) -> Refused | None:
    way = WAYS[Workflow(session.workflow)]
    if step not in way.steps:
        return Refused(No.STEP, f"the step {step.value}", f"a step of {way.name!r}", "go to a step of the step bar")
    if SENT in session.entered and way.steps.index(step) <= way.steps.index(Step.SEND):
        then = "what was sent cannot be taken back here: close this session and begin another one"
        return Refused(No.SENT, f"the step {step.value} of a session that was sent", "a step after it", then)
    if not is_open(session, step):
        here = first_not_done(session, session.entered)
        return Refused(
            No.STEP, f"the step {step.value}", f"the step {here.value} first", f"finish the step {here.value}"
        )
    return None


def is_done(session: Session, step: Step) -> bool:
    """Whether something was entered for a step."""
    return step.value in session.entered


def is_open(session: Session, step: Step) -> bool:
    """Whether a step can be worked on: it belongs to the workflow and every one before it is done.

    Closing is open from the reading on: a session can always be left, with a word about how the pump is left.
    """
    steps = WAYS[Workflow(session.workflow)].steps
    if step not in steps:
        return False
    return step is Step.CLOSE or all(is_done(session, s) for s in steps[: steps.index(step)])


def first_not_done(session: Session, entered: dict[str, Any]) -> Step:
    """The step where a session stands, with ``entered`` as what was entered."""
    steps = WAYS[Workflow(session.workflow)].steps
    return next((s for s in steps if s.value not in entered), steps[-1])


def without_those_after(entered: dict[str, Any], step: Step, new: dict[str, Any]) -> dict[str, Any]:
    """What is left of the entries where a step is entered with ``new``; all of them where that is nothing new."""
    if entered.get(step.value) == new:
        return entered
    return without(entered, *_VOIDS.get(step, ()))


def without(entered: dict[str, Any], *steps: Step) -> dict[str, Any]:
    """The entries but those of some steps, and of what those void in turn."""
    gone = {s.value for s in steps} | {s.value for step in steps for s in _VOIDS.get(step, ())}
    return {name: held for name, held in entered.items() if name not in gone}


def session_of(db: Look, session_id: int, who: Who | None = None) -> Session | Refused:
    """An open session; where ``who`` is given, one in which that person works."""
    found = db.get(Session, session_id)
    if found is None:
        return Refused(No.NO_SESSION, f"no session {session_id}", "a session of this clinic", "begin a session")
    if found.state != "open":
        return Refused(
            No.NOT_OPEN, f"session {session_id}, which is {found.state}", "an open one", "begin another session"
        )
    if who is not None and found.person_id != who.person_id:
        return _held(db, found, who)
    return found


def _held(db: Look, session: Session, who: Who) -> Refused:
    person = db.get(Person, session.person_id)
    name = person.name if person is not None else "nobody"
    return Refused(
        No.HELD,
        f"{who.name} in session {session.id}, in which {name} works",
        "one person at a time",
        f"ask {name}, or take the session over, which is written down",
    )


def at_step(db: Look, session_id: int, who: Who, step: Step) -> Session | Refused:
    """An open session in which somebody may work at a step: their own, or a colleague's where it is done by hand."""
    found = session_of(db, session_id)
    if isinstance(found, Refused) or found.person_id == who.person_id:
        return found
    return found if lends_a_hand(who, found, step) else _held(db, found, who)


def lends_a_hand(who: Who, session: Session, step: Step) -> bool:
    """Whether a colleague may do a step by hand in somebody else's open session, by the table of permissions.

    What nurse and physician may begin alike stays one person's: whoever goes on with it takes it over.
    """
    prescribed = session.workflow in _PRESCRIBED and session.state == "open"
    return prescribed and step in HANDS and who.may("session.begin") and who.may(HANDS[step])


def who_entered(db: Look, session_id: int, *steps: Step) -> frozenset[int]:
    """Everybody who ever entered one of these steps in a session, whoever works in it now."""
    kinds = [f"{verb} {step.value}" for step in steps for verb in ("entered", "wrote")]
    query = select(Act.by_person).where(
        Act.subject_kind == "session", Act.subject_id == session_id, Act.kind.in_(kinds)
    )
    return frozenset(db.scalars(query))


def patient_of(practice: Practice, session_id: int) -> int | None:
    """Whose session it is, None where there is none of that number."""
    with practice.reading() as db:
        found = db.get(Session, session_id)
        return None if found is None else found.patient_id


def may_work(who: Who, session: Session) -> bool:
    """Whether somebody may do what a session is for."""
    return who.may("session.begin") and who.may(WAYS[Workflow(session.workflow)].action)


def not_allowed(found: str, then: str) -> Refused:
    """The refusal by the table of permissions."""
    return Refused(No.NOT_ALLOWED, found, "what the table of permissions lets this role do", then)
