"""The preview: what arrives as it runs now and as proposed. The central lines come with the page, the band follows."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field
from starlette.responses import Response

from thecal.clinic.programming.composing import fitting
from thecal.clinic.programming.day_chart import day_charts
from thecal.clinic.programming.frame import Frame, frame_of, read_order
from thecal.clinic.programming.previewing import MODEL, Wanted
from thecal.clinic.record.tables import Order, Session
from thecal.clinic.refused import Refused
from thecal.clinic.session import enter, reading, status_of
from thecal.clinic.session.proposing import draft_of
from thecal.clinic.workflow import Step
from thecal.pump.wall_clock.clock import reading_of
from thecal.web.answers import CONFLICT, MISSING
from thecal.web.door import Visit, may
from thecal.web.pages.session_frame import recorded_page, saw, session_or_404, step_page
from thecal.web.screen import go, render

if TYPE_CHECKING:
    from datetime import datetime

    from thecal.clinic.programming.previewing import Preview

router = APIRouter(tags=["program"])

PREVIEW = may("program.write")
PATIENCE_S = 1.5
"""How long a page waits for its central lines before it says that it waits."""
GLANCE_S = 0.05
"""How long a fragment waits for the band before it asks to be asked again."""

Site = Annotated[str, Query(max_length=60)]


class _Nothing(StrEnum):
    NOTHING = "no program"


class Seen(BaseModel):
    """That the preview was looked at."""

    seen: Annotated[str, Field(max_length=20)] = ""


@router.get("/sessions/{session_id}/preview", response_class=HTMLResponse, responses={**MISSING, **CONFLICT})
def preview_page(visit: Annotated[Visit, Depends(PREVIEW)], session_id: int, site: Site = "csf-tip") -> HTMLResponse:
    """What arrives at one place, now and as proposed."""
    session = session_or_404(visit, session_id)
    saw(visit, session, "the preview")
    over = recorded_page(visit, session, Step.PREVIEW)
    if over is not None:
        return over
    frame, wanted = _wanted(visit, session)
    if isinstance(wanted, Refused):
        return step_page(visit, session, Step.PREVIEW, "program/no_preview.html", wanted, 409)
    made = visit.house.previews.ask(wanted, visit.house.formulary, site, band=False, wait_s=PATIENCE_S)
    context = _shown(session, wanted, made, site)
    return step_page(
        visit, session, Step.PREVIEW, "program/preview.html", charts24=_day(visit, frame, wanted), **context
    )


@router.get("/sessions/{session_id}/preview/lines", response_class=HTMLResponse, responses={**MISSING, **CONFLICT})
def preview_lines(visit: Annotated[Visit, Depends(PREVIEW)], session_id: int, site: Site = "csf-tip") -> HTMLResponse:
    """The central lines by themselves, where the page had to wait for them."""
    return _fragment(visit, session_id, site, band=False)


@router.get("/sessions/{session_id}/preview/band", response_class=HTMLResponse, responses={**MISSING, **CONFLICT})
def preview_band(visit: Annotated[Visit, Depends(PREVIEW)], session_id: int, site: Site = "csf-tip") -> HTMLResponse:
    """The lines with their band, or that it is still being drawn."""
    return _fragment(visit, session_id, site, band=True)


def _fragment(visit: Visit, session_id: int, site: str, *, band: bool) -> HTMLResponse:
    session = session_or_404(visit, session_id)
    over = recorded_page(visit, session, Step.PREVIEW)
    if over is not None:
        saw(visit, session, "the preview")
        return over
    _, wanted = _wanted(visit, session)
    if isinstance(wanted, Refused):
        saw(visit, session, "the preview")
        return step_page(visit, session, Step.PREVIEW, "program/no_preview.html", wanted, 409)
    made = visit.house.previews.ask(wanted, visit.house.formulary, site, band=band, wait_s=GLANCE_S)
    if made is not None and made.banded == band:
        saw(visit, session, "the preview")
    context = _shown(session, wanted, made, site)
    return render(visit, "program/arriving.html", session=session, **context)


@router.post(
    "/sessions/{session_id}/preview",
    response_class=RedirectResponse,
    status_code=303,
    responses={**MISSING, **CONFLICT},
)
def preview_seen(visit: Annotated[Visit, Depends(PREVIEW)], session_id: int, form: Annotated[Seen, Form()]) -> Response:
    """Go on: the preview was looked at. It decides nothing."""
    session = session_or_404(visit, session_id)
    _, wanted = _wanted(visit, session)
    if isinstance(wanted, Refused):
        return step_page(visit, session, Step.PREVIEW, "program/no_preview.html", wanted, 409)
    seen = int(form.seen) if form.seen.isascii() and form.seen.isdigit() else 0
    moved = enter(visit.house, visit.who, session_id, seen, Step.PREVIEW, {"seen": wanted.key})
    if isinstance(moved, tuple):
        return step_page(visit, session, Step.PREVIEW, "program/no_preview.html", moved, 409)
    return go(f"/sessions/{session_id}/{moved.step}")


# What is asked for ------------------------------------------------------------------------------------------------


def _wanted(visit: Visit, session: Session) -> tuple[Frame | Refused, Wanted | Refused]:
    """The two orders and the moment of a session's preview; the record is let go before anything is computed."""
    with visit.reading() as look:
        frame = frame_of(visit.house, look, session.id, visit.now_s)
        order = draft_of(look, session)
        read = reading(look, session.serial)
    if isinstance(frame, Refused):
        return frame, frame
    text = _proposed(frame, order)
    if text is None or read is None:
        found, allowed = "no program of this session", "a program that was applied"
        return frame, Refused(_Nothing.NOTHING, found, allowed, "write the program and apply it")
    status = status_of(read)
    start = reading_of(status.clock_s + max(0, visit.now_s - read.read_utc_s))
    return frame, Wanted(frame.running, text, _hour(start), frame.patient.weight_g)


def _proposed(frame: Frame, order: Order | None) -> str | None:
    """The order that was kept last in this session, else the draft."""
    if order is not None and order.state in {"draft", "signed"}:
        return order.text
    held = fitting(frame)
    return None if held is None else held.now.text


def _hour(moment: datetime) -> datetime:
    """The full hour before: within it a preview is computed once."""
    return moment - timedelta(minutes=moment.minute, seconds=moment.second, microseconds=moment.microsecond)


def _shown(session: Session, wanted: Wanted, made: Preview | None, site: str) -> dict[str, Any]:
    shown = None if made is None else made.shown
    return {
        "here": f"/sessions/{session.id}/preview",
        "site": site if shown is None else shown.place,
        "model": MODEL,
        "why_not": None if made is None else made.none,
        "shown": shown,
        "waiting": made is None,
        "banded": made is not None and made.banded,
        "alone": wanted.current is None,
    }


def _day(visit: Visit, frame: Frame | Refused, wanted: Wanted) -> Any:
    """The dose of each hour, now and as proposed."""
    if isinstance(frame, Refused):
        return ()
    running, proposed = read_order(wanted.current, visit.house), read_order(wanted.proposed, visit.house)
    if proposed is None:
        return ()
    return day_charts(None if running is None else running.order, proposed.order, (), visit.house.formulary)
