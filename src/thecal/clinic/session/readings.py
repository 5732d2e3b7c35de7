"""Readings of a pump as they are kept: everything that it said, and every record of its log exactly once.

A link's interrogation comes in; rows come out, and the link's own types again from a row. Nothing here asks a pump but
``read_whole`` and ``poll``, and those write only after the pump has answered.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from thecal.clinic.pumps import LinkAway
from thecal.clinic.record.tables import AuditHead, ClockDecision, Implant, Interrogation, LogRecord
from thecal.clinic.refused import Refused
from thecal.clinic.session.ended import No
from thecal.clinic.who import SYSTEM
from thecal.link.interrogation import FROM_THE_START
from thecal.link.reading import AlarmTimes, Identity, Status, Totals
from thecal.link.talk import Result

if TYPE_CHECKING:
    from sqlalchemy.orm import Session as Look

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.link.interrogation import Interrogation as Read


def reading(db: Look, serial: str) -> Interrogation | None:
    """The newest kept reading of a pump, None where it was never read."""
    newest = select(Interrogation).where(Interrogation.serial == serial)
    return db.scalars(newest.order_by(Interrogation.read_utc_s.desc(), Interrogation.id.desc()).limit(1)).first()


def status_of(row: Interrogation) -> Status:
    """What the pump said that it did, at a kept reading."""
    return Status(**{f.name: _value(row.status[f.name]) for f in fields(Status)})


def identity_of(row: Interrogation) -> Identity:
    """Which pump it said it was, whose, and its accounts, at a kept reading."""
    held = {f.name: _value(row.identity[f.name]) for f in fields(Identity) if f.name not in {"alarms", "totals"}}
    alarms = tuple(AlarmTimes(*times) for times in row.identity["alarms"])
    return Identity(**held, alarms=alarms, totals=Totals(*row.identity["totals"]))


def known_log(db: Look, serial: str) -> tuple[int, bytes]:
    """Number and digest of the newest record of a pump's log that is kept; the one before the first where none is."""
    newest = reading(db, serial)
    return FROM_THE_START if newest is None else (newest.log_last, newest.log_digest)


def read_whole(practice: Practice, serial: str) -> Read | Refused:
    """Everything that the pump holds, its log from behind what is kept on; refused where it was not read to the end."""
    with practice.reading() as db:
        known = known_log(db, serial)
    try:
        found = practice.pumps.interrogate(serial, known)
    except LinkAway as away:
        return not_reached(str(away))
    return not_reached(found.said) if isinstance(found, Result) else found


def not_reached(said: str) -> Refused:
    """The refusal where a pump was not read."""
    then = "hold the programmer over the pump and read it again; what is known of it is its last reading"
    return Refused(No.NOT_REACHED, said.partition("; allowed:")[0].removesuffix("."), "a pump that answers", then)


def keep_reading(record: Record, read: Read, patient_id: int | None, session_id: int | None = None) -> Interrogation:
    """Keep a reading, and those records of the log that are not kept yet; in the transaction of ``record``."""
    one_at_a_time(record)
    serial, read_utc_s = read.identity.serial, utc_s_of(read.read_utc)
    before = reading(record.session, serial)
    last, digest = read.log_end
    row = record.keep(
        Interrogation(
            serial=serial,
            patient_id=patient_id,
            session_id=session_id,
            read_utc_s=read_utc_s,
            uptime_s=read.status.uptime_s,
            pump_clock_s=read.status.clock_s,
            pump_offset_s=believed_offset(record.session, serial),
            whole=1,
            status=_plain(read.status),
            identity=_identity(read.identity),
            program=read.program,
            document=read.document,
            log_last=before.log_last if read.log_fault and before else last,
            log_digest=before.log_digest if read.log_fault and before else digest,
            log_missing=read.missing,
            log_fault=read.log_fault,
        )
    )
    _keep_log(record, read, row)
    return row


def one_at_a_time(record: Record) -> None:
    """Others who do the same wait until this transaction has ended: no record is kept twice, nothing asked twice."""
    record.session.execute(select(AuditHead).with_for_update())


