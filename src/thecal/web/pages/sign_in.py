"""The way in: password, second factor, passkey, what is set up first; the way out, and back from a locked screen.

These routes are open: whoever comes here is not signed in yet, and each of them looks for itself at what the browser
holds.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import parse_qsl, quote

import segno
from fastapi import APIRouter, Form, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import Response

from thecal.clinic.people import entering, one_time_codes, provider, signing_in
from thecal.clinic.people.entering import Entered, Then, is_demonstration
from thecal.clinic.people.passkeys import Site, authentication_options, enter_with_passkey
from thecal.clinic.people.signing_in import State
from thecal.clinic.people.waiting import WaitFault
from thecal.clinic.record.tables import Clinic
from thecal.clinic.refused import Refused
from thecal.web.answers import MISSING, WRONG
from thecal.web.door import hold, house_of, let_go, own_path, serves_https, sitting_there, token_of, visitor_of
from thecal.web.fetching import Fetches
from thecal.web.house import House
from thecal.web.screen import Entries, go, page

router = APIRouter(tags=["sign-in"])

Words = Annotated[str, Field(max_length=2000)]
Asked = Annotated[str, Query(alias="next", max_length=2000)]
ROUNDS = 600
"""Challenges that one address is given in a minute by a process: a whole clinic may share an address. Ours."""
_BACK = "/sign-in/provider/back"
_MARK = "thecal-provider"
_PATHS = {Then.PASSWORD: "/sign-in/password", Then.ENROLL: "/sign-in/enroll", Then.SECOND: "/sign-in/second"}
_JSON: dict[str, Any] = {"content": {"application/json": {"schema": {"type": "object"}}}}
_WAITS: dict[int | str, dict[str, Any]] = {
    409: {"description": "The clinic's address is a number, which passkeys cannot be bound to.", **_JSON},
    429: {"description": "Too often; the message says when to try again.", **_JSON},
}
_FIRST: dict[int | str, dict[str, Any]] = {
    401: {"description": "Nobody is signed in yet.", "content": {"text/html": {"schema": {"type": "string"}}}}
}
_KEPT: dict[int | str, dict[str, Any]] = {
    200: {"description": "What was entered, to be sent.", "content": {"text/html": {"schema": {"type": "string"}}}}
}


class PasswordForm(BaseModel):
    """Login and password, and where to go on."""

    login: Words = ""
    password: Words = ""
    next: Words = "/"


class CodeForm(BaseModel):
    """A code of the second factor, and where to go on."""

    code: Words = ""
    next: Words = "/"


class OwnPasswordForm(BaseModel):
    """A password of one's own, twice."""

    password: Words = ""
    again: Words = ""
    next: Words = "/"


class AnswerForm(BaseModel):
    """What a device answered, as JSON."""

    answer: Annotated[str, Field(max_length=20_000)] = ""
    next: Words = "/"


class KeptForm(BaseModel):
    """What was entered before the screen locked, and where it was to go."""

    asked: Words = ""
    kept: Annotated[str, Field(max_length=900_000)] = ""


class UnlockForm(KeptForm):
    """The password at a locked screen, and where to go on."""

    password: Words = ""
    next: Words = "/"


@router.get("/sign-in", response_class=HTMLResponse)
def sign_in(request: Request, asked: Asked = "/") -> Response:
    """The form; somebody who is signed in goes on at once."""
    if sitting_there(request).state is State.IN:
        return go(own_path(asked))
    return _password_page(request, Entries({"next": own_path(asked)}))


@router.post("/sign-in", response_class=RedirectResponse, status_code=303, responses=WRONG)
def enter(request: Request, form: Annotated[PasswordForm, Form()]) -> Response:
    """Login and password."""
    done = entering.enter(house_of(request), form.login, form.password, visitor_of(request))
    if isinstance(done, Refused):
        return _password_page(request, Entries({"login": form.login, "next": own_path(form.next)}, (done,)), 422)
    return _further(request, done, form.next)


