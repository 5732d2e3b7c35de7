"""The clinic's own times and thresholds for its desk."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from fastapi import Form as FormOf
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel
from sqlalchemy import select
from starlette.responses import Response

from thecal.clinic.desk import setting
from thecal.clinic.desk.settings import desk_settings
from thecal.clinic.record.tables import Clinic
from thecal.web.answers import MISSING
from thecal.web.door import Visit, may
from thecal.web.pages.desk_forms import FORM, Lines, Words, desk_page, status_for, whole
from thecal.web.screen import Entries, go

router = APIRouter(tags=["desk settings"])


class DeskForm(BaseModel):
    """The settings as they were entered."""

    book_before_days: Words = ""
    book_before_reason: Words = ""
    book_within_days: Words = ""
    soon_days: Words = ""
    later_days: Words = ""
    stale_hours: Words = ""
    use_days: Words = ""
    missed_after_minutes: Words = ""
    canceled_task_hours: Words = ""
    task_missed_hours: Words = ""
    canceled_days: Words = ""
    identify_by: Words = ""
    ladder: Lines = ""
    revision: Words = ""


@router.get("/site/desk", response_class=HTMLResponse, responses=MISSING)
def see_settings(visit: Annotated[Visit, Depends(may("site.edit"))]) -> HTMLResponse:
    """What the desk goes by."""
    return _page(visit)


@router.post("/site/desk", response_class=RedirectResponse, status_code=303, responses=FORM)
def keep_settings(visit: Annotated[Visit, Depends(may("site.edit"))], form: Annotated[DeskForm, FormOf()]) -> Response:
    """Keep what was entered."""
    made = setting.set_desk(visit.house, visit.who, whole(form.revision), form.model_dump())
    if isinstance(made, tuple):
        return _page(visit, Entries(form.model_dump(), made), status_for(made))
    return go("/site/desk")


def _page(visit: Visit, entries: Entries | None = None, status: int = 200) -> HTMLResponse:
    with visit.reading() as session:
        clinic = session.scalars(select(Clinic).order_by(Clinic.id).limit(1)).first()
    if clinic is None:
        raise HTTPException(404)
    known = Entries(setting.entries_of(desk_settings(clinic)))
    return desk_page(
        visit, "bookings/settings.html", status, entries=entries or known, numbers=setting.NUMBERS,
        revision=clinic.revision, identify=[("initials", "their initials"), ("number", "the clinic's number")],
    )  # fmt: skip
