"""The web application: every page, the door before each, and what goes with every answer."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from thecal.clinic.people import signing_in
from thecal.clinic.people.permissions import permissions
from thecal.clinic.people.signing_in import State
from thecal.clinic.record import StoreError
from thecal.clinic.refused import EditedMeanwhile
from thecal.web.answers import EVERYWHERE
from thecal.web.beside import WorldAway
from thecal.web.door import NotAllowed, SignInFirst, serves_https, who_is_there
from thecal.web.pages import ROUTERS
from thecal.web.screen import HERE, begin_sentence, page
from thecal.web.security import SAFE, Faults, Headers, Hosts, Readable, SameOrigin, Small

if TYPE_CHECKING:
    from starlette.responses import Response

    from thecal.web.house import House

_WAY = {State.NOBODY: "/sign-in", State.HALF: "/sign-in/second", State.LOCKED: "/unlock", State.IN: "/"}


def make_app(house: House) -> FastAPI:
    """The application of one clinic. It holds no state but the house."""
    app = FastAPI(
        title="Thecal clinic",
        version=house.software,
        summary="The clinic's workplaces. It drives virtual pumps, not people's.",
        docs_url=None,
        redoc_url=None,
    )
    app.state.house = house
    _guard(app, house)
    app.mount("/static", StaticFiles(directory=HERE / "static", check_dir=True), name="static")
    _route(app)
    app.add_exception_handler(SignInFirst, _sign_in_first)
    app.add_exception_handler(NotAllowed, _not_allowed)
    app.add_exception_handler(EditedMeanwhile, _edited_meanwhile)
    app.add_exception_handler(RequestValidationError, _not_readable)
    app.add_exception_handler(StoreError, _record_away)
    app.add_exception_handler(WorldAway, _world_away)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(404, _not_found)
    with house.store.noting() as session:
        signing_in.end_ahead(session, house.machine_s())
    return app


def _route(app: FastAPI) -> None:
    """Put every page into one list; FastAPI's own way, a router within a router, looks through them all twice."""
    for router in ROUTERS:
        for route in router.routes:
            assert isinstance(route, APIRoute)  # noqa: S101 -- pages alone
            route.responses = {**EVERYWHERE, **route.responses}
            app.router.routes.append(route)


def _guard(app: FastAPI, house: House) -> None:
    """Put the guards around the application, the innermost first."""
    app.add_middleware(Readable, page=_unreadable_page)
    app.add_middleware(Small)
    app.add_middleware(SameOrigin, origin=house.settings.origin)
    app.add_middleware(Hosts, origin=house.settings.origin)
    app.add_middleware(Faults, page=lambda request, number: _fault_page(request, app, number))
    app.add_middleware(Headers, https=serves_https(house))


async def _sign_in_first(request: Request, why: Exception) -> Response:
    """Ask for what is missing; what was entered stays with the browser, to be sent again."""
    assert isinstance(why, SignInFirst)  # noqa: S101 -- registered for it alone
    asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.headers.get("hx-request") and request.method in SAFE:
        return HTMLResponse(page(request, "door/part.html", None, state=why.state.value), 401)
    if request.method in SAFE:
        return RedirectResponse(f"{_WAY[why.state]}?next={quote(asked)}", 303)
    context = {"state": why.state.value, "asked": asked, "kept": await _entered(request)}
    whole = {"hx-retarget": "body", "hx-reswap": "innerHTML"} if request.headers.get("hx-request") else {}
    return HTMLResponse(page(request, "door/sign_in_first.html", None, **context), 401, headers=whole)


async def _entered(request: Request) -> str:
    """The fields of a form as one text; empty where the request was no form that can be read."""
    try:
        fields = (await request.form()).multi_items()
    except HTTPException:
        return ""
    return urlencode([(name, text) for name, text in fields if isinstance(text, str)])


def _not_allowed(request: Request, why: Exception) -> Response:
    assert isinstance(why, NotAllowed)  # noqa: S101 -- registered for it alone
    asked = permissions()[why.action]
    said = page(request, "door/not_allowed.html", why.who, action=why.action, what=asked.what, roles=asked.roles)
    return HTMLResponse(said, 403)


def _edited_meanwhile(request: Request, why: Exception) -> Response:
    return HTMLResponse(page(request, "door/edited_meanwhile.html", who_is_there(request), why=why), 409)


def _not_found(request: Request, _why: Exception) -> Response:
    return HTMLResponse(page(request, "door/not_found.html", who_is_there(request)), 404)


def _not_readable(request: Request, why: Exception) -> Response:
    """What no page of ours sends: an entry beyond all measure, a number that is none in an address."""
    assert isinstance(why, RequestValidationError)  # noqa: S101 -- registered for it alone
    wrong = [(".".join(str(part) for part in e["loc"][1:]), str(e["msg"])) for e in why.errors()][:20]
    return HTMLResponse(page(request, "door/not_readable.html", who_is_there(request), wrong=wrong), 422)


def _refused(request: Request, why: Exception) -> Response:
    assert isinstance(why, HTTPException)  # noqa: S101 -- registered for it alone
    said = page(request, "door/refused.html", who_is_there(request), status=why.status_code, why=why.detail)
    return HTMLResponse(said, why.status_code, headers=why.headers)


def _world_away(_request: Request, why: Exception) -> Response:
    """The rig cannot be asked: what was to be moved is written down as under way, and is looked after the next time."""
    said = f"{begin_sentence(str(why))}. Whether fluid moved is found out when you open the step again and press again."
    return HTMLResponse(
        _bare("The rig with the virtual pumps does not answer", said), 503, headers={"retry-after": "10"}
    )


def _record_away(_request: Request, why: Exception) -> Response:
    """The record cannot be used: a page without it, since every other page asks it."""
    said = f"{begin_sentence(str(why))}. Call your administrator where it stays so."
    return HTMLResponse(_bare("The clinic's record cannot be used now", said), 503, headers={"retry-after": "10"})


def _fault_page(request: Request, app: FastAPI, number: str) -> str:
    request.scope["app"] = app
    try:
        return page(request, "door/fault.html", who_is_there(request), number=number)
    except Exception:  # noqa: BLE001 - whatever failed may fail again: the bare page needs nothing
        return _bare("Something went wrong here", f"Quote the number {number} to your administrator.")


def _unreadable_page(found: str) -> str:
    said = f"Found: {found}. Allowed: text. Next: go back and take it out; nothing was written."
    return _bare("What was sent cannot be read", said)


def _bare(title: str, said: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)} · Thecal</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="/static/vendor/tabler.min.css"><link rel="stylesheet" href="/static/thecal.css">'
        f'</head><body><main class="container-xl page-body"><h1>{escape(title)}</h1><p role="alert">{escape(said)}</p>'
        '<p><a class="btn" href="/">To your workplace</a></p></main></body></html>'
    )
