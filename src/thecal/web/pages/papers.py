"""Papers: each on the screen, and as a PDF to print, from the same source."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, HTTPException, Path, Query
from fastapi.responses import HTMLResponse
from sqlalchemy import select
from starlette.responses import Response

from thecal.clinic.implants import implant_of
from thecal.clinic.mri import card, empty_first, family_of
from thecal.clinic.pharmacy.lookup import mixture_in
from thecal.clinic.pharmacy.said import handling_notes, label_in_words, person_who, sheet_in_words
from thecal.clinic.pharmacy.states import State
from thecal.clinic.record.tables import Act, Clinic, Implant, Patient, Preparation
from thecal.clinic.refused import Refused
from thecal.clinic.session_account import account_of, catheter_text
from thecal.clinic.site import PAPER_SIZE
from thecal.exchange.papers import Paper, Person, Sheet, as_html, as_pdf
from thecal.exchange.papers.cards import Center, Device, implant_card, mri_card
from thecal.exchange.papers.session_report import session_report
from thecal.exchange.papers.syringe import SyringeFacts, label_paper, worksheet_paper
from thecal.web.answers import CONFLICT, MISSING
from thecal.web.door import Visit, may
from thecal.web.screen import day, moment

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy.orm import Session

    from thecal.pump.families import Family

router = APIRouter(tags=["papers"])

Number = Annotated[int, Path(ge=1, le=2**53)]
Form = Annotated[str, Query(pattern="^(html|pdf)$")]
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The paper.", "content": {"text/html": {}, "application/pdf": {}}},
    **MISSING,
    **CONFLICT,
}


@router.get("/papers/label/{preparation_id}", response_class=HTMLResponse, responses=ANSWERS)
def label(
    visit: Annotated[Visit, Depends(may("paper.print"))], preparation_id: Number, form: Form = "html"
) -> Response:
    """The label of a syringe; there is none before it is labeled."""
    row = _syringe(visit, preparation_id)
    if row.syringe_code is None:
        raise HTTPException(409, "A syringe without a code has no label yet: make the label in the pharmacy.")
    lines = label_in_words(row.worksheet, visit.house.formulary)
    volume = sheet_in_words(row.worksheet, visit.house.formulary).total
    with visit.reading() as db:
        paper = label_paper(_facts(visit, db, row), lines, volume)
    return _given(visit, paper, form, row.patient_id, "label")


@router.get("/papers/worksheet/{preparation_id}", response_class=HTMLResponse, responses=ANSWERS)
def worksheet(
    visit: Annotated[Visit, Depends(may("paper.print"))], preparation_id: Number, form: Form = "html"
) -> Response:
    """The worksheet of a syringe; while it waits for its second check, for its writer alone."""
    row = _syringe(visit, preparation_id)
    if row.worksheet is None:
        raise HTTPException(409, "There is no worksheet yet: write it in the pharmacy.")
    if row.state == State.MADE and row.worksheet["by"] != visit.who.person_id:
        raise HTTPException(409, "This worksheet waits for a blind second check: only its writer may see it.")
    formulary = visit.house.formulary
    with visit.reading() as db:
        notes = handling_notes(mixture_in(db, row).drugs, formulary)
        sheet = sheet_in_words(row.worksheet, formulary)
        paper = worksheet_paper(_facts(visit, db, row), sheet, notes, size_of(db))
    return _given(visit, paper, form, row.patient_id, "worksheet")


@router.get("/papers/session/{session_id}", response_class=HTMLResponse, responses=ANSWERS)
def session(visit: Annotated[Visit, Depends(may("paper.print"))], session_id: Number, form: Form = "html") -> Response:
    """The report of a session."""
    account = account_of(visit.house, session_id)
    if account is None:
        raise HTTPException(404)
    with visit.reading() as db:
        patient = _patient(db, account.patient_id)
        paper = session_report(person_of(patient), account, *foot(visit, db), size_of(db))
    return _given(visit, paper, form, account.patient_id, "session")


@router.get("/papers/implant/{patient_id}", response_class=HTMLResponse, responses=ANSWERS)
def implant(visit: Annotated[Visit, Depends(may("paper.print"))], patient_id: Number, form: Form = "html") -> Response:
    """The implant card."""
    with visit.reading() as db:
        patient, held = _patient(db, patient_id), _implant(db, patient_id)
        clinic, made = foot(visit, db)
        paper = implant_card(person_of(patient), _device(held), _center(db, clinic), made)
    return _given(visit, paper, form, patient_id, "implant-card")


@router.get("/papers/mri/{patient_id}", response_class=HTMLResponse, responses=ANSWERS)
def mri(visit: Annotated[Visit, Depends(may("paper.print"))], patient_id: Number, form: Form = "html") -> Response:
    """The MRI card; a pump that must be emptied has no card without that line."""
    with visit.reading() as db:
        patient, held = _patient(db, patient_id), _implant(db, patient_id)
        clinic, made = foot(visit, db)
        pump = _family(held)
        lines = tuple((one.text, f"{one.source}{'' if one.verified else ' (not verified)'}") for one in card(pump))
        paper = mri_card(
            person_of(patient), _device(held), _center(db, clinic), lines, made,
            empty_first=empty_first(pump), size=size_of(db),
        )  # fmt: skip
    return _given(visit, paper, form, patient_id, "mri-card")


def _patient(db: Session, patient_id: int) -> Patient:
    found = db.get(Patient, patient_id)
    if found is None:
        raise HTTPException(404)
    return found


def _implant(db: Session, patient_id: int) -> Implant:
    found = implant_of(db, patient_id)
    if found is None:
        raise HTTPException(409, "No pump is written down for this patient: enter the implant in the chart first.")
    return found


def _family(held: Implant) -> Family:
    known = family_of(held.family)
    if isinstance(known, Refused):
        raise HTTPException(409, known.message)
    return known


def _device(held: Implant) -> Device:
    pump = _family(held)
    return Device(
        pump.name, held.model, held.serial, held.lot, held.udi, "", day(held.implanted_on), held.site,
        catheter_text(held), held.tip_level or "",
    )  # fmt: skip


def _center(db: Session, name: str) -> Center:
    clinic = db.scalars(select(Clinic)).first()
    if clinic is None:
        return Center(name, "", "", "")
    return Center(name, clinic.address, clinic.phone, clinic.on_call)


def size_of(db: Session) -> Sheet:
    """The paper that the clinic prints on: Letter unless it set A4."""
    clinic = db.scalars(select(Clinic)).first()
    return Sheet.A4 if clinic is not None and clinic.settings.get(PAPER_SIZE) == "a4" else Sheet.LETTER


def person_of(patient: Patient) -> Person:
    """Whose paper it is."""
    return Person(f"{patient.family}, {patient.given}", day(patient.birth_date), patient.number)


def foot(visit: Visit, db: Session) -> tuple[str, str]:
    """The clinic's line, and when and by which versions a paper was made."""
    clinic = db.scalars(select(Clinic)).first()
    zone = ZoneInfo(clinic.zone if clinic is not None else "UTC")
    name = clinic.name if clinic is not None else "Thecal"
    if clinic is None or clinic.demonstration:
        name = f"{name} (demonstration: nobody here is real)"
    at = moment(visit.now_s, zone)
    versions = f"Thecal {visit.house.software}, formulary {visit.house.formulary.version[:12]}"
    return name, f"Made {at}, {versions}. Simulation: virtual pumps."


