"""Review and proposal: what is to be sent is brought to the pump and read back, and nothing runs by it yet (promise 7).

In comes a session whose steps are done; out comes what was read back, with the digest by which alone it can be sent.
The pump is read again first, and whatever changed since the reading that the session rests on is a refusal that names
it.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from thecal.clinic.programming.achieving import in_drug_names
from thecal.clinic.programming.judging import judged
from thecal.clinic.programming.order_text import tables_of
from thecal.clinic.pumps import LinkAway
from thecal.clinic.record.tables import Interrogation, LogRecord, Order, PumpProposal, Session
from thecal.clinic.refused import Refused
from thecal.clinic.session.asking import granted_in, open_asks, unknown_first
from thecal.clinic.session.bolusing import bolus_part
from thecal.clinic.session.comparing import change_rows, consequence
from thecal.clinic.session.ended import No, Proposed
from thecal.clinic.session.fluid import against_other_fluid
from thecal.clinic.session.held import held_of
from thecal.clinic.session.readings import keep_reading, not_reached, read_whole, refresh, status_of
from thecal.clinic.session.second_physician import against_old_dose
from thecal.clinic.session.stepping import first_not_done, is_open, session_of
from thecal.clinic.session.timing import clock_part
from thecal.clinic.session.without_drug import against_going_on
from thecal.clinic.session.writing import written
from thecal.clinic.workflow import Step, Workflow
from thecal.link.log_reading import Event
from thecal.link.talk import READING_GOOD_FOR_S, Result
from thecal.pump.compile import FixedFlow
from thecal.pump.core.codes import DAY_S
from thecal.pump.document import Prepared, Written, prepare
from thecal.pump.refused import Refused as PumpRefused
from thecal.quantities import Volume

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date

    from sqlalchemy.orm import Session as Look

    from thecal.clinic.practice import Practice
    from thecal.clinic.programming.judging import Judged
    from thecal.clinic.record import Record
    from thecal.clinic.who import Who
    from thecal.formulary import Formulary
    from thecal.link.interrogation import Interrogation as Read
    from thecal.link.reading import Status
    from thecal.link.therapy_change import Proposal

PROGRAMS = {Workflow.PROGRAM, Workflow.REFILL_NEW, Workflow.RESTART}
"""Workflows that end in another program."""
_CHANGES = (int(Event.PROGRAM), int(Event.REFILL))


def draft_of(db: Look, session: Session) -> Order | None:
    """The order of a session: the one that its step names, else the newest; None where there is none."""
    named = (session.entered.get(Step.PROGRAM.value) or {}).get("order")
    if named is not None:
        return db.get(Order, int(named))
    query = select(Order).where(Order.session_id == session.id, Order.state.in_(("draft", "signed")))
    return db.scalars(query.order_by(Order.id.desc())).first()


def propose(  # noqa: PLR0911 -- one for each reason
    practice: Practice, who: Who, session_id: int, order_id: int | None = None
) -> Proposed | Refused:
    """Review what is to be sent once more, bring it to the pump where it is a program, and read it back.

    ``order_id`` names the order of a workflow that ends in a program, and is None in others. The digest of what came
    of it is what ``send`` takes, until ``until_s``. Refused where a finding stops it, where the pump cannot run it,
    where anything changed in the pump since the session's reading, and where the pump does not take it.
    """
    with practice.reading() as db:
        found = _may_propose(db, session_id, who)
        if isinstance(found, Refused):
            return found
        before = db.get(Interrogation, found.reading_id)
    if before is None:
        return not_reached(f"session {session_id} rests on no reading")
    read = read_whole(practice, found.serial)
    if isinstance(read, Refused):
        return read
    with practice.reading() as db:
        order = db.get(Order, order_id) if order_id is not None else None
    other = changed(changes_since(before, read))
    if other is not None:
        return other
    if Workflow(found.workflow) not in PROGRAMS:
        return _without_program(practice, who, found, read)
    if order is None or order.patient_id != found.patient_id or order.serial != found.serial:
        return Refused(No.ORDER, "no order for this patient and pump", "the order drafted here", "finish the program")
    if order.state != "signed":
        return Refused(
            No.ORDER, f"an order that is {order.state}", "a signed one", "sign it in the step of the program"
        )
    return _with_program(practice, who, found, order, read)


def _may_propose(db: Look, session_id: int, who: Who) -> Session | Refused:
    found = session_of(db, session_id, who)
    if isinstance(found, Refused):
        return found
    not_known = open_asks(db, found.serial)
    if not_known:
        return unknown_first(not_known[0])
    if "send" in found.entered:
        return Refused(No.SENT, "a session that was sent", "one that was not", "begin another session")
    if not is_open(found, Step.REVIEW):
        here = first_not_done(found, found.entered).value
        return Refused(No.STEP, "the review", f"the step {here} first", f"finish the step {here}")
    return found


def changes_since(before: Interrogation, read: Read) -> Iterator[str]:
    """What is different in the pump from what a session rests on; time's own work on the level is none."""
    refilled = any(r.event == Event.REFILL and r.number > before.log_last for r in read.records)
    yield from changes_of(status_of(before), read.status, refilled=refilled)


