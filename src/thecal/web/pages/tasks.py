"""Tasks: what there is to do for whom, taken, done or stopped."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from fastapi import Form as FormOf
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import func, select
from starlette.responses import Response

from thecal.clinic.desk import tasks
from thecal.clinic.record.tables import Patient, Task
from thecal.clinic.refused import Refused
from thecal.clinic.who import StaffRole
from thecal.web.door import Visit, may
from thecal.web.pages.desk_forms import FORM, RowId, SeenForm, Text, desk_page, names_of, status_for, whole
from thecal.web.screen import Entries, go

router = APIRouter(tags=["tasks"])

ROLES = tuple(role.value for role in (StaffRole.DESK, StaffRole.NURSE, StaffRole.PHYSICIAN, StaffRole.PHARMACIST))


@router.get("/tasks", response_class=HTMLResponse)
def see_tasks(
    visit: Annotated[Visit, Depends(may("task.do"))],
    role: Text = "",
    state: Text = "",
    page: Text = "",
) -> HTMLResponse:
    """Tasks that are still to do, or those in one state; of every role, or of one."""
    return _list(visit, role=role, state=state, page=whole(page, 1))


@router.post("/tasks/{task_id}/take", response_class=RedirectResponse, status_code=303, responses=FORM)
def take(
    visit: Annotated[Visit, Depends(may("task.do"))], task_id: RowId, form: Annotated[SeenForm, FormOf()]
) -> Response:
    """Take a task on oneself."""
    _there(visit, task_id)
    return _done(visit, task_id, form, tasks.take(visit.house, visit.who, task_id, whole(form.revision)))


@router.post("/tasks/{task_id}/done", response_class=RedirectResponse, status_code=303, responses=FORM)
def done(
    visit: Annotated[Visit, Depends(may("task.do"))], task_id: RowId, form: Annotated[SeenForm, FormOf()]
) -> Response:
    """Say that a task is done."""
    _there(visit, task_id)
    return _done(visit, task_id, form, tasks.finish(visit.house, visit.who, task_id, whole(form.revision), form.note))


@router.post("/tasks/{task_id}/stop", response_class=RedirectResponse, status_code=303, responses=FORM)
def stop(
    visit: Annotated[Visit, Depends(may("task.do"))], task_id: RowId, form: Annotated[SeenForm, FormOf()]
) -> Response:
    """Say that a task need not be done."""
    _there(visit, task_id)
    return _done(visit, task_id, form, tasks.stop(visit.house, visit.who, task_id, whole(form.revision), form.note))


def _there(visit: Visit, task_id: int) -> None:
    with visit.reading() as session:
        if session.get(Task, task_id) is None:
            raise HTTPException(404)


def _done(visit: Visit, task_id: int, form: SeenForm, found: Task | tuple[Refused, ...]) -> Response:
    if isinstance(found, tuple):
        return _list(visit, entries=Entries(form.model_dump(), found), at=task_id, status=status_for(found))
    return go("/tasks")


def _list(
    visit: Visit,
    *,
    role: str = "",
    state: str = "",
    page: int = 1,
    entries: Entries | None = None,
    at: int = 0,
    status: int = 200,
) -> HTMLResponse:
    state = state if state in tuple(tasks.State) else ""
    role = role if role in ROLES else ""
    visit.looked("saw tasks", role=role, state=state)
    with visit.reading() as session:
        query = tasks.listed(role, state)
        total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
        pages = max(1, -(-total // tasks.PAGE))
        page = min(max(1, page), pages)
        rows = list(session.scalars(query.limit(tasks.PAGE).offset((page - 1) * tasks.PAGE)))
        wanted = {t.patient_id for t in rows if t.patient_id}
        patients = {p.id: p for p in session.scalars(select(Patient).where(Patient.id.in_(wanted)))}
        names = names_of(session, [t.taken_by for t in rows])
    return desk_page(
        visit, "tasks/list.html", status, rows=rows, patients=patients, names=names, entries=entries or Entries(),
        at=at, asked={"role": role, "state": state, "page": page, "pages": pages}, total=total,
        states=[s.value for s in tasks.State], roles=ROLES, open_states=tasks.OPEN,
    )  # fmt: skip