@router.get("/sign-in/password", response_class=HTMLResponse)
def own_password(request: Request, asked: Asked = "/") -> Response:
    """Choose a password in place of the one that was handed out."""
    away = _elsewhere(request, Then.PASSWORD, asked)
    return away or _page(request, "sign_in/own_password.html", Entries({"next": own_path(asked)}))


@router.post("/sign-in/password", response_class=RedirectResponse, status_code=303, responses=WRONG)
def choose_password(request: Request, form: Annotated[OwnPasswordForm, Form()]) -> Response:
    """Take it."""
    if form.password != form.again:
        wrong = Refused(entering.EnterFault.WRONG, "two that differ", "the same twice", "enter both again", "again")
        return _page(request, "sign_in/own_password.html", Entries({"next": own_path(form.next)}, (wrong,)), 422)
    token = token_of(request)
    done = entering.choose_password(house_of(request), token, form.password, visitor_of(request))
    if isinstance(done, Refused):
        return _page(request, "sign_in/own_password.html", Entries({"next": own_path(form.next)}, (done,)), 422)
    return _further(request, done, form.next)


@router.get("/sign-in/second", response_class=HTMLResponse)
def second(request: Request, asked: Asked = "/") -> Response:
    """The form for the second factor."""
    away = _elsewhere(request, Then.SECOND, asked)
    return away or _page(request, "sign_in/second.html", Entries({"next": own_path(asked)}))


@router.post("/sign-in/second", response_class=RedirectResponse, status_code=303, responses=WRONG)
def say_second(request: Request, form: Annotated[CodeForm, Form()]) -> Response:
    """A code, or a recovery code."""
    token = token_of(request)
    done = entering.say_second(house_of(request), token, form.code, visitor_of(request))
    if isinstance(done, Refused):
        return _page(request, "sign_in/second.html", Entries({"next": own_path(form.next)}, (done,)), 422)
    return _further(request, done, form.next)


@router.get("/sign-in/enroll", response_class=HTMLResponse)
def enroll(request: Request, asked: Asked = "/") -> Response:
    """Set up the second factor, at the first sign-in."""
    away = _elsewhere(request, Then.ENROLL, asked)
    return away or _enroll_page(request, Entries({"next": own_path(asked)}))


@router.post("/sign-in/enroll", response_class=HTMLResponse, responses=WRONG)
def take_second(request: Request, form: Annotated[CodeForm, Form()]) -> Response:
    """Take it into use by a first code; the recovery codes are shown this once."""
    house = house_of(request)
    done = entering.take_second(house, token_of(request), form.code, visitor_of(request))
    if isinstance(done, Refused):
        entries = Entries({"next": own_path(form.next)}, (done,))
        if sitting_there(request).state is not State.HALF:
            return _password_page(request, entries, 422)
        return _enroll_page(request, entries, 422)
    said = page(request, "sign_in/recovery.html", None, codes=done.recovery_codes, next=own_path(form.next))
    return hold(HTMLResponse(said), house, done)


@router.post("/sign-in/passkey/options", response_class=JSONResponse, responses=_WAITS)
def passkey_options(request: Request) -> Response:
    """What a device is asked, for the browser's own way to passkeys."""
    site = site_of(request)
    if site is None:
        return JSONResponse({"message": "Passkeys need an address that is a name."}, 409)
    often = _too_often(request)
    if often is not None:
        return JSONResponse({"message": often.message}, 429)
    return Response(authentication_options(house_of(request), site), media_type="application/json")


@router.post("/sign-in/passkey", response_class=RedirectResponse, status_code=303, responses=WRONG)
def passkey(request: Request, form: Annotated[AnswerForm, Form()]) -> Response:
    """A whole sign-in by a device's answer."""
    site = site_of(request)
    wrong = Refused(entering.EnterFault.WRONG, "an address that is a number", "a name", "sign in with your password")
    done = enter_with_passkey(house_of(request), form.answer, site, visitor_of(request)) if site else wrong
    if isinstance(done, Refused):
        return _password_page(request, Entries({"next": own_path(form.next)}, (done,)), 422)
    return _further(request, done, form.next)


