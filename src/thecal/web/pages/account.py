"""One's own account: password, second factor, passkeys, sign-ins, and light or dark."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, HTTPException
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from pydantic import BaseModel, Field
from starlette.responses import Response

from thecal.clinic.people import one_time_codes, passkeys, signing_in
from thecal.clinic.people.acting import unless_refused
from thecal.clinic.people.entering import EnterFault, asked_again, is_demonstration
from thecal.clinic.people.passwords import set_password
from thecal.clinic.record import Record
from thecal.clinic.record.tables import Person
from thecal.clinic.refused import Refused
from thecal.web.answers import MISSING, WRONG
from thecal.web.door import Visit, may, own_path, serves_https, token_of
from thecal.web.pages.sign_in import picture, site_of
from thecal.web.screen import Entries, go, render

router = APIRouter(tags=["account"])

Words = Annotated[str, Field(max_length=2000)]
Own = Annotated[Visit, Depends(may("account.own"))]
THEMES = ("auto", "light", "dark")
THEME_S = 365 * 86_400
_NO_OPTIONS: dict[int | str, dict[str, Any]] = {
    422: {
        "description": "Why not, in a message; a page where what was entered cannot be read.",
        "content": {"application/json": {"schema": {"type": "object"}}, "text/html": {"schema": {"type": "string"}}},
    }
}
_CODES: dict[int | str, dict[str, Any]] = {
    200: {"description": "New recovery codes.", "content": {"text/html": {"schema": {"type": "string"}}}}
}


class NewPasswordForm(BaseModel):
    """The password of now, and the new one twice."""

    old: Words = ""
    new: Words = ""
    again: Words = ""


class AgainForm(BaseModel):
    """One's password, asked again; the field is named after what it is for."""

    password: Words = ""


class CodeForm(BaseModel):
    """A first code of a new application."""

    code: Words = ""


class PasskeyForm(BaseModel):
    """What a device answered, as JSON, and what to call it."""

    answer: Annotated[str, Field(max_length=20_000)] = ""
    label: Words = ""


class ThemeForm(BaseModel):
    """Light, dark, or as the system says; and the page to go back to."""

    theme: Words = ""
    back: Words = "/account"


@router.get("/account", response_class=HTMLResponse)
def account(visit: Own) -> HTMLResponse:
    """Everything about one's own sign-in."""
    return _page(visit, Entries())


@router.post("/account/password", response_class=RedirectResponse, status_code=303, responses=WRONG)
def new_password(visit: Own, form: Annotated[NewPasswordForm, Form()]) -> Response:
    """Change one's password; every other sign-in ends."""
    fault = asked_again(visit.house, visit.who, form.old, "old")
    if fault is None and form.new != form.again:
        fault = Refused(EnterFault.WRONG, "two that differ", "the same twice", "enter both again", "again")
    if fault is None:
        done = unless_refused(visit.house, visit.who, "password changed", lambda record: _set(visit, record, form.new))
        fault = done if isinstance(done, Refused) else None
    return go("/account") if fault is None else _page(visit, Entries({}, (fault,)), 422)


@router.post("/account/second-factor", response_class=RedirectResponse, status_code=303, responses=WRONG)
def begin_second(visit: Own, form: Annotated[AgainForm, Form()]) -> Response:
    """Begin to set up an application anew; that of before serves until the new one has given a code."""
    fault = asked_again(visit.house, visit.who, form.password, "second")
    if fault is not None:
        return _page(visit, Entries({}, (fault,)), 422)
    with visit.house.store.noting() as session:
        one_time_codes.offer(session, visit.who.person_id, visit.house.seal)
    return go("/account/second-factor")


@router.get("/account/second-factor", response_class=HTMLResponse)
def show_second(visit: Own) -> Response:
    """The picture to scan, and the field for a first code."""
    return _second_page(visit, Entries())


@router.post(
    "/account/second-factor/confirm", response_class=RedirectResponse, status_code=303, responses={**WRONG, **_CODES}
)
def confirm_second(visit: Own, form: Annotated[CodeForm, Form()]) -> Response:
    """Take the new application into use; recovery codes are shown where there were none."""
    machine_s = visit.house.machine_s()

    def do(record: Record) -> list[str] | Refused:
        if not one_time_codes.confirm(record.session, visit.who.person_id, form.code, machine_s, visit.house.seal):
            return Refused(EnterFault.CODE, "a code that is not right", "the one shown now", "enter it", "code")
        record.act("person", visit.who.person_id, "second factor set up", {})
        left = one_time_codes.codes_left(record.session, visit.who.person_id)
        return [] if left else one_time_codes.new_recovery_codes(record.session, visit.who.person_id)

    done = unless_refused(visit.house, visit.who, "second factor set up", do)
    if isinstance(done, Refused):
        return _second_page(visit, Entries({}, (done,)), 422)
    return render(visit, "account/codes.html", codes=done) if done else go("/account")