def changes_of(was: Status, now: Status, *, refilled: bool = False) -> Iterator[str]:
    """The same by two statuses; ``refilled`` where the log tells of a refill in between."""
    if now.digest != was.digest:
        yield f"another program runs: number {now.program}, it was {was.program}"
    if now.alarms != was.alarms:
        yield "the active alarms are others than before"
    if (now.running, now.delivering) != (was.running, was.delivering):
        yield f"the pump {'delivers' if now.delivering else 'stands still'} now"
    if now.level_nl > was.level_nl or refilled:
        was_level, level = (Volume.of(nl, "nL").text("mL") for nl in (was.level_nl, now.level_nl))
        yield f"the level of the reservoir is {level}, it was {was_level}"
    if now.clock_s - now.uptime_s != was.clock_s - was.uptime_s:
        yield "the pump clock was set"


def changed(found: Iterable[str]) -> Refused | None:
    """The refusal that names what changed; None where nothing did."""
    said = "; ".join(found)
    then = "read the pump again in this session, look at what changed, and review again"
    return Refused(No.CHANGED, said, "the pump as this session read it", then) if said else None


# With a program ---------------------------------------------------------------------------------------------------


def _with_program(practice: Practice, who: Who, session: Session, order: Order, read: Read) -> Proposed | Refused:
    found = judged(order.text, practice, day_of(practice.now_s()))
    with practice.reading() as db:
        stops = against(found, read) or against_old_dose(db, session, order, found)
    if stops is not None:
        return stops
    lines, changes = said_of(found, read, practice.formulary)
    made = prepared(practice, order, found, read, lines)
    if isinstance(made, Refused):
        return made
    patient = bytes(made.compiled.program().patient_ref)
    try:
        told = practice.pumps.propose(session.serial, made.compiled.packed, made.document, patient)
    except LinkAway as away:
        return not_reached(f"{away}; the running program is untouched")
    if isinstance(told, Result):
        said, _, then = told.said.partition("; next: ")
        return Refused(No.PUMP_CANNOT, said, "", then or "look at the reason, then review again")
    return _kept(practice, who, session, order, found, made, told, read, (lines, changes))


def day_of(utc_s: int) -> date:
    """The day in UTC of a moment."""
    from datetime import UTC, datetime  # noqa: PLC0415

    return datetime.fromtimestamp(utc_s, UTC).date()


def against(found: Judged, read: Read) -> Refused | None:
    """Why an order is not brought to this pump: it cannot be read, is for another pump, or a finding stops it."""
    file, order = found.file, found.order
    if file is None or order is None:
        return found.refused[0]
    if file.serial not in {None, read.identity.serial} or order.pump.family != read.identity.family:
        allowed = f"an order for pump {read.identity.serial} ({read.identity.family})"
        return Refused(No.ORDER, f"an order for pump {file.serial} ({order.pump.family})", allowed, "write it anew")
    stroke = order.pump.stroke
    if stroke is not None and stroke.number("nL") != read.identity.stroke_nl:
        allowed = f"{read.identity.stroke_nl} nL, as the pump says"
        return Refused(
            No.ORDER, f"an order for a stroke of {stroke.text('nL')}", allowed, "correct the implant's facts"
        )
    if found.hard:
        first = found.hard[0]
        return Refused(No.FINDINGS, first.message, "an order without a hard finding", first.next_step)
    if found.unreasoned:
        first = found.unreasoned[0]
        return Refused(No.FINDINGS, first.message, "a reason for it", "state the reason in the step of the program")
    return None


