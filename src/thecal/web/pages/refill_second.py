"""The blind second entry, at this screen or at another one; and the fluid in, once, when both entries agree.

Until the second entry is in, no page of this step holds anything of the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Form
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import Field
from starlette.responses import Response

from thecal.clinic import double_check
from thecal.clinic.double_check import LINES, Typed
from thecal.clinic.record.tables import Person
from thecal.clinic.refilling import filling, hands, restarting, rinsing, second
from thecal.clinic.refilling.case import proposed_order
from thecal.clinic.refilling.checklist import Phase, ticked
from thecal.clinic.refilling.entries import begun
from thecal.clinic.refused import Refused
from thecal.clinic.session import second_physician
from thecal.clinic.workflow import WAYS, Step, Workflow
from thecal.quantities import Volume
from thecal.web.door import Visit, may, visitor_of
from thecal.web.pages.refill import REFILL, dates_context
from thecal.web.pages.refill_step import (
    ANSWERS,
    LINE,
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
from thecal.web.pages.session_frame import session_or_404, step_page, step_url
from thecal.web.pages.session_review import review_shown
from thecal.web.screen import go

if TYPE_CHECKING:
    from thecal.clinic.record.tables import Session
    from thecal.clinic.refilling.case import Case
    from thecal.clinic.who import Who

router = APIRouter(tags=["refill"])
SECOND = may(double_check.MAY)


class SecondForm(Seen):
    """The second entry, and whose it is where it is made at the first person's screen."""

    drugs: list[str] = Field(default_factory=list, max_length=12)
    strengths: list[str] = Field(default_factory=list, max_length=12)
    volume: str = Field("", max_length=SHORT)
    day_total: str = Field("", max_length=SHORT)
    second_login: str = Field("", max_length=LINE)
    second_password: str = Field("", max_length=LONG)
    second_code: str = Field("", max_length=SHORT)

    def typed(self) -> Typed:
        """As the double check takes it: a strength for each drug."""
        drugs = [d[:LINE] for d in self.drugs]
        strengths = [s[:LINE] for s in self.strengths]
        most = max(len(drugs), len(strengths))
        return Typed(
            tuple(drugs + [""] * (most - len(drugs))),
            tuple(strengths + [""] * (most - len(strengths))),
            self.volume,
            self.day_total,
        )


class FillForm(Seen):
    """The ticks of the filling."""

    items: list[str] = Field(default_factory=list, max_length=40)


class RinseForm(Seen):
    """Which rinse of the plan."""

    number: str = Field("", max_length=SHORT)


class AgreeForm(Seen):
    """A second physician's reason."""

    reason: str = Field("", max_length=LONG)


@router.get("/sessions/{session_id}/second", response_class=HTMLResponse, responses=LOOKS)
def second_page(visit: Annotated[Visit, Depends(SECOND)], session_id: int) -> HTMLResponse:
    """The empty form of the second entry; after it agreed, the filling."""
    session, case, not_yet = opened(visit, session_id, Step.SECOND, "the second entry of a refill")
    return not_yet or _page(visit, session, case, None, ())


@router.post("/sessions/{session_id}/second", response_class=RedirectResponse, status_code=303, responses=ANSWERS)
def second_entered(
    visit: Annotated[Visit, Depends(SECOND)], session_id: int, form: Annotated[SecondForm, Form()]
) -> Response:
    """Compare both entries; where they differ, everybody goes back to the source."""
    session = session_or_404(visit, session_id)
    who = _second_person(visit, session, form)
    found = (who,) if isinstance(who, Refused) else second.enter(visit.house, who, session_id, form.typed())
    if isinstance(found, tuple):
        return _page(visit, session, case_or_404(visit, session), form, found)
    return go(step_url(session, Step.SECOND if found.matched else Step.SYRINGE))


def _second_person(visit: Visit, session: Session, form: SecondForm) -> Who | Refused:
    """Who makes the second entry: whoever is at another screen, or somebody who signs in for it at this one."""
    with visit.reading() as db:
        first = second.first_people(db, case_or_404(visit, session))
    if visit.who.person_id not in first and not form.second_login.strip():
        return visit.who
    visitor = visitor_of(visit.request)
    return double_check.vouched(visit.house, form.second_login, form.second_password, form.second_code, visitor)


@router.post("/sessions/{session_id}/second/fill", response_class=RedirectResponse, status_code=303, responses=ANSWERS)
def fill(visit: Annotated[Visit, Depends(REFILL)], session_id: int, form: Annotated[FillForm, Form()]) -> Response:
    """Put the fluid in: once, however often it is pressed."""
    session = session_or_404(visit, session_id)
    world = visit.house.world
    found = second.fill_now(visit.house, world, visit.who, session_id, form.revision(), form.items)
    if isinstance(found, tuple):
        return _page(visit, session, case_or_404(visit, session), None, found)
    return go(step_url(session, Step.SECOND))


