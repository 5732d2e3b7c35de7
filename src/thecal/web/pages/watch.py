"""Watching after a refill: the step of the session, the list of open watches, and one watch with its scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Query
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field
from starlette.responses import Response

from thecal.clinic import watching
from thecal.clinic.record.tables import Patient, Person, Watch
from thecal.clinic.refilling import bridging
from thecal.clinic.refilling.entries import finish, open_here
from thecal.clinic.watching import NALOXONE, Leaving, NotWatched
from thecal.clinic.workflow import Step, Workflow
from thecal.web.door import Visit, may
from thecal.web.pages.refill_chart import line_chart
from thecal.web.pages.refill_step import ANSWERS, LONG, LOOKS, SHORT, Seen, after, case_or_404, opened, status_of
from thecal.web.pages.session_frame import session_or_404, step_page
from thecal.web.screen import Entries, go, render

if TYPE_CHECKING:
    from thecal.clinic.record.tables import Session
    from thecal.clinic.refilling.case import Case
    from thecal.clinic.refused import Refused

router = APIRouter(tags=["watch"])
WatchVisit = Annotated[Visit, Depends(may("watch.do"))]


# The step of the session ------------------------------------------------------------------------------------------


@router.get("/sessions/{session_id}/watch", response_class=HTMLResponse, responses=LOOKS)
def watch_step(visit: WatchVisit, session_id: int) -> HTMLResponse:
    """The watches of this session: from when, what is next; where the new fluid is; what the patient is told."""
    session, case, not_yet = opened(visit, session_id, Step.WATCH, "the watch of a session")
    return not_yet or _step(visit, session, case, ())


@router.post("/sessions/{session_id}/watch", response_class=RedirectResponse, status_code=303, responses=ANSWERS)
def watch_planned(visit: WatchVisit, session_id: int, form: Annotated[Seen, Form()]) -> Response:
    """The watch is taken on; the session goes on to its close."""
    session = session_or_404(visit, session_id)
    with visit.reading() as db:
        numbers = [s.watch.id for s in watching.of_session(db, session_id, visit.now_s)]
    refused = open_here(session, Step.WATCH)
    said = (
        (refused,)
        if refused
        else finish(visit.house, visit.who, session_id, form.revision(), Step.WATCH, {"watches": numbers})
    )
    if said:
        return _step(visit, session, case_or_404(visit, session), said)
    return after(visit, session_id)


def _step(visit: Visit, session: Session, case: Case, refused: tuple[Refused, ...]) -> HTMLResponse:
    with visit.reading() as db:
        watches = watching.of_session(db, session.id, visit.now_s)
        changed = session.workflow == Workflow.REFILL_NEW
        found = bridging.front_of(visit.house, db, case, visit.now_s) if changed else None
    front = found if isinstance(found, bridging.Front) else None
    if front is not None and session.state != "open" and not front.running:  # it was never sent, and never will be
        front = None
    return step_page(
        visit,
        session,
        Step.WATCH,
        "watch/step.html",
        refused,
        status_of(refused) if refused else 200,
        watches=watches,
        front=front,
        chart=None if front is None else line_chart(front),
        stations=()
        if front is None
        else tuple((s.at_utc_s, s.moved.text("mL"), f"{round(s.share * 100)} %", s.where) for s in front.stations),
        given=case.patient.given,
    )


# The list and one watch -------------------------------------------------------------------------------------------


@router.get("/watches", response_class=HTMLResponse)
def watches(
    visit: WatchVisit, text: Annotated[str, Query(max_length=200)] = "", page: Annotated[str, Query(max_length=10)] = ""
) -> HTMLResponse:
    """Every open watch, those that began first on top, with what is late."""
    number = int(page) if page.isascii() and page.isdigit() else 1
    with visit.reading() as db:
        found = watching.open_watches(db, visit.now_s, text, number)
    for line in found.lines:
        visit.looked("saw a watch", line.patient.id)
    return render(visit, "watch/list.html", found=found, text=text)


class ScoreForm(BaseModel):
    """One score."""

    number: str = Field("", max_length=SHORT)
    value: str = Field("", max_length=SHORT)
    note: str = Field("", max_length=LONG)


class CloseForm(Seen):
    """How the patient goes home."""

    naloxone: str = Field("", max_length=SHORT)
    drives: str = Field("", max_length=LONG)
    reason: str = Field("", max_length=LONG)


@router.get("/watches/{watch_id}", response_class=HTMLResponse, responses=LOOKS)
def one_watch(visit: WatchVisit, watch_id: int) -> HTMLResponse:
    """One watch: scores planned, due, late, missed and seen."""
    return _watch(visit, _watch_or_404(visit, watch_id), Entries())


@router.post("/watches/{watch_id}", response_class=RedirectResponse, status_code=303, responses=ANSWERS)
def scored(visit: WatchVisit, watch_id: int, form: Annotated[ScoreForm, Form()]) -> Response:
    """Write a score down, seen now."""
    watch = _watch_or_404(visit, watch_id)
    number = int(form.number) if form.number.isascii() and form.number.isdigit() and len(form.number) < 6 else -1
    found = watching.score(visit.house, visit.who, watch_id, number, form.value.strip(), form.note)
    if isinstance(found, tuple):
        return _watch(visit, watch, Entries(form.model_dump(), found), _status(found))
    return go(f"/watches/{watch_id}")


@router.post("/watches/{watch_id}/close", response_class=RedirectResponse, status_code=303, responses=ANSWERS)
def closed(visit: WatchVisit, watch_id: int, form: Annotated[CloseForm, Form()]) -> Response:
    """End a watch; with scores outstanding only with a reason."""
    watch = _watch_or_404(visit, watch_id)
    leaving = Leaving(form.naloxone, form.drives, form.reason)
    refused = watching.close(visit.house, visit.who, watch_id, form.revision(), leaving)
    if refused:
        return _watch(visit, watch, Entries(form.model_dump(), refused), _status(refused))
    return go(f"/watches/{watch_id}")


def _status(refused: tuple[Refused, ...]) -> int:
    return 409 if any(r.code is NotWatched.NOT_OPEN for r in refused) else 422


def _watch_or_404(visit: Visit, watch_id: int) -> Watch:
    with visit.reading() as db:
        found = db.get(Watch, watch_id) if 0 < watch_id < 2**63 else None
    if found is None:
        raise HTTPException(404)
    return found


def _watch(visit: Visit, watch: Watch, entries: Entries, status: int = 200) -> HTMLResponse:
    visit.looked("saw a watch", watch.patient_id)
    with visit.reading() as db:
        row = db.get(Watch, watch.id) or watch
        found = watching.shown(db, row, visit.now_s)
        patient = db.get(Patient, watch.patient_id)
        people = {s.seen.by_person: db.get(Person, s.seen.by_person) for s in found.scores if s.seen is not None}
    due = [s for s in found.scores if s.outstanding and s.at_utc_s <= visit.now_s]
    return render(
        visit,
        "watch/watch.html",
        status,
        watch=row,
        found=found,
        patient=patient,
        people=people,
        due=due,
        naloxone=NALOXONE,
        entries=entries,
    )
