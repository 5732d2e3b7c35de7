"""The refill with the same medication, page by page: medication, syringe, checklist, residual, volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Form
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import Field
from starlette.responses import Response

from thecal.clinic import double_check
from thecal.clinic.record.tables import Person
from thecal.clinic.refilling import checklist, filling, hands, medication, syringe
from thecal.clinic.refilling.case import name_of
from thecal.clinic.refilling.checklist import Phase
from thecal.clinic.refilling.dates import after_fill, syringe_against_dates
from thecal.clinic.refilling.entries import Wrong, begun, entry, finish, open_here, volume_of
from thecal.clinic.refilling.gap import advice, as_shown, aspirated_of, expected, gap_of
from thecal.clinic.refilling.second import order_after
from thecal.clinic.refilling.spoken import in_words
from thecal.clinic.refused import Refused
from thecal.clinic.workflow import Step
from thecal.quantities import Volume, percent_text
from thecal.therapy.refusal import Refusal
from thecal.web.door import Visit, may
from thecal.web.pages.refill_chart import gap_chart
from thecal.web.pages.refill_shown import compared_rows, masses
from thecal.web.pages.refill_step import (
    ANSWERS,
    LONG,
    LOOKS,
    SHORT,
    Seen,
    after,
    case_or_404,
    entries_of,
    locked_note,
    not_drawn,
    opened,
    status_of,
)
from thecal.web.pages.session_frame import session_or_404, step_page, step_url
from thecal.web.screen import go

if TYPE_CHECKING:
    from thecal.clinic.record.tables import Session
    from thecal.clinic.refilling.case import Case

router = APIRouter(tags=["refill"])
REFILL = may("refill.do")

RefillVisit = Annotated[Visit, Depends(REFILL)]


# Same or different ------------------------------------------------------------------------------------------------


class MedicationForm(Seen):
    """The fork and the consent."""

    medication: str = Field("", max_length=SHORT)
    consent: str = Field("", max_length=SHORT)
    note: str = Field("", max_length=LONG)


@router.get("/sessions/{session_id}/medication", response_class=HTMLResponse, responses=LOOKS)
def medication_page(visit: RefillVisit, session_id: int) -> HTMLResponse:
    """Same medication, or another one; and who consented."""
    session, case, not_yet = opened(visit, session_id, Step.MEDICATION, "the medication of a refill")
    return not_yet or _medication(visit, session, case, None, ())


@router.post("/sessions/{session_id}/medication", response_class=RedirectResponse, status_code=303, responses=ANSWERS)
def medication_answered(visit: RefillVisit, session_id: int, form: Annotated[MedicationForm, Form()]) -> Response:
    """Take the answer; another medication turns the session and wipes what was derived."""
    session = session_or_404(visit, session_id)
    refused = medication.answer(
        visit.house, visit.who, session_id, form.revision(), form.medication, form.consent, form.note
    )
    if refused:
        return _medication(visit, session, case_or_404(visit, session), form, refused)
    return after(visit, session_id)


def _medication(
    visit: Visit, session: Session, case: Case, form: MedicationForm | None, refused: tuple[Refused, ...]
) -> HTMLResponse:
    return step_page(
        visit,
        session,
        Step.MEDICATION,
        "refill/medication.html",
        status=status_of(refused) if refused else 200,
        entries=entries_of(form, refused, entry(session, Step.MEDICATION)),
        held=None if case.held is None else name_of(case.held, case.formulary),
        consents=medication.CONSENTS,
        may_change=visit.who.may("refill.change"),
    )


# The syringe ------------------------------------------------------------------------------------------------------


class CodeForm(Seen):
    """A code, from a scanner or a keyboard."""

    code: str = Field("", max_length=100)


@router.get("/sessions/{session_id}/syringe", response_class=HTMLResponse, responses=LOOKS)
def syringe_page(visit: RefillVisit, session_id: int) -> HTMLResponse:
    """Scan or type the syringe's code; what is in it is read back in words."""
    session, case, not_yet = opened(visit, session_id, Step.SYRINGE, "the syringe of a refill")
    return not_yet or _syringe(visit, session, case, None, ())


