"""A session at a pump: begin it, what was read, commands, take it over, close it."""

from __future__ import annotations

import contextlib
from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import AfterValidator, BaseModel, Field
from starlette.responses import Response

from thecal.clinic.implants import implant_of
from thecal.clinic.record.tables import Patient, Person, Session
from thecal.clinic.refused import Refused
from thecal.clinic.session import (
    begin,
    close,
    command,
    enter,
    is_done,
    pending_at,
    read_again,
    reading,
    status_of,
    take_over,
    turn,
)
from thecal.clinic.session.beginning import open_at
from thecal.clinic.session.closing import stands_still
from thecal.clinic.session.ended import No
from thecal.clinic.session.found import account
from thecal.clinic.session.held import held_in, withdrawal_of
from thecal.clinic.session.reviewing import asked_in
from thecal.clinic.session.stepping import first_not_done
from thecal.clinic.workflow import WAYS, Step, Workflow, next_step
from thecal.pump.annunciation import before_stop
from thecal.quantities import Volume
from thecal.web.answers import CONFLICT, MISSING, WRONG
from thecal.web.beside import WorldAway
from thecal.web.door import Visit, may, own_path
from thecal.web.pages.session_frame import recorded_page, saw, session_or_404, step_page, step_url
from thecal.web.screen import Entries, go, render

router = APIRouter(tags=["sessions"])

Words = Annotated[str, Field(max_length=2000), AfterValidator(lambda text: text.replace("\x00", ""))]
"""An entry as it was typed, without the one character that no database keeps in a text."""
SEES = may("session.see")
WORKS = may("session.begin")
_ALL = {**MISSING, **CONFLICT, **WRONG}


class BeginForm(BaseModel):
    """What a session is for."""

    workflow: Words = ""


class SeenForm(BaseModel):
    """The revision that the page showed."""

    seen: Words = ""


class ReadForm(SeenForm):
    """What the session is to be for, after the reading."""

    workflow: Words = ""


class CommandForm(SeenForm):
    """One thing to ask of the pump."""

    operation: Words = ""
    alarm: Words = ""
    back: Words = ""


class StopForm(SeenForm):
    """Stopping, with the risk read."""

    read_risk: Words = ""


class CloseForm(SeenForm):
    """How the pump is left."""

    how_left: Words = ""
    reason: Words = ""
    told: Words = ""


class BackForm(BaseModel):
    """Where to go on."""

    back: Words = ""


