"""Review, send, and what is not known: three pages that stand apart, so that nothing is sent by a slip."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Form
from fastapi.responses import HTMLResponse, RedirectResponse
from sqlalchemy import select
from starlette.responses import Response

from thecal.clinic.record.tables import PumpProposal, Session
from thecal.clinic.refused import Refused
from thecal.clinic.session import draft_of, give_up, is_open, open_asks, propose, resolve, send
from thecal.clinic.session.ended import No
from thecal.clinic.session.reviewing import ReviewView, asked_in, may_have_happened, review_view
from thecal.clinic.session.second_physician import wrote
from thecal.clinic.session.sending import parts_left
from thecal.clinic.session.stepping import first_not_done
from thecal.clinic.workflow import Step
from thecal.web.answers import CONFLICT, MISSING, WRONG
from thecal.web.door import Visit, may
from thecal.web.pages.session_frame import reading_of, recorded_page, saw, session_or_404, step_page, step_url
from thecal.web.pages.sessions import SEES, WORKS, SeenForm, Words, hold_near, status_for
from thecal.web.screen import Entries, go

if TYPE_CHECKING:
    from sqlalchemy.orm import Session as Look

    from thecal.clinic.record.tables import PumpAsk

router = APIRouter(tags=["sessions"])
_ALL = {**MISSING, **CONFLICT, **WRONG}


class ReviewForm(SeenForm):
    """The box that says that everything was compared."""

    compared: Words = ""


class SendForm(SeenForm):
    """What is sent, by the digest that was read."""

    digest: Words = ""


class GiveUpForm(SeenForm):
    """What can never be found out, and why."""

    ask: Words = ""
    reason: Words = ""


@router.get("/sessions/{session_id}/review", response_class=HTMLResponse, responses={**MISSING, **CONFLICT})
def review_page(visit: Annotated[Visit, Depends(SEES)], session_id: int) -> HTMLResponse:
    """Everything that would be sent, old against new."""
    session = session_or_404(visit, session_id)
    saw(visit, session, "a review")
    return review_shown(visit, session)


def review_shown(visit: Visit, session: Session, refused: tuple[Refused, ...] = (), status: int = 200) -> HTMLResponse:
    """The review of a session, with what was refused at it; once sent or closed, as it was recorded."""
    over = recorded_page(visit, session, Step.REVIEW, refused, status)
    if over is not None:
        return over
    if not is_open(session, Step.REVIEW):
        return not_yet(visit, session, Step.REVIEW)
    with visit.reading() as db:
        view = review_view(visit.house, db, session)
    if isinstance(view, Refused):
        return step_page(visit, session, Step.REVIEW, "session/not_yet.html", (view,), 409)
    entries = Entries({}, refused)
    agrees = _may_agree(visit, session, view)
    return step_page(
        visit, session, Step.REVIEW, "session/review.html", (), status, view=view, entries=entries, agrees=agrees
    )


def _may_agree(visit: Visit, session: Session, view: ReviewView) -> bool:
    """Whether whoever looks can be the second physician that this order needs."""
    if not any(stop.code is No.SECOND_PHYSICIAN for stop in view.stops) or not visit.who.may("restart.second"):
        return False
    with visit.reading() as db:
        return visit.who.person_id not in wrote(db, session)


def not_yet(visit: Visit, session: Session, step: Step) -> HTMLResponse:
    """The page of a step that is not open: what has to be done first."""
    here = first_not_done(session, session.entered).value
    refused = Refused(No.STEP, f"the step {step.value}", f"the step {here} first", f"finish the step {here}")
    return step_page(visit, session, step, "session/not_yet.html", (refused,), 409)


@router.post("/sessions/{session_id}/review", response_class=RedirectResponse, status_code=303, responses=_ALL)
def review_done(
    visit: Annotated[Visit, Depends(WORKS)], session_id: int, form: Annotated[ReviewForm, Form()]
) -> Response:
    """Bring what was reviewed to the pump, and have it read back."""
    session = session_or_404(visit, session_id)
    if form.compared != "yes":
        refused = Refused(
            No.VALUE, "the box not ticked", "that old and new were compared", "compare, and tick", "compared"
        )
        return review_shown(visit, session, (refused,), 422)
    with visit.reading() as db:
        order = draft_of(db, session)
    hold_near(visit, session.serial)
    done = propose(visit.house, visit.who, session_id, None if order is None else order.id)
    if isinstance(done, Refused):
        return review_shown(visit, session_or_404(visit, session_id), (done,), status_for(done))
    return go(step_url(session, Step.SEND))


@router.get("/sessions/{session_id}/send", response_class=HTMLResponse, responses={**MISSING, **CONFLICT})
def send_page(visit: Annotated[Visit, Depends(SEES)], session_id: int) -> HTMLResponse:
    """What the pump read back, and the one button; afterwards, how it ended."""
    session = session_or_404(visit, session_id)
    saw(visit, session, "what is sent")
    return _send_page(visit, session)


def _send_page(visit: Visit, session: Session, refused: tuple[Refused, ...] = (), status: int = 200) -> HTMLResponse:
    over = recorded_page(visit, session, Step.SEND, refused, status)
    if over is not None:
        return over
    reviewed = session.entered.get(Step.REVIEW.value)
    if not reviewed:
        return not_yet(visit, session, Step.SEND)
    with visit.reading() as db:
        proposal = db.get(PumpProposal, reviewed["proposal"]) if "proposal" in reviewed else None
        asked, left = asked_in(db, session.id), parts_left(db, session)
    row = reading_of(visit, session)
    more = {"reviewed": reviewed, "proposal": proposal, "asked": asked, "left": left, "rests_on": row}
    over = visit.now_s > reviewed["until_s"]
    return step_page(visit, session, Step.SEND, "session/send.html", refused, status, over=over, **more)


@router.post("/sessions/{session_id}/send", response_class=RedirectResponse, status_code=303, responses=_ALL)
def send_it(visit: Annotated[Visit, Depends(WORKS)], session_id: int, form: Annotated[SendForm, Form()]) -> Response:
    """Send it. How it ended stands on the page that follows, whatever the end is."""
    session = session_or_404(visit, session_id)
    end = send(visit.house, visit.who, session_id, form.digest)
    if isinstance(end, Refused):
        return _send_page(visit, session_or_404(visit, session_id), (end,), status_for(end))
    with visit.reading() as db:
        unknown = bool(open_asks(db, session.serial))
    return go(f"/sessions/{session_id}/unknown" if unknown else step_url(session, Step.SEND))


# What is not known ------------------------------------------------------------------------------------------------


@router.get("/sessions/{session_id}/unknown", response_class=HTMLResponse, responses=MISSING)
def unknown_page(visit: Annotated[Visit, Depends(SEES)], session_id: int) -> HTMLResponse:
    """What may have happened, and how to find out."""
    session = session_or_404(visit, session_id)
    saw(visit, session, "what is not known")
    return _unknown_page(visit, session, Entries())


def _unknown_page(visit: Visit, session: Session, entries: Entries, status: int = 200) -> HTMLResponse:
    with visit.reading() as db:
        asks = open_asks(db, session.serial)
        asked = asked_in(db, session.id)
        proposals = {a.id: _proposed_for(db, a) for a in asks}
    maybe = [(ask, *may_have_happened(ask.operation), proposals[ask.id]) for ask in asks]
    return step_page(
        visit, session, None, "session/unknown.html", (), status, maybe=maybe, asked=asked, entries=entries
    )


def _proposed_for(db: Look, ask: PumpAsk) -> list[str]:
    """What a program would do of which nobody knows whether it runs."""
    if ask.operation != "confirm":
        return []
    query = select(PumpProposal).where(PumpProposal.digest == bytes.fromhex(ask.fields["digest"]))
    found = db.scalars(query).first()
    return [] if found is None else list(found.sentence)


@router.post("/sessions/{session_id}/resolve", response_class=RedirectResponse, status_code=303, responses=_ALL)
def find_out(visit: Annotated[Visit, Depends(may("pump.resolve"))], session_id: int) -> Response:
    """Ask the pump what became of what is not known."""
    session = session_or_404(visit, session_id)
    hold_near(visit, session.serial)
    ends = resolve(visit.house, visit.who, session_id)
    if isinstance(ends, Refused):
        return _unknown_page(visit, session, Entries({}, (ends,)), status_for(ends))
    return go(f"/sessions/{session_id}/unknown")


@router.post("/sessions/{session_id}/give-up", response_class=RedirectResponse, status_code=303, responses=_ALL)
def count_as_given(
    visit: Annotated[Visit, Depends(may("pump.give_up"))], session_id: int, form: Annotated[GiveUpForm, Form()]
) -> Response:
    """Count what can never be found out as the arm with more drug."""
    session = session_or_404(visit, session_id)
    ask = int(form.ask) if form.ask.isascii() and form.ask.isdigit() and len(form.ask) < 16 else 0
    end = give_up(visit.house, visit.who, session_id, ask, form.reason)
    if isinstance(end, Refused):
        return _unknown_page(visit, session, Entries(form.model_dump(), (end,)), status_for(end))
    return go(f"/sessions/{session_id}/unknown")
