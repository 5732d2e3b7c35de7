"""Visits that are agreed: booked, moved, canceled, attended, missed; times at the clinic, with both kinds of odd hour.

A refill is booked a forced number of days before its worst-case date, or by somebody who gives a reason by name.
Whatever takes a visit away without another one raises a task in the same transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import uuid4

from sqlalchemy import select

from thecal.clinic.desk.board import last_day_to_book
from thecal.clinic.desk.checking import GivenUp, alone, attempt
from thecal.clinic.desk.days import as_date, day_of, local, moment_at
from thecal.clinic.desk.lines import REFILL_KINDS, refresh
from thecal.clinic.desk.settings import desk_of
from thecal.clinic.desk.tasks import raise_task, stop_ladders
from thecal.clinic.pharmacy.ordering import open_of
from thecal.clinic.record.tables import BoardLine, Booking, Override, Patient, Person
from thecal.clinic.refused import EditedMeanwhile, Refused
from thecal.therapy.refusal import day_text, minute_text

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from sqlalchemy.orm import Session

    from thecal.clinic.desk.settings import Desk
    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.who import Who
    from thecal.formulary import Formulary

HOUR_S = 3600
MOST_MINUTES = 480
MOST_WORDS = 400

KINDS = {
    "refill": "Refill",
    "program": "Programming",
    "follow-up": "Follow-up",
    "mri": "MRI visit",
    "other": "Other visit",
}
"""What a visit is for, with its name for people."""
PLACES = {"clinic": "at the clinic", "home": "at home"}


class State(StrEnum):
    """What became of a visit. A visit that was moved is booked again: its acts tell from where."""

    BOOKED = "booked"
    CANCELED = "canceled"
    ATTENDED = "attended"
    MISSED = "missed"


class No(StrEnum):
    """Why nothing was booked or changed."""

    NO_PATIENT = "no-such-patient"
    NO_BOOKING = "no-such-booking"
    KIND = "unknown-kind"
    PLACE = "unknown-place"
    MINUTES = "not-a-length"
    CLINICIAN = "no-such-clinician"
    PAST = "in-the-past"
    TOO_LATE = "too-near-the-worst-case"
    CLASH = "clinician-has-another-visit"
    TWICE = "already-booked"
    OVER = "not-booked-any-more"
    NOT_YET = "not-yet"
    REASON = "no-reason"


@dataclass(frozen=True, slots=True)
class Entry:
    """A visit as it was entered, all as text.

    ``which`` tells the first from the second of an hour that comes twice; ``late_reason`` is why a refill lies nearer
    to its worst case than the clinic allows; ``clash`` is "yes" where the clinician's other visit was seen.
    """

    kind: str = "refill"
    day: str = ""
    time: str = ""
    which: str = ""
    minutes: str = ""
    person_id: str = ""
    place: str = "clinic"
    late_reason: str = ""
    clash: str = ""


@dataclass(frozen=True, slots=True)
class _Visit:
    """An entry that could be read."""

    kind: str
    begins_utc_s: int
    minutes: int
    person_id: int | None
    place: str

    @property
    def ends_utc_s(self) -> int:
        return self.begins_utc_s + self.minutes * 60


def book(practice: Practice, who: Who, patient_id: int, entry: Entry) -> Booking | tuple[Refused, ...]:
    """Agree on a visit; refused with every reason."""

    def made(record: Record) -> Booking:
        visit, late = _checked(record, patient_id, entry, None)
        booking = record.keep(
            Booking(patient_id=patient_id, kind=visit.kind, begins_utc_s=visit.begins_utc_s, minutes=visit.minutes,
                person_id=visit.person_id, place=visit.place, state=State.BOOKED, uid=f"{uuid4()}@thecal", sequence=0,
                changed_utc_s=record.now_s)
        )  # fmt: skip
        _after(record, booking, (entry, late), practice.formulary)
        return booking

    return attempt(practice, who, "visit booked", patient_id, made)


def move(practice: Practice, who: Who, booking_id: int, seen: int, entry: Entry) -> Booking | tuple[Refused, ...]:
    """Another time, clinician or place for a visit; what it is for, and its identity in calendars, stay."""

    def made(record: Record) -> Booking:
        booking = _booked(record, booking_id, seen)
        visit, late = _checked(record, booking.patient_id, replace(entry, kind=booking.kind), booking)
        from_utc_s = booking.begins_utc_s
        record.change(
            booking, "moved", details={"from_utc_s": from_utc_s}, begins_utc_s=visit.begins_utc_s,
            minutes=visit.minutes, person_id=visit.person_id, place=visit.place, sequence=booking.sequence + 1,
            changed_utc_s=record.now_s,
        )  # fmt: skip
        _after(record, booking, (entry, late), practice.formulary)
        return booking

    return attempt(practice, who, "visit moved", _patient_of(practice, booking_id), made)


def cancel(practice: Practice, who: Who, booking_id: int, seen: int, why: str) -> Booking | tuple[Refused, ...]:
    """Take a visit away; where no other of its kind is booked, a task to find one is raised at once."""

    def made(record: Record) -> Booking:
        booking = _booked(record, booking_id, seen)
        reason = _reason(why, "why")
        _ended(record, booking, State.CANCELED, {"why": reason})
        if not _another(record.session, booking, record.now_s):
            settings = desk_of(record.session).settings
            raise_task(
                record, f"booking {booking.id} canceled", booking.patient_id, kind="rebook",
                text=f"{KINDS.get(booking.kind, booking.kind)} canceled without a new one: {reason}. Find a new time.",
                due_utc_s=record.now_s + settings.canceled_task_hours * HOUR_S,
                for_role="nurse" if _dangerous(record.session, booking.patient_id) else "desk",
            )  # fmt: skip
        refresh(record, booking.patient_id, practice.formulary)
        return booking

    return attempt(practice, who, "visit canceled", _patient_of(practice, booking_id), made)


def mark(practice: Practice, who: Who, booking_id: int, seen: int, state: State) -> Booking | tuple[Refused, ...]:
    """Say that a visit was attended or missed; neither before its time has come."""

    def made(record: Record) -> Booking:
        booking = _booked(record, booking_id, seen)
        if record.now_s < booking.begins_utc_s:
            begins = minute_text(local(booking.begins_utc_s, desk_of(record.session).zone))
            found = f"a visit that begins on {begins}"
            raise GivenUp(Refused(No.NOT_YET, found, "a visit whose time has come", "cancel or move it instead"))
        ended(record, booking, state, practice.formulary)
        return booking

    return attempt(practice, who, f"visit {state}", _patient_of(practice, booking_id), made)


def ended(record: Record, booking: Booking, state: State, formulary: Formulary) -> None:
    """Write down what became of a visit, with all that follows from it."""
    _ended(record, booking, state, {})
    if state is State.ATTENDED:
        stop_ladders(record, booking.patient_id)
    refresh(record, booking.patient_id, formulary)


def _ended(record: Record, booking: Booking, state: State, details: dict[str, str]) -> None:
    """What became of a visit; only one that is canceled is another visit to calendars."""
    on = 1 if state is State.CANCELED else 0
    record.change(
        booking,
        state.value,
        details=dict(details),
        state=state.value,
        sequence=booking.sequence + on,
        changed_utc_s=record.now_s,
    )


def _after(record: Record, booking: Booking, said: tuple[Entry, Refused | None], formulary: Formulary) -> None:
    """What goes with a new time: the override by name, the end of ladders, the line, the day the drug is needed."""
    entry, late = said
    if late is not None:
        record.keep(
            Override(patient_id=booking.patient_id, finding=No.TOO_LATE.value, found=late.found, allowed=late.allowed,
                authority="this clinic's desk settings", reason=entry.late_reason.strip())
        )  # fmt: skip
    if booking.kind in REFILL_KINDS:
        stop_ladders(record, booking.patient_id)
        needed_by_follows(record, booking)
    refresh(record, booking.patient_id, formulary)


def needed_by_follows(record: Record, booking: Booking) -> None:
    """The syringe that is on its way is needed on the day of the visit, so that its countdown follows a move."""
    day = as_date(day_of(booking.begins_utc_s, desk_of(record.session).zone))
    for preparation in open_of(record.session, booking.patient_id)[:1]:
        if preparation.needed_by != day:
            details = {"was": preparation.needed_by.isoformat(), "why": f"refill booked for {day.isoformat()}"}
            record.change(preparation, "needed-by moved", details=details, needed_by=day)


def _checked(record: Record, patient_id: int, entry: Entry, old: Booking | None) -> tuple[_Visit, Refused | None]:
    """The visit, and the rule that somebody goes past by name; GivenUp with everything that is wrong."""
    alone(record)
    session, desk = record.session, desk_of(record.session)
    patient = session.get(Patient, patient_id)
    if patient is None or not patient.active:
        raise GivenUp(Refused(No.NO_PATIENT, f"patient {patient_id}", "a patient of this clinic", "look them up"))
    read = _read(session, entry, desk)
    if isinstance(read, tuple):
        raise GivenUp(*read)
    wrong = [*_past(read, record.now_s), *_twice(record, patient_id, read, old, desk.zone)]
    wrong += [] if entry.clash == "yes" else _clash(session, read, old, desk)
    late = _too_late(session, patient_id, read, desk)
    if late is not None and not entry.late_reason.strip():
        wrong.append(late)
    if wrong:
        raise GivenUp(*wrong)
    return read, late


def _read(session: Session, entry: Entry, desk: Desk) -> _Visit | tuple[Refused, ...]:
    wrong: list[Refused] = []
    if entry.kind not in KINDS:
        wrong.append(Refused(No.KIND, entry.kind or "no kind", ", ".join(KINDS), "choose one", "kind"))
    if entry.place not in PLACES:
        wrong.append(Refused(No.PLACE, entry.place or "no place", ", ".join(PLACES), "choose one", "place"))
    minutes = (
        int(entry.minutes) if entry.minutes.isascii() and entry.minutes.isdigit() and len(entry.minutes) < 4 else 0
    )
    if not 0 < minutes <= MOST_MINUTES:
        allowed = f"1 to {MOST_MINUTES} min, as a whole number"
        wrong.append(Refused(No.MINUTES, entry.minutes or "no length", allowed, "enter how long it takes", "minutes"))
    person = _clinician(session, entry.person_id)
    if isinstance(person, Refused):
        wrong.append(person)
    begins = moment_at(entry.day, entry.time, entry.which, desk.zone)
    if isinstance(begins, Refused):
        return (*wrong, begins)
    if wrong or isinstance(person, Refused):
        return tuple(wrong)
    return _Visit(entry.kind, begins, minutes, person, entry.place)


def _clinician(session: Session, text: str) -> int | Refused | None:
    if not text:
        return None
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    person = session.get(Person, number)
    if person is None or not person.active or not set(person.roles) & {"physician", "nurse"}:
        return Refused(
            No.CLINICIAN, text, "a physician or a nurse of this clinic", "choose one, or nobody", "person_id"
        )
    return number


@dataclass(frozen=True, slots=True)
class Clinician:
    """Somebody who can be booked."""

    id: int
    name: str


def clinicians(session: Session) -> list[Clinician]:
    """Who can be booked, by name."""
    people = session.execute(
        select(Person.id, Person.name, Person.roles).where(Person.active.in_((True,))).order_by(Person.name)
    )
    return [Clinician(p.id, p.name) for p in people if set(p.roles) & {"physician", "nurse"}]


def _past(visit: _Visit, now_s: int) -> list[Refused]:
    if visit.begins_utc_s >= now_s:
        return []
    return [Refused(No.PAST, "a time that has passed", "a time to come", "choose a later one", "time")]


def _twice(record: Record, patient_id: int, visit: _Visit, old: Booking | None, zone: ZoneInfo) -> list[Refused]:
    """Another visit of the kind, booked for a time to come."""
    query = select(Booking).where(
        Booking.patient_id == patient_id, Booking.kind == visit.kind, Booking.state == State.BOOKED,
        Booking.begins_utc_s >= record.now_s,
    )  # fmt: skip
    others = [b for b in record.session.scalars(query.order_by(Booking.begins_utc_s)) if old is None or b.id != old.id]
    if not others:
        return []
    begins = minute_text(local(others[0].begins_utc_s, zone))
    found = f"another {KINDS[visit.kind].lower()} booked on {begins}"
    return [Refused(No.TWICE, found, "one visit of a kind at a time", "move that one, or cancel it first")]


def _clash(session: Session, visit: _Visit, old: Booking | None, desk: Desk) -> list[Refused]:
    """A visit of the same clinician that overlaps: a warning that is passed by saying so."""
    if visit.person_id is None:
        return []
    query = select(Booking).where(
        Booking.person_id == visit.person_id, Booking.state == State.BOOKED,
        Booking.begins_utc_s < visit.ends_utc_s, Booking.begins_utc_s > visit.begins_utc_s - MOST_MINUTES * 60,
    )  # fmt: skip
    for other in session.scalars(query.order_by(Booking.begins_utc_s)):
        if (old is None or other.id != old.id) and other.begins_utc_s + other.minutes * 60 > visit.begins_utc_s:
            begins = local(other.begins_utc_s, desk.zone)
            found = f"another visit of this clinician from {begins:%H:%M} for {other.minutes} min"
            return [
                Refused(
                    No.CLASH, found, "one visit at a time", "choose another time, or say that both are meant", "clash"
                )
            ]
    return []


def _too_late(session: Session, patient_id: int, visit: _Visit, desk: Desk) -> Refused | None:
    """A refill nearer to the worst case than the clinic's forced days; None where it is early enough, or no refill."""
    if visit.kind not in REFILL_KINDS:
        return None
    line, days = session.get(BoardLine, patient_id), desk.settings.book_before_days
    last = None if line is None else last_day_to_book(line, desk.settings)
    if last is None:
        found = "a pump whose worst-case date is not known"
        return Refused(No.TOO_LATE, found, f"a refill at least {days} days before that date", _NAMED, "late_reason")
    if day_of(visit.begins_utc_s, desk.zone) <= last:
        return None
    allowed = f"{_day_text(last)} or earlier: {days} days before the worst case, and while the drug is stable"
    on = _day_text(day_of(visit.begins_utc_s, desk.zone))
    return Refused(No.TOO_LATE, f"a refill on {on}", allowed, _NAMED, "late_reason")


