"""Asking something of a pump so that no end can be lost: written down before, and what came of it after.

``asked`` is the one way. While what came of an earlier ask is not known, nothing new that changes delivery is asked
of that pump, whoever asks; reading and stopping stay possible (promise 10). An ask without an answer is one that is
not known.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from thecal.clinic.pumps import LinkAway
from thecal.clinic.record.tables import NearMiss, PumpAnswer, PumpAsk, Session
from thecal.clinic.refused import Refused
from thecal.clinic.session.ended import Ended, No
from thecal.clinic.session.readings import keep_reading, not_reached, one_at_a_time, read_whole, reading, refresh
from thecal.clinic.session.stepping import not_allowed, session_of
from thecal.clinic.session.without_drug import against_going_on
from thecal.clinic.session.writing import written
from thecal.link.ledger import NO_ANSWER, Outcome
from thecal.link.roles import Role
from thecal.link.talk import Arm, Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session as Look

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.who import Who
    from thecal.link.interrogation import Interrogation as Read
    from thecal.link.ledger import Pending

PAST_TELLING = Outcome.ASSUMED.value
"""In place of an arm of the link: it was counted as the arm with more drug, because it can never be found out."""

ACTIONS = {
    "confirm": "program.send",
    "start": "pump.start",
    "stop": "pump.stop",
    "single": "bolus.single",
    "refill": "refill.do",
    "clock": "pump.clock",
    "acknowledge": "pump.alarm",
    "clear": "pump.alarm",
    "alarm_test": "pump.alarm",
}
"""What may be asked in a session, and the action of the table of permissions that lets somebody."""

_IN_WORDS = {
    "confirm": "run the program that was proposed",
    "start": "start delivery",
    "stop": "stop delivery",
    "single": "give a single bolus",
    "refill": "count from a new level of the reservoir",
    "clock": "set the pump clock",
    "acknowledge": "mark an alarm as seen",
    "clear": "clear an alarm",
    "alarm_test": "sound the alarm tone once",
}


def command(practice: Practice, who: Who, session_id: int, operation: str, **fields: Any) -> Ended | Refused:
    """Ask one thing of the pump of a session: start, stop, single, refill, clock, acknowledge, clear, alarm_test.

    ``fields`` are those of the link's catalogue. Stopping is for everybody who may, whoever works in the session, and
    is never held back. The end says its arm, the sentence and what to do next; a new reading is kept where the pump
    answered.
    """
    if operation == "confirm":
        raise ValueError("a program is confirmed by send alone")
    return asked(practice, who, session_id, Question(operation, fields))


class Question:
    """What is to be asked: ``operation`` and ``fields`` of the link; ``said`` in words; the order that it is about.

    ``once`` is for what was reviewed: where the session got it granted already, it is not asked again.
    """

    def __init__(
        self,
        operation: str,
        fields: dict[str, Any],
        said: str = "",
        order_id: int | None = None,
        *,
        once: bool = False,
    ) -> None:
        self.once = once
        self.operation = operation
        self.fields = fields
        self.said = said or _IN_WORDS[operation]
        self.order_id = order_id

    def put(self, practice: Practice, serial: str) -> Result:
        """Ask it; LinkAway goes through."""
        if self.operation == "confirm":
            return practice.pumps.confirm(serial, bytes.fromhex(self.fields["digest"]))
        return practice.pumps.command(self.operation, serial, **self.fields)


def asked(
    practice: Practice,
    who: Who,
    session_id: int,
    question: Question,
    granted: Callable[[Record, Session, PumpAsk], None] | None = None,
) -> Ended | Refused:
    """Ask one thing; ``granted`` is what else is written where the pump did it, in the transaction of the answer."""
    if not who.may(ACTIONS[question.operation]):
        return not_allowed(f"{who.name} to {question.said}", "ask somebody who may")
    newest = _newest_command(practice, session_id)
    if isinstance(newest, Refused):
        return newest
    long_off = _long_off(practice, who, newest[1]) if question.operation == "start" else None
    if long_off is not None:
        return long_off
    ask = written(
        practice,
        who,
        f"asks the pump to {question.said}",
        newest[1].patient_id,
        lambda record: _intended(record, session_id, question, newest[0], practice.machine_s()),
    )
    if isinstance(ask, Refused):
        return ask
    end = _put(practice, ask, question)
    read = read_whole(practice, ask.serial) if end.arm in {Arm.GRANTED, Arm.REFUSED} else None
    return keep_end(practice, who, ask, end, None if isinstance(read, Refused) else read, granted)


def _long_off(practice: Practice, who: Who, session: Session) -> Refused | None:
    """Why delivery does not simply begin again after a long time without drug; kept as a near miss (J9)."""
    with practice.reading() as db:
        refused = against_going_on(db, reading(db, session.serial), practice.formulary, practice.now_s())
    if refused is not None:
        missed = NearMiss(
            patient_id=session.patient_id,
            session_id=session.id,
            where="start",
            code=refused.code.value,
            found=refused.found,
            allowed=refused.allowed,
        )
        with practice.writing(who, "stopped at a limit", session.patient_id) as record:
            record.keep(missed)
    return refused


def _newest_command(practice: Practice, session_id: int) -> tuple[int, Session] | Refused:
    """The newest command that the link's ledger holds for the pump of a session."""
    with practice.reading() as db:
        found = session_of(db, session_id)
    if isinstance(found, Refused):
        return found
    try:
        held = practice.pumps.history(found.serial)
    except LinkAway as away:
        return not_reached(str(away))
    return max((p.command for p in held if p.role is Role.PROGRAMMER), default=0), found


