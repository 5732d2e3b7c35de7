"""Found empty or late: the timeline of hours without drug, the root cause, and the case as a learning report without
names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Form
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from pydantic import Field
from starlette.responses import Response

from thecal.clinic.refilling import learning, restarting
from thecal.clinic.refilling.entries import entry
from thecal.clinic.workflow import Step
from thecal.therapy.refusal import Refusal
from thecal.therapy.restart import Line
from thecal.web.door import Visit, may
from thecal.web.pages.refill_step import (
    ANSWERS,
    LONG,
    LOOKS,
    SHORT,
    Seen,
    after,
    case_or_404,
    entries_of,
    opened,
    status_of,
)
from thecal.web.pages.session_frame import saw, session_or_404, step_page
from thecal.web.screen import go

if TYPE_CHECKING:
    from thecal.clinic.record.tables import Session
    from thecal.clinic.refilling.case import Case
    from thecal.clinic.refused import Refused

router = APIRouter(tags=["restart"])
RestartVisit = Annotated[Visit, Depends(may("restart.write"))]
RefillVisit = Annotated[Visit, Depends(may("refill.do"))]
_JSON = {"content": {"application/json": {"schema": {"type": "object"}}}}


class TimelineForm(Seen):
    """What is seen and planned before anything is filled."""

    line: str = Field("", max_length=SHORT)
    symptoms: list[str] = Field(default_factory=list, max_length=20)
    needle: str = Field("", max_length=SHORT)
    cover: str = Field("", max_length=LONG)
    told_hours: str = Field("", max_length=SHORT)


class RootForm(Seen):
    """Why the pump ran dry."""

    root: str = Field("", max_length=SHORT)
    text: str = Field("", max_length=4000)


@router.get("/sessions/{session_id}/timeline", response_class=HTMLResponse, responses=LOOKS)
def timeline_page(visit: RestartVisit, session_id: int) -> HTMLResponse:
    """Empty since when, how long without drug, what that means of tolerance. The dose of before is nowhere on it."""
    session, case, not_yet = opened(visit, session_id, Step.TIMELINE, "the timeline of a restart")
    return not_yet or _timeline(visit, session, case, None, ())


@router.post("/sessions/{session_id}/timeline", response_class=RedirectResponse, status_code=303, responses=ANSWERS)
def timeline_entered(visit: RestartVisit, session_id: int, form: Annotated[TimelineForm, Form()]) -> Response:
    """Keep the timeline."""
    session = session_or_404(visit, session_id)
    refused = restarting.enter_timeline(
        visit.house,
        visit.who,
        session_id,
        form.revision(),
        line=form.line,
        symptoms=[s[:SHORT] for s in form.symptoms],
        needle=form.needle,
        cover=form.cover,
        told_hours=form.told_hours,
    )
    if refused:
        return _timeline(visit, session, case_or_404(visit, session), form, refused)
    return after(visit, session_id)


def _timeline(
    visit: Visit, session: Session, case: Case, form: TimelineForm | None, refused: tuple[Refused, ...]
) -> HTMLResponse:
    with visit.reading() as db:
        found = restarting.since(case, db, visit.now_s)
        depletion = learning.early(case, db, visit.now_s)
    tips = []
    if found.shown_s is not None:
        for line, name in (
            (Line.DRUG, "line still holds drug"),
            (Line.NO_DRUG, "line aspirated, rinsed or dry (filled again at the flow of before)"),
        ):
            tip = restarting.at_tip(case, found.shown_s, visit.now_s, line)
            if not isinstance(tip, Refusal):
                tips.append((name, tip.state.from_empty, restarting.tolerance_lines(case, tip)))
    kept = entry(session, Step.TIMELINE)
    return step_page(
        visit,
        session,
        Step.TIMELINE,
        "refill/timeline.html",
        status=status_of(refused) if refused else 200,
        entries=entries_of(form, refused, kept),
        since=found,
        tips=tips,
        depletion=depletion,
        causes=learning.ranked(case, depletion),
        needles=restarting.options("needle"),
        symptoms=restarting.options("symptom"),
        ticked=form.symptoms if form is not None else kept.get("symptoms", []),
    )


# The root cause and the report ------------------------------------------------------------------------------------


@router.get("/sessions/{session_id}/root-cause", response_class=HTMLResponse, responses=LOOKS)
def root_page(visit: RefillVisit, session_id: int) -> HTMLResponse:
    """Why the pump ran dry: causes, the most likely first, and what was found."""
    session = session_or_404(visit, session_id)
    saw(visit, session, "the root cause of a session")
    return _root(visit, session, case_or_404(visit, session), None, ())


@router.post("/sessions/{session_id}/root-cause", response_class=RedirectResponse, status_code=303, responses=ANSWERS)
def root_written(visit: RefillVisit, session_id: int, form: Annotated[RootForm, Form()]) -> Response:
    """Keep the cause."""
    session = session_or_404(visit, session_id)
    case = case_or_404(visit, session)
    refused = learning.write_root(visit.house, visit.who, case, form.root, form.text)
    return _root(visit, session, case, form, refused) if refused else go(f"/sessions/{session_id}/learning")


def _root(
    visit: Visit, session: Session, case: Case, form: RootForm | None, refused: tuple[Refused, ...]
) -> HTMLResponse:
    with visit.reading() as db:
        depletion = learning.early(case, db, visit.now_s)
        written = learning.root_of(db, session.id)
    return step_page(
        visit,
        session,
        None,
        "refill/root_cause.html",
        status=status_of(refused) if refused else 200,
        entries=entries_of(form, refused, written),
        depletion=depletion,
        causes=learning.ranked(case, depletion),
        roots=[(o.id, o.what) for o in restarting.options("root")],
    )


@router.get("/sessions/{session_id}/learning", response_class=HTMLResponse, responses=LOOKS)
def learning_page(visit: RefillVisit, session_id: int) -> HTMLResponse:
    """The case without anybody's name, as it would leave."""
    session = session_or_404(visit, session_id)
    saw(visit, session, "a learning report")
    with visit.reading() as db:
        found = learning.report(case_or_404(visit, session), db, visit.now_s)
    return step_page(visit, session, None, "refill/learning.html", report=found)


@router.get("/sessions/{session_id}/learning.json", response_class=JSONResponse, responses={200: _JSON, **LOOKS})
def learning_json(visit: RefillVisit, session_id: int) -> JSONResponse:
    """The same as a file."""
    session = session_or_404(visit, session_id)
    visit.looked("exported a learning report", session.patient_id, session=session.id)
    with visit.reading() as db:
        found = learning.report(case_or_404(visit, session), db, visit.now_s)
    return JSONResponse(found, headers={"content-disposition": 'attachment; filename="learning-report.json"'})
