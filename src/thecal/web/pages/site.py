"""What the clinic is called, where its clock stands, whom to call, and the paper it prints on."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from fastapi import Form as FormOf
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel
from starlette.responses import Response

from thecal.clinic.desk.rebooking import STAYS_WORDS, to_come
from thecal.clinic.site import SHEETS, Facts, change_site, clinic_of, facts_of
from thecal.web.answers import MISSING
from thecal.web.door import Visit, may
from thecal.web.pages.desk_forms import FORM, Words, status_for, whole
from thecal.web.screen import Entries, go, render

router = APIRouter(tags=["site"])


class SiteForm(BaseModel):
    """The clinic's facts as they were entered, and the revision that was looked at."""

    name: Words = ""
    zone: Words = ""
    phone: Words = ""
    on_call: Words = ""
    address: Words = ""
    sheet: Words = ""
    stays: Words = ""
    revision: Words = ""


@router.get("/site", response_class=HTMLResponse, responses=MISSING)
def see_site(visit: Annotated[Visit, Depends(may("site.edit"))]) -> HTMLResponse:
    """The clinic's own settings, with the way to those of the desk and the pharmacy."""
    return _page(visit)


@router.post("/site", response_class=RedirectResponse, status_code=303, responses=FORM)
def keep_site(visit: Annotated[Visit, Depends(may("site.edit"))], form: Annotated[SiteForm, FormOf()]) -> Response:
    """Keep what was entered; every page goes by it at once."""
    facts = Facts(form.name, form.zone, form.phone, form.on_call, form.address)
    made = change_site(visit.house, visit.who, facts, form.sheet, whole(form.revision), stays=form.stays)
    if isinstance(made, tuple):
        return _page(visit, Entries(form.model_dump(), made), status_for(made), form.revision)
    return go("/site")


def _page(visit: Visit, entries: Entries | None = None, status: int = 200, seen: str = "") -> HTMLResponse:
    with visit.reading() as session:
        found, visits = clinic_of(session), to_come(session, visit.now_s)
    if found is None:
        raise HTTPException(404)
    shown = {
        "revision": seen or found.revision,
        "sheets": list(SHEETS.items()),
        "visits": visits,
        "stays": [*STAYS_WORDS.items()],
    }
    return render(visit, "site/site.html", status, entries=entries or Entries(facts_of(found)), **shown)