@router.post("/sessions/{session_id}/syringe", response_class=RedirectResponse, status_code=303, responses=ANSWERS)
def syringe_scanned(visit: RefillVisit, session_id: int, form: Annotated[CodeForm, Form()]) -> Response:
    """Take the code; every stop is hard."""
    session = session_or_404(visit, session_id)
    locked = locked_note(visit, session)
    found = (locked,) if locked else syringe.choose(visit.house, visit.who, session_id, form.code, form.revision())
    if isinstance(found, tuple):
        return _syringe(visit, session, case_or_404(visit, session), form, found)
    return go(step_url(session, Step.SYRINGE))


@router.post(
    "/sessions/{session_id}/syringe/agrees", response_class=RedirectResponse, status_code=303, responses=ANSWERS
)
def syringe_agrees(visit: RefillVisit, session_id: int, form: Annotated[Seen, Form()]) -> Response:
    """The words agree with the label."""
    session = session_or_404(visit, session_id)
    locked = locked_note(visit, session)
    refused = (locked,) if locked else syringe.confirm(visit.house, visit.who, session_id, form.revision())
    if refused:
        return _syringe(visit, session, case_or_404(visit, session), None, refused)
    return after(visit, session_id)


def _syringe(
    visit: Visit, session: Session, case: Case, form: CodeForm | None, refused: tuple[Refused, ...]
) -> HTMLResponse:
    with visit.reading() as db:
        chosen = syringe.chosen_syringe(case, db) if form is None else None
        wanted = syringe.wanted_mixture(case)
        newest = double_check.newest(db, session.id)
    back = newest if newest is not None and not newest.matched and not entry(session, Step.SYRINGE) else None
    return step_page(
        visit,
        session,
        Step.SYRINGE,
        "refill/syringe.html",
        status=status_of(refused) if refused else 200,
        entries=entries_of(form, refused),
        wanted=None if wanted is None else name_of(wanted, case.formulary),
        chosen=chosen,
        chosen_name=None if chosen is None else name_of(chosen.mixture, case.formulary),
        words=() if chosen is None else syringe.read_back(case, chosen),
        code=begun(session, Step.SYRINGE).get("code", ""),
        mismatch=None if back is None else compared_rows(visit, back),
    )


# The physical steps -----------------------------------------------------------------------------------------------


class ChecklistForm(Seen):
    """Ticks, and what came out."""

    items: list[str] = Field(default_factory=list, max_length=40)
    aspirated: str = Field("", max_length=SHORT)
    left: str = Field("", max_length=SHORT)
    press: str = Field("", max_length=SHORT)


@router.get("/sessions/{session_id}/checklist", response_class=HTMLResponse, responses=LOOKS)
def checklist_page(visit: RefillVisit, session_id: int) -> HTMLResponse:
    """The physical steps up to the volume that came out; what should come out stands above."""
    session, case, not_yet = opened(visit, session_id, Step.CHECKLIST, "the checklist of a refill")
    return not_yet or _checklist(visit, session, case, None, ())


@router.post("/sessions/{session_id}/checklist", response_class=RedirectResponse, status_code=303, responses=ANSWERS)
def checklist_noted(visit: RefillVisit, session_id: int, form: Annotated[ChecklistForm, Form()]) -> Response:
    """Keep the ticks; with the button that ends the step, nothing may be open."""
    session = session_or_404(visit, session_id)
    whole = form.press == "done"
    dry = not_drawn(visit, session) if whole else None
    refused = (
        (dry,)
        if dry
        else checklist.note(
            visit.house, visit.who, session_id, form.revision(), form.items, form.aspirated, form.left, whole=whole
        )
    )
    if refused:
        return _checklist(visit, session, case_or_404(visit, session), form, refused)
    return after(visit, session_id) if whole else go(step_url(session, Step.CHECKLIST))


