"""What a pharmacist does with one syringe: accept, worksheet, blind second check, label, limits, release, ship."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Form
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel
from starlette.responses import Response

from thecal.clinic.pharmacy import checking, lookup, way, worksheets
from thecal.clinic.pharmacy.mixtures import mixture_text
from thecal.clinic.pharmacy.said import class_of, handling_notes
from thecal.clinic.pharmacy.states import NEXT, State
from thecal.clinic.pharmacy.stepping import clinic_day
from thecal.clinic.record.tables import Patient
from thecal.web.answers import MISSING
from thecal.web.door import Visit, may
from thecal.web.pages.pharmacy import (
    ALL,
    Column,
    Number,
    StepForm,
    Word,
    after,
    flat_entries,
    found_or_404,
    seen_revision,
    status_of,
)
from thecal.web.screen import Entries, go, render

if TYPE_CHECKING:
    from thecal.clinic.record.tables import Preparation

router = APIRouter(tags=["pharmacy"])


class SheetForm(BaseModel):
    """A worksheet as it is written; the lists have one entry for each ingredient."""

    seen: Word = ""
    kinds: Column
    strengths: Column
    products: Column
    lots: Column
    expires: Column
    preservative_free: Column
    phs: Column
    overfill: Word = ""
    diluent_product: Word = ""
    diluent_lot: Word = ""
    diluent_expires: Word = ""
    diluent_free: Word = ""
    beyond_use: Word = ""
    beyond_use_source: Word = ""
    osmolality: Word = ""
    ph: Word = ""
    note: Word = ""


class SecondForm(BaseModel):
    """A second person's blind entry."""

    seen: Word = ""
    drugs: Column
    strengths: Column
    draws: Column
    total: Word = ""


@router.post("/pharmacy/{preparation_id}/accept", response_class=RedirectResponse, status_code=303, responses=ALL)
def accept(
    visit: Annotated[Visit, Depends(may("compounding.do"))], preparation_id: Number, form: Annotated[StepForm, Form()]
) -> Response:
    """Accept the prescription."""
    found_or_404(visit, preparation_id)
    done = way.step(visit.house, visit.who, preparation_id, State.ACCEPTED, seen_revision(form.seen))
    return after(visit, preparation_id, form.model_dump(), done)


@router.get("/pharmacy/{preparation_id}/worksheet", response_class=HTMLResponse, responses=ALL)
def worksheet_form(visit: Annotated[Visit, Depends(may("compounding.do"))], preparation_id: Number) -> Response:
    """An empty worksheet."""
    row = found_or_404(visit, preparation_id)
    if State.MADE not in NEXT[State(row.state)]:
        return after(visit, preparation_id, {}, way.step(visit.house, visit.who, preparation_id, State.MADE))
    return _sheet(visit, row, Entries())


@router.post("/pharmacy/{preparation_id}/worksheet", response_class=RedirectResponse, status_code=303, responses=ALL)
def write_worksheet(
    visit: Annotated[Visit, Depends(may("compounding.do"))], preparation_id: Number, form: Annotated[SheetForm, Form()]
) -> Response:
    """Write the worksheet."""
    row = found_or_404(visit, preparation_id)
    entered = form.model_dump()
    entry = worksheets.Entry(**{name: value for name, value in entered.items() if name != "seen"})
    with visit.reading() as db:
        today = clinic_day(db, visit.now_s)
    made = worksheets.write(visit.house, visit.who, row.id, entry, today, seen=seen_revision(form.seen))
    if isinstance(made, tuple):
        return _sheet(visit, row, Entries(flat_entries(entered), made), status_of(made))
    return go(f"/pharmacy/{row.id}")


@router.get("/pharmacy/{preparation_id}/check", response_class=HTMLResponse, responses=MISSING)
def check_form(visit: Annotated[Visit, Depends(may("compounding.check"))], preparation_id: Number) -> HTMLResponse:
    """An empty second entry; nothing of the first one is on the page."""
    return _check(visit, found_or_404(visit, preparation_id), Entries())