@router.get("/sign-in/provider", response_class=RedirectResponse, status_code=303, responses={**WRONG, **MISSING})
def to_provider(request: Request, asked: Asked = "/") -> Response:
    """Off to the house that vouches for people, where the clinic has one."""
    house = house_of(request)
    if house.settings.provider is None:
        raise HTTPException(404)
    back = house.settings.origin + _BACK
    found = _too_often(request) or provider.away_to(house, house.settings.provider, back, own_path(asked))
    if isinstance(found, Refused):
        return _password_page(request, Entries({"next": own_path(asked)}, (found,)), 422)
    url, mark = found
    done = RedirectResponse(url, 303)
    done.set_cookie(
        _MARK, mark, provider.ROUND_S, path=_BACK, httponly=True, samesite="lax", secure=serves_https(house)
    )
    return done


@router.get(_BACK, response_class=HTMLResponse, responses={**WRONG, **MISSING})
def from_provider(request: Request) -> Response:
    """Back from it. The page goes on by itself: a redirect would still count as the other site's, without cookies."""
    house = house_of(request)
    if house.settings.provider is None:
        raise HTTPException(404)
    said = {name: text[:4000] for name, text in request.query_params.items()}
    returned = provider.Returned(house.settings.origin + _BACK, said, request.cookies.get(_MARK, ""))
    found = provider.come_back(house, house.settings.provider, returned, visitor_of(request))
    if isinstance(found, Refused):
        return _password_page(request, Entries({"next": "/"}, (found,)), 422)
    done, then = found
    path = then if done.then is Then.IN else f"{_PATHS[done.then]}?next={quote(then)}"
    answer = HTMLResponse(page(request, "sign_in/go_on.html", None, path=path))
    answer.delete_cookie(_MARK, path=_BACK, httponly=True, samesite="lax", secure=serves_https(house))
    return hold(answer, house, done)


@router.get("/unlock", response_class=HTMLResponse)
def locked(request: Request, asked: Asked = "/") -> Response:
    """The form of a locked screen."""
    found = sitting_there(request)
    if found.state is not State.LOCKED:
        return go(own_path(asked) if found.state is State.IN else f"/sign-in?next={quote(own_path(asked))}")
    return _unlock_page(request, Entries({"next": own_path(asked)}))


@router.post("/unlock", response_class=RedirectResponse, status_code=303, responses={**WRONG, **_KEPT})
def unlock(request: Request, form: Annotated[UnlockForm, Form()]) -> Response:
    """Go on; what was entered before is shown to be sent, and never sent by itself."""
    house = house_of(request)
    entries = {"next": own_path(form.next), "asked": form.asked, "kept": form.kept}
    done = entering.unlock(house, token_of(request), form.password, visitor_of(request))
    if isinstance(done, Refused):
        if sitting_there(request).state is State.LOCKED:
            return _unlock_page(request, Entries(entries, (done,)), 422)
        return _password_page(request, Entries(entries, (done,)), 422)
    if not form.asked:
        return hold(go(own_path(form.next)), house, done)
    return hold(_send_page(request, form.asked, form.kept), house, done)


@router.post("/sign-in/send", response_class=HTMLResponse, responses=_FIRST)
def send(request: Request, form: Annotated[KeptForm, Form()]) -> HTMLResponse:
    """After a sign-in in another window: what was entered in this one, to be sent."""
    found = sitting_there(request)
    if found.state is State.IN:
        return _send_page(request, form.asked, form.kept)
    context = {"state": found.state.value, "asked": own_path(form.asked), "kept": form.kept}
    return HTMLResponse(page(request, "door/sign_in_first.html", None, **context), 401)


