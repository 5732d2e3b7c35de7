"""Writing a program: the form, its live answer, apply, undo and redo, and on to the next step. Nothing is sent from
here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Form
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from thecal.clinic.programming import draft
from thecal.clinic.programming.composing import Composed, beginning, composed, fitting, opened
from thecal.clinic.programming.day_chart import day_charts, drawing_scale
from thecal.clinic.programming.entries import BASES, FAULTS, Days
from thecal.clinic.programming.finishing import finish
from thecal.clinic.programming.frame import Frame, frame_of, read_order
from thecal.clinic.programming.planned import rules
from thecal.clinic.programming.signing import note_near_misses, stops_of
from thecal.clinic.refused import Refused
from thecal.clinic.workflow import Step
from thecal.quantities import Concentration
from thecal.therapy.program import Response as FaultResponse
from thecal.web.answers import CONFLICT, MISSING, WRONG
from thecal.web.door import Visit, may
from thecal.web.pages.program_form import ProgramForm, ceiling_places, fields_in, pressed, shown_steps
from thecal.web.pages.session_frame import recorded_page, saw, session_or_404, step_page
from thecal.web.screen import Entries, go, render

if TYPE_CHECKING:
    from thecal.clinic.record.tables import Session
    from thecal.quantities import Quantity

router = APIRouter(tags=["program"])

PROGRAM = may("program.write")
_AGAIN: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The form again, with a row more or less.",
        "content": {"text/html": {"schema": {"type": "string"}}},
    }
}
_ALL: dict[int | str, dict[str, Any]] = {**_AGAIN, **WRONG, **MISSING, **CONFLICT}


@router.get("/sessions/{session_id}/program", response_class=HTMLResponse, responses={**MISSING, **CONFLICT})
def program(visit: Annotated[Visit, Depends(PROGRAM)], session_id: int) -> HTMLResponse:
    """The form: the draft, what runs where that is changed, or every field empty."""
    session = session_or_404(visit, session_id)
    saw(visit, session, "the program")
    over = recorded_page(visit, session, Step.PROGRAM)
    if over is not None:
        return over
    frame = _frame(visit, session)
    if isinstance(frame, Refused):
        return step_page(visit, session, Step.PROGRAM, "program/none.html", frame, 409)
    return _page(visit, frame, opened(frame, visit.house.formulary))


@router.post("/sessions/{session_id}/program", response_class=RedirectResponse, status_code=303, responses=_ALL)
def write(visit: Annotated[Visit, Depends(PROGRAM)], session_id: int, form: Annotated[ProgramForm, Form()]) -> Response:
    """Apply what was entered, undo, redo, leave the draft, add or take a row, or finish the step: by the button
    pressed.
    """
    session = session_or_404(visit, session_id)
    frame = _frame(visit, session)
    if isinstance(frame, Refused):
        return step_page(visit, session, Step.PROGRAM, "program/none.html", frame, 409)
    match form.press:
        case "undo" | "redo" | "leave":
            act = {"undo": draft.undo, "redo": draft.redo, "leave": draft.leave}[form.press]
            return _done(visit, frame, act(visit.house, visit.who, session_id, form.revision()))
        case "apply" | "finish":
            return _apply(visit, frame, form)
        case _:
            return _again(visit, frame, form)


@router.post("/sessions/{session_id}/program/answer", response_class=HTMLResponse, responses={**MISSING, **CONFLICT})
def answer(
    visit: Annotated[Visit, Depends(PROGRAM)], session_id: int, form: Annotated[ProgramForm, Form()]
) -> HTMLResponse:
    """The answer beside the form, as it would be for what is entered now; nothing is kept."""
    session = session_or_404(visit, session_id)
    frame = _frame(visit, session)
    if isinstance(frame, Refused):
        return step_page(visit, session, Step.PROGRAM, "program/none.html", frame, 409)
    found = composed(fields_in(form, frame.drugs), frame, visit.house.formulary)
    return render(visit, "program/answer.html", **_answer_context(visit, frame, found))


def _frame(visit: Visit, session: Session) -> Frame | Refused:
    with visit.reading() as look:
        return frame_of(visit.house, look, session.id, visit.now_s)


# What the buttons do ----------------------------------------------------------------------------------------------


def _apply(visit: Visit, frame: Frame, form: ProgramForm) -> Response:
    found = composed(fields_in(form, frame.drugs), frame, visit.house.formulary)
    if found.written is None or found.judged is None or found.refused:
        return _page(visit, frame, found, 422)
    house, who, session_id = visit.house, visit.who, frame.session.id
    before = None if frame.begins is None else beginning(frame, house.formulary)
    kept = draft.apply(house, who, session_id, form.revision(), found.written, before)
    if isinstance(kept, Refused):
        return _page(visit, frame, found, 409, (kept,))
    note_near_misses(house, who, session_id, found.judged)
    if form.press == "apply":
        return go(f"/sessions/{session_id}/program")
    stops = tuple(stops_of(found.judged))
    if stops:
        return _page(visit, _again_framed(visit, frame), found, 422, stops[:1])
    moved = finish(house, who, session_id, kept.revision, found.written, frame.today)
    if isinstance(moved, tuple):
        return _page(visit, _again_framed(visit, frame), found, 422, moved)
    return go(f"/sessions/{session_id}/{moved.step}")


def _again_framed(visit: Visit, frame: Frame) -> Frame:
    """The frame with the session as it is after the draft was kept."""
    now = _frame(visit, frame.session)
    return frame if isinstance(now, Refused) else now


def _done(visit: Visit, frame: Frame, done: Session | Refused) -> Response:
    if isinstance(done, Refused):
        return _page(visit, frame, opened(frame, visit.house.formulary), 409, (done,))
    return go(f"/sessions/{frame.session.id}/program")


def _again(visit: Visit, frame: Frame, form: ProgramForm) -> Response:
    """The page with what was entered so far; nothing is kept."""
    fields, more = pressed(fields_in(form, frame.drugs), form.press)
    found = composed(fields, frame, visit.house.formulary)
    quiet = Composed(found.fields, (), found.written, found.judged) if form.press != "answer" else found
    return _page(visit, frame, quiet, more=more)


# The page ---------------------------------------------------------------------------------------------------------


def _page(  # noqa: PLR0917 -- what is shown, and what is said above it
    visit: Visit,
    frame: Frame,
    found: Composed,
    status: int = 200,
    refused: tuple[Refused, ...] = (),
    more: int | None = None,
) -> HTMLResponse:
    held = fitting(frame)
    context = _answer_context(visit, frame, found)
    return step_page(
        visit,
        frame.session,
        Step.PROGRAM,
        "program/form.html",
        status=status,
        entries=Entries({}, (*refused, *found.refused)),
        fields=found.fields,
        tables=shown_steps(found.fields, more),
        ceilings=ceiling_places(found.fields),
        bases=BASES,
        day_kinds=[(k.value, k.value.capitalize()) for k in Days],
        faults=FAULTS,
        responses=[(r.value, r.value.capitalize()) for r in FaultResponse],
        scale=_scale(visit, frame, found),
        draft=held,
        **context,
    )


def _answer_context(visit: Visit, frame: Frame, found: Composed) -> dict[str, Any]:
    """What the answer shows, and what it needs of the frame."""
    order = None if found.judged is None else found.judged.order
    running = read_order(frame.running, visit.house)
    current = None if running is None else running.order
    drugs = [visit.house.formulary.drug(code) for code in frame.drugs]
    return {
        "frame": frame,
        "found": found,
        "judged": found.judged,
        "asked": found.asked,
        "choices": rules().reasons,
        "drugs": drugs,
        "primary": drugs[0],
        "mixture": _mixture(frame, drugs),
        "charts": () if order is None else day_charts(current, order, found.fields.plan, visit.house.formulary),
    }


def _mixture(frame: Frame, drugs: list[Any]) -> list[tuple[str, str]]:
    """Each ingredient with its strength, in the drug's own unit."""
    strengths: list[Quantity] = [Concentration.parse(i["concentration"]) for i in frame.mixture["ingredients"]]
    return [(d.display_name, s.text(d.conc_unit)) for d, s in zip(drugs, strengths, strict=True)]


def _scale(visit: Visit, frame: Frame, found: Composed) -> tuple[str, str] | None:
    """The scale on which steps are drawn while they are written."""
    running = read_order(frame.running, visit.house)
    ceiling = found.fields.ceilings[0].per_1h if found.fields.ceilings else ""
    primary = visit.house.formulary.drug(frame.primary)
    return drawing_scale(None if running is None else running.order, ceiling, found.fields.plan, primary)
