"""Staff, for administrators: who there is, what they may do, and when they may come in no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Query
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field
from sqlalchemy import select
from starlette.responses import Response

from thecal.clinic.people import one_time_codes, staff
from thecal.clinic.people.passkeys import own_passkeys
from thecal.clinic.people.permissions import permissions
from thecal.clinic.people.staff import Change, HandedOut
from thecal.clinic.practice import Practice
from thecal.clinic.record.tables import Act, Person
from thecal.clinic.refused import Refused
from thecal.clinic.who import StaffRole, Who
from thecal.web.answers import CONFLICT, MISSING, WRONG
from thecal.web.door import Visit, may
from thecal.web.screen import Entries, go, render

router = APIRouter(tags=["people"])

Words = Annotated[str, Field(max_length=2000)]
Roles = Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=20)]
Administrator = Annotated[Visit, Depends(may("people.edit"))]
_ALL = {**WRONG, **MISSING, **CONFLICT}
HISTORY = 30
"""Acts on one person's page. Ours."""


class PersonForm(BaseModel):
    """Somebody new."""

    login: Words = ""
    name: Words = ""
    roles: Roles = []


class ReasonForm(BaseModel):
    """Why, and the revision that was looked at."""

    reason: Words = ""
    revision: Words = ""


class RolesForm(ReasonForm):
    """The roles that somebody is to have."""

    roles: Roles = []


@router.get("/people", response_class=HTMLResponse)
def people(
    visit: Administrator,
    find: Annotated[str, Query(max_length=200)] = "",
    page: Annotated[int, Query(ge=1, le=10**6)] = 1,
) -> HTMLResponse:
    """Everybody, by name."""
    with visit.reading() as session:
        found, total = staff.people(session, find, page - 1)
    pages = max(1, -(-total // staff.PAGE))
    return render(visit, "people/list.html", found=found, total=total, find=find, page=page, pages=pages)


@router.get("/people/new", response_class=HTMLResponse)
def new_person(visit: Administrator) -> HTMLResponse:
    """An empty form."""
    return _form(visit, Entries({"roles": []}))


@router.post("/people/new", response_class=HTMLResponse, responses=WRONG)
def make_person(visit: Administrator, form: Annotated[PersonForm, Form()]) -> HTMLResponse:
    """Make somebody; the password to hand over is shown this once."""
    done = staff.make_person(visit.house, visit.who, form.login, form.name, form.roles)
    if isinstance(done, Refused):
        return _form(visit, Entries(form.model_dump(), (done,)), 422)
    return _handed_out(visit, done)


@router.get("/people/{person_id}", response_class=HTMLResponse, responses=MISSING)
def person(visit: Administrator, person_id: int) -> HTMLResponse:
    """Somebody, and what was done about them."""
    return _page(visit, person_id, Entries())


@router.post("/people/{person_id}/roles", response_class=RedirectResponse, status_code=303, responses=_ALL)
def roles(visit: Administrator, person_id: int, form: Annotated[RolesForm, Form()]) -> Response:
    """Change what somebody is."""
    return _change(visit, person_id, form, lambda practice, who, one: staff.set_roles(practice, who, one, form.roles))


@router.post("/people/{person_id}/inactive", response_class=RedirectResponse, status_code=303, responses=_ALL)
def inactive(visit: Administrator, person_id: int, form: Annotated[ReasonForm, Form()]) -> Response:
    """Let somebody in no more."""
    return _change(visit, person_id, form, staff.make_inactive)


@router.post("/people/{person_id}/active", response_class=RedirectResponse, status_code=303, responses=_ALL)
def active(visit: Administrator, person_id: int, form: Annotated[ReasonForm, Form()]) -> Response:
    """Let somebody in again."""
    return _change(visit, person_id, form, staff.make_active)


@router.post("/people/{person_id}/second-factor", response_class=RedirectResponse, status_code=303, responses=_ALL)
def second_factor(visit: Administrator, person_id: int, form: Annotated[ReasonForm, Form()]) -> Response:
    """Take somebody's second factor away, so that they set it up anew."""
    return _change(visit, person_id, form, staff.reset_second)


@router.post("/people/{person_id}/password", response_class=HTMLResponse, responses=_ALL)
def password(visit: Administrator, person_id: int, form: Annotated[ReasonForm, Form()]) -> Response:
    """A new password to hand over, shown this once."""
    return _change(visit, person_id, form, staff.reset_password)


def _change(
    visit: Visit,
    person_id: int,
    form: ReasonForm,
    do: Callable[[Practice, Who, Change], Person | HandedOut | Refused],
) -> Response:
    seen = int(form.revision) if form.revision.isdecimal() and len(form.revision) < 10 else None
    try:
        done = do(visit.house, visit.who, Change(person_id, form.reason, seen))
    except LookupError as missing:
        raise HTTPException(404) from missing
    if isinstance(done, Refused):
        return _page(visit, person_id, Entries(form.model_dump(), (done,)), 422)
    return _handed_out(visit, done) if isinstance(done, HandedOut) else go(f"/people/{person_id}")


def _form(visit: Visit, entries: Entries, status: int = 200) -> HTMLResponse:
    return render(visit, "people/new.html", status, entries=entries, roles=_roles())


def _handed_out(visit: Visit, done: HandedOut) -> HTMLResponse:
    with visit.reading() as session:
        made = session.get_one(Person, done.person_id)
    hours = staff.TEMPORARY_S // 3600
    return render(visit, "people/handed_out.html", person=made, password=done.password, hours=hours)


def _page(visit: Visit, person_id: int, entries: Entries, status: int = 200) -> HTMLResponse:
    if not 0 < person_id < 2**31:
        raise HTTPException(404)
    with visit.reading() as session:
        found = session.get(Person, person_id)
        if found is None:
            raise HTTPException(404)
        query = select(Act).where(Act.subject_kind == "person", Act.subject_id == person_id)
        acts = session.scalars(query.order_by(Act.id.desc()).limit(HISTORY)).all()
        by = {p.id: p.name for p in session.scalars(select(Person).where(Person.id.in_({a.by_person for a in acts})))}
        second = one_time_codes.has_second(session, person_id)
        keys = len(own_passkeys(session, person_id))
    context = {"acts": acts, "by": by, "second": second, "keys": keys, "own": person_id == visit.who.person_id}
    held = entries.values.get("roles") or found.roles
    return render(
        visit, "people/person.html", status, entries=entries, person=found, roles=_roles(), held=held, **context
    )


def _roles() -> list[tuple[str, int]]:
    """Every role with how many actions the table of permissions gives it."""
    return [(role.value, sum(role in p.roles for p in permissions().values())) for role in StaffRole]