@router.post("/sign-out", response_class=RedirectResponse, status_code=303)
def sign_out(request: Request) -> Response:
    """End the sign-in of this browser, whatever state it is in."""
    house = house_of(request)
    found = sitting_there(request)
    if found.person is not None:
        with house.writing(signing_in.who_is(found.person), "signed out") as record:
            signing_in.end(record.session, token_of(request))
    return let_go(go("/sign-in"), house)


def _too_often(request: Request) -> Refused | None:
    """The refusal where an address asks for more rounds than whole clinics do; each leaves a row for some minutes."""
    state = request.app.state
    if not hasattr(state, "rounds"):
        state.rounds = Fetches(ROUNDS)
    if state.rounds.may(visitor_of(request).address, house_of(request).machine_s()):
        return None
    return Refused(WaitFault.WAIT, "too many at once from your address", f"{ROUNDS} a minute", "try again in a minute")


def site_of(request: Request) -> Site | None:
    """What passkeys are bound to here; None where they cannot be."""
    house = house_of(request)
    with house.reading() as session:
        return Site.of(house.settings.origin, _clinic_name(session))


def picture(house: House, secret: str, login: str) -> str:
    """The address of a secret as a picture to be scanned, itself an address that holds the picture."""
    with house.reading() as session:
        address = one_time_codes.address_of(secret, login, _clinic_name(session))
    return segno.make(address, error="m").svg_data_uri(scale=5, border=4, light="white")


def _clinic_name(session: Session) -> str:
    clinic = session.scalars(select(Clinic)).first()
    return clinic.name if clinic is not None else "Thecal"


def _further(request: Request, done: Entered, asked: str) -> Response:
    """On to the next step, with the new secret."""
    to = own_path(asked)
    path = to if done.then is Then.IN else f"{_PATHS[done.then]}?next={quote(to)}"
    return hold(go(path), house_of(request), done)


def _elsewhere(request: Request, here: Then, asked: str) -> Response | None:
    """Where somebody belongs who has no business at this step; None where they have."""
    found = sitting_there(request)
    if found.state is State.IN:
        return go(own_path(asked))
    if found.state is not State.HALF:
        return go(f"/sign-in?next={quote(own_path(asked))}")
    with house_of(request).reading() as session:
        then = entering.next_of(session, found)
    return None if then is here else go(f"{_PATHS[then]}?next={quote(own_path(asked))}")


def _send_page(request: Request, asked: str, kept: str) -> HTMLResponse:
    fields = parse_qsl(kept, keep_blank_values=True)
    return HTMLResponse(page(request, "door/send_again.html", None, asked=own_path(asked), fields=fields))


def _password_page(request: Request, entries: Entries, status: int = 200) -> HTMLResponse:
    house = house_of(request)
    with house.reading() as session:
        waived = is_demonstration(session)
    passkeys = Site.of(house.settings.origin, "") is not None
    vouching = house.settings.provider.name if house.settings.provider is not None else ""
    context = {"waived": waived, "passkeys": passkeys, "vouching": vouching}
    return _page(request, "sign_in/password.html", entries, status, **context)


def _enroll_page(request: Request, entries: Entries, status: int = 200) -> HTMLResponse:
    house = house_of(request)
    found = sitting_there(request)
    assert found.person is not None  # noqa: S101 -- the caller looked
    with house.store.noting() as session:
        secret = one_time_codes.offer(session, found.person.id, house.seal)
    shown = picture(house, secret, found.person.login)
    return _page(request, "sign_in/enroll.html", entries, status, picture=shown, secret=secret)


def _unlock_page(request: Request, entries: Entries, status: int = 200) -> HTMLResponse:
    found = sitting_there(request)
    return _page(request, "sign_in/unlock.html", entries, status, person=found.person)


def _page(request: Request, template: str, entries: Entries, status: int = 200, **context: Any) -> HTMLResponse:
    return HTMLResponse(page(request, template, None, entries=entries, **context), status)
