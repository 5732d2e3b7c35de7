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
from thecal.clinic.paging import paged
from thecal.clinic.record.tables import BoardLine, Booking
from thecal.web.answers import MISSING
from thecal.web.door import Visit, may
from thecal.web.pages.desk_forms import FORM, RowId, Text, Words, desk_page, names_of, patient_of, status_for, whole
from thecal.web.screen import Entries, go

router = APIRouter(tags=["contacts"])

MOST_ROWS = 50
"""Tries, and visits, on one page. Ours."""


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
def see_contacts(
    visit: Annotated[Visit, Depends(may("booking.see"))], patient_id: RowId, tries: Text = "", visits: Text = ""
) -> HTMLResponse:
    """A patient as the desk knows them; tries and visits a page at a time."""
    return _page(visit, patient_id, at=(whole(tries, 1), whole(visits, 1)))


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
    visit: Visit,
    patient_id: int,
    status: int = 200,
    tried: Entries | None = None,
    reach: Entries | None = None,
    *,
    at: tuple[int, int] = (1, 1),
) -> HTMLResponse:
    with visit.reading() as session:
        patient = patient_of(session, patient_id)
        line = session.get(BoardLine, patient_id)
        row = None if line is None else line_row(session, line, visit.now_s)
        tried_before = paged(session, contacts.contacts_of(patient_id), at[0], MOST_ROWS)
        visits = select(Booking).where(Booking.patient_id == patient_id).order_by(Booking.begins_utc_s.desc())
        booked = paged(session, visits.order_by(Booking.id), at[1], MOST_ROWS)
        tasks = list(session.scalars(listed("", "", patient_id)))
        names = names_of(session, [*(b.person_id for b in booked.rows), *(t.by_person for t in tried_before.rows)])
    visit.looked("saw how a patient is reached", patient_id)
    known = Entries(
        {
            "phone": patient.phone,
            "language": patient.language,
            "risks": "\n".join(patient.risks or []),
            "in_feeds": "yes" if patient.in_feeds else "no",
        }
    )
    return desk_page(
        visit, "contacts/patient.html", status, patient=patient, row=row, tries=tried_before, booked=booked,
        tasks=tasks, names=names, entries=tried or Entries(), reach=reach or known, kinds=KINDS,
        high_risk=high_risk(line), ways=list(contacts.WAYS.items()), abouts=list(contacts.ABOUT.items()),
        outcomes=contacts.OUTCOMES,
        words=BAND_WORDS, shapes=BAND_SHAPES,
    )  # fmt: skip
