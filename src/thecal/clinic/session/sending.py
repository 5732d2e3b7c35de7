"""Sending: what was reviewed and read back is asked of the pump, one thing after the other, and nothing else.

It is named by the digest that the person saw. The first part that is not granted ends the send; what was granted
before it stays granted, and is not asked again when the send goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from thecal.clinic.pumps import LinkAway
from thecal.clinic.record.tables import Interrogation, Order, ProgramRun, PumpProposal, Session
from thecal.clinic.refused import Refused
from thecal.clinic.session.asking import ACTIONS, Question, asked, granted_in, open_asks, unknown_first
from thecal.clinic.session.ended import Ended, No, Sent
from thecal.clinic.session.proposing import changed, changes_of
from thecal.clinic.session.readings import not_reached, status_of
from thecal.clinic.session.stepping import SENT, first_not_done, not_allowed, session_of
from thecal.clinic.session.timing import keep_decision
from thecal.clinic.session.writing import written
from thecal.clinic.workflow import Step
from thecal.link.talk import Arm, Result

if TYPE_CHECKING:
    from sqlalchemy.orm import Session as Look

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.record.tables import PumpAsk
    from thecal.clinic.who import Who

Part = dict[str, Any]


def send(practice: Practice, who: Who, session_id: int, digest: bytes | str) -> Ended | Refused:
    """Send what was reviewed under this digest. The end is a ``Sent`` with the end of each part that was asked now.

    Refused where it is not what was reviewed, where the review is too old, where the order was changed since, and where
    the outcome of something is not known. Nothing was asked of the pump then.
    """
    with practice.reading() as db:
        found = _may_send(db, practice, session_id, who, digest if isinstance(digest, str) else digest.hex())
        if isinstance(found, Refused):
            return found
        left = parts_left(db, found)
        rests_on = db.get(Interrogation, found.reading_id) if found.reading_id else None
    not_his = next((p for p in left if not who.may(ACTIONS[p["operation"]])), None)
    if not_his is not None:
        return not_allowed(f"{who.name} to send this", "ask somebody who may")
    other = _as_reviewed(practice, rests_on) if left and rests_on is not None else None
    if other is not None:
        return other
    ends: list[Ended] = []
    for part in left:
        end = _sent_part(practice, who, found, part)
        if isinstance(end, Refused):
            return end
        ends.append(end)
        if end.arm is not Arm.GRANTED:
            return _whole(end, ends)
    return _finished(practice, who, session_id, ends)


def _as_reviewed(practice: Practice, rests_on: Interrogation) -> Refused | None:
    """Ask the pump how it is, a moment before it is asked for anything: a change since the reading is a refusal."""
    try:
        status = practice.pumps.status(rests_on.serial)
    except LinkAway as away:
        return not_reached(str(away))
    if isinstance(status, Result):
        return not_reached(status.said)
    return changed(changes_of(status_of(rests_on), status))


def _may_send(  # noqa: PLR0911 -- one for each reason
    db: Look, practice: Practice, session_id: int, who: Who, digest: str
) -> Session | Refused:
    found = session_of(db, session_id, who)
    if isinstance(found, Refused):
        return found
    if SENT in found.entered:
        return Refused(No.SENT, "a session that was sent", "one send", "look at what the pump runs")
    not_known = open_asks(db, found.serial)
    if not_known:
        return unknown_first(not_known[0])
    reviewed = found.entered.get(Step.REVIEW.value)
    if not reviewed or reviewed.get("digest") != digest:
        return Refused(No.NOT_REVIEWED, f"the digest {digest[:8]}", "what was reviewed last", "review it again")
    if practice.now_s() > reviewed["until_s"]:
        return Refused(No.EXPIRED, "a review that is too old to be sent", "one that still holds", "review it again")
    proposal = db.get(PumpProposal, reviewed["proposal"]) if "proposal" in reviewed else None
    order = None if proposal is None else db.get(Order, proposal.order_id)
    if proposal is not None and (order is None or order.revision != proposal.order_revision):
        return Refused(
            No.ORDER, "an order that was changed since the review", "the order as reviewed", "review it again"
        )
    return found


def parts_left(db: Look, session: Session) -> list[Part]:
    """What is still to be asked of the pump: all that was reviewed but what was granted in this session."""
    reviewed = session.entered.get(Step.REVIEW.value) or {}
    done = granted_in(db, session.id)
    return [p for p in reviewed.get("parts", []) if (p["operation"], p["fields"]) not in done]


def _sent_part(practice: Practice, who: Who, session: Session, part: Part) -> Ended | Refused:
    proposal_id = (session.entered.get(Step.REVIEW.value) or {}).get("proposal")
    with practice.reading() as db:
        proposal = db.get(PumpProposal, proposal_id) if proposal_id else None
    order_id = proposal.order_id if proposal is not None and part["operation"] == "confirm" else None
    question = Question(part["operation"], part["fields"], part["said"], order_id, once=True)
    return asked(practice, who, session.id, question, granted=what_granting_means)


def what_granting_means(record: Record, session: Session, ask: PumpAsk) -> None:
    """What else is true once the pump did something: a program runs, an order took the place of another."""
    if ask.operation == "confirm":
        run = keep_run(record, session, bytes.fromhex(ask.fields["digest"]))
        if run is not None:
            from thecal.clinic.refilling.arriving import watch_arrival  # noqa: PLC0415 - it reads sessions as well

            watch_arrival(record, session, run)


def keep_run(record: Record, session: Session, digest: bytes) -> ProgramRun | None:
    """Keep that a proposed program runs, exactly once; None where it is kept, or was not proposed here."""
    proposal = record.session.scalars(
        select(PumpProposal)
        .where(PumpProposal.serial == session.serial, PumpProposal.digest == digest)
        .order_by(PumpProposal.id.desc())
    ).first()
    kept = select(ProgramRun.id).where(ProgramRun.serial == session.serial, ProgramRun.digest == digest)
    if proposal is None or record.session.scalars(kept).first() is not None:
        return None
    run = record.keep(
        ProgramRun(
            serial=proposal.serial,
            patient_id=proposal.patient_id,
            session_id=session.id,
            order_id=proposal.order_id,
            order_revision=proposal.order_revision,
            number=proposal.number,
            digest=digest,
            program=proposal.program,
            document=proposal.document,
            order_text=proposal.order_text,
            sentence=proposal.sentence,
            change=proposal.change,
            confirmed_utc_s=record.now_s,
        )
    )
    _order_runs(record, proposal)
    return run


def _order_runs(record: Record, proposal: PumpProposal) -> None:
    """The order runs now, and no other one at this pump does."""
    ran = select(Order).where(Order.serial == proposal.serial, Order.state == "running", Order.id != proposal.order_id)
    for before in record.session.scalars(ran).all():
        record.change(before, "replaced", state="replaced")
    order = record.get(Order, proposal.order_id)
    if order is not None and order.state != "running":
        record.change(order, "runs", state="running")


def _whole(end: Ended, ends: list[Ended]) -> Sent:
    """The end of a send by its last part."""
    return Sent(
        end.arm, end.said, end.then, end.operation, end.wait_s, end.command, end.ask_id, end.status, tuple(ends)
    )


def _finished(practice: Practice, who: Who, session_id: int, ends: list[Ended]) -> Ended | Refused:
    """Everything was granted: the session is sent, and says what is left to do."""
    patient_id = None
    with practice.reading() as db:
        found = db.get(Session, session_id)
        patient_id = None if found is None else found.patient_id

    def sent(record: Record) -> Session | Refused:
        row = session_of(record.session, session_id, who)
        return row if isinstance(row, Refused) else mark_sent(record, row, practice)

    done = written(practice, who, "sent", patient_id, sent, session=session_id)
    if isinstance(done, Refused):
        return done
    if not ends:
        said = "nothing was to be asked of the pump; the decision is written down"
        return Sent(Arm.GRANTED, said, "close the session", parts=())
    last = ends[-1]
    stopped = last.status is not None and last.status.loaded and not last.status.running
    then = (
        "the pump does not deliver yet: start it" if stopped else last.then or "look at the pump once more, and close"
    )
    return Sent(Arm.GRANTED, last.said, then, last.operation, 0, last.command, last.ask_id, last.status, tuple(ends))


def mark_sent(record: Record, session: Session, practice: Practice) -> Session:
    """Keep that everything reviewed in a session was granted, with the decision about the clock where one was made."""
    reviewed = session.entered.get(Step.REVIEW.value) or {}
    entered = {**session.entered, SENT: {"digest": reviewed.get("digest", ""), "at_s": record.now_s}}
    row = None if session.reading_id is None else record.get(Interrogation, session.reading_id)
    if row is not None and Step.CLOCK.value in session.entered:
        keep_decision(record, session, row, practice.formulary)
    return record.change(
        session, "sent", session.revision, entered=entered, step=first_not_done(session, entered).value
    )
