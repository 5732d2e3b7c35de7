"""Signing an order: what was judged is kept word for word, with every reason given and every hard stop that was met.

A signed order is what a session may propose to the pump; nothing here talks to a pump.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from thecal.clinic.implants import implant_of
from thecal.clinic.programming.judging import Judged, judged
from thecal.clinic.programming.order_text import digest_of, head_tables, kept_mixture, known, tables_of
from thecal.clinic.record.tables import NearMiss, Order, Override, Patient, Session
from thecal.clinic.refused import Refused
from thecal.clinic.session.stepping import patient_of
from thecal.clinic.session.writing import written
from thecal.therapy.program import Stopped

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import date

    from sqlalchemy.orm import Session as OrmSession

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.who import Who
    from thecal.therapy.review import Code, Finding

MAY_SIGN = "program.write"
DRAFT, SIGNED, RUNNING, WITHDRAWN = "draft", "signed", "running", "withdrawn"


class Unsigned(StrEnum):
    """Why an order is not signed."""

    NOT_ALLOWED = "not allowed"
    NO_SESSION = "no session"
    SESSION_ENDED = "session ended"
    NO_IMPLANT = "no pump in use"
    OTHER_PATIENT = "not of this patient and pump"
    FACTS_CHANGED = "facts changed meanwhile"
    UNREADABLE = "cannot be read"
    STOPS = "hard stop"
    REFUSED_BY_PUMP = "the pump cannot run it"
    REASON_MISSING = "reason missing"


def sign(  # noqa: PLR0917 -- who, where and what come before the day and the plan
    practice: Practice,
    who: Who,
    session_id: int,
    text: str,
    today: date,
    plan: Sequence[str] | None = None,
    *,
    later: Collection[Code] = (),
) -> Order | Refused:
    """Keep an order as signed by ``who``, with the reasons given; Refused where it may not be, with near misses kept.

    ``plan`` is as ``judged`` takes it. The same text signed again in a session gives the same row; another text takes
    the place of one that was signed and not sent. ``later`` are soft findings that a later step of the session
    answers (a bridge that is planned after the program): where one of them has no reason yet, the order is kept as a
    draft.
    """
    if not who.may(MAY_SIGN):
        return Refused(Unsigned.NOT_ALLOWED, f"{who.name} signing an order", "a physician", "ask a physician to sign")
    found = judged(text, practice, today, plan)
    with practice.reading() as look:
        refused = _not_here(look, session_id, text, today)
    if refused is not None:
        return refused
    stop = next(stops_of(found), None)
    if stop is not None:
        note_near_misses(practice, who, session_id, found)
        return stop
    missing = [f for f in found.unreasoned if f.code not in later]
    if missing:
        return _reason_missing(missing)
    state = DRAFT if found.unreasoned else SIGNED
    return written(
        practice,
        who,
        f"kept an order as {state}",
        patient_of(practice, session_id),
        lambda record: _kept(record, session_id, found, today, state),
        session=session_id,
    )


def stops_of(found: Judged) -> Iterator[Refused]:
    """What no reason helps with: unreadable entries, the plan, hard findings, and the pump's own no."""
    yield from found.refused
    yield from found.plan
    for finding in found.hard:
        yield Refused(
            Unsigned.STOPS,
            f"{finding.what}: {finding.found.text}",
            f"{finding.allowed.text} ({finding.by})",
            finding.next_step,
        )
    refused = None if found.achievable is None else found.achievable.refused
    if refused is not None:
        yield Refused(Unsigned.REFUSED_BY_PUMP, refused.found, refused.allowed, refused.then)


def _reason_missing(findings: Sequence[Finding]) -> Refused:
    names = ", ".join(dict.fromkeys(f.key for f in findings))
    return Refused(
        Unsigned.REASON_MISSING,
        f"{len(findings):,} findings without a reason: {names}",
        "a reason for each",
        "give the reasons beside the findings, or change the program",
        "program.reasons",
    )


# Whose order it is ------------------------------------------------------------------------------------------------


def running_order(look: OrmSession, patient_id: int, serial: str) -> Order | None:
    """The order that runs at this pump, None where none does."""
    query = select(Order).where(Order.patient_id == patient_id, Order.serial == serial, Order.state == RUNNING)
    return look.scalars(query.order_by(Order.id.desc())).first()


def _not_here(look: OrmSession, session_id: int, text: str, today: date) -> Refused | None:
    """Why this text is not one of this session, by what the record says now."""
    session = look.get(Session, session_id)
    if session is None:
        return Refused(Unsigned.NO_SESSION, f"session {session_id}", "a session that there is", "begin a session")
    if session.state != "open":
        return Refused(
            Unsigned.SESSION_ENDED, f"a session that is {session.state}", "an open session", "begin another session"
        )
    patient, implant = look.get(Patient, session.patient_id), implant_of(look, session.patient_id, session.serial)
    if patient is None or implant is None:
        return Refused(
            Unsigned.NO_IMPLANT,
            f"pump {session.serial}",
            "a pump in use in this patient",
            "look at the patient's chart",
        )
    return _other_head(text, known(head_tables(patient, implant, today)))


