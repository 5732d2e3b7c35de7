"""The engineer's pumps: every one that the clinic knows, and how a new one comes to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from fastapi import Form as FormOf
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel
from starlette.responses import Response

from thecal.clinic.devices import ROLES, find_pumps, keys_of, known_pump, pair
from thecal.clinic.refused import Refused
from thecal.web.answers import CONFLICT, WRONG
from thecal.web.door import Visit, may
from thecal.web.pages.desk_forms import Text, Words, status_for, whole
from thecal.web.pages.sessions import hold_near
from thecal.web.screen import Entries, go, render

if TYPE_CHECKING:
    from collections.abc import Callable

router = APIRouter(tags=["pumps"])


class PairForm(BaseModel):
    """Which pump a role gets a key of; ``again`` is "yes" where it may end the one that the role has."""

    serial: Words = ""
    role: Words = ""
    again: Words = ""


@router.get("/devices", response_class=HTMLResponse)
def see_devices(visit: Annotated[Visit, Depends(may("device.see"))], find: Text = "", page: Text = "") -> HTMLResponse:
    """Pumps with their newest reading and its age, searched by serial number, family or model."""
    visit.looked("saw the pumps", find=find)
    with visit.reading() as db:
        found = find_pumps(db, find, whole(page, 1))
    return render(visit, "devices/list.html", found=found, find=find)


@router.get("/devices/pair", response_class=HTMLResponse)
def pair_form(visit: Annotated[Visit, Depends(may("device.pair"))], serial: Text = "") -> HTMLResponse:
    """Who has a key of a pump, and the form that gives one."""
    return _pair_page(visit, Entries({"serial": serial}))


@router.post("/devices/pair", response_class=RedirectResponse, status_code=303, responses={**WRONG, **CONFLICT})
def pair_pump(visit: Annotated[Visit, Depends(may("device.pair"))], form: Annotated[PairForm, FormOf()]) -> Response:
    """Pair a pump with a role; the clinic's programmer reads it at once."""
    made = pair(visit.house, visit.who, form.serial, form.role, again=form.again == "yes", before=_near(visit))
    if isinstance(made, Refused):
        return _pair_page(visit, Entries(form.model_dump(), (made,)), status_for((made,)))
    return go(f"/devices/pair?{urlencode({'serial': form.serial.strip()})}")


def _near(visit: Visit) -> Callable[[str], None]:
    """The programmer is held over the pump that is to be read."""
    return lambda serial: hold_near(visit, serial)


def _pair_page(visit: Visit, entries: Entries, status: int = 200) -> HTMLResponse:
    serial = str(entries.value("serial")).strip()
    held = keys_of(visit.house, serial) if serial else ()
    with visit.reading() as db:
        known = known_pump(db, serial) if serial else None
    shown = {"serial": serial, "known": known, "roles": [*ROLES.items()], "names": ROLES}
    unknown = held if isinstance(held, Refused) else None
    return render(
        visit, "devices/pair.html", status, entries=entries, held=() if unknown else held, unknown=unknown, **shown
    )
