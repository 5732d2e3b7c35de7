"""The pump's clock as a task of its own, and one bolus by the clinic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Form
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from thecal.clinic.record.tables import Override
from thecal.clinic.refused import Refused
from thecal.clinic.session import enter, identity_of, is_open
from thecal.clinic.session.bolusing import against_bolus, findings_of_bolus, plan_bolus
from thecal.clinic.session.ended import No
from thecal.clinic.session.held import held_in
from thecal.clinic.session.proposing import day_of
from thecal.clinic.session.stepping import first_not_done
from thecal.clinic.session.timing import clock_entry, clock_view
from thecal.clinic.workflow import Step
from thecal.web.answers import CONFLICT, MISSING, WRONG
from thecal.web.door import Visit, may
from thecal.web.pages.session_frame import reading_of, recorded_page, saw, session_or_404, step_page, step_url
from thecal.web.pages.session_review import not_yet
from thecal.web.pages.sessions import SEES, SeenForm, Words, seen_of, status_for
from thecal.web.screen import Entries, go

if TYPE_CHECKING:
    from thecal.clinic.record.tables import Session

router = APIRouter(tags=["sessions"])
_ALL = {**MISSING, **CONFLICT, **WRONG}


class ClockForm(SeenForm):
    """What is to be done about the clock."""

    kind: Words = ""
    later_on: Words = ""
    reason: Words = ""
    message: Words = ""


class BolusForm(SeenForm):
    """One bolus."""

    dose: Words = ""
    over: Words = ""
    reason: Words = ""


@router.get("/sessions/{session_id}/clock", response_class=HTMLResponse, responses={**MISSING, **CONFLICT})
def clock_page(visit: Annotated[Visit, Depends(SEES)], session_id: int) -> HTMLResponse:
    """Both clocks, and what each choice skips or repeats in dose."""
    session = session_or_404(visit, session_id)
    saw(visit, session, "the clock")
    return _clock_page(visit, session, Entries(session.entered.get("clock") or {}))


def _clock_page(visit: Visit, session: Session, entries: Entries, status: int = 200) -> HTMLResponse:
    over = recorded_page(visit, session, Step.CLOCK, entries.refused, status)
    if over is not None:
        return over
    row = reading_of(visit, session)
    if row is None or not is_open(session, Step.CLOCK):
        return not_yet(visit, session, Step.CLOCK)
    with visit.reading() as db:
        view = clock_view(db, row, visit.house.formulary)
    if isinstance(view, Refused):
        return step_page(visit, session, Step.CLOCK, "session/not_yet.html", (view,), 409)
    return step_page(visit, session, Step.CLOCK, "session/clock.html", (), status, view=view, entries=entries)


@router.post("/sessions/{session_id}/clock", response_class=RedirectResponse, status_code=303, responses=_ALL)
def clock_chosen(
    visit: Annotated[Visit, Depends(may("pump.clock"))], session_id: int, form: Annotated[ClockForm, Form()]
) -> Response:
    """Keep what was chosen; nothing is asked of the pump before it was reviewed and sent."""
    session, row = session_or_404(visit, session_id), None
    row = reading_of(visit, session)
    if row is None or not is_open(session, Step.CLOCK):
        return not_yet(visit, session, Step.CLOCK)
    with visit.reading() as db:
        made = clock_entry(db, row, visit.house.formulary, form.model_dump(exclude={"seen"}), visit.now_s)
    if isinstance(made, Refused):
        return _clock_page(visit, session, Entries(form.model_dump(), (made,)), 422)
    return _entered(visit, session, Step.CLOCK, seen_of(form.seen), made)


def _entered(visit: Visit, session: Session, step: Step, seen: int, values: dict[str, Any]) -> Response:
    done = enter(visit.house, visit.who, session.id, seen, step, values)
    if isinstance(done, tuple):
        return step_page(visit, session, step, "session/not_yet.html", done, status_for(done[0]))
    return go(step_url(done, first_not_done(done, done.entered)))


@router.get("/sessions/{session_id}/bolus", response_class=HTMLResponse, responses={**MISSING, **CONFLICT})
def bolus_page(visit: Annotated[Visit, Depends(SEES)], session_id: int) -> HTMLResponse:
    """One bolus: its dose, over how long."""
    session = session_or_404(visit, session_id)
    saw(visit, session, "a single bolus")
    return _bolus_page(visit, session, Entries(session.entered.get("bolus") or {}))


def _bolus_page(visit: Visit, session: Session, entries: Entries, status: int = 200) -> HTMLResponse:
    over = recorded_page(visit, session, Step.BOLUS, entries.refused, status)
    if over is not None:
        return over
    row = reading_of(visit, session)
    if row is None or not is_open(session, Step.BOLUS):
        return not_yet(visit, session, Step.BOLUS)
    held = held_in(row, visit.house.formulary)
    primary = None if held.file is None else visit.house.formulary.drug(held.file.order.mixture.primary.drug)
    more = {"held": held, "primary": primary, "entries": entries}
    return step_page(visit, session, Step.BOLUS, "session/bolus.html", (), status, **more)


@router.post("/sessions/{session_id}/bolus", response_class=RedirectResponse, status_code=303, responses=_ALL)
def bolus_entered(
    visit: Annotated[Visit, Depends(may("bolus.single"))], session_id: int, form: Annotated[BolusForm, Form()]
) -> Response:
    """Keep the bolus that was entered; it is given when it was reviewed and sent."""
    session = session_or_404(visit, session_id)
    row = reading_of(visit, session)
    if row is None or not is_open(session, Step.BOLUS):
        return not_yet(visit, session, Step.BOLUS)
    held, formulary = held_in(row, visit.house.formulary), visit.house.formulary
    order = None if held.file is None else held.file.order
    values = {"dose": form.dose.strip(), "over": form.over.strip(), "reason": form.reason.strip()}
    made = plan_bolus(values, order, identity_of(row).stroke_nl, formulary)
    if isinstance(made, tuple) or order is None:
        wrong = (
            made if isinstance(made, tuple) else (Refused(No.ORDER, "no order", "an order in the pump", "program it"),)
        )
        return _bolus_page(visit, session, Entries(form.model_dump(), wrong), 422)
    stops = against_bolus(values, order, formulary, day_of(visit.now_s))
    if stops is not None:
        return _bolus_page(visit, session, Entries(form.model_dump(), (stops,)), 422)
    answer = _entered(visit, session, Step.BOLUS, seen_of(form.seen), values)
    if answer.status_code == 303 and values["reason"]:
        _keep_overrides(visit, session, findings_of_bolus(values, order, formulary, day_of(visit.now_s)), values)
    return answer


def _keep_overrides(visit: Visit, session: Session, findings: Any, values: dict[str, str]) -> None:
    """Every soft finding that somebody went past, with the reason that was given for the bolus."""
    passed = [f for f in findings if f.reason is None and not f.hard]
    if not passed:
        return
    with visit.writing("gave a reason", session.patient_id, session=session.id) as record:
        for finding in passed:
            record.keep(
                Override(
                    patient_id=session.patient_id,
                    session_id=session.id,
                    finding=str(finding.code),
                    drug=finding.drug,
                    found=f"{finding.what}: {finding.found.text}",
                    allowed=finding.allowed.text,
                    authority=finding.by,
                    reason=values["reason"],
                )
            )
