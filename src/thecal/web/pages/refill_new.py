"""A refill with another fluid: the new mixture beside the old one, the rinse, the bridge with its moving front."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Form, Query
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import Field
from starlette.responses import Response

from thecal.clinic.refilling import bridging, filling, mixing, syringe
from thecal.clinic.refilling.case import name_of, proposed_order
from thecal.clinic.refilling.entries import entry, open_here
from thecal.clinic.refilling.gap import pump_time
from thecal.clinic.refilling.tip_check import ASSUMES, tip_check
from thecal.clinic.refused import Refused
from thecal.clinic.workflow import Step
from thecal.quantities import Volume, duration_text, number_text
from thecal.therapy.mixture import Mixture
from thecal.therapy.refusal import Refusal
from thecal.web.door import Visit, may
from thecal.web.pages.refill_chart import line_chart
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
    locked_note,
    opened,
    status_of,
)
from thecal.web.pages.session_frame import session_or_404, step_page
from thecal.web.screen import go

if TYPE_CHECKING:
    from thecal.clinic.record.tables import Session
    from thecal.clinic.refilling.case import Case

router = APIRouter(tags=["refill"])
ChangeVisit = Annotated[Visit, Depends(may("refill.change"))]


# The mixture ------------------------------------------------------------------------------------------------------


class MixtureForm(Seen):
    """The drugs of the new mixture, the one that doses are ordered in first."""

    drugs: list[str] = Field(default_factory=list, max_length=12)
    strengths: list[str] = Field(default_factory=list, max_length=12)
    free: str = Field("", max_length=SHORT)


@router.get("/sessions/{session_id}/mixture", response_class=HTMLResponse, responses=LOOKS)
def mixture_page(visit: ChangeVisit, session_id: int) -> HTMLResponse:
    """The new mixture, from empty fields; once entered, old and new beside each other."""
    session, case, not_yet = opened(visit, session_id, Step.MIXTURE, "the mixture of a refill")
    return not_yet or _mixture(visit, session, case, None, ())


@router.post("/sessions/{session_id}/mixture", response_class=RedirectResponse, status_code=303, responses=ANSWERS)
def mixture_entered(visit: ChangeVisit, session_id: int, form: Annotated[MixtureForm, Form()]) -> Response:
    """Take the new mixture; what was derived from another one is void."""
    session = session_or_404(visit, session_id)
    most = max(len(form.drugs), len(form.strengths))
    drugs = [d[:LINE] for d in form.drugs] + [""] * (most - len(form.drugs))
    strengths = [s[:LINE] for s in form.strengths] + [""] * (most - len(form.strengths))
    found = mixing.enter(visit.house, visit.who, session_id, form.revision(), drugs, strengths, form.free)
    if isinstance(found, tuple):
        return _mixture(visit, session, case_or_404(visit, session), form, found)
    return go(f"/sessions/{session_id}/mixture")


def _mixture(
    visit: Visit, session: Session, case: Case, form: MixtureForm | None, refused: tuple[Refused, ...]
) -> HTMLResponse:
    new = syringe.new_mixture(session)
    return step_page(
        visit,
        session,
        Step.MIXTURE,
        "refill/mixture.html",
        status=status_of(refused) if refused else 200,
        entries=entries_of(form, refused, {}),
        held=None if case.held is None else name_of(case.held, case.formulary),
        new=new,
        rows=() if new is None else mixing.table(case.held, new, case.formulary),
        swaps=() if new is None else mixing.swaps(case.held, new, case.formulary),
        limits=() if new is None else mixing.limits(new, case.formulary),
        lines=range(max(mixing.LINES, 0 if form is None else len(form.drugs))),
        drugs=[] if form is None else form.drugs,
        strengths=[] if form is None else form.strengths,
    )


# The rinse --------------------------------------------------------------------------------------------------------


class RinseForm(Seen):
    """How often, with how much."""

    times: str = Field("", max_length=SHORT)
    each: str = Field("", max_length=SHORT)


@router.get("/sessions/{session_id}/rinse", response_class=HTMLResponse, responses=LOOKS)
def rinse_page(visit: ChangeVisit, session_id: int) -> HTMLResponse:
    """Rinse plan, and what stays of the old drugs."""
    session, case, not_yet = opened(visit, session_id, Step.RINSE, "the rinse of a refill")
    return not_yet or _rinse(visit, session, case, None, ())


@router.post("/sessions/{session_id}/rinse", response_class=RedirectResponse, status_code=303, responses=ANSWERS)
def rinse_entered(visit: ChangeVisit, session_id: int, form: Annotated[RinseForm, Form()]) -> Response:
    """Take the rinse plan."""
    session = session_or_404(visit, session_id)
    locked = locked_note(visit, session)
    found = (
        (locked,)
        if locked
        else mixing.enter_rinse(visit.house, visit.who, session_id, form.revision(), form.times, form.each)
    )
    if isinstance(found, tuple):
        return _rinse(visit, session, case_or_404(visit, session), form, found)
    return after(visit, session_id)


def _rinse(
    visit: Visit, session: Session, case: Case, form: RinseForm | None, refused: tuple[Refused, ...]
) -> HTMLResponse:
    with visit.reading() as db:
        chosen = syringe.chosen_syringe(case, db)
    whole = None if chosen is None else chosen.row.volume
    kept = entry(session, Step.RINSE)
    plans = (
        []
        if whole is None
        else [
            found
            for times, each in (
                (0, Volume.zero()),
                (1, Volume.of(2, "mL")),
                (2, Volume.of(2, "mL")),
                (3, Volume.of(2, "mL")),
            )
            if each * times < whole and (found := mixing.rinse(case, times, each, whole - each * times)) is not None
        ]
    )
    shown = [
        (
            p.times,
            p.each.text("mL"),
            [(t.name, t.strength, number_text(t.share * 100, 6), str(t.share)) for t in p.traces],
        )
        for p in plans
    ]
    return step_page(
        visit,
        session,
        Step.RINSE,
        "refill/rinse.html",
        status=status_of(refused) if refused else 200,
        entries=entries_of(form, refused, {"times": str(kept["times"]), "each": ""} if kept else {}),
        plans=shown,
        first_fill=_first_fill(case, syringe.new_mixture(session)),
        rinsed=filling.rinsed(session).text("mL") if kept else "",
    )


def _first_fill(case: Case, new: Mixture | None) -> str:
    rule = None if new is None else case.drug(new.primary.drug).first_fill
    if rule is None:
        return ""
    return f"{rule.rinses} rinses of {rule.rinse.text('mL')} where the pump never held this drug ({rule.source.name})"


# The bridge -------------------------------------------------------------------------------------------------------


class BridgeForm(Seen):
    """The bridge, or why there is none."""

    choice: str = Field("", max_length=SHORT)
    boluses: str = Field("", max_length=SHORT)
    bolus_dose: str = Field("", max_length=SHORT)
    reason: str = Field("", max_length=LONG)


@router.get("/sessions/{session_id}/bridge", response_class=HTMLResponse, responses=LOOKS)
def bridge_page(
    visit: ChangeVisit, session_id: int, simulate: Annotated[str, Query(max_length=10)] = ""
) -> HTMLResponse:
    """The bridge that arithmetic gives, the front on its way, and on request the twin's own account of the tip."""
    session, case, not_yet = opened(visit, session_id, Step.BRIDGE, "the bridge of a refill")
    return not_yet or _bridge(visit, session, case, None, (), simulated=bool(simulate))


