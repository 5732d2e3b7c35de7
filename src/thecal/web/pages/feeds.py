"""Calendar feeds: made, ended, and fetched by calendars with nothing but the secret in their address."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, HTTPException, Path, Request
from fastapi import Form as FormOf
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel
from sqlalchemy import select
from starlette.responses import PlainTextResponse, Response

from thecal.clinic.desk import feeds
from thecal.clinic.desk.bookings import clinicians
from thecal.clinic.paging import paged
from thecal.clinic.record.tables import Clinic, Feed, Person
from thecal.exchange.calendar import Place, feed_calendar
from thecal.web.answers import WRONG
from thecal.web.door import Visit, house_of, may, visitor_of
from thecal.web.fetching import Fetches
from thecal.web.pages.desk_forms import FORM, RowId, SeenForm, Text, Words, desk_page, names_of, status_for, whole
from thecal.web.screen import Entries, go

router = APIRouter(tags=["feeds"])

_TEXT: dict[str, Any] = {"content": {"text/plain": {"schema": {"type": "string"}}}}
CALENDAR: dict[int | str, dict[str, Any]] = {
    200: {"description": "The feed as iCalendar.", "content": {"text/calendar": {"schema": {"type": "string"}}}},
    304: {"description": "Nothing has changed since it was fetched."},
    404: {"description": "No feed has this address, or it has ended.", **_TEXT},
    429: {"description": "Fetched too often; try again later.", **_TEXT},
}


PAGE = 50
"""Feeds on one page. Ours."""


class FeedForm(BaseModel):
    """What a feed is for."""

    name: Words = ""
    person_id: Words = ""


@router.get("/feeds", response_class=HTMLResponse)
def see_feeds(visit: Annotated[Visit, Depends(may("feed.edit"))], page: Text = "") -> HTMLResponse:
    """Feeds, without their secrets, those in use first."""
    return _list(visit, at=whole(page, 1))


@router.post("/feeds", response_class=HTMLResponse, responses=WRONG)
def make(visit: Annotated[Visit, Depends(may("feed.edit"))], form: Annotated[FeedForm, FormOf()]) -> Response:
    """A new feed; its address is shown on the answer and never again, so that this page is not one to reload."""
    made = feeds.make_feed(visit.house, visit.who, form.name, form.person_id)
    if isinstance(made[0], Feed):
        secret = str(made[1])
        return _list(visit, address=f"{visit.house.settings.origin}/calendar/{secret}.ics", fresh=made[0].id)
    refused = tuple(r for r in made if not isinstance(r, str | Feed))
    return _list(visit, Entries(form.model_dump(), refused), status=422)


@router.post("/feeds/{feed_id}/end", response_class=RedirectResponse, status_code=303, responses=FORM)
def end(
    visit: Annotated[Visit, Depends(may("feed.edit"))], feed_id: RowId, form: Annotated[SeenForm, FormOf()]
) -> Response:
    """End a feed: nobody gets anything from its address any more."""
    with visit.reading() as session:
        if session.get(Feed, feed_id) is None:
            raise HTTPException(404)
    made = feeds.revoke(visit.house, visit.who, feed_id, whole(form.revision))
    if isinstance(made, tuple):
        return _list(visit, Entries({}, made), status=status_for(made))
    return go("/feeds")


@router.get("/calendar/{secret}.ics", response_class=Response, responses=CALENDAR)
def fetch(request: Request, secret: Annotated[str, Path(max_length=200)]) -> Response:
    """A feed, for calendars: no sign-in, since calendars have none; the secret alone opens it, and it is rationed.

    Only the digest of the whole decides whether it has changed: a patient who is taken out leaves no later time behind.
    """
    if not _fetches(request).may(visitor_of(request).address, house_of(request).machine_s()):
        return PlainTextResponse("Fetched too often. Try again later.", 429, {"retry-after": str(Fetches.WINDOW_S)})
    house = house_of(request)
    with house.reading() as session:
        feed = feeds.feed_of(session, secret)
        clinic = session.scalars(select(Clinic)).first()
        if feed is None or clinic is None:
            return PlainTextResponse("No feed has this address, or it has ended.", 404)
        visits = feeds.visits_of(session, feed, house.now_s())
        person = session.get(Person, feed.person_id) if feed.person_id is not None else None
    place = Place(clinic.name, clinic.address, clinic.phone, ZoneInfo(clinic.zone))
    body = feed_calendar(f"{clinic.name}: {person.name if person else 'all visits'}", place, visits)
    tag = f'"{sha256(body).hexdigest()}"'
    headers = {"etag": tag, "cache-control": "private, no-cache", "x-robots-tag": "noindex"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    return Response(body, media_type="text/calendar", headers=headers)


def _fetches(request: Request) -> Fetches:
    """The ration of this application."""
    state = request.app.state
    if not hasattr(state, "fetches"):
        state.fetches = Fetches()
    found: Fetches = state.fetches
    return found


def _list(
    visit: Visit, entries: Entries | None = None, status: int = 200, *, address: str = "", fresh: int = 0, at: int = 1
) -> HTMLResponse:
    with visit.reading() as session:
        found = paged(session, select(Feed).order_by(Feed.active.desc(), Feed.id.desc()), at, PAGE)
        names = names_of(session, [*(f.person_id for f in found.rows), *(f.by_person for f in found.rows)])
        people = [(p.id, p.name) for p in clinicians(session)]
    return desk_page(
        visit, "feeds/list.html", status, found=found, names=names, people=people, entries=entries or Entries(),
        address=address, fresh=fresh,
    )  # fmt: skip
