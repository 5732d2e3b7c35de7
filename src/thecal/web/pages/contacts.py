"""A patient as the desk knows them: how to reach them, tries to do so, visits, tasks, and what makes coming hard."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi import Form as FormOf
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel
from sqlalchemy import select
from starlette.responses import Response

from thecal.clinic.desk import contacts
from thecal.clinic.desk.board import BAND_SHAPES, BAND_WORDS, line_row
from thecal.clinic.desk.bookings import KINDS
from thecal.clinic.desk.reaching import Entry, change_reach
from thecal.clinic.desk.tasks import high_risk, listed
from thecal.clinic.record.tables import BoardLine, Booking
from thecal.web.answers import MISSING
from thecal.web.door import Visit, may
from thecal.web.pages.desk_forms import FORM, RowId, Words, desk_page, names_of, patient_of, status_for, whole
from thecal.web.screen import Entries, go

router = APIRouter(tags=["contacts"])

MOST_ROWS = 50


class TryForm(BaseModel):
    """A try to reach a patient."""

    way: Words = ""
    about: Words = ""
    outcome: Words = ""
    note: Words = ""


class ReachForm(BaseModel):
    """How a patient is reached, and what makes coming hard."""

    phone: Words = ""
    language: Words = ""
    risks: Words = ""
    in_feeds: Words = ""
    revision: Words = ""


@router.get("/contacts/{patient_id}", response_class=HTMLResponse, responses=MISSING)
def see_contacts(visit: Annotated[Visit, Depends(may("booking.see"))], patient_id: RowId) -> HTMLResponse:
    """A patient as the desk knows them."""
    return _page(visit, patient_id)


@router.post("/contacts/{patient_id}", response_class=RedirectResponse, status_code=303, responses=FORM)
def write_down(
    visit: Annotated[Visit, Depends(may("contact.add"))], patient_id: RowId, form: Annotated[TryForm, FormOf()]
) -> Response:
    """Write down a try to reach a patient."""
    _there(visit, patient_id)
    made = contacts.write_down(visit.house, visit.who, patient_id, contacts.Entry(**form.model_dump()))
    if isinstance(made, tuple):
        return _page(visit, patient_id, tried=Entries(form.model_dump(), made), status=status_for(made))
    return go(f"/contacts/{patient_id}")


@router.post("/contacts/{patient_id}/reach", response_class=RedirectResponse, status_code=303, responses=FORM)
def change(
    visit: Annotated[Visit, Depends(may("patient.contact"))], patient_id: RowId, form: Annotated[ReachForm, FormOf()]
) -> Response:
    """Change how a patient is reached."""
    _there(visit, patient_id)
    entry = Entry(**form.model_dump(exclude={"revision"}))
    made = change_reach(visit.house, visit.who, patient_id, whole(form.revision), entry)
    if isinstance(made, tuple):
        return _page(visit, patient_id, reach=Entries(form.model_dump(), made), status=status_for(made))
    return go(f"/contacts/{patient_id}")


def _there(visit: Visit, patient_id: int) -> None:
    with visit.reading() as session:
        patient_of(session, patient_id)


def _page(
    visit: Visit, patient_id: int, status: int = 200, tried: Entries | None = None, reach: Entries | None = None
) -> HTMLResponse:
    with visit.reading() as session:
        patient = patient_of(session, patient_id)
        line = session.get(BoardLine, patient_id)
        row = None if line is None else line_row(session, line, visit.now_s)
        tries = list(session.scalars(contacts.contacts_of(patient_id).limit(MOST_ROWS)))
        visits = select(Booking).where(Booking.patient_id == patient_id).order_by(Booking.begins_utc_s.desc())
        booked = list(session.scalars(visits.limit(MOST_ROWS)))
        tasks = list(session.scalars(listed("", "", patient_id).limit(MOST_ROWS)))
        names = names_of(session, [*(b.person_id for b in booked), *(t.by_person for t in tries)])
    with visit.writing("saw how a patient is reached", patient_id):
        pass
    known = Entries(
        {
            "phone": patient.phone,
            "language": patient.language,
            "risks": "\n".join(patient.risks or []),
            "in_feeds": "yes" if patient.in_feeds else "no",
        }
    )
    return desk_page(
        visit, "contacts/patient.html", status, patient=patient, row=row, tries=tries, booked=booked, tasks=tasks,
        names=names, entries=tried or Entries(), reach=reach or known, kinds=KINDS, high_risk=high_risk(line),
        ways=list(contacts.WAYS.items()), abouts=list(contacts.ABOUT.items()), outcomes=contacts.OUTCOMES,
        words=BAND_WORDS, shapes=BAND_SHAPES,
    )  # fmt: skip
