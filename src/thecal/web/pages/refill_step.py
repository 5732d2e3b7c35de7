"""What every page of a refill shares: the case, the forms' revision, and the page with what was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import HTTPException
from pydantic import BaseModel, Field

from thecal.clinic.refilling.case import Case, case_of
from thecal.clinic.refilling.entries import NoSuchSession, Wrong, open_here
from thecal.clinic.refilling.hands import DRAW, closed_by_filling, moved_nl
from thecal.clinic.refused import Refused
from thecal.clinic.session.ended import No
from thecal.clinic.session.stepping import lends_a_hand
from thecal.clinic.workflow import WAYS, Step, Workflow
from thecal.web.answers import CONFLICT, MISSING, WRONG
from thecal.web.pages.session_frame import recorded_page, saw, session_or_404, step_page, step_url
from thecal.web.screen import Entries, go

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi.responses import HTMLResponse, RedirectResponse

    from thecal.clinic.record.tables import Session
    from thecal.web.door import Visit

ANSWERS: dict[int | str, dict[str, Any]] = {**WRONG, **MISSING, **CONFLICT}
LOOKS: dict[int | str, dict[str, Any]] = {**MISSING, **CONFLICT}
SHORT, LINE, LONG = 40, 120, 600
"""Characters that an entry may have before our own checks see it."""
_STATE = {
    *(Wrong.NOT_OPEN, Wrong.NOT_IN_ORDER, Wrong.NOT_KNOWN),
    *(No.STEP, No.SENT, No.HELD, No.NOT_OPEN, No.NO_SESSION, No.NOT_ALLOWED),
}


class Seen(BaseModel):
    """A form of a session: the revision that the person looked at."""

    seen: str = Field("", max_length=20)

    def revision(self) -> int:
        """The revision; 0, which none has, for anything else."""
        return int(self.seen) if self.seen.isascii() and self.seen.isdigit() else 0


def case_or_404(visit: Visit, session: Session) -> Case:
    """The case of a session; 404 where its patient or pump is not there any more."""
    try:
        with visit.reading() as db:
            return case_of(visit.house, db, session.id)
    except NoSuchSession as gone:
        raise HTTPException(404) from gone


def opened(visit: Visit, session_id: int, step: Step, what: str) -> tuple[Session, Case, HTMLResponse | None]:
    """The session and its case for a page; the third is the page that says why the step cannot be worked on yet."""
    session = session_or_404(visit, session_id)
    saw(visit, session, what)
    case = case_or_404(visit, session)
    over = recorded_page(visit, session, step)
    if over is not None:
        return session, case, over
    refused = open_here(session, step) if session.state == "open" else None
    page = None if refused is None else step_page(visit, session, step, "refill/not_yet.html", refused, 409)
    return session, case, page


def after(visit: Visit, session_id: int) -> RedirectResponse:
    """To the step where the session stands now; a colleague whose hands are not needed there stays at the last one that
    was done by hand.
    """
    session = session_or_404(visit, session_id)
    here = Step(session.step)
    if session.person_id != visit.who.person_id and not lends_a_hand(visit.who, session, here):
        steps = WAYS[Workflow(session.workflow)].steps
        by_hand = [s for s in steps[: steps.index(here)] if lends_a_hand(visit.who, session, s)]
        here = by_hand[-1] if by_hand else Step.READ
    return go(step_url(session, here))


def entries_of(
    form: BaseModel | None, refused: tuple[Refused, ...], values: Mapping[str, Any] | None = None
) -> Entries:
    """What was entered, with what was refused."""
    shown = dict(values or {}) if form is None else form.model_dump()
    return Entries(shown, refused)


def status_of(refused: tuple[Refused, ...]) -> int:
    """409 where the state does not allow it, 422 where an entry is wrong."""
    return 409 if any(r.code in _STATE for r in refused) else 422


def locked_note(visit: Visit, session: Session) -> Refused | None:
    """Why entries of before the filling cannot be changed any more; None where they can."""
    with visit.reading() as db:
        return closed_by_filling(db, session.id)


def not_drawn(visit: Visit, session: Session) -> Refused | None:
    """In a virtual world nobody's hands aspirate but the button's: a volume without it would be made up."""
    with visit.reading() as db:
        if visit.house.world is None or moved_nl(db, session.id, DRAW) is not None:
            return None
    allowed = "what the virtual syringe holds"
    return Refused(Wrong.NOT_CONFIRMED, "nothing aspirated", allowed, "press 'Aspirate everything'", "aspirated")