@router.post("/sessions/{session_id}/second/rinse", response_class=RedirectResponse, status_code=303, responses=ANSWERS)
def rinse(visit: Annotated[Visit, Depends(REFILL)], session_id: int, form: Annotated[RinseForm, Form()]) -> Response:
    """Make one rinse of the plan: once, however often it is pressed."""
    session = session_or_404(visit, session_id)
    found = rinsing.rinse_now(visit.house, visit.house.world, visit.who, session_id, form.number)
    if isinstance(found, Refused):
        return _page(visit, session, case_or_404(visit, session), None, (found,))
    return go(step_url(session, Step.SECOND))


@router.post("/sessions/{session_id}/second/done", response_class=RedirectResponse, status_code=303, responses=ANSWERS)
def second_done(visit: Annotated[Visit, Depends(REFILL)], session_id: int, form: Annotated[Seen, Form()]) -> Response:
    """On to the review; the dose of before after a gap stops here."""
    session = session_or_404(visit, session_id)
    refused = second.leave(visit.house, visit.who, session_id, form.revision())
    if refused:
        return _page(visit, session, case_or_404(visit, session), None, refused)
    return after(visit, session_id)


@router.post("/sessions/{session_id}/second/agree", response_class=RedirectResponse, status_code=303, responses=ANSWERS)
def agree(
    visit: Annotated[Visit, Depends(may("restart.second"))], session_id: int, form: Annotated[AgreeForm, Form()]
) -> Response:
    """A second physician agrees to the dose of before."""
    session = session_or_404(visit, session_id)
    refused = restarting.agree(visit.house, visit.who, session_id, form.reason)
    at_review = Step.SECOND not in WAYS[Workflow(session.workflow)].steps
    if refused:
        if at_review:
            return review_shown(visit, session, refused, status_of(refused))
        return _page(visit, session, case_or_404(visit, session), None, refused)
    return go(step_url(session, Step.REVIEW if at_review else Step.SECOND))


def _page(
    visit: Visit, session: Session, case: Case, form: SecondForm | None, refused: tuple[Refused, ...]
) -> HTMLResponse:
    with visit.reading() as db:
        acts = second.high_risk(visit.house, db, case)
        check = second.settled(visit.house, db, case)
        agreed_by = None if check is None else db.get(Person, check.by_person)
        nl, waits = hands.filled_nl(db, session.id), hands.under_way(db, session.id, hands.FILL)
        stop = restarting.repeats_previous(visit.house, db, case)
        drafted = proposed_order(visit.house, db, session)
        lifted = drafted is not None and restarting.agreed(db, case, drafted[0].digest) is not None
        rows = ticked(session, Phase.FILL)
        first, second_physician_wrote = second.first_people(db, case), second_physician.wrote(db, session)
        (times, each), to_rinse = rinsing.planned(session), rinsing.left_to_rinse(db, session)
        rinse_waits = hands.under_way(db, session.id, hands.RINSE)
        apart = rinsing.kept_apart(db, visit.who, session.id)
        names = {r.by_person: db.get(Person, r.by_person) for r in rows if r.by_person is not None}
    may_fill = not acts or check is not None
    wanted = filling.accepted(session)
    lines = 0 if form is None else len(form.drugs)
    return step_page(
        visit,
        session,
        Step.SECOND,
        "refill/second.html",
        status=status_of(refused) if refused else 200,
        entries=entries_of(form, refused, {}),
        acts=acts,
        check=check,
        agreed_by=agreed_by,
        may_fill=may_fill,
        filled=None if nl is None else Volume.of(nl, "nL").text("mL", 6),
        waits=waits,
        rows=rows,
        names=names,
        ticked={r.item.id for r in rows if r.by_person is not None},
        wanted=wanted[0].text("mL") if wanted is not None and may_fill else "",
        virtual=visit.house.world is not None,
        first_here=visit.who.person_id in first,
        rinses=times,
        each="" if each is None else each.text("mL"),
        rinsed=times - to_rinse,
        rinse_waits=rinse_waits,
        apart=apart,
        lines=range(max(LINES, lines)),
        drugs=[] if form is None else form.drugs,
        strengths=[] if form is None else form.strengths,
        dose_stop=stop and not lifted,
        dose_lifted=stop and lifted,
        is_second_physician=visit.who.may("restart.second") and visit.who.person_id not in second_physician_wrote,
        ticks_kept=bool(begun(session, Step.SECOND).get("items")),
        **(dates_context(visit, session, case) if nl is not None else {"dates": None, "no_dates": "", "clocks": ""}),
    )