def _keep_log(record: Record, read: Read, row: Interrogation) -> None:
    if not read.records:
        return
    numbers = select(LogRecord.number).where(LogRecord.serial == row.serial, LogRecord.number >= read.records[0].number)
    kept = set(record.session.scalars(numbers))
    for found in read.records:
        if found.number not in kept:
            record.keep(
                LogRecord(
                    serial=row.serial,
                    number=found.number,
                    uptime_s=found.uptime_s,
                    utc_s=row.read_utc_s - (row.uptime_s - found.uptime_s),
                    event=found.event,
                    fields={"a": found.a, "b": found.b, "clock_s": found.clock_s},
                    interrogation_id=row.id,
                )
            )


def believed_offset(db: Look, serial: str) -> int | None:
    """The UTC offset that the clinic believes a pump's clock to keep, in s east; None where nobody wrote one down."""
    newest = select(ClockDecision.utc_offset_s).where(ClockDecision.serial == serial)
    return db.scalars(newest.order_by(ClockDecision.id.desc()).limit(1)).first()


def poll(practice: Practice, serial: str) -> Interrogation | Refused:
    """Read a pump by schedule: the status alone where program and log are as they were, else all of it."""
    with practice.reading() as db:
        before = reading(db, serial)
        patient_id = db.scalars(
            select(Implant.patient_id).where(Implant.serial == serial, Implant.until.is_(None))
        ).first()
    try:
        status = practice.pumps.status(serial)
    except LinkAway as away:
        return not_reached(str(away))
    if isinstance(status, Result):
        return not_reached(status.said)
    if before is None or _moved(before, status):
        return _poll_whole(practice, serial, patient_id)
    with practice.writing(SYSTEM, "read a pump by schedule", patient_id, serial=serial) as record:
        return _refreshed(record, _keep_status(record, before, status))


def _poll_whole(practice: Practice, serial: str, patient_id: int | None) -> Interrogation | Refused:
    read = read_whole(practice, serial)
    if isinstance(read, Refused):
        return read
    with practice.writing(SYSTEM, "read a pump by schedule", patient_id, serial=serial) as record:
        return _refreshed(record, keep_reading(record, read, patient_id))


def _refreshed(record: Record, row: Interrogation) -> Interrogation:
    if row.patient_id is not None:
        refresh(record, row.patient_id)
    return row


def _moved(before: Interrogation, status: Status) -> bool:
    """Whether the pump's own account says that something else than time has passed since a reading."""
    was = status_of(before)
    return (status.digest, status.log_records, status.boots) != (was.digest, was.log_records, was.boots)


def _keep_status(record: Record, before: Interrogation, status: Status) -> Interrogation:
    one_at_a_time(record)
    return record.keep(
        Interrogation(
            serial=before.serial,
            patient_id=before.patient_id,
            session_id=None,
            read_utc_s=record.now_s,
            uptime_s=status.uptime_s,
            pump_clock_s=status.clock_s,
            pump_offset_s=believed_offset(record.session, before.serial),
            whole=0,
            status=_plain(status),
            identity=before.identity,
            program=before.program,
            document=before.document,
            log_last=before.log_last,
            log_digest=before.log_digest,
            log_missing=0,
            log_fault=before.log_fault,
        )
    )


def refresh(record: Record, patient_id: int) -> None:
    """Make the patient's line of the board anew, in the same transaction."""
    from thecal.clinic.desk.lines import refresh as refresh_line  # noqa: PLC0415 - the desk reads this module as well

    refresh_line(record, patient_id)


def utc_s_of(text: str) -> int:
    """A moment of the link's text in s since 1970."""
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())


def _plain(status: Status) -> dict[str, Any]:
    return {f.name: _kept(getattr(status, f.name)) for f in fields(status)}


def _identity(identity: Identity) -> dict[str, Any]:
    held = {f.name: _kept(getattr(identity, f.name)) for f in fields(identity) if f.name not in {"alarms", "totals"}}
    times = [[t.issued_s, t.acknowledged_s, t.cleared_s] for t in identity.alarms]
    totals = [getattr(identity.totals, f.name) for f in fields(identity.totals)]
    return {**held, "alarms": times, "totals": totals}


def _kept(value: Any) -> Any:
    return {"hex": value.hex()} if isinstance(value, bytes) else value


def _value(value: Any) -> Any:
    return bytes.fromhex(value["hex"]) if isinstance(value, dict) else value
