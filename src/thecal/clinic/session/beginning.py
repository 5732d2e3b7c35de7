"""Beginning a session: the whole pump is read first, and patient, pump and order have to agree (rule E1).

The pump is read outside of any transaction; the reading and the session are written together, or nothing is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from thecal.clinic.implants import implant_of
from thecal.clinic.record.tables import Patient, Person, Session
from thecal.clinic.refused import Refused
from thecal.clinic.session.ended import No
from thecal.clinic.session.held import held_of
from thecal.clinic.session.readings import keep_reading, one_at_a_time, read_whole, refresh
from thecal.clinic.session.stepping import (
    SENT,
    first_not_done,
    may_work,
    not_allowed,
    patient_of,
    session_of,
    without,
)
from thecal.clinic.session.writing import written
from thecal.clinic.workflow import WAYS, Step, Workflow
from thecal.pump.compile import patient_reference

if TYPE_CHECKING:
    from sqlalchemy.orm import Session as Look

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.record.tables import Implant
    from thecal.clinic.who import Who
    from thecal.formulary import Formulary
    from thecal.link.interrogation import Interrogation as Read

OPEN = "open"


def begin(practice: Practice, who: Who, patient_id: int, workflow: Workflow = Workflow.LOOK) -> Session | Refused:
    """Read the pump of a patient whole, keep what it said, and open a session that rests on it.

    Refused where the person may not, where another session is open at this pump (it names who has it), where the pump
    was not reached, and where the patient on the screen, the pump and the order in it do not agree. Nothing is
    written then.
    """
    if not who.may("session.begin") or not who.may(WAYS[workflow].action):
        return not_allowed(f"{who.name} and the workflow {WAYS[workflow].name!r}", "ask somebody who may begin it")
    with practice.reading() as db:
        patient, implant = db.get(Patient, patient_id), implant_of(db, patient_id)
        against = _against(db, patient, implant)
    if against is not None or patient is None or implant is None:
        return against or _no_pump("no patient")
    read = read_whole(practice, implant.serial)
    if isinstance(read, Refused):
        return read
    wrong = disagreement(read, patient, implant, practice.formulary)
    if wrong is not None:
        return wrong
    return written(
        practice,
        who,
        "began a session",
        patient_id,
        lambda r: _begun(r, read, patient_id, workflow),
        serial=implant.serial,
    )


def _begun(record: Record, read: Read, patient_id: int, workflow: Workflow) -> Session | Refused:
    one_at_a_time(record)
    serial = read.identity.serial
    taken = _taken(record.session, serial)
    if taken is not None:
        return taken
    row = record.keep(
        Session(
            patient_id=patient_id,
            serial=serial,
            workflow=workflow.value,
            step=Step.READ.value,
            state=OPEN,
            parent=_newest(record.session, serial),
            entered={},
            person_id=record.who.person_id,
        )
    )
    kept = keep_reading(record, read, patient_id, row.id)
    record.change(row, "read", reading_id=kept.id)
    refresh(record, patient_id)
    return row


def _against(db: Look, patient: Patient | None, implant: Implant | None) -> Refused | None:
    if patient is None:
        return Refused(No.NO_PATIENT, "no patient of that number", "a patient of this clinic", "look the patient up")
    if implant is None:
        return _no_pump(f"{patient.given} {patient.family} without a pump")
    return _taken(db, implant.serial)


def _no_pump(found: str) -> Refused:
    return Refused(No.NO_PUMP, found, "a patient with a pump", "enter the implanted pump first")


def open_at(db: Look, serial: str) -> Session | None:
    """The session that is open at a pump, None where none is."""
    return db.scalars(select(Session).where(Session.serial == serial, Session.state == OPEN)).first()


def _taken(db: Look, serial: str) -> Refused | None:
    found = open_at(db, serial)
    if found is None:
        return None
    person = db.get(Person, found.person_id)
    name = person.name if person is not None else "nobody who is known"
    return Refused(
        No.ALREADY_OPEN,
        f"session {found.id} open at pump {serial}, in which {name} works",
        "one open session at a pump",
        f"close it with {name}, or open session {found.id} and take it over",
    )


def _newest(db: Look, serial: str) -> int | None:
    return db.scalars(select(Session.id).where(Session.serial == serial).order_by(Session.id.desc()).limit(1)).first()


def disagreement(  # noqa: PLR0911 -- one for each disagreement
    read: Read, patient: Patient, implant: Implant, formulary: Formulary
) -> Refused | None:
    """Where the patient on the screen, the pump and the order in it are not of one another; both sides are named."""
    if read.identity.serial != implant.serial:
        return _apart(f"pump {read.identity.serial}", f"pump {implant.serial}, as implanted")
    if read.identity.family != implant.family:
        return _apart(f"a pump of the family {read.identity.family}", f"{implant.family}, as implanted")
    if not read.program:
        return None
    of_patient = f"those of {patient.given} {patient.family}, {patient.number} (reference {patient.reference})"
    held = held_of(read.program, read.document, formulary)
    if held.document is not None and held.document.patient != patient.reference:
        return _apart(f"an order for reference {held.document.patient} in pump {implant.serial}", of_patient)
    if read.identity.patient != patient_reference(patient.reference):
        return _apart(f"pump {implant.serial} programmed for another patient", of_patient)
    if held.file is not None and held.file.serial not in {None, implant.serial}:
        return _apart(f"an order for pump {held.file.serial} in pump {implant.serial}", f"pump {implant.serial}")
    return None


def _apart(found: str, allowed: str) -> Refused:
    then = "compare the patient, the implant card and the pump; do nothing at this pump until they agree"
    return Refused(No.DISAGREE, found, allowed, then)


def take_over(practice: Practice, who: Who, session_id: int, seen: int) -> Session | Refused:
    """Go on with somebody else's open session; that it was taken over, from whom and by whom, is written down."""

    def taken(record: Record) -> Session | Refused:
        found = session_of(record.session, session_id)
        if isinstance(found, Refused):
            return found
        if not may_work(who, found):
            return not_allowed(f"{who.name} and the workflow {found.workflow!r}", "ask somebody who may do it")
        details = {"from_person": found.person_id}
        return record.change(found, "taken over", seen, details, person_id=who.person_id)

    return written(practice, who, "took a session over", patient_of(practice, session_id), taken, session=session_id)