def _intended(record: Record, session_id: int, question: Question, newest: int, machine_s: int) -> PumpAsk | Refused:
    one_at_a_time(record)
    stops = question.operation == "stop"
    found = session_of(record.session, session_id, None if stops else record.who)
    if isinstance(found, Refused):
        return found
    not_known = open_asks(record.session, found.serial)
    if not_known and not stops:
        return unknown_first(not_known[0])
    if question.once and (question.operation, question.fields) in granted_in(record.session, session_id):
        return Refused(No.SENT, f"a second request to {question.said}", "one", "look at what the pump does now")
    return record.keep(
        PumpAsk(
            serial=found.serial,
            patient_id=found.patient_id,
            session_id=found.id,
            operation=question.operation,
            fields=question.fields,
            said=question.said,
            order_id=question.order_id,
            newest=newest,
            machine_utc_s=machine_s,
        )
    )


def unknown_first(ask: PumpAsk) -> Refused:
    """The refusal while what came of an earlier ask is not known."""
    return Refused(
        No.UNKNOWN_OUTCOME,
        f"an earlier request to pump {ask.serial} whose outcome is not known: {ask.said}",
        "reading and stopping, until it is known",
        "ask the pump what became of it",
    )


def _put(practice: Practice, ask: PumpAsk, question: Question) -> Ended:
    """Ask the pump. The reading that the link wants to be fresh is made first, where that can matter."""
    try:
        if question.operation not in {"stop", "confirm"}:
            status = practice.pumps.status(ask.serial)
            if isinstance(status, Result):
                return ended_of(replace(status, arm=Arm.NOT_REACHED), ask)
    except LinkAway as away:
        return _away(ask, Arm.NOT_REACHED, f"{_short(away)}; nothing was done")
    try:
        return ended_of(question.put(practice, ask.serial), ask)
    except LinkAway as away:
        if away.asked:
            return _away(ask, Arm.NOT_KNOWN, f"{_short(away)}; whether the pump was asked to {ask.said} is not known")
        return _away(ask, Arm.NOT_REACHED, f"{_short(away)}; nothing was done")


def _short(away: LinkAway) -> str:
    """What was found, without what the link's own tools would do next."""
    return str(away).partition("; allowed:")[0]


