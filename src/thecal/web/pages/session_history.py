"""Programs and sessions of a patient: the tree, two programs compared, and going back to one as a new draft."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, HTTPException, Query
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel
from starlette.responses import Response

from thecal.clinic.implants import implant_of
from thecal.clinic.record.tables import Patient
from thecal.clinic.refused import Refused
from thecal.clinic.session.history import (
    compare_runs,
    go_back,
    numbers_of,
    rows_of,
    runs_of,
    sessions_of,
    tree,
)
from thecal.clinic.workflow import Step
from thecal.web.answers import CONFLICT, MISSING, WRONG
from thecal.web.door import Visit, may
from thecal.web.pages.desk_forms import Text, whole
from thecal.web.pages.session_frame import step_url
from thecal.web.pages.sessions import SEES, Words, hold_near, status_for
from thecal.web.screen import Entries, go, render

router = APIRouter(tags=["sessions"])


class AgainForm(BaseModel):
    """The program to go back to."""

    run: Words = ""


@router.get("/patients/{patient_id}/history", response_class=HTMLResponse, responses=MISSING)
def history(
    visit: Annotated[Visit, Depends(SEES)], patient_id: int, page: Text = "", programs: Text = ""
) -> HTMLResponse:
    """Sessions as a tree, and programs that ran, each a page at a time."""
    visit.looked("saw programs and sessions", _patient(visit, patient_id).id)
    return _history(visit, patient_id, at=(whole(page, 1), whole(programs, 1)))


def _history(
    visit: Visit, patient_id: int, refused: tuple[Refused, ...] = (), status: int = 200, at: tuple[int, int] = (1, 1)
) -> HTMLResponse:
    patient = _patient(visit, patient_id)
    with visit.reading() as db:
        sessions, programs = sessions_of(db, patient_id, at[0]), runs_of(db, patient_id, at[1])
        rows = rows_of(tree(db, patient_id, at[0]))
        runs = list(programs.rows)
        newest = runs_of(db, patient_id).rows[:1] if programs.page > 1 else ()
        numbers = numbers_of(db, [b.went_back_to for _, b in rows if b.went_back_to])
    more = {"sessions": sessions, "programs": programs, "entries": Entries({}, refused), "numbers": numbers}
    return render(visit, "session/history.html", status, patient=patient, rows=rows, runs=[*newest, *runs], **more)


def _patient(visit: Visit, patient_id: int) -> Patient:
    with visit.reading() as db:
        found = db.get(Patient, patient_id) if 0 < patient_id < 2**63 else None
    if found is None:
        raise HTTPException(404)
    return found


@router.get("/patients/{patient_id}/history/compare", response_class=HTMLResponse, responses={**MISSING, **WRONG})
def compare(
    visit: Annotated[Visit, Depends(SEES)],
    patient_id: int,
    first: Annotated[str, Query(max_length=20)] = "",
    second: Annotated[str, Query(max_length=20)] = "",
) -> HTMLResponse:
    """Two programs that ran, setting by setting."""
    patient = _patient(visit, patient_id)
    with visit.reading() as db:
        found = compare_runs(visit.house, db, patient_id, _number(first), _number(second))
    if isinstance(found, Refused):
        visit.looked("saw programs and sessions", patient_id)
        return _history(visit, patient_id, (found,), 422)
    visit.looked("compared two programs", patient_id, first=found.old.id, second=found.new.id)
    return render(visit, "session/compare.html", patient=patient, found=found)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


@router.post(
    "/patients/{patient_id}/history/back",
    response_class=RedirectResponse,
    status_code=303,
    responses={**MISSING, **CONFLICT, **WRONG},
)
def back(
    visit: Annotated[Visit, Depends(may("program.write"))], patient_id: int, form: Annotated[AgainForm, Form()]
) -> Response:
    """Open a session with an earlier program as its draft; it is reviewed and sent like any change."""
    _patient(visit, patient_id)
    with visit.reading() as db:
        implant = implant_of(db, patient_id)
    if implant is not None:
        hold_near(visit, implant.serial)
    made = go_back(visit.house, visit.who, patient_id, _number(form.run))
    if isinstance(made, Refused):
        return _history(visit, patient_id, (made,), status_for(made))
    return go(step_url(made, Step.READ))