@router.post("/account/recovery-codes", response_class=HTMLResponse, responses=WRONG)
def recovery_codes(visit: Own, form: Annotated[AgainForm, Form()]) -> HTMLResponse:
    """New recovery codes, shown this once; those of before are void."""
    fault = asked_again(visit.house, visit.who, form.password, "recovery")
    if fault is not None:
        return _page(visit, Entries({}, (fault,)), 422)
    with visit.writing("recovery codes made") as record:
        codes = one_time_codes.new_recovery_codes(record.session, visit.who.person_id)
        record.act("person", visit.who.person_id, "recovery codes made", {})
    return render(visit, "account/codes.html", codes=codes)


@router.post("/account/passkeys/options", response_class=JSONResponse, responses=_NO_OPTIONS)
def passkey_options(visit: Own, form: Annotated[AgainForm, Form()]) -> Response:
    """What a device is asked, for the browser's own way to passkeys."""
    site = site_of(visit.request)
    if site is None:
        return JSONResponse({"message": "Passkeys need an address that is a name."}, 422)
    fault = asked_again(visit.house, visit.who, form.password)
    if fault is not None:
        return JSONResponse({"message": fault.message}, 422)
    said = passkeys.registration_options(visit.house, visit.who, site)
    return Response(said, media_type="application/json")


@router.post("/account/passkeys", response_class=RedirectResponse, status_code=303, responses=WRONG)
def add_passkey(visit: Own, form: Annotated[PasskeyForm, Form()]) -> Response:
    """Take a device's answer as a passkey."""
    site = site_of(visit.request)
    wrong = Refused(passkeys.PasskeyFault.NOT_RIGHT, "an address that is a number", "a name", "use the clinic's name")
    fault = passkeys.register(visit.house, visit.who, form.answer, form.label, site) if site else wrong
    return go("/account") if fault is None else _page(visit, Entries({"label": form.label}, (fault,)), 422)


@router.post(
    "/account/passkeys/{passkey_id}/remove", response_class=RedirectResponse, status_code=303, responses=MISSING
)
def remove_passkey(visit: Own, passkey_id: int) -> Response:
    """Take a passkey away."""
    if not (0 < passkey_id < 2**63 and passkeys.remove(visit.house, visit.who, passkey_id)):
        raise HTTPException(404)
    return go("/account")


@router.post("/account/sign-ins/end", response_class=RedirectResponse, status_code=303)
def end_others(visit: Own) -> Response:
    """End every sign-in of one's own but this one."""
    with visit.writing("other sign-ins ended") as record:
        ended = signing_in.end_all(record.session, visit.who.person_id, token_of(visit.request))
        record.act("person", visit.who.person_id, "sign-ins ended", {"count": ended})
    return go("/account")


@router.post("/account/lock", response_class=RedirectResponse, status_code=303)
def lock(visit: Own) -> Response:
    """Lock this screen now."""
    with visit.house.store.noting() as session:
        signing_in.lock(session, token_of(visit.request))
    return go("/unlock")


@router.post("/account/theme", response_class=RedirectResponse, status_code=303, responses=WRONG)
def theme(visit: Own, form: Annotated[ThemeForm, Form()]) -> Response:
    """Light or dark, for this browser."""
    if form.theme not in THEMES:
        wrong = Refused(EnterFault.WRONG, form.theme or "nothing", ", ".join(THEMES), "choose one", "theme")
        return _page(visit, Entries({"theme": form.theme}, (wrong,)), 422)
    done = go(own_path(form.back))
    done.set_cookie(
        "theme", form.theme, max_age=THEME_S, httponly=True, samesite="strict", secure=serves_https(visit.house)
    )
    return done


def _set(visit: Visit, record: Record, password: str) -> Refused | None:
    fault = set_password(record, record.session.get_one(Person, visit.who.person_id), password, "new")
    if fault is None:
        signing_in.end_all(record.session, visit.who.person_id, token_of(visit.request))
    return fault


def _page(visit: Visit, entries: Entries, status: int = 200) -> HTMLResponse:
    me = visit.who.person_id
    with visit.reading() as session:
        context: dict[str, Any] = {
            "person": session.get_one(Person, me),
            "has_second": one_time_codes.has_second(session, me),
            "waived": is_demonstration(session),
            "codes_left": one_time_codes.codes_left(session, me),
            "passkeys": passkeys.own_passkeys(session, me),
            "sign_ins": signing_in.own_sign_ins(session, me, visit.house.machine_s()),
        }
    context["here"] = signing_in.digest(token_of(visit.request))
    context["passkeys_work"] = site_of(visit.request) is not None
    return render(visit, "account/account.html", status, entries=entries, themes=THEMES, **context)


def _second_page(visit: Visit, entries: Entries, status: int = 200) -> Response:
    with visit.reading() as session:
        person = session.get_one(Person, visit.who.person_id)
        secret = one_time_codes.offered(session, person.id, visit.house.seal)
    if secret is None:
        return go("/account")
    shown = picture(visit.house, secret, person.login)
    return render(visit, "account/second.html", status, entries=entries, picture=shown, secret=secret)
