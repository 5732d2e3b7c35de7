"""The account of who saw, changed and checked what, for administrators."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field
from sqlalchemy import select

from thecal.clinic.people import auditing
from thecal.clinic.people.auditing import Looked
from thecal.clinic.record.tables import Clinic, Person
from thecal.clinic.refused import Refused
from thecal.web.answers import WRONG
from thecal.web.door import Visit, may
from thecal.web.screen import Entries, render

router = APIRouter(tags=["audit"])

Words = Annotated[str, Field(max_length=200)]


class LookForm(BaseModel):
    """What is looked for, as it was entered."""

    person: Words = ""
    patient: Words = ""
    action: Words = ""
    day: Words = ""
    before: Words = ""


class LookFault(StrEnum):
    """Why nothing was looked for."""

    DAY = "audit-day"
    NUMBER = "audit-number"


@router.get("/audit", response_class=HTMLResponse, responses=WRONG)
def audit(visit: Annotated[Visit, Depends(may("audit.see"))], form: Annotated[LookForm, Query()]) -> HTMLResponse:
    """Links of the chain, the newest first; that somebody looked is a link too."""
    entered = form.model_dump()
    looked = _looked(entered)
    if isinstance(looked, Refused):
        return _page(visit, Entries(entered, (looked,)), None, 422)
    asked = {name: text for name, text in entered.items() if text}
    visit.looked("saw the account", looked=asked)
    return _page(visit, Entries(entered), looked)


def _looked(entered: dict[str, str]) -> Refused | Looked:
    try:
        when = date.fromisoformat(entered["day"]) if entered["day"] else None
    except ValueError:
        when = date.min
    if when is not None and not date(1970, 1, 2) <= when <= date(9999, 1, 1):
        return Refused(LookFault.DAY, entered["day"], "a day such as 2026-11-22", "enter the day", "day")
    numbers: dict[str, int | None] = {}
    for name in ("person", "before"):
        text = entered[name]
        if text and not (text.isascii() and text.isdecimal() and len(text) < 16):
            return Refused(LookFault.NUMBER, text, "a number from the list", "choose again", name)
        numbers[name] = int(text) if text else None
    return Looked(numbers["person"], entered["patient"], entered["action"], when, numbers["before"])


def _page(visit: Visit, entries: Entries, looked: Looked | None, status: int = 200) -> HTMLResponse:
    with visit.reading() as session:
        clinic = session.scalars(select(Clinic)).first()
        zone = ZoneInfo(clinic.zone if clinic is not None else "UTC")
        lines, more = auditing.lines(session, looked, zone) if looked is not None else ([], False)
        followed = auditing.follow_newest(session)
        people = [(p.id, p.name) for p in session.scalars(select(Person).order_by(Person.name).limit(500))]
    people = [(0, "Thecal itself"), *people]
    return render(
        visit, "audit/audit.html", status, entries=entries, lines=lines, more=more, followed=followed, people=people
    )
