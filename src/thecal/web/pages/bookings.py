"""Bookings: the list by day, a visit made, moved, canceled, attended or missed, and one visit as a calendar file."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Form, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel
from sqlalchemy import func, select
from starlette.responses import Response

from thecal.clinic.desk import bookings
from thecal.clinic.desk.board import line_row
from thecal.clinic.desk.days import local, moment_at
from thecal.clinic.desk.feeds import visit_of
from thecal.clinic.desk.rebooking import entry_of
from thecal.clinic.desk.settings import desk_of
from thecal.clinic.desk.tasks import high_risk, tasks_due
from thecal.clinic.record.tables import BoardLine, Booking, Clinic, Patient
from thecal.clinic.refused import Refused
from thecal.exchange.calendar import Place, visit_calendar
from thecal.web.answers import MISSING, WRONG
from thecal.web.door import Visit, may
from thecal.web.pages.desk_forms import (
    FORM,
    RowId,
    SeenForm,
    Text,
    Words,
    desk_page,
    names_of,
    patient_of,
    status_for,
    whole,
)
from thecal.web.screen import Entries, go

router = APIRouter(tags=["bookings"])

PAGE = 50
CALENDAR: dict[int | str, dict[str, Any]] = {
    200: {"description": "The visit as iCalendar.", "content": {"text/calendar": {"schema": {"type": "string"}}}}
}


class VisitForm(BaseModel):
    """A visit as it was entered."""

    patient: Words = ""
    kind: Words = ""
    day: Words = ""
    time: Words = ""
    which: Words = ""
    minutes: Words = ""
    person_id: Words = ""
    place: Words = ""
    late_reason: Words = ""
    clash: Words = ""
    revision: Words = ""

    def entry(self) -> bookings.Entry:
        """As the desk takes it."""
        return bookings.Entry(**self.model_dump(exclude={"patient", "revision"}))


@router.get("/bookings", response_class=HTMLResponse)
def see_bookings(
    visit: Annotated[Visit, Depends(may("booking.see"))],
    day: Text = "",
    person: Text = "",
    page: Text = "",
) -> HTMLResponse:
    """Visits from a day on, of every clinician or of one."""
    visit.looked("saw bookings", day=day, person=person)
    with visit.reading() as session:
        desk = desk_of(session)
        today = local(visit.now_s, desk.zone).date().isoformat()
        begins = moment_at(day or today, "00:00", "first", desk.zone)
        begins = moment_at(today, "00:00", "first", desk.zone) if isinstance(begins, Refused) else begins
        since = begins if isinstance(begins, int) else visit.now_s
        query = select(Booking, Patient).join(Patient, Patient.id == Booking.patient_id)
        query = query.where(Booking.begins_utc_s >= since)
        if whole(person):
            query = query.where(Booking.person_id == whole(person))
        total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
        pages = max(1, -(-total // PAGE))
        at = min(max(1, whole(page, 1)), pages)
        ordered = query.order_by(Booking.begins_utc_s, Booking.id).limit(PAGE).offset((at - 1) * PAGE)
        rows = [(b, p) for b, p in session.execute(ordered)]
        names = names_of(session, [b.person_id for b, _ in rows])
        people = bookings.clinicians(session)
    asked = {"day": local(since, desk.zone).date().isoformat(), "person": person, "page": at, "pages": pages}
    return desk_page(
        visit, "bookings/list.html", rows=rows, names=names, people=people, asked=asked, kinds=bookings.KINDS,
        places=bookings.PLACES, total=total,
    )  # fmt: skip


@router.get("/bookings/new", response_class=HTMLResponse, responses=MISSING)
def new_booking(
    visit: Annotated[Visit, Depends(may("booking.edit"))],
    patient: Text = "",
    kind: Text = "refill",
    place: Text = "clinic",
) -> HTMLResponse:
    """A form for a visit of a patient; no day, time or length stands in it."""
    return _form(visit, whole(patient), Entries({"kind": kind, "place": place}))


@router.post("/bookings/new", response_class=RedirectResponse, status_code=303, responses={**WRONG, **MISSING})
def book(visit: Annotated[Visit, Depends(may("booking.edit"))], form: Annotated[VisitForm, Form()]) -> Response:
    """Agree on a visit."""
    with visit.reading() as session:
        patient_of(session, whole(form.patient))
    made = bookings.book(visit.house, visit.who, whole(form.patient), form.entry())
    if isinstance(made, tuple):
        return _form(visit, whole(form.patient), Entries(form.model_dump(), made), 422)
    return go(f"/bookings/{made.id}")


@router.get("/bookings/{booking_id}", response_class=HTMLResponse, responses=MISSING)
def see_booking(visit: Annotated[Visit, Depends(may("booking.see"))], booking_id: RowId) -> HTMLResponse:
    """One visit, and what can be done about it."""
    return _booking(visit, booking_id)


@router.post("/bookings/{booking_id}/move", response_class=RedirectResponse, status_code=303, responses=FORM)
def move(
    visit: Annotated[Visit, Depends(may("booking.edit"))], booking_id: RowId, form: Annotated[VisitForm, Form()]
) -> Response:
    """Another time for a visit."""
    _there(visit, booking_id)
    made = bookings.move(visit.house, visit.who, booking_id, whole(form.revision), form.entry())
    if isinstance(made, tuple):
        return _booking(visit, booking_id, Entries(form.model_dump(), made), status_for(made))
    return go(f"/bookings/{booking_id}")


@router.post("/bookings/{booking_id}/cancel", response_class=RedirectResponse, status_code=303, responses=FORM)
def cancel(
    visit: Annotated[Visit, Depends(may("booking.edit"))], booking_id: RowId, form: Annotated[SeenForm, Form()]
) -> Response:
    """Take a visit away; where there is no new one, a task is raised."""
    _there(visit, booking_id)
    made = bookings.cancel(visit.house, visit.who, booking_id, whole(form.revision), form.note)
    if isinstance(made, tuple):
        return _booking(visit, booking_id, ended=Entries(form.model_dump(), made), status=status_for(made))
    return go(f"/bookings/{booking_id}")


@router.post("/bookings/{booking_id}/attended", response_class=RedirectResponse, status_code=303, responses=FORM)
def attended(
    visit: Annotated[Visit, Depends(may("booking.edit"))], booking_id: RowId, form: Annotated[SeenForm, Form()]
) -> Response:
    """The patient came."""
    return _mark(visit, booking_id, form, bookings.State.ATTENDED)


@router.post("/bookings/{booking_id}/missed", response_class=RedirectResponse, status_code=303, responses=FORM)
def missed(
    visit: Annotated[Visit, Depends(may("booking.edit"))], booking_id: RowId, form: Annotated[SeenForm, Form()]
) -> Response:
    """The patient did not come: the ladder begins at once."""
    return _mark(visit, booking_id, form, bookings.State.MISSED)


@router.get("/bookings/{booking_id}/visit.ics", response_class=Response, responses={**CALENDAR, **MISSING})
def visit_file(visit: Annotated[Visit, Depends(may("booking.see"))], booking_id: RowId) -> Response:
    """One visit as a file for the patient's own calendar."""
    with visit.reading() as session:
        booking = session.get(Booking, booking_id)
        clinic = session.scalars(select(Clinic)).first()
        if booking is None or clinic is None:
            raise HTTPException(404)
        found = visit_of(booking, patient_of(session, booking.patient_id), desk_of(session).settings.identify_by)
    visit.looked("took a visit out as a calendar file", booking.patient_id)
    body = visit_calendar(place_of(clinic), found)
    headers = {"content-disposition": f'attachment; filename="visit-{booking_id}.ics"'}
    return Response(body, media_type="text/calendar", headers=headers)