def turn(practice: Practice, who: Who, session_id: int, seen: int, workflow: Workflow) -> Session | Refused:
    """Choose, or choose anew, what a session is for; what was entered for another workflow is void."""
    if not who.may(WAYS[workflow].action):
        return not_allowed(f"{who.name} and the workflow {WAYS[workflow].name!r}", "ask somebody who may begin it")

    def turned(record: Record) -> Session | Refused:
        found = session_of(record.session, session_id, who)
        if isinstance(found, Refused):
            return found
        if SENT in found.entered:
            then = "close this session and begin another one"
            return Refused(No.SENT, "a session in which something was sent", "a session before it is sent", then)
        kept = {name: held for name, held in found.entered.items() if name == Step.READ.value}
        details = {"was": found.workflow, "void": found.entered}
        step = WAYS[workflow].steps[1] if kept else Step.READ
        new = {"workflow": workflow.value, "entered": kept, "step": step.value}
        return record.change(found, "workflow chosen", seen, details, **new)

    return written(practice, who, "chose a workflow", patient_of(practice, session_id), turned, session=session_id)


def read_again(practice: Practice, who: Who, session_id: int, seen: int) -> Session | Refused:
    """Read the pump whole once more and let the session rest on it; review and proposal are void."""
    with practice.reading() as db:
        found = session_of(db, session_id, who)
        if isinstance(found, Refused):
            return found
        patient, implant = db.get(Patient, found.patient_id), implant_of(db, found.patient_id)
    if patient is None or implant is None:
        return _no_pump(f"session {session_id} without a pump")
    read = read_whole(practice, found.serial)
    wrong = read if isinstance(read, Refused) else disagreement(read, patient, implant, practice.formulary)
    if wrong is not None or isinstance(read, Refused):
        return wrong or _no_pump("no reading")
    whole = read
    return written(practice, who, "read a pump", patient.id, lambda r: _read_again(r, whole, session_id, seen))


def _read_again(record: Record, read: Read, session_id: int, seen: int) -> Session | Refused:
    row = session_of(record.session, session_id, record.who)
    if isinstance(row, Refused):
        return row
    kept = keep_reading(record, read, row.patient_id, row.id)
    entered = row.entered if SENT in row.entered else without(row.entered, Step.REVIEW)
    step = first_not_done(row, entered).value
    record.change(row, "read again", seen, reading_id=kept.id, entered=entered, step=step)
    refresh(record, row.patient_id)
    return row