@router.post("/sessions/{session_id}/bridge", response_class=RedirectResponse, status_code=303, responses=ANSWERS)
def bridge_decided(visit: ChangeVisit, session_id: int, form: Annotated[BridgeForm, Form()]) -> Response:
    """Order the bridge, or leave it out with a justification; the order is signed with it."""
    session = session_or_404(visit, session_id)
    refused = bridging.decide(
        visit.house, visit.who, session_id, form.revision(), form.choice, form.boluses, form.bolus_dose, form.reason
    )
    if refused:
        return _bridge(visit, session, case_or_404(visit, session), form, refused)
    return after(visit, session_id)


def _bridge(
    visit: Visit,
    session: Session,
    case: Case,
    form: BridgeForm | None,
    refused: tuple[Refused, ...],
    *,
    simulated: bool = False,
) -> HTMLResponse:
    with visit.reading() as db:
        drafted = proposed_order(visit.house, db, session)
        front = (
            bridging.front_of(visit.house, db, case, visit.now_s) if open_here(session, Step.BRIDGE) is None else None
        )
    order = None if drafted is None else drafted[1].order
    plan = None if order is None else bridging.planned(case, order)
    why = plan.message if isinstance(plan, Refusal | Refused) else ""
    planned = plan if isinstance(plan, bridging.Planned) else None
    moving = front if isinstance(front, bridging.Front) else None
    checked = (
        tip_check(order, pump_time(case, visit.now_s))
        if simulated and order is not None and case.read is not None
        else None
    )
    return step_page(
        visit,
        session,
        Step.BRIDGE,
        "refill/bridge.html",
        status=status_of(refused) if refused else 200,
        entries=entries_of(form, refused, entry(session, Step.BRIDGE)),
        planned=planned,
        no_plan=why,
        facts=() if planned is None else _facts(case, planned),
        has_bolus=order is not None and order.program.patient_bolus is not None,
        decided=entry(session, Step.BRIDGE),
        front=moving,
        chart=None if moving is None else line_chart(moving),
        stations=()
        if moving is None
        else tuple((s.at_utc_s, s.moved.text("mL"), f"{round(s.share * 100)} %", s.where) for s in moving.stations),
        cautions=bridging.CAUTIONS,
        may_waive=visit.who.may("refill.bridge_waive"),
        checked=checked if isinstance(checked, tuple) else (),
        check_said=checked if isinstance(checked, str) else "",
        assumes=ASSUMES,
        drug=case.drug,
    )


def _facts(case: Case, planned: bridging.Planned) -> list[tuple[str, str]]:
    pump = case.pump
    doses = ", ".join(
        f"{d.dose.text(case.drug(d.drug).rate_unit)} {case.drug(d.drug).display_name}" for d in planned.bridge.doses
    )
    facts = [
        (
            "Volume to push out",
            f"{planned.dead.text('mL')}: tubing {pump.tubing.text('mL')}"
            f" and catheter {(planned.dead - pump.tubing).text('mL')}",
        ),
        ("Lasts", f"{duration_text(planned.bridge.duration)} ({planned.seconds:,} s)"),
        ("Flow", planned.bridge.flow.text("mL/day")),
        ("Gives of the old fluid", doses),
    ]
    if planned.without is not None:
        doses = ", ".join(
            f"{d.dose.text(case.drug(d.drug).rate_unit)} {case.drug(d.drug).display_name}"
            for d in planned.without_doses
        )
        facts.append(
            (
                "Without a bridge",
                f"the old fluid at the new flow would give {doses} for {duration_text(planned.without)}",
            )
        )
    return facts