def said_of(found: Judged, read: Read, formulary: Formulary) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The program in sentences, and what changes against what the pump really runs."""
    held = held_of(read.program, read.document, formulary)
    running = None if held.file is None else held.file.order
    return ((), ()) if found.order is None else consequence(running, found.order, formulary)


def prepared(practice: Practice, order: Order, found: Judged, read: Read, lines: tuple[str, ...]) -> Prepared | Refused:
    """An order compiled for the pump as it was read, with its document, which says ``lines``."""
    if found.order is None or found.file is None:
        return found.refused[0]
    held = held_of(read.program, read.document, practice.formulary)
    with practice.reading() as db:
        lately = changed_lately(db, read)
    said = Written(
        software=practice.software,
        formulary=practice.formulary.version,
        sentence=lines,
        order=order.text,
        title=found.file.title,
    )
    made = prepare(found.order, said, number=read.status.program + 1, held=held.document, changed_within_a_day=lately)
    if isinstance(made, PumpRefused):
        made = in_drug_names(made, found.order, practice.formulary)
        return Refused(No.PUMP_CANNOT, made.found, made.allowed, made.then)
    if isinstance(made, FixedFlow):
        return Refused(No.PUMP_CANNOT, "a pump of one flow", "a pump that is programmed", "order what it gives")
    return made


def changed_lately(db: Look, read: Read) -> bool:
    """Whether a program or a fill changed in the past 24 h of uptime; where the log does not say, it did."""
    if read.missing or read.log_fault:
        return True
    since_s = read.status.uptime_s - DAY_S
    if any(r.event in _CHANGES and r.uptime_s > since_s for r in read.records):
        return True
    kept = select(LogRecord.id).where(
        LogRecord.serial == read.identity.serial, LogRecord.event.in_(_CHANGES), LogRecord.uptime_s > since_s
    )
    return db.scalars(kept.limit(1)).first() is not None


def _kept(  # noqa: PLR0917 -- everything that a proposal is made of
    practice: Practice,
    who: Who,
    session: Session,
    order: Order,
    found: Judged,
    made: Prepared,
    told: Proposal,
    read: Read,
    said: tuple[tuple[str, ...], tuple[str, ...]],
) -> Proposed | Refused:
    until_s = practice.now_s() + told.confirm_within_s
    change = change_rows(told.change, made.compiled.channels, practice.formulary)
    lines, changes = said
    rows = () if found.achievable is None else found.achievable.rows
    settings = [{"name": r.name, "asked": r.asked, "given": r.given, "difference": r.difference} for r in rows]

    def keep(record: Record) -> dict[str, Any] | Refused:
        row = session_of(record.session, session.id, who)
        if isinstance(row, Refused):
            return row
        now = record.get(Order, order.id)
        if now is None or now.revision != order.revision:
            return Refused(No.ORDER, "the order, changed meanwhile", "the order as reviewed", "review it again")
        kept = record.keep(
            PumpProposal(
                serial=session.serial,
                patient_id=session.patient_id,
                session_id=session.id,
                order_id=order.id,
                order_revision=order.revision,
                number=told.number,
                digest=told.digest,
                program=made.compiled.packed,
                document=made.document,
                order_text=order.text,
                sentence=list(lines),
                change=[_plain(c) for c in change],
                settings=settings,
                start=int(made.compiled.start),
                until_s=until_s,
            )
        )
        confirm = {"operation": "confirm", "fields": {"digest": told.digest.hex()}, "said": ""}
        parts = [*_fill_parts(record.session, row, read), confirm]
        return _reviewed(record, row, read, told.digest.hex(), until_s, parts, proposal=kept.id, changes=list(changes))

    done = written(practice, who, "proposed a program", session.patient_id, keep, order=order.id)
    if isinstance(done, Refused):
        return done
    return Proposed(told.digest, told.number, until_s, change, lines, done)


def _plain(change: Any) -> dict[str, str]:
    names = ("drug", "base_before", "base_after", "most_before", "most_after")
    return {name: getattr(change, name) for name in names}


def _reviewed(  # noqa: PLR0917 -- everything that a review keeps
    record: Record, row: Session, read: Read, digest: str, until_s: int, parts: list[dict[str, Any]], **more: Any
) -> dict[str, Any]:
    """Keep that the session was reviewed, on the grounds of which reading, and what is sent by which digest."""
    kept = keep_reading(record, read, row.patient_id, row.id)
    entered = {"digest": digest, "until_s": until_s, "parts": parts, "reading": kept.id, **more}
    new = {**row.entered, Step.REVIEW.value: entered}
    step = first_not_done(row, new).value
    record.change(row, "reviewed", row.revision, entered=new, step=step, reading_id=kept.id)
    refresh(record, row.patient_id)
    return entered


# Without one ------------------------------------------------------------------------------------------------------


def _against(db: Look, practice: Practice, session: Session, read: Read) -> Refused | None:
    """Why nothing is sent that leaves the program as it is: too long without drug, or another fluid in the pump."""
    row = db.get(Interrogation, session.reading_id)
    if session.workflow == Workflow.REFILL_SAME:
        return against_going_on(db, row, practice.formulary, practice.now_s())
    held = held_of(read.program, read.document, practice.formulary)
    if session.workflow != Workflow.BOLUS or held.document is None or held.file is None:
        return None
    return against_other_fluid(db, session.serial, tables_of(held.document.order)["mixture"]["ingredients"])


def _fill_parts(db: Look, session: Session, read: Read) -> list[dict[str, Any]]:
    """The level that the pump is told: what was in the reservoir after the fill, less what was given since."""
    fill = session.entered.get(Step.FILL.value) or {}
    if "level_nl" not in fill:
        return []
    told = [fields for operation, fields in granted_in(db, session.id) if operation == "refill"]
    level = int(told[-1]["level_nl"]) if told else max(0, int(fill["level_nl"]) - _given_since(db, session, read))
    said = f"count from {Volume.of(level, 'nL').text('mL')} in the reservoir"
    return [{"operation": "refill", "fields": {"level_nl": level}, "said": said}]


def _given_since(db: Look, session: Session, read: Read) -> int:
    """nL that the pump gave since the fill of this session, by its own account: a session may be left over night.

    What it gave between the reading before the fill and the fill counts as well: the level errs to the lower side.
    """
    from thecal.clinic.refilling.hands import DONE, FILL, last_of  # noqa: PLC0415 - it reads sessions

    filled = last_of(db, session.id, FILL)
    if filled is None or filled.kind != DONE[FILL]:
        return 0
    query = select(Interrogation).where(
        Interrogation.serial == session.serial, Interrogation.read_utc_s <= filled.at_utc_s
    )
    before = db.scalars(query.order_by(Interrogation.read_utc_s.desc(), Interrogation.id.desc()).limit(1)).first()
    return 0 if before is None else max(0, status_of(before).level_nl - read.status.level_nl)


def _without_program(practice: Practice, who: Who, session: Session, read: Read) -> Proposed | Refused:
    """A refill, a bolus, the clock: the digest is of what will be asked; it holds as long as the reading is good."""
    with practice.reading() as db:
        parts: list[dict[str, Any]] | Refused = _fill_parts(db, session, read)
        stop = _against(db, practice, session, read)
    if stop is not None:
        return stop
    if session.workflow == Workflow.BOLUS:
        parts = bolus_part(practice.formulary, session, read)
    elif session.workflow == Workflow.CLOCK:
        parts = clock_part(practice, session, read)
    if isinstance(parts, Refused):
        return parts
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()
    until_s = practice.now_s() + READING_GOOD_FOR_S

    def keep(record: Record) -> dict[str, Any] | Refused:
        row = session_of(record.session, session.id, who)
        return row if isinstance(row, Refused) else _reviewed(record, row, read, digest.hex(), until_s, parts)

    done = written(practice, who, "reviewed what is to be sent", session.patient_id, keep, session=session.id)
    return done if isinstance(done, Refused) else Proposed(digest, 0, until_s, (), (), done)
