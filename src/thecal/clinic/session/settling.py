"""Finding out what came of something that was asked and is not known: by the pump itself and the link's own ledger.

A process may die between the pump's yes and the record. The ask was written down before; the ledger of the link holds
the command, the pump runs the program: from these the end is told, and what it means is written down once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.clinic.pumps import LinkAway
from thecal.clinic.record.tables import PumpAnswer, PumpAsk, Session
from thecal.clinic.refused import Refused
from thecal.clinic.session.asking import PAST_TELLING, keep_end, open_asks
from thecal.clinic.session.ended import Ended, No
from thecal.clinic.session.readings import not_reached, read_whole, refresh
from thecal.clinic.session.sending import mark_sent, parts_left, what_granting_means
from thecal.clinic.session.stepping import SENT, not_allowed, session_of
from thecal.clinic.workflow import Step
from thecal.link import wording
from thecal.link.ledger import Outcome
from thecal.link.roles import Role
from thecal.link.talk import Arm, Result

if TYPE_CHECKING:
    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.who import Who
    from thecal.link.interrogation import Interrogation as Read
    from thecal.link.ledger import Pending

STILL_ON_ITS_WAY_S = 60
"""So long after something was asked, a command that the link has not written down may still be. Ours: thrice the link's
patience with a pump that does not answer."""

_ARMS = {
    Outcome.GRANTED: Arm.GRANTED,
    Outcome.REFUSED: Arm.REFUSED,
    Outcome.NEVER: Arm.NOT_REACHED,
    Outcome.NOT_KNOWN: Arm.NOT_KNOWN,
}


def resolve(practice: Practice, who: Who, session_id: int) -> tuple[Ended, ...] | Refused:
    """Ask the pump what became of everything that is not known; the ends are as they are known now, each written down.

    Whoever may ask does so in the session that is open at the pump, whoever works in it. Refused where the pump was not
    reached: then everything stays not known.
    """
    if not who.may("pump.resolve"):
        return not_allowed(f"{who.name} to ask the pump what became of a command", "ask a nurse or a physician")
    with practice.reading() as db:
        found = session_of(db, session_id)
    if isinstance(found, Refused):
        return found
    try:
        _ask_the_pump(practice, found.serial)
        held = practice.pumps.history(found.serial)
    except LinkAway as away:
        return not_reached(str(away))
    read = read_whole(practice, found.serial)
    if isinstance(read, Refused):
        return read
    with practice.reading() as db:
        asks = open_asks(db, found.serial)
    ends = tuple(_settled(practice, who, ask, held, read) for ask in asks)
    _go_on(practice, who, session_id)
    return ends


def _ask_the_pump(practice: Practice, serial: str) -> None:
    """Have the link resolve what it does not know, of every role."""
    roles = dict.fromkeys(p.role for p in practice.pumps.pending(serial))
    for role in roles or {Role.PROGRAMMER: None}:
        practice.pumps.resolve(serial, role)


def _settled(practice: Practice, who: Who, ask: PumpAsk, held: tuple[Pending, ...], read: Read) -> Ended:
    end = _end_of(ask, held, read, practice.machine_s())
    if end.arm is Arm.NOT_KNOWN:
        return end
    if end.said.startswith(PAST_TELLING):
        return _counted(practice, who, ask, end)
    return keep_end(practice, who, ask, end, read, what_granting_means)


def _end_of(ask: PumpAsk, held: tuple[Pending, ...], read: Read, machine_s: int) -> Ended:
    """What came of an ask, by the command that the link wrote down for it, or by what the pump runs."""
    pending = command_of(ask, held)
    if pending is not None and pending.outcome in _ARMS:
        arm = _ARMS[pending.outcome]
        said = f"{pending.path}: {pending.said or wording.words(pending.answer, pending.wait_s)}"
        then = (
            ""
            if arm is not Arm.NOT_KNOWN
            else "ask again when the pump can be reached; or, where it is lost, give it up"
        )
        return Ended(arm, said, then, ask.operation, pending.wait_s, pending.command, ask.id, read.status)
    if pending is not None:
        return Ended(Arm.NOT_KNOWN, f"{PAST_TELLING}: {pending.said}", "", ask.operation, 0, pending.command, ask.id)
    if ask.operation == "confirm" and read.status.digest.hex() == ask.fields["digest"]:
        return Ended(Arm.GRANTED, "the pump runs the program that was confirmed", "", ask.operation, ask_id=ask.id)
    if machine_s - ask.machine_utc_s < STILL_ON_ITS_WAY_S:
        said = f"the link has not written a command down for it yet; it was asked {machine_s - ask.machine_utc_s} s ago"
        return Ended(Arm.NOT_KNOWN, said, "ask again in a minute", ask.operation, ask_id=ask.id)
    said = "the link never sent a command for it; nothing was done"
    return Ended(Arm.NOT_REACHED, said, "ask again if it is still wanted", ask.operation, ask_id=ask.id)


def command_of(ask: PumpAsk, held: tuple[Pending, ...]) -> Pending | None:
    """The command that the link wrote down for an ask: of its kind and fields, and newer than any before it."""
    path = ask.operation.replace("_", "-")
    after = (p for p in held if p.role is Role.PROGRAMMER and p.path == path and p.command > ask.newest)
    return next((p for p in after if _same(ask, p)), None)


def _same(ask: PumpAsk, pending: Pending) -> bool:
    fields = {n: v.hex() if isinstance(v, bytes) else v for n, v in pending.fields.items() if n != "command"}
    return bool(fields == ask.fields)


def _counted(practice: Practice, who: Who, ask: PumpAsk, end: Ended) -> Ended:
    """It can never be found out, and was counted as the arm with more drug."""
    with practice.writing(who, f"counted as more drug: {ask.said}", ask.patient_id, ask=ask.id) as record:
        if ask.id in {a.id for a in open_asks(record.session, ask.serial)}:
            _keep_counted(record, ask, end.said, end.command)
    return end


def _keep_counted(record: Record, ask: PumpAsk, said: str, command: int) -> None:
    answer = {"ask_id": ask.id, "arm": PAST_TELLING, "said": said, "answer": 255, "wait_s": 0, "command": command}
    record.keep(PumpAnswer(**answer))
    refresh(record, ask.patient_id)


def _go_on(practice: Practice, who: Who, session_id: int) -> None:
    """A session all of whose parts turn out to be granted was sent."""
    with practice.reading() as db:
        found = session_of(db, session_id)
        if isinstance(found, Refused) or SENT in found.entered or Step.REVIEW.value not in found.entered:
            return
        if open_asks(db, found.serial) or parts_left(db, found) or not found.entered[Step.REVIEW.value].get("parts"):
            return
    with practice.writing(who, "found out that it was sent", found.patient_id, session=session_id) as record:
        row = record.get(Session, session_id)
        if row is not None and SENT not in row.entered:
            mark_sent(record, row, practice)


def give_up(practice: Practice, who: Who, session_id: int, ask_id: int, reason: str) -> Ended | Refused:
    """Count something that can never be found out as the arm with more drug, with the reason; a physician's act."""
    if not who.may("pump.give_up"):
        return not_allowed(f"{who.name} to count a command as given", "ask a physician")
    if not reason.strip():
        allowed = "why it can never be found out"
        return Refused(No.VALUE, "no reason", allowed, "write the reason", "reason")
    with practice.reading() as db:
        session, ask = session_of(db, session_id), db.get(PumpAsk, ask_id)
        if isinstance(session, Refused):
            return session
        known = ask is not None and ask.id in {a.id for a in open_asks(db, session.serial)}
    if ask is None or not known:
        return Refused(
            No.NOTHING, f"ask {ask_id}", "something whose outcome is not known", "nothing is left to give up"
        )
    try:
        pending = command_of(ask, practice.pumps.history(ask.serial))
        told = None if pending is None else practice.pumps.give_up(ask.serial, pending.command)
    except LinkAway as away:
        return not_reached(str(away))
    said = told.said if isinstance(told, Result) and told.arm is Arm.NOT_KNOWN else "given up: it counts as done"
    with practice.writing(who, "counted as given", ask.patient_id, ask=ask_id, reason=reason.strip()) as record:
        if ask.id in {a.id for a in open_asks(record.session, ask.serial)}:
            command = 0 if pending is None else pending.command
            _keep_counted(record, ask, f"{PAST_TELLING}: {said}. Reason: {reason.strip()}", command)
    then = "read the pump as soon as it can be reached; commands are sent again from now on"
    return Ended(Arm.NOT_KNOWN, said, then, ask.operation, ask_id=ask.id)