def _syringe(visit: Visit, preparation_id: int) -> Preparation:
    with visit.reading() as db:
        row = db.get(Preparation, preparation_id)
    if row is None:
        raise HTTPException(404)
    return row


def _facts(visit: Visit, db: Session, row: Preparation) -> SyringeFacts:
    patient = _patient(db, row.patient_id)
    clinic, made = foot(visit, db)
    return SyringeFacts(
        person_of(patient), clinic, made, row.syringe_code or "", row.diluent,
        prescriber=person_who(db, row.id, "made"),
        pharmacist=row.worksheet["by_name"],
        second=person_who(db, row.id, State.CHECKED),
        made_on=_on(visit, db, row),
        beyond_use=day(row.beyond_use) if row.beyond_use else "",
        needed_by=day(row.needed_by),
    )  # fmt: skip


def _on(visit: Visit, db: Session, row: Preparation) -> str:
    """The day at the clinic on which the worksheet was written."""
    clinic = db.scalars(select(Clinic)).first()
    query = select(Act.at_utc_s).where(
        Act.subject_kind == "preparation", Act.subject_id == row.id, Act.kind == State.MADE
    )
    at = db.scalars(query.order_by(Act.id.desc())).first() or visit.now_s
    local: date = datetime.fromtimestamp(at, UTC).astimezone(ZoneInfo(clinic.zone if clinic else "UTC")).date()
    return day(local)


def _given(visit: Visit, paper: Paper, form: str, patient_id: int, what: str) -> Response:
    """The paper in one of its forms; that somebody took it is written down."""
    visit.looked("printed a paper", patient_id, paper=what, form=form)
    if form == "pdf":
        name = f"{what}-{patient_id}.pdf"
        headers = {"content-disposition": f'inline; filename="{name}"'}
        return Response(as_pdf(paper, made_utc_s=visit.now_s), media_type="application/pdf", headers=headers)
    return HTMLResponse(as_html(paper, pdf=f"{visit.request.url.path}?form=pdf"))