def place_of(clinic: Clinic) -> Place:
    """What calendars say of the clinic."""
    return Place(clinic.name, clinic.address, clinic.phone, ZoneInfo(clinic.zone))


def _mark(visit: Visit, booking_id: int, form: SeenForm, state: bookings.State) -> Response:
    _there(visit, booking_id)
    made = bookings.mark(visit.house, visit.who, booking_id, whole(form.revision), state)
    if isinstance(made, tuple):
        return _booking(visit, booking_id, ended=Entries(form.model_dump(), made), status=status_for(made))
    tasks_due(visit.house)
    return go(f"/bookings/{booking_id}")


def _there(visit: Visit, booking_id: int) -> None:
    with visit.reading() as session:
        if session.get(Booking, booking_id) is None:
            raise HTTPException(404)


def _form(visit: Visit, patient_id: int, entries: Entries, status: int = 200) -> HTMLResponse:
    with visit.reading() as session:
        patient = patient_of(session, patient_id)
        line = session.get(BoardLine, patient_id)
        row = None if line is None else line_row(session, line, visit.now_s)
        people = [(p.id, p.name) for p in bookings.clinicians(session)]
    visit.looked("saw a booking form", patient_id)
    return desk_page(
        visit, "bookings/new.html", status, patient=patient, row=row, people=people, entries=entries,
        kinds=list(bookings.KINDS.items()), places=list(bookings.PLACES.items()), high_risk=high_risk(line),
    )  # fmt: skip


def _booking(
    visit: Visit, booking_id: int, entries: Entries | None = None, status: int = 200, ended: Entries | None = None
) -> HTMLResponse:
    with visit.reading() as session:
        booking = session.get(Booking, booking_id)
        if booking is None:
            raise HTTPException(404)
        patient = patient_of(session, booking.patient_id)
        desk = desk_of(session)
        names = names_of(session, [booking.person_id])
        people = [(p.id, p.name) for p in bookings.clinicians(session)]
        line = session.get(BoardLine, patient.id)
        row = None if line is None else line_row(session, line, visit.now_s)
    visit.looked("saw a booking", patient.id)
    now = entry_of(booking, desk)
    known = Entries({name: getattr(now, name) for name in bookings.Entry.__slots__})
    return desk_page(
        visit, "bookings/booking.html", status, booking=booking, patient=patient, names=names, people=people, row=row,
        entries=entries or known, ended=ended or Entries(), kinds=bookings.KINDS, places=list(bookings.PLACES.items()),
        high_risk=high_risk(line),
    )  # fmt: skip