@router.post("/pharmacy/{preparation_id}/check", response_class=RedirectResponse, status_code=303, responses=ALL)
def check(
    visit: Annotated[Visit, Depends(may("compounding.check"))],
    preparation_id: Number,
    form: Annotated[SecondForm, Form()],
) -> Response:
    """Compare the second entry with the first."""
    row = found_or_404(visit, preparation_id)
    entry = checking.Entry(form.drugs, form.strengths, form.draws, form.total)
    done = checking.check(visit.house, visit.who, row.id, entry, seen_revision(form.seen))
    if isinstance(done, tuple):
        return _check(visit, row, Entries(flat_entries(form.model_dump()), done), status_of(done))
    return go(f"/pharmacy/{row.id}")


@router.post("/pharmacy/{preparation_id}/label", response_class=RedirectResponse, status_code=303, responses=ALL)
def label(
    visit: Annotated[Visit, Depends(may("compounding.do"))], preparation_id: Number, form: Annotated[StepForm, Form()]
) -> Response:
    """Give it its code and its label."""
    found_or_404(visit, preparation_id)
    done = way.put_label(visit.house, visit.who, preparation_id, seen_revision(form.seen))
    return after(visit, preparation_id, form.model_dump(), done)


@router.post("/pharmacy/{preparation_id}/override", response_class=RedirectResponse, status_code=303, responses=ALL)
def override(
    visit: Annotated[Visit, Depends(may("compounding.override"))],
    preparation_id: Number,
    form: Annotated[StepForm, Form()],
) -> Response:
    """Go past one limit by name."""
    found_or_404(visit, preparation_id)
    seen = seen_revision(form.seen)
    done = way.override(visit.house, visit.who, preparation_id, form.key, form.why, seen=seen)
    return after(visit, preparation_id, form.model_dump(), done)


@router.post("/pharmacy/{preparation_id}/release", response_class=RedirectResponse, status_code=303, responses=ALL)
def release(
    visit: Annotated[Visit, Depends(may("compounding.release"))],
    preparation_id: Number,
    form: Annotated[StepForm, Form()],
) -> Response:
    """Release it."""
    found_or_404(visit, preparation_id)
    done = way.release(visit.house, visit.who, preparation_id, seen_revision(form.seen))
    return after(visit, preparation_id, form.model_dump(), done)


@router.post("/pharmacy/{preparation_id}/ship", response_class=RedirectResponse, status_code=303, responses=ALL)
def ship(
    visit: Annotated[Visit, Depends(may("compounding.do"))], preparation_id: Number, form: Annotated[StepForm, Form()]
) -> Response:
    """Ship it."""
    found_or_404(visit, preparation_id)
    carrier = form.carrier.strip()
    seen = seen_revision(form.seen)
    done = way.step(
        visit.house, visit.who, preparation_id, State.SHIPPED, seen, **({"carrier": carrier} if carrier else {})
    )
    return after(visit, preparation_id, form.model_dump(), done)


def _sheet(visit: Visit, row: Preparation, entries: Entries, status: int = 200) -> HTMLResponse:
    formulary = visit.house.formulary
    visit.looked("saw a worksheet", row.patient_id)
    with visit.reading() as db:
        mixture, patient = lookup.mixture_in(db, row), db.get(Patient, row.patient_id)
    parts = [
        (
            i.drug,
            formulary.drugs[i.drug].display_name if i.drug in formulary.drugs else i.drug,
            class_of(i.drug, formulary),
        )
        for i in mixture.ingredients
    ]
    return render(
        visit, "pharmacy/worksheet.html", status, row=row, patient=patient, entries=entries, ingredients=parts,
        held=mixture_text(mixture, formulary), notes=handling_notes(mixture.drugs, formulary),
    )  # fmt: skip


def _check(visit: Visit, row: Preparation, entries: Entries, status: int = 200) -> HTMLResponse:
    visit.looked("began a second check", row.patient_id)
    with visit.reading() as db:
        patient = db.get(Patient, row.patient_id)
    drugs = [(d.code, d.display_name) for d in visit.house.formulary.drugs.values()]
    lines = len(row.worksheet["lines"]) if row.worksheet else 0
    return render(
        visit, "pharmacy/check.html", status, row=row, patient=patient, entries=entries, drugs=drugs, lines=lines,
        open=State.CHECKED in NEXT[State(row.state)], tolerance=checking.tolerance_text(),
        mine=bool(row.worksheet) and row.worksheet["by"] == visit.who.person_id,
    )  # fmt: skip
