"""The engineer's pumps: every one that the clinic knows, and how a new one comes to it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import HTMLResponse

from thecal.clinic.devices import find_pumps
from thecal.web.door import Visit, may
from thecal.web.pages.desk_forms import Text, whole
from thecal.web.screen import render

router = APIRouter(tags=["pumps"])


@router.get("/devices", response_class=HTMLResponse)
def see_devices(visit: Annotated[Visit, Depends(may("device.see"))], find: Text = "", page: Text = "") -> HTMLResponse:
    """Pumps with their newest reading and its age, searched by serial number, family or model."""
    with visit.writing("saw the pumps", find=find):
        pass
    with visit.reading() as db:
        found = find_pumps(db, find, whole(page, 1))
    return render(visit, "devices/list.html", found=found, find=find)