def _other_head(text: str, now: dict[str, Any]) -> Refused | None:
    try:
        read = tables_of(text)
    except ValueError:
        return Refused(Unsigned.UNREADABLE, "a text that is no order", "an order file", "write the program again")
    for part, code in (("pump", Unsigned.OTHER_PATIENT), ("catheter", Unsigned.FACTS_CHANGED)):
        if read.get(part) != now.get(part):
            return _facts(code, part)
    said = read.get("patient") or {}
    if said.get("reference") != now["patient"]["reference"]:
        return _facts(Unsigned.OTHER_PATIENT, "patient")
    return None if said == now["patient"] else _facts(Unsigned.FACTS_CHANGED, "patient")


def _facts(code: Unsigned, part: str) -> Refused:
    return Refused(
        code,
        f"an order whose {part} is not as the record has it now",
        "an order with the facts of this patient and pump as they are now",
        "open the program, look at it, and apply it again",
    )


# What is kept -----------------------------------------------------------------------------------------------------


def _kept(record: Record, session_id: int, found: Judged, today: date, state: str) -> Order | Refused:
    refused = _not_here(record.session, session_id, found.text, today)
    at = record.get(Session, session_id)
    if refused is not None or at is None:
        return refused or Refused(Unsigned.NO_SESSION, "no session", "a session that there is", "begin a session")
    same = _signed_here(record, session_id, digest_of(found.text), state)
    if same is not None:
        return same
    order = _order_row(record, at, found, state)
    for finding in found.findings:
        if not finding.hard and finding.reason:
            record.keep(_override(at, order, finding))
    return order


def _signed_here(record: Record, session_id: int, digest: str, state: str) -> Order | None:
    """The order of this session with the same text and state; others that were not sent are withdrawn."""
    query = select(Order).where(Order.session_id == session_id, Order.state.in_((DRAFT, SIGNED))).order_by(Order.id)
    same = None
    for order in record.session.scalars(query).all():
        if order.digest == digest and order.state == state:
            same = order
        else:
            record.change(order, "withdrawn", state=WITHDRAWN)
    return same


def _order_row(record: Record, at: Session, found: Judged, state: str) -> Order:
    assert found.file is not None  # noqa: S101 -- it was read
    running = running_order(record.session, at.patient_id, at.serial)
    order = Order(
        patient_id=at.patient_id,
        serial=at.serial,
        session_id=at.id,
        replaces=None if running is None else running.id,
        title=found.file.title or f"Order of session {at.id}",
        state=state,
        text=found.text,
        digest=digest_of(found.text),
        mixture_id=kept_mixture(record, found.file.order.mixture).id,
    )
    return record.keep(order, stopped=isinstance(found.file.order.program.base, Stopped))


def _override(at: Session, order: Order, finding: Finding) -> Override:
    return Override(
        patient_id=at.patient_id,
        session_id=at.id,
        order_id=order.id,
        finding=str(finding.code),
        drug=finding.drug,
        found=f"{finding.what}: {finding.found.text}",
        allowed=finding.allowed.text,
        authority=finding.by,
        reason=finding.reason or "",
    )


def note_near_misses(practice: Practice, who: Who, session_id: int, found: Judged, where: str = "program") -> int:
    """Keep every hard stop that was met, once in a session for each number found; how many were new."""
    with practice.reading() as look:
        session = look.get(Session, session_id)
        query = select(NearMiss).where(NearMiss.session_id == session_id)
        before = {(m.code, m.found) for m in look.scalars(query)}
    patient_id = None if session is None else session.patient_id
    rows = [(code, what, allowed) for code, what, allowed in _met(found) if (code, what) not in before]
    if not rows:
        return 0
    with practice.writing(who, "met a hard stop", patient_id, session=session_id) as record:
        for code, what, allowed in rows:
            row = NearMiss(
                patient_id=patient_id, session_id=session_id, where=where, code=code, found=what, allowed=allowed
            )
            record.keep(row)
    return len(rows)


def _met(found: Judged) -> list[tuple[str, str, str]]:
    """Code, what was found and what is allowed, of the plan, of hard findings, and of the pump's own no."""
    met = [(str(r.code), r.found, r.allowed) for r in found.plan if r.code != "plan missing"]
    met += [(str(f.code), f"{f.what}: {f.found.text}", f"{f.allowed.text} ({f.by})") for f in found.hard]
    refused = None if found.achievable is None else found.achievable.refused
    return [*met, *([] if refused is None else [(str(refused.why), refused.found, refused.allowed)])]