def seen_of(text: str) -> int:
    """The revision that a page showed; 0, which no session has, where it is no number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def status_for(refused: Refused) -> int:
    """422 for an entry that is wrong, 409 where the state does not allow it."""
    return 422 if refused.field or refused.code in {No.VALUE, No.FINDINGS} else 409


# Beginning --------------------------------------------------------------------------------------------------------


@router.get("/patients/{patient_id}/session", response_class=HTMLResponse, responses=MISSING)
def begin_page(visit: Annotated[Visit, Depends(WORKS)], patient_id: int) -> HTMLResponse:
    """Choose what a session is for; the last reading with its age, whether or not the pump can be reached."""
    return _begin_page(visit, patient_id)


def _begin_page(visit: Visit, patient_id: int, refused: tuple[Refused, ...] = (), status: int = 200) -> HTMLResponse:
    with visit.reading() as db:
        patient = db.get(Patient, patient_id) if 0 < patient_id < 2**63 else None
        if patient is None:
            raise HTTPException(404)
        implant = implant_of(db, patient_id)
        row = None if implant is None else reading(db, implant.serial)
        there = None if implant is None else open_at(db, implant.serial)
        holder = None if there is None else db.get(Person, there.person_id)
    visit.looked("saw the beginning of a session", patient_id)
    held = None if row is None else held_in(row, visit.house.formulary)
    ways = [(w.value, way.name) for w, way in WAYS.items() if visit.who.may(way.action)]
    return render(
        visit,
        "session/begin.html",
        status,
        patient=patient,
        implant=implant,
        row=row,
        reading_status=None if row is None else status_of(row),
        level="" if row is None else Volume.of(status_of(row).level_nl, "nL").text("mL"),
        age_s=0 if row is None else max(0, visit.now_s - row.read_utc_s),
        held=held,
        there=there,
        holder=holder,
        pending=() if implant is None else pending_at(visit.house, implant.serial),
        ways=ways,
        entries=Entries({}, refused),
    )


@router.post("/patients/{patient_id}/session", response_class=RedirectResponse, status_code=303, responses=_ALL)
def begin_session(
    visit: Annotated[Visit, Depends(WORKS)], patient_id: int, form: Annotated[BeginForm, Form()]
) -> Response:
    """Read the pump, and open a session that rests on it."""
    if form.workflow not in {w.value for w in Workflow}:
        allowed = "one of the workflows on this page"
        return _begin_page(
            visit, patient_id, (Refused(No.VALUE, "no workflow", allowed, "choose one", "workflow"),), 422
        )
    with visit.reading() as db:
        implant = implant_of(db, patient_id) if 0 < patient_id < 2**63 else None
    if implant is not None:
        hold_near(visit, implant.serial)
    made = (
        begin(visit.house, visit.who, patient_id, Workflow(form.workflow))
        if implant or _known(visit, patient_id)
        else None
    )
    if isinstance(made, Session):
        return go(step_url(made, Step.READ))
    return _begin_page(visit, patient_id, () if made is None else (made,), 409)


def _known(visit: Visit, patient_id: int) -> bool:
    with visit.reading() as db:
        if not 0 < patient_id < 2**63 or db.get(Patient, patient_id) is None:
            raise HTTPException(404)
    return True


def hold_near(visit: Visit, serial: str) -> None:
    """Hold the programmer over the pump in a virtual world; where that is away, the reading will say so."""
    if visit.house.world is not None:
        with contextlib.suppress(WorldAway):
            visit.house.world.near(serial)


@router.post("/sessions/{session_id}/near", response_class=RedirectResponse, status_code=303, responses=MISSING)
def near(visit: Annotated[Visit, Depends(WORKS)], session_id: int, form: Annotated[BackForm, Form()]) -> Response:
    """Hold the programmer over the pump."""
    session = session_or_404(visit, session_id)
    hold_near(visit, session.serial)
    return go(own_path(form.back) if form.back else step_url(session, Step.READ))


# Reading ----------------------------------------------------------------------------------------------------------


@router.get("/sessions/{session_id}", response_class=RedirectResponse, status_code=303, responses=MISSING)
def where_it_stands(visit: Annotated[Visit, Depends(SEES)], session_id: int) -> Response:
    """The step where a session stands."""
    session = session_or_404(visit, session_id)
    return go(step_url(session, session.step if session.state == "open" else Step.READ))


@router.get("/sessions/{session_id}/read", response_class=HTMLResponse, responses=MISSING)
def read_page(visit: Annotated[Visit, Depends(SEES)], session_id: int) -> HTMLResponse:
    """What the pump said: clock, alarms, boluses, events, what runs, what is left."""
    session = session_or_404(visit, session_id)
    saw(visit, session, "a reading")
    return _read_page(visit, session)


def _read_page(visit: Visit, session: Session, refused: tuple[Refused, ...] = (), status: int = 200) -> HTMLResponse:
    over = recorded_page(visit, session, Step.READ, refused, status)
    if over is not None:
        return over
    with visit.reading() as db:
        row = reading(db, session.serial)
        told = None if row is None else account(db, row, session, visit.house.formulary)
        asked = asked_in(db, session.id, 5)
    ways = [(w.value, way.name) for w, way in WAYS.items() if visit.who.may(way.action)]
    return step_page(visit, session, Step.READ, "session/read.html", refused, status, told=told, asked=asked, ways=ways)


@router.post("/sessions/{session_id}/read", response_class=RedirectResponse, status_code=303, responses=_ALL)
def read_done(visit: Annotated[Visit, Depends(WORKS)], session_id: int, form: Annotated[ReadForm, Form()]) -> Response:
    """The reading was looked at; the session is for this from now on."""
    session = session_or_404(visit, session_id)
    if form.workflow not in {w.value for w in Workflow}:
        refused = Refused(No.VALUE, "no workflow", "one of the workflows on this page", "choose one", "workflow")
        return _read_page(visit, session, (refused,), 422)
    workflow, seen = Workflow(form.workflow), seen_of(form.seen)
    if workflow.value != session.workflow:
        turned = turn(visit.house, visit.who, session_id, seen, workflow)
        if isinstance(turned, Refused):
            return _read_page(visit, session, (turned,), status_for(turned))
        session, seen = turned, turned.revision
    if not is_done(session, Step.READ):
        done = enter(visit.house, visit.who, session_id, seen, Step.READ, {"looked_at": session.reading_id})
        if isinstance(done, tuple):
            return _read_page(visit, session, done, status_for(done[0]))
        session = done
    here = next_step(workflow, Step.READ) if workflow is Workflow.LOOK else first_not_done(session, session.entered)
    return go(step_url(session, here or Step.CLOSE))


@router.post("/sessions/{session_id}/read-again", response_class=RedirectResponse, status_code=303, responses=_ALL)
def read_once_more(
    visit: Annotated[Visit, Depends(WORKS)], session_id: int, form: Annotated[SeenForm, Form()]
) -> Response:
    """Read the pump whole once more; review and proposal are void."""
    session = session_or_404(visit, session_id)
    hold_near(visit, session.serial)
    done = read_again(visit.house, visit.who, session_id, seen_of(form.seen))
    if isinstance(done, Refused):
        return _read_page(visit, session, (done,), status_for(done))
    return go(step_url(done, Step.READ))


@router.post("/sessions/{session_id}/take-over", response_class=RedirectResponse, status_code=303, responses=_ALL)
def take_session_over(
    visit: Annotated[Visit, Depends(WORKS)], session_id: int, form: Annotated[SeenForm, Form()]
) -> Response:
    """Go on with somebody else's session; that is written down."""
    session = session_or_404(visit, session_id)
    done = take_over(visit.house, visit.who, session_id, seen_of(form.seen))
    if isinstance(done, Refused):
        return _read_page(visit, session, (done,), status_for(done))
    return go(f"/sessions/{session_id}")


