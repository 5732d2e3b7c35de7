"""The bar that moves the clock of a demonstration. A clinic of one's own has no such bar and no such page."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import BaseModel, Field

from thecal.rig.local import UnreachableError
from thecal.web.beside import WorldAway
from thecal.web.door import Visit, may
from thecal.web.screen import go, render

router = APIRouter(tags=["world"])

STEPS = {"hour": 3600, "day": 86_400}
"""How far the clock moves, in s; to the next event it moves as far as that is away."""


class Move(BaseModel):
    """How far, and which page was open."""

    by: str = Field("", max_length=20)
    back: str = Field("", max_length=400)


@router.post(
    "/world/move",
    response_class=RedirectResponse,
    status_code=303,
    responses={
        404: {"description": "No demonstration", "content": {"text/html": {}}},
        409: {"description": "The clock did not move", "content": {"text/html": {}}},
        422: {"description": "No such step", "content": {"text/html": {}}},
    },
)
def move(visit: Annotated[Visit, Depends(may("world.move"))], form: Annotated[Move, Form()]) -> Response:
    """Move the clock on by an hour, a day, or to the next event, and show the same page again."""
    world = visit.house.world
    if world is None or not visit.house.settings.demonstration:
        raise HTTPException(404)
    if form.by not in {*STEPS, "event"}:
        return _not_moved(visit, f"found {form.by or 'nothing'!r}; allowed: hour, day, event; next: use the bar", 422)
    try:
        seconds = STEPS.get(form.by) or world.next_event_s()
        world.move(seconds)
    except (WorldAway, UnreachableError) as away:
        return _not_moved(visit, str(away), 409)
    visit.looked("moved the demonstration's clock", by=form.by, seconds=seconds)
    return go(_own(form.back))


def _not_moved(visit: Visit, why: str, status: int) -> HTMLResponse:
    return render(visit, "world/not_moved.html", status, why=why)


def _own(path: str) -> str:
    """A page of this clinic, the first one for anything else."""
    mine = path.startswith("/") and not path.startswith(("//", "/\\", "/world")) and path.isprintable()
    return path if mine else "/"
