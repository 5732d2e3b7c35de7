"""Field notices: the list, a new one, whom it is about and what was done for each, and its end."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from fastapi import Form as FormOf
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel
from sqlalchemy import select
from starlette.responses import Response

from thecal.clinic.desk import notices
from thecal.clinic.record.tables import Act, FieldNotice
from thecal.pump.families import load_families
from thecal.web.answers import MISSING, WRONG
from thecal.web.door import Visit, may
from thecal.web.pages.desk_forms import (
    FORM,
    Lines,
    RowId,
    SeenForm,
    Text,
    Words,
    desk_page,
    names_of,
    status_for,
    whole,
)
from thecal.web.screen import Entries, go

router = APIRouter(tags=["notices"])


class NoticeForm(BaseModel):
    """A notice as it was entered."""

    title: Words = ""
    source: Words = ""
    published_on: Words = ""
    action: Words = ""
    families: Lines = ""
    models: Lines = ""
    serials: Lines = ""
    softwares: Lines = ""
    catheters: Lines = ""
    all_pumps: Words = ""


class HandledForm(BaseModel):
    """What was done for one patient."""

    patient: Words = ""
    how: Words = ""


@router.get("/notices", response_class=HTMLResponse)
def see_notices(visit: Annotated[Visit, Depends(may("notice.see"))], page: Text = "") -> HTMLResponse:
    """Every notice, open ones first, with how many patients are still to be dealt with."""
    with visit.reading() as session:
        rows, pages = notices.notices(session, whole(page, 1))
        pumps = notices.Pumps.of(session)
        found = [(n, notices.matched(session, n, pumps)) for n in rows]
    counted = [(n, len(m), sum(one.handled is None for one in m)) for n, m in found]
    return desk_page(visit, "notices/list.html", rows=counted, page=min(max(1, whole(page, 1)), pages), pages=pages)


@router.get("/notices/new", response_class=HTMLResponse)
def new_notice(visit: Annotated[Visit, Depends(may("notice.edit"))]) -> HTMLResponse:
    """An empty form."""
    return _form(visit, Entries())


@router.post("/notices/new", response_class=RedirectResponse, status_code=303, responses=WRONG)
def enter(visit: Annotated[Visit, Depends(may("notice.edit"))], form: Annotated[NoticeForm, FormOf()]) -> Response:
    """Enter a notice."""
    made = notices.enter(visit.house, visit.who, notices.Entry(**form.model_dump()))
    if isinstance(made, tuple):
        return _form(visit, Entries(form.model_dump(), made), 422)
    return go(f"/notices/{made.id}")


@router.get("/notices/{notice_id}", response_class=HTMLResponse, responses=MISSING)
def see_notice(visit: Annotated[Visit, Depends(may("notice.see"))], notice_id: RowId) -> HTMLResponse:
    """One notice, and whom it is about."""
    return _page(visit, notice_id)


@router.post("/notices/{notice_id}/handle", response_class=RedirectResponse, status_code=303, responses=FORM)
def handle(
    visit: Annotated[Visit, Depends(may("notice.handle"))], notice_id: RowId, form: Annotated[HandledForm, FormOf()]
) -> Response:
    """Say what was done for one patient."""
    _there(visit, notice_id)
    made = notices.handle(visit.house, visit.who, notice_id, whole(form.patient), form.how)
    if isinstance(made, tuple):
        return _page(visit, notice_id, Entries(form.model_dump(), made), whole(form.patient), status_for(made))
    return go(f"/notices/{notice_id}")


@router.post("/notices/{notice_id}/close", response_class=RedirectResponse, status_code=303, responses=FORM)
def close(
    visit: Annotated[Visit, Depends(may("notice.edit"))], notice_id: RowId, form: Annotated[SeenForm, FormOf()]
) -> Response:
    """Close a notice."""
    _there(visit, notice_id)
    made = notices.close(visit.house, visit.who, notice_id, whole(form.revision), form.note)
    if isinstance(made, tuple):
        return _page(visit, notice_id, Entries(form.model_dump(), made), status=status_for(made))
    return go(f"/notices/{notice_id}")


def _there(visit: Visit, notice_id: int) -> None:
    with visit.reading() as session:
        if session.get(FieldNotice, notice_id) is None:
            raise HTTPException(404)


def _form(visit: Visit, entries: Entries, status: int = 200) -> HTMLResponse:
    with visit.reading() as session:
        softwares = notices.known_softwares(session)
    families = sorted(load_families())
    return desk_page(visit, "notices/new.html", status, entries=entries, families=families, softwares=softwares)


def _page(visit: Visit, notice_id: int, entries: Entries | None = None, at: int = 0, status: int = 200) -> HTMLResponse:
    with visit.reading() as session:
        notice = session.get(FieldNotice, notice_id)
        if notice is None:
            raise HTTPException(404)
        found = notices.matched(session, notice)
        acts = select(Act).where(Act.subject_kind == "field_notice", Act.subject_id == notice_id, Act.kind == "closed")
        closed = session.scalars(acts).first()
        who_did = [m.handled.by_person for m in found if m.handled is not None]
        names = names_of(session, [*who_did, notice.by_person, closed.by_person if closed else None])
    visit.looked("saw whom a field notice is about", notice=notice_id)
    return desk_page(
        visit, "notices/notice.html", status, notice=notice, found=found, names=names, closed=closed, at=at,
        entries=entries or Entries(), left=sum(m.handled is None for m in found),
    )  # fmt: skip