@router.post(
    "/sessions/{session_id}/checklist/aspirate", response_class=RedirectResponse, status_code=303, responses=ANSWERS
)
def aspirate(visit: RefillVisit, session_id: int) -> Response:
    """Draw everything out in the virtual world: once, however often it is pressed."""
    session = session_or_404(visit, session_id)
    world = visit.house.world
    came = None if world is None else hands.aspirate(visit.house, world, visit.who, session_id)
    if isinstance(came, Refused):
        return _checklist(visit, session, case_or_404(visit, session), None, (came,))
    return go(step_url(session, Step.CHECKLIST))


def _checklist(
    visit: Visit, session: Session, case: Case, form: ChecklistForm | None, refused: tuple[Refused, ...]
) -> HTMLResponse:
    with visit.reading() as db:
        found = expected(case, db)
        drawn = hands.drawn_nl(db, session.id)
        waits = hands.under_way(db, session.id, hands.DRAW)
        rows = checklist.ticked(session, Phase.ASPIRATE)
        names = {r.by_person: db.get(Person, r.by_person) for r in rows if r.by_person is not None}
    kept = begun(session, Step.CHECKLIST)
    values = {"aspirated": _typed(kept.get("aspirated")), "left": _typed(kept.get("left"))}
    ticked = {r.item.id for r in rows if r.by_person is not None} if form is None else set(form.items)
    held = case.held
    return step_page(
        visit,
        session,
        Step.CHECKLIST,
        "refill/checklist.html",
        status=status_of(refused) if refused else 200,
        entries=entries_of(form, refused, values),
        expected=found,
        inside=() if held is None or found.shown is None else masses(case, found.shown, held),
        rows=rows,
        names=names,
        ticked=ticked,
        drawn=None if drawn is None else Volume.of(drawn, "nL").text("mL", 6),
        waits=waits,
        virtual=visit.house.world is not None,
        finished=bool(entry(session, Step.CHECKLIST)),
    )


def _typed(kept: str | None) -> str:
    found = volume_of(kept)
    return "" if found is None else found.exact_text("mL").removesuffix(" mL")


# The gap ----------------------------------------------------------------------------------------------------------


class GapForm(Seen):
    """What is done about the gap."""

    note: str = Field("", max_length=LONG)


@router.get("/sessions/{session_id}/gap", response_class=HTMLResponse, responses=LOOKS)
def gap_page(visit: RefillVisit, session_id: int) -> HTMLResponse:
    """Expected, aspirated, the difference, the trend, causes, what to do. Nothing here says that all is well."""
    session, case, not_yet = opened(visit, session_id, Step.GAP, "the residual of a refill")
    return not_yet or _gap(visit, session, case, None, ())


@router.post("/sessions/{session_id}/gap", response_class=RedirectResponse, status_code=303, responses=ANSWERS)
def gap_seen(visit: RefillVisit, session_id: int, form: Annotated[GapForm, Form()]) -> Response:
    """Go on; where a rule fired, with a word about what was done."""
    session = session_or_404(visit, session_id)
    case = case_or_404(visit, session)
    with visit.reading() as db:
        found = gap_of(case, expected(case, db), aspirated_of(case), visit.now_s)
    fired = bool(found.report.fired)
    locked = locked_note(visit, session) or open_here(session, Step.GAP)
    if locked is None and fired and not form.note.strip():
        locked = Refused(
            Wrong.MISSING,
            "a gap rule that fired, and no word",
            "what was looked at, and what was found",
            "look at the causes, then write it",
            "note",
        )
    value = {"note": form.note.strip(), **as_shown(found)}
    refused = (locked,) if locked else finish(visit.house, visit.who, session_id, form.revision(), Step.GAP, value)
    return _gap(visit, session, case, form, refused) if refused else after(visit, session_id)