def _day_text(day: int) -> str:
    on = as_date(day)
    return day_text(on)


_NAMED = "choose an earlier day, or give the reason, which is kept with your name"


def _another(session: Session, booking: Booking, now_s: int) -> bool:
    query = select(Booking.id).where(
        Booking.patient_id == booking.patient_id, Booking.kind == booking.kind, Booking.state == State.BOOKED,
        Booking.begins_utc_s >= now_s, Booking.id != booking.id,
    )  # fmt: skip
    return session.scalars(query.limit(1)).first() is not None


def _booked(record: Record, booking_id: int, seen: int) -> Booking:
    alone(record)
    booking = record.get(Booking, booking_id)
    if booking is None:
        raise GivenUp(Refused(No.NO_BOOKING, f"booking {booking_id}", "a booking of this clinic", "look it up"))
    if booking.revision != seen:
        raise EditedMeanwhile(f"booking {booking_id}", seen, booking.revision)
    if booking.state != State.BOOKED:
        raise GivenUp(Refused(No.OVER, f"a visit that is {booking.state}", "a booked one", "book a new visit"))
    return booking


def _reason(text: str, field: str) -> str:
    reason = text.strip()
    if not 3 <= len(reason) <= MOST_WORDS:
        allowed = f"a reason of 3 to {MOST_WORDS} characters"
        raise GivenUp(Refused(No.REASON, reason or "no reason", allowed, "say why", field))
    return reason


def _dangerous(session: Session, patient_id: int) -> bool:
    line = session.get(BoardLine, patient_id)
    return line is not None and line.rank == 0


def _patient_of(practice: Practice, booking_id: int) -> int | None:
    with practice.reading() as session:
        booking = session.get(Booking, booking_id)
        return None if booking is None else booking.patient_id
