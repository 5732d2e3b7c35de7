"""Patients: the list, taking somebody on, the chart, and what is entered into it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Form, HTTPException, Query
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field
from starlette.responses import Response

from thecal.clinic import charting, folding, observing, opioids, patients
from thecal.clinic.record.tables import Patient
from thecal.pump.families import load_families
from thecal.therapy.order import Indication
from thecal.web.answers import CONFLICT, MISSING, WRONG
from thecal.web.door import Visit, may
from thecal.web.screen import Entries, go, render

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

router = APIRouter(tags=["patients"])

Words = Annotated[str, Field(max_length=2000)]


class PatientForm(BaseModel):
    """Entries about a patient, as they were typed."""

    number: Words = ""
    given: Words = ""
    family: Words = ""
    birth_date: Words = ""
    phone: Words = ""
    language: Words = ""
    risks: Words = ""
    indication: Words = ""
    opioid_naive: Words = ""
    sleep_apnea: Words = ""
    sedatives: Words = ""
    systemic_opioids: Words = ""
    contraindications: Words = ""
    weight_kg: Words = ""
    revision: Words = ""


class ImplantForm(BaseModel):
    """Entries about a pump and its catheter."""

    serial: Words = ""
    family: Words = ""
    model: Words = ""
    lot: Words = ""
    udi: Words = ""
    implanted_on: Words = ""
    site: Words = ""
    stroke: Words = ""
    tubing: Words = ""
    catheter_model: Words = ""
    catheter_supplied: Words = ""
    catheter_removed: Words = ""
    catheter_volume: Words = ""
    tip_level: Words = ""


class ObservationForm(BaseModel):
    """A score, and what was said with it."""

    kind: Words = ""
    value: Words = ""
    note: Words = ""


class OpioidForm(BaseModel):
    """An opioid by mouth or patch from a day on."""

    drug: Words = ""
    route: Words = ""
    from_day: Words = ""
    per_day: Words = ""


class TaperForm(BaseModel):
    """A plan to come down: a line for each step."""

    taper_drug: Words = ""
    steps: Words = ""


@router.get("/patients", response_class=HTMLResponse)
def patient_list(
    visit: Annotated[Visit, Depends(may("patient.find"))],
    find: Annotated[str, Query(max_length=200)] = "",
    page: Annotated[int, Query(ge=1, le=10**6)] = 1,
) -> HTMLResponse:
    """Patients by name or number."""
    visit.looked("patients looked up", find=find)
    with visit.reading() as db:
        found = patients.find(db, find, page)
    return render(visit, "patients/list.html", found=found, find=find)


@router.get("/patients/new", response_class=HTMLResponse)
def new_patient(visit: Annotated[Visit, Depends(may("patient.edit"))]) -> HTMLResponse:
    """An empty form."""
    return _patient_form(visit, Entries())


@router.post("/patients/new", response_class=RedirectResponse, status_code=303, responses=WRONG)
def take_on(visit: Annotated[Visit, Depends(may("patient.edit"))], form: Annotated[PatientForm, Form()]) -> Response:
    """Take a patient on."""
    made = patients.take_on(visit.house, visit.who, form.model_dump())
    if isinstance(made, tuple):
        return _patient_form(visit, Entries(form.model_dump(), made), 422)
    return go(f"/patients/{made.id}")


@router.get("/patients/{patient_id}", response_class=HTMLResponse, responses=MISSING)
def chart(visit: Annotated[Visit, Depends(may("patient.see"))], patient_id: int) -> HTMLResponse:
    """Everything about one patient on one page."""
    return _chart(visit, patient_id, "saw the chart")


@router.get("/patients/{patient_id}/facts", response_class=HTMLResponse, responses=MISSING)
def facts(visit: Annotated[Visit, Depends(may("patient.edit"))], patient_id: int) -> HTMLResponse:
    """What the review knows of a patient, to be changed."""
    patient = _patient(visit, patient_id)
    return _facts_form(visit, patient, Entries(_entered(patient)))


@router.post(
    "/patients/{patient_id}/facts",
    response_class=RedirectResponse,
    status_code=303,
    responses={**WRONG, **MISSING, **CONFLICT},
)
def change_facts(
    visit: Annotated[Visit, Depends(may("patient.edit"))], patient_id: int, form: Annotated[PatientForm, Form()]
) -> Response:
    """Change what the review knows of a patient."""
    patient = _patient(visit, patient_id)
    seen = int(form.revision) if form.revision.isascii() and form.revision.isdigit() else 0
    made = patients.change_facts(visit.house, visit.who, patient_id, seen, form.model_dump())
    if isinstance(made, tuple):
        return _facts_form(visit, patient, Entries(form.model_dump(), made), 422)
    return go(f"/patients/{patient_id}")


@router.get("/patients/{patient_id}/implant", response_class=HTMLResponse, responses=MISSING)
def implant_form(visit: Annotated[Visit, Depends(may("patient.edit"))], patient_id: int) -> HTMLResponse:
    """An empty form for pump and catheter."""
    return _implant_form(visit, _patient(visit, patient_id), Entries())


@router.post(
    "/patients/{patient_id}/implant",
    response_class=RedirectResponse,
    status_code=303,
    responses={**WRONG, **MISSING},
)
def implant(
    visit: Annotated[Visit, Depends(may("patient.edit"))], patient_id: int, form: Annotated[ImplantForm, Form()]
) -> Response:
    """Write down which pump and catheter a patient has."""
    patient = _patient(visit, patient_id)
    made = patients.implant(visit.house, visit.who, patient_id, form.model_dump())
    if isinstance(made, tuple):
        return _implant_form(visit, patient, Entries(form.model_dump(), made), 422)
    return go(f"/patients/{patient_id}")


@router.post(
    "/patients/{patient_id}/observations",
    response_class=RedirectResponse,
    status_code=303,
    responses={**WRONG, **MISSING},
)
def observe(
    visit: Annotated[Visit, Depends(may("observation.add"))], patient_id: int, form: Annotated[ObservationForm, Form()]
) -> Response:
    """Write down a score that was seen now."""
    _patient(visit, patient_id)
    made = observing.observe(visit.house, visit.who, patient_id, form.kind, form.value, note=form.note)
    if isinstance(made, tuple):
        return _chart(visit, patient_id, "saw the chart", 422, observed=Entries(form.model_dump(), made))
    return go(f"/patients/{patient_id}#observations")


@router.post(
    "/patients/{patient_id}/opioids",
    response_class=RedirectResponse,
    status_code=303,
    responses={**WRONG, **MISSING},
)
def opioid(
    visit: Annotated[Visit, Depends(may("observation.add"))], patient_id: int, form: Annotated[OpioidForm, Form()]
) -> Response:
    """Write down an opioid by mouth or patch."""
    _patient(visit, patient_id)
    made = opioids.write_down(visit.house, visit.who, patient_id, **form.model_dump())
    if isinstance(made, tuple):
        return _chart(visit, patient_id, "saw the chart", 422, taken=Entries(form.model_dump(), made))
    return go(f"/patients/{patient_id}#opioids")


@router.post(
    "/patients/{patient_id}/taper",
    response_class=RedirectResponse,
    status_code=303,
    responses={**WRONG, **MISSING},
)
def taper(
    visit: Annotated[Visit, Depends(may("program.write"))], patient_id: int, form: Annotated[TaperForm, Form()]
) -> Response:
    """Write down a plan to come down from an opioid by mouth or patch."""
    _patient(visit, patient_id)
    made = opioids.plan_taper(visit.house, visit.who, patient_id, drug=form.taper_drug, steps=form.steps)
    if isinstance(made, tuple):
        return _chart(visit, patient_id, "saw the chart", 422, tapered=Entries(form.model_dump(), made))
    return go(f"/patients/{patient_id}#opioids")


@router.get("/patients/{patient_id}/days", response_class=HTMLResponse, responses=MISSING)
def days(
    visit: Annotated[Visit, Depends(may("patient.see"))],
    patient_id: int,
    until: Annotated[str, Query(max_length=20)] = "",
) -> HTMLResponse:
    """The day view: four bands and the reservoir on one time axis."""
    patient = _patient(visit, patient_id)
    visit.looked("saw a day", patient_id)
    with visit.reading() as db:
        view = charting.day_view(db, visit.house, patient, _day(until))
    return render(visit, "patients/days.html", patient=patient, view=view)


@router.get("/patients/{patient_id}/profile", response_class=HTMLResponse, responses=MISSING)
def profile(
    visit: Annotated[Visit, Depends(may("patient.see"))],
    patient_id: int,
    days: Annotated[int, Query(ge=1, le=366)] = 14,
    weekdays: Annotated[str, Query(max_length=20)] = "all",
) -> HTMLResponse:
    """The therapy profile: days folded on one."""
    patient = _patient(visit, patient_id)
    visit.looked("saw the profile", patient_id)
    with visit.reading() as db:
        found = folding.profile(db, visit.house, patient, days if days in folding.SPANS else 14, weekdays)
    return render(visit, "patients/profile.html", patient=patient, profile=found)


# What the pages are made of -------------------------------------------------------------------------------------------


def _patient(visit: Visit, patient_id: int) -> Patient:
    with visit.reading() as db:
        return patient_or_404(db, patient_id)


def patient_or_404(db: Session, patient_id: int) -> Patient:
    """A patient by number; the answer 404 where there is none."""
    found = db.get(Patient, patient_id) if 0 < patient_id < 2**63 else None
    if found is None:
        raise HTTPException(404)
    return found


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


def _chart(visit: Visit, patient_id: int, action: str, status: int = 200, **entries: Any) -> HTMLResponse:
    _patient(visit, patient_id)
    visit.looked(action, patient_id)
    with visit.reading() as db:
        found = charting.chart(db, visit.house, patient_or_404(db, patient_id))
    context = {"observed": Entries(), "taken": Entries(), "tapered": Entries(), **entries}
    return render(
        visit, "patients/chart.html", status, chart=found, kinds=observing.kinds(), table=opioids.table(), **context
    )


def _patient_form(visit: Visit, entries: Entries, status: int = 200) -> HTMLResponse:
    return render(visit, "patients/new.html", status, entries=entries, indications=list(Indication))


def _facts_form(visit: Visit, patient: Patient, entries: Entries, status: int = 200) -> HTMLResponse:
    visit.looked("saw a patient's facts", patient.id)
    return render(visit, "patients/facts.html", status, entries=entries, patient=patient, indications=list(Indication))


def _implant_form(visit: Visit, patient: Patient, entries: Entries, status: int = 200) -> HTMLResponse:
    families = [(code, family.name) for code, family in load_families().items()]
    visit.looked("saw the form of an implant", patient.id)
    return render(visit, "patients/implant.html", status, entries=entries, patient=patient, families=families)


def _entered(patient: Patient) -> dict[str, str]:
    """What is known, as it would be typed."""
    words = {True: "yes", False: "no", None: ""}
    grams = patient.weight_g
    return {
        "indication": patient.indication or "",
        "opioid_naive": words[patient.opioid_naive],
        "sleep_apnea": words[patient.sleep_apnea],
        "sedatives": _names(patient.sedatives),
        "systemic_opioids": _names(patient.systemic_opioids),
        "contraindications": _names(patient.contraindications),
        "weight_kg": "" if grams is None else f"{grams // 1000}.{grams % 1000:03}".rstrip("0").rstrip("."),
        "revision": str(patient.revision),
    }


def _names(found: list[str] | None) -> str:
    return "" if found is None else ", ".join(found) or "none"