# Commands ---------------------------------------------------------------------------------------------------------

_SIMPLE = {"start", "acknowledge", "clear", "alarm_test"}


@router.post("/sessions/{session_id}/command", response_class=RedirectResponse, status_code=303, responses=_ALL)
def simple_command(
    visit: Annotated[Visit, Depends(WORKS)], session_id: int, form: Annotated[CommandForm, Form()]
) -> Response:
    """Start, mark an alarm as seen, clear it, or sound its tone; how it ended stands on the page of the reading."""
    session = session_or_404(visit, session_id)
    fields = _fields(form)
    if fields is None:
        refused = Refused(No.VALUE, "a command that this page does not have", ", ".join(sorted(_SIMPLE)), "go back")
        return _read_page(visit, session, (refused,), 422)
    end = command(visit.house, visit.who, session_id, form.operation, **fields)
    if isinstance(end, Refused):
        return _read_page(visit, session, (end,), status_for(end))
    return go(f"/sessions/{session_id}/send" if form.back == "send" else step_url(session, Step.READ))


def _fields(form: CommandForm) -> dict[str, object] | None:
    """What goes with a command; None where the form does not make sense."""
    if form.operation not in _SIMPLE:
        return None
    if form.operation == "start":
        return {}
    if form.operation == "alarm_test":
        return {"critical": form.alarm == "critical"}
    return {"alarm": int(form.alarm)} if form.alarm in {str(n) for n in range(14)} else None


@router.get("/sessions/{session_id}/stop", response_class=HTMLResponse, responses=MISSING)
def stop_page(visit: Annotated[Visit, Depends(may("pump.stop"))], session_id: int) -> HTMLResponse:
    """What stopping can do, before it is done (promise 11)."""
    session = session_or_404(visit, session_id)
    saw(visit, session, "the risk of stopping")
    return _stop_page(visit, session)


def _stop_page(visit: Visit, session: Session, refused: tuple[Refused, ...] = (), status: int = 200) -> HTMLResponse:
    over = recorded_page(visit, session, Step.READ, refused, status) if session.state != "open" else None
    if over is not None:
        return over
    with visit.reading() as db:
        row = reading(db, session.serial)
    formulary = visit.house.formulary
    risks = () if row is None else before_stop(withdrawal_of(held_in(row, formulary), formulary))
    return step_page(visit, session, None, "session/stop.html", refused, status, risks=risks)


@router.post("/sessions/{session_id}/stop", response_class=RedirectResponse, status_code=303, responses=_ALL)
def stop(
    visit: Annotated[Visit, Depends(may("pump.stop"))], session_id: int, form: Annotated[StopForm, Form()]
) -> Response:
    """Stop all delivery."""
    session = session_or_404(visit, session_id)
    if form.read_risk != "yes":
        found = Refused(
            No.VALUE, "the box not ticked", "that the risk was read", "read it and tick the box", "read_risk"
        )
        return _stop_page(visit, session, (found,), 422)
    end = command(visit.house, visit.who, session_id, "stop")
    if isinstance(end, Refused):
        return _stop_page(visit, session, (end,), status_for(end))
    return go(step_url(session, Step.READ))


# Closing ----------------------------------------------------------------------------------------------------------


@router.get("/sessions/{session_id}/close", response_class=HTMLResponse, responses=MISSING)
def close_page(visit: Annotated[Visit, Depends(SEES)], session_id: int) -> HTMLResponse:
    """How the pump is left."""
    session = session_or_404(visit, session_id)
    saw(visit, session, "the end of a session")
    return _close_page(visit, session, Entries())


def _close_page(visit: Visit, session: Session, entries: Entries, status: int = 200) -> HTMLResponse:
    over = recorded_page(visit, session, Step.CLOSE, entries.refused, status)
    if over is not None:
        return over
    with visit.reading() as db:
        row, asked = reading(db, session.serial), asked_in(db, session.id)
    still = row is None or stands_still(status_of(row))
    level = "not known" if row is None else Volume.of(status_of(row).level_nl, "nL").text("mL")
    more = {"entries": entries, "asked": asked, "still": still, "level": level}
    return step_page(visit, session, Step.CLOSE, "session/close.html", (), status, **more)


@router.post("/sessions/{session_id}/close", response_class=RedirectResponse, status_code=303, responses=_ALL)
def close_session(
    visit: Annotated[Visit, Depends(WORKS)], session_id: int, form: Annotated[CloseForm, Form()]
) -> Response:
    """End the session."""
    session = session_or_404(visit, session_id)
    seen = seen_of(form.seen)
    done = close(visit.house, visit.who, session_id, seen, form.how_left, form.reason, form.told)
    if isinstance(done, Refused):
        return _close_page(visit, session, Entries(form.model_dump(), (done,)), status_for(done))
    return go(f"/patients/{done.patient_id}")