def _gap(
    visit: Visit, session: Session, case: Case, form: GapForm | None, refused: tuple[Refused, ...]
) -> HTMLResponse:
    with visit.reading() as db:
        found = gap_of(case, expected(case, db), aspirated_of(case), visit.now_s)
    visit_ = found.report.visit
    return step_page(
        visit,
        session,
        Step.GAP,
        "refill/gap.html",
        status=status_of(refused) if refused else 200,
        entries=entries_of(form, refused, entry(session, Step.GAP)),
        gap=found,
        asked=visit_,
        judged=[
            (
                j.rule.source.name,
                _bound(j.rule.more_than),
                j.rule.measure,
                str(j.outcome),
                j.why,
                j.rule.source.verified,
            )
            for j in found.report.judged
        ],
        causes=[(str(c), advice()[c]) for c in found.report.causes],
        chart=gap_chart(found.gaps),
    )


def _bound(bound: Any) -> str:
    return bound.text("mL") if isinstance(bound, Volume) else percent_text(bound)


# The volume -------------------------------------------------------------------------------------------------------


class VolumeForm(Seen):
    """The volume that goes in."""

    volume: str = Field("", max_length=SHORT)


@router.get("/sessions/{session_id}/fill", response_class=HTMLResponse, responses=LOOKS)
def fill_page(visit: RefillVisit, session_id: int) -> HTMLResponse:
    """The volume against syringe, model and room left; and the dates that come of it."""
    session, case, not_yet = opened(visit, session_id, Step.FILL, "the volume of a refill")
    return not_yet or _fill(visit, session, case, None, ())


@router.post("/sessions/{session_id}/fill", response_class=RedirectResponse, status_code=303, responses=ANSWERS)
def fill_entered(visit: RefillVisit, session_id: int, form: Annotated[VolumeForm, Form()]) -> Response:
    """Take the volume; more than the syringe, the model or the room is a hard stop that names both numbers."""
    session = session_or_404(visit, session_id)
    found = filling.enter_volume(visit.house, visit.who, session_id, form.revision(), form.volume)
    if isinstance(found, tuple):
        return _fill(visit, session, case_or_404(visit, session), form, found)
    return after(visit, session_id)


def _fill(
    visit: Visit, session: Session, case: Case, form: VolumeForm | None, refused: tuple[Refused, ...]
) -> HTMLResponse:
    with visit.reading() as db:
        chosen = syringe.chosen_syringe(case, db)
    left = volume_of(entry(session, Step.CHECKLIST).get("left"))
    pump = case.pump
    accepted = filling.accepted(session)
    return step_page(
        visit,
        session,
        Step.FILL,
        "refill/fill.html",
        status=status_of(refused) if refused else 200,
        entries=entries_of(
            form, refused, {"volume": "" if accepted is None else accepted[0].exact_text("mL").removesuffix(" mL")}
        ),
        dispensed=None if chosen is None else (chosen.row.volume - filling.rinsed(session)).text("mL"),
        reservoir=pump.reservoir.text("mL"),
        model=pump.name,
        left=None if left is None else left.text("mL"),
        room=None if left is None else (pump.reservoir - left).text("mL"),
        accepted=None
        if accepted is None
        else (accepted[0].text("mL"), in_words(accepted[0], "mL"), accepted[1].text("mL")),
        **dates_context(visit, session, case),
    )


def dates_context(visit: Visit, session: Session, case: Case) -> dict[str, Any]:
    """The dates after the fill, as the pages show them; empty where there are none yet."""
    accepted = filling.accepted(session)
    with visit.reading() as db:
        order = order_after(visit.house, db, case)
        chosen = syringe.chosen_syringe(case, db)
        found = None
        if accepted is not None and order is not None and case.read is not None:
            found = after_fill(case, db, order, accepted[1], visit.now_s)
    if found is None or isinstance(found, Refusal):
        return {"dates": None, "no_dates": found.message if isinstance(found, Refusal) else "", "clocks": ""}
    clocks = "" if chosen is None else syringe_against_dates(chosen.row.beyond_use, found)
    return {"dates": found, "no_dates": "", "clocks": clocks}
