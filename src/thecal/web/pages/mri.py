"""The MRI worksheet: before, away, back; and the card's lines by family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Form, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field
from starlette.responses import Response

from thecal.clinic import mri
from thecal.clinic.implants import implant_of
from thecal.clinic.record.tables import Interrogation, Scan
from thecal.clinic.refused import Refused
from thecal.pump.families import InField
from thecal.quantities import Duration, duration_text
from thecal.web.answers import CONFLICT, MISSING, WRONG
from thecal.web.door import Visit, may
from thecal.web.pages.desk_forms import Text, whole
from thecal.web.pages.patients import patient_or_404
from thecal.web.screen import Entries, go, render

if TYPE_CHECKING:
    from collections.abc import Callable

router = APIRouter(tags=["MRI"])

Words = Annotated[str, Field(max_length=2000)]


class PlanForm(BaseModel):
    """What covers the time without drug."""

    cover: Words = ""
    without: Words = ""


class StepForm(BaseModel):
    """One step of the worksheet."""

    step: Words = ""
    seen: Words = ""
    aspirated: Words = ""


@router.get("/patients/{patient_id}/mri", response_class=HTMLResponse, responses=MISSING)
def worksheet(visit: Annotated[Visit, Depends(may("mri.do"))], patient_id: int, page: Text = "") -> HTMLResponse:
    """The worksheet of a patient, or the form that begins one."""
    return _page(visit, patient_id, page=whole(page, 1))


@router.post(
    "/patients/{patient_id}/mri",
    response_class=RedirectResponse,
    status_code=303,
    responses={**WRONG, **MISSING},
)
def plan(
    visit: Annotated[Visit, Depends(may("mri.do"))], patient_id: int, form: Annotated[PlanForm, Form()]
) -> Response:
    """Plan a scan."""
    with visit.reading() as db:
        patient_or_404(db, patient_id)
    made = mri.plan(visit.house, visit.who, patient_id, cover=form.cover, without=form.without)
    if isinstance(made, tuple):
        return _page(visit, patient_id, Entries(form.model_dump(), made), 422)
    return go(f"/patients/{patient_id}/mri")


@router.post(
    "/scans/{scan_id}",
    response_class=RedirectResponse,
    status_code=303,
    responses={**WRONG, **MISSING, **CONFLICT},
)
def step(visit: Annotated[Visit, Depends(may("mri.do"))], scan_id: int, form: Annotated[StepForm, Form()]) -> Response:
    """One step further, or the reason why not."""
    with visit.reading() as db:
        scan = db.get(Scan, scan_id) if 0 < scan_id < 2**63 else None
    if scan is None or form.step not in _STEPS:
        raise HTTPException(404)
    seen = int(form.seen) if form.seen.isascii() and form.seen.isdigit() and len(form.seen) < 10 else 0
    if form.step == "emptied":
        made = mri.emptied(visit.house, visit.who, scan_id, seen, form.aspirated)
    else:
        made = _STEPS[form.step](visit.house, visit.who, scan_id, seen)
    if isinstance(made, Refused):
        status = 409 if made.code == mri.No.WRONG_STATE else 422
        return _page(visit, scan.patient_id, Entries(form.model_dump(), (made,)), status)
    return go(f"/patients/{scan.patient_id}/mri")


_STEPS: dict[str, Callable[..., Scan | Refused]] = {
    "before": mri.read_before,
    "emptied": mri.emptied,
    "go": mri.go_to_scan,
    "after": mri.read_after,
    "reset": mri.reset,
    "close": mri.close,
}


def _page(
    visit: Visit, patient_id: int, entries: Entries | None = None, status: int = 200, page: int = 1
) -> HTMLResponse:
    with visit.reading() as db:
        patient = patient_or_404(db, patient_id)
        implant = implant_of(db, patient_id)
        scan = mri.open_scan(db, patient_id)
        readings = [] if scan is None else [db.get_one(Interrogation, number) for number in scan.after]
        before = None if scan is None or scan.before is None else db.get_one(Interrogation, scan.before)
        why_open = mri.still_open(db, scan) if scan is not None and scan.state == mri.State.AWAY else None
        sounding = scan is not None and mri.sounding_before(db, scan)
        closed, pages = mri.closed_scans(db, patient_id, page)
    visit.looked("saw the MRI worksheet", patient_id)
    known = None if implant is None else mri.family_of(implant.family)
    pump, unknown = (None, known) if isinstance(known, Refused) else (known, None)
    return render(
        visit,
        "mri/worksheet.html",
        status,
        patient=patient,
        implant=implant,
        pump=pump,
        unknown=unknown,
        stays_shut=pump is not None and pump.in_field is InField.STAYS_SHUT,
        lines=() if pump is None else mri.card(pump),
        empty_first=pump is not None and mri.empty_first(pump),
        scan=scan,
        before=before,
        readings=readings,
        why_open=why_open,
        sounding=sounding,
        without="" if scan is None else duration_text(Duration.of(scan.without_s, "s")),
        closed=closed,
        page=min(max(1, page), pages),
        pages=pages,
        entries=entries or Entries(),
    )