def _away(ask: PumpAsk, arm: Arm, said: str) -> Ended:
    """The end of an ask where the link service did not answer."""
    return Ended(arm, said, _THEN[arm], ask.operation, ask_id=ask.id)


_THEN = {
    Arm.GRANTED: "",
    Arm.REFUSED: "look at the reason; ask again where time heals it",
    Arm.BLOCKED: "look at the reason; nothing was sent",
    Arm.NOT_REACHED: "hold the programmer over the pump and ask again",
    Arm.NOT_KNOWN: "ask the pump what became of it; until then nothing that changes delivery is sent",
}


def ended_of(result: Result, ask: PumpAsk) -> Ended:
    """The link's end of an ask in the words of a session."""
    said, _, then = result.said.partition("; next: ")
    status = result.status
    if result.arm is Arm.GRANTED and ask.operation == "start" and status is not None and not status.delivering:
        then = "an alarm stops the pump all the same: look at the alarms"
    return Ended(
        result.arm, said, then or _THEN[result.arm], ask.operation, result.wait_s, result.command, ask.id, result.status
    )


def keep_end(  # noqa: PLR0917 -- one end, with what is true by it
    practice: Practice,
    who: Who,
    ask: PumpAsk,
    end: Ended,
    read: Read | None,
    granted: Callable[[Record, Session, PumpAsk], None] | None = None,
) -> Ended:
    """Write down in one transaction what came of an ask, the reading that followed, and what else is true now."""
    with practice.writing(who, f"the pump and {ask.said}: {end.arm.value}", ask.patient_id, ask=ask.id) as record:
        if ask.id not in {a.id for a in open_asks(record.session, ask.serial)}:
            return end  # somebody else found out meanwhile, and wrote it down
        record.keep(
            PumpAnswer(
                ask_id=ask.id,
                arm=end.arm.value,
                said=end.said,
                answer=NO_ANSWER,
                wait_s=end.wait_s,
                command=end.command,
            )
        )
        session = record.get(Session, ask.session_id)
        if session is None:
            raise RuntimeError(f"ask {ask.id} belongs to no session")
        if end.arm is Arm.GRANTED and granted is not None:
            granted(record, session, ask)
        if read is not None:
            kept = keep_reading(record, read, ask.patient_id, ask.session_id)
            record.change(session, "read after asking", reading_id=kept.id)
        refresh(record, ask.patient_id)
    return end


def open_asks(db: Look, serial: str) -> list[PumpAsk]:
    """Everything that was asked of a pump and of which nobody knows what came of it, in the order asked."""
    newest = select(func.max(PumpAnswer.id)).where(PumpAnswer.ask_id == PumpAsk.id).correlate(PumpAsk).scalar_subquery()
    query = (
        select(PumpAsk)
        .outerjoin(PumpAnswer, PumpAnswer.id == newest)
        .where(PumpAsk.serial == serial)
        .where((PumpAnswer.id.is_(None)) | (PumpAnswer.arm == Arm.NOT_KNOWN.value))
    )
    return list(db.scalars(query.order_by(PumpAsk.id)))


def granted_in(db: Look, session_id: int) -> list[tuple[str, Any]]:
    """Everything that the pump granted in a session."""
    newest = select(func.max(PumpAnswer.id)).where(PumpAnswer.ask_id == PumpAsk.id).correlate(PumpAsk).scalar_subquery()
    query = select(PumpAsk).join(PumpAnswer, PumpAnswer.id == newest)
    query = query.where(PumpAsk.session_id == session_id, PumpAnswer.arm == Arm.GRANTED.value)
    return [(ask.operation, ask.fields) for ask in db.scalars(query)]


def pending_at(practice: Practice, serial: str) -> tuple[Pending, ...] | None:
    """Commands of a pump whose outcome is not known to the link, of whatever role; None where it cannot be asked."""
    try:
        return practice.pumps.pending(serial)
    except LinkAway:
        return None
