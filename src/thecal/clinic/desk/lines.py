"""The lines of the board: each made anew from the record whenever something that it shows has changed.

``refresh`` works in the caller's transaction, so that a line never tells of something that was given up.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from thecal.clinic.desk.dates import known_of, line_dates
from thecal.clinic.desk.days import day_of
from thecal.clinic.desk.marks import marks_of, pump_state, risk_notes, withdrawal_drugs
from thecal.clinic.desk.matching import notices_of
from thecal.clinic.desk.settings import desk_of
from thecal.clinic.desk.shown import contact_shown, dates_shown, order_shown
from thecal.clinic.implants import implant_of
from thecal.clinic.record.tables import BoardLine, Booking, Implant, Patient
from thecal.clinic.sought import folded
from thecal.clinic.who import SYSTEM
from thecal.formulary import load

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from thecal.clinic.desk.dates import Known
    from thecal.clinic.desk.settings import Desk
    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.formulary import Formulary

REFILL_KINDS = ("refill",)
"""Kinds of bookings that bring drug."""
AT_ONCE = 200
"""Lines that one transaction makes anew, where all are."""


@cache
def _shipped() -> Formulary:
    return load()


def refresh(record: Record, patient_id: int, formulary: Formulary | None = None) -> None:
    """Make a patient's line anew from the record; there is none where no pump is in use or the patient has left.

    ``formulary`` is what says which drugs must not stop: the one handed over, else the one in force in this
    transaction, else the one that ships.
    """
    session = record.session
    patient, implant = record.get(Patient, patient_id), implant_of(session, patient_id)
    old = session.get(BoardLine, patient_id)
    if patient is None or implant is None or not patient.active:
        if old is not None:
            session.delete(old)
            session.flush()
        return
    known = formulary or record.stamp.known or _shipped()
    session.merge(_line(session, patient, implant, known, record.now_s))
    session.flush()


def made_under(desk: Desk, formulary: Formulary) -> str:
    """What every line depends on beside its patient: the clinic's zone, the formulary, how far back boluses count."""
    return f"{desk.zone.key} {formulary.version} {desk.settings.use_days}"


def refresh_behind(practice: Practice) -> int:
    """Make anew what was made under another zone, formulary or setting, a few lines in each transaction; how many.

    It is called behind each such change and by every round of the clinic's upkeep, so that a process that ended in
    between leaves nothing behind for longer than a round.
    """
    done, last = 0, 0
    while patients := _behind(practice, last):
        with practice.writing(SYSTEM, "board made anew") as record:
            for patient_id in patients:
                refresh(record, patient_id, practice.formulary)
        done, last = done + len(patients), patients[-1]
    return done


def _behind(practice: Practice, after: int) -> list[int]:
    with practice.reading() as session:
        now = made_under(desk_of(session), practice.formulary)
        query = select(BoardLine.patient_id).where(BoardLine.made_under != now, BoardLine.patient_id > after)
        return list(session.scalars(query.order_by(BoardLine.patient_id).limit(AT_ONCE)))


def next_refill(session: Session, patient_id: int, now_s: int, desk: Desk) -> Booking | None:
    """The next refill that is booked, today's included even where its hour is past."""
    today = day_of(now_s, desk.zone)
    query = select(Booking).where(
        Booking.patient_id == patient_id, Booking.state == "booked", Booking.kind.in_(REFILL_KINDS)
    )
    for booking in session.scalars(query.order_by(Booking.begins_utc_s)):
        if day_of(booking.begins_utc_s, desk.zone) >= today:
            return booking
    return None


def _line(session: Session, patient: Patient, implant: Implant, formulary: Formulary, now_s: int) -> BoardLine:
    desk = desk_of(session)
    known = known_of(session, implant.serial, patient.id)
    dates = line_dates(session, known, formulary, desk)
    booking = next_refill(session, patient.id, now_s, desk)
    state = pump_state(known)
    notices = notices_of(session, patient.id, implant, known)
    marks = marks_of(session, patient.id, implant.serial, known)
    dangerous = withdrawal_drugs(session, known, formulary)
    shown: dict[str, Any] = {
        "name": f"{patient.given} {patient.family}",
        "number": patient.number,
        "language": patient.language,
        "pump": f"{implant.model} {implant.serial}",
        "program": _program_text(known),
        "dates": dates_shown(dates),
        "booking": _booking_shown(booking),
        "order": order_shown(session, patient.id),
        "contact": contact_shown(session, patient.id),
        "risks": risk_notes(session, patient, now_s),
        "dangerous": dangerous,
        "marks": [*state.marks, *marks],
        "notices": [{"id": n.id, "title": n.title} for n in notices],
    }
    return BoardLine(
        patient_id=patient.id,
        serial=implant.serial,
        search=folded(f"{patient.search} {implant.serial} {implant.model}"),
        rank=0 if dangerous else 1,
        due_day=dates.due,
        worst_day=dates.worst,
        expected_day=dates.expected,
        booked_day=None if booking is None else day_of(booking.begins_utc_s, desk.zone),
        read_utc_s=None if known.reading is None else known.reading.read_utc_s,
        stopped_utc_s=state.stopped_utc_s,
        looks=len(shown["marks"]),
        notices=len(notices),
        shown=shown,
        made_under=made_under(desk, formulary),
    )


def _program_text(known: Known) -> str:
    if known.run is None:
        return ""
    sentence = known.run.sentence
    lines = sentence if isinstance(sentence, list) else [sentence]
    return str(lines[0]) if lines and isinstance(lines[0], str) else ""


def _booking_shown(booking: Booking | None) -> dict[str, Any] | None:
    if booking is None:
        return None
    return {"id": booking.id, "begins_utc_s": booking.begins_utc_s, "place": booking.place}
