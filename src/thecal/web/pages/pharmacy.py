"""The pharmacy: the queue, an order, one syringe with its way, receiving by scan, recall, the site's lead times."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, HTTPException, Path, Query
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field
from sqlalchemy import select
from starlette.responses import Response

from thecal.clinic.pharmacy import lookup, ordering, recalling, way
from thecal.clinic.pharmacy.ceilings import blocking
from thecal.clinic.pharmacy.entries import Entered
from thecal.clinic.pharmacy.keeping import pump_clocks, syringe_clock
from thecal.clinic.pharmacy.leads import Lead, countdown, lead_times, learned, settings_of
from thecal.clinic.pharmacy.mixtures import mixture_text
from thecal.clinic.pharmacy.refusing import Why
from thecal.clinic.pharmacy.said import class_of, handling_notes, history, label_in_words, sheet_in_words
from thecal.clinic.pharmacy.site_settings import LONGEST_NOTE, SCHEDULES, notes_of, set_for_site
from thecal.clinic.pharmacy.states import IN_WORDS, WAY, State, reached
from thecal.clinic.pharmacy.stepping import clinic_day
from thecal.clinic.pharmacy.workdays import WEEKDAYS, closed_of
from thecal.clinic.record.tables import Clinic, Patient, Preparation
from thecal.clinic.refused import Refused
from thecal.clinic.sought import sought
from thecal.web.answers import CONFLICT, MISSING, WRONG
from thecal.web.door import Visit, may
from thecal.web.screen import Entries, go, render

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

router = APIRouter(tags=["pharmacy"])

Word = Annotated[str, Field(max_length=400)]
Column = Annotated[list[Word], Field(default_factory=list, max_length=ordering.MOST_INGREDIENTS)]
Number = Annotated[int, Path(ge=1, le=2**53)]
ALL: dict[int | str, dict[str, Any]] = {**WRONG, **MISSING, **CONFLICT}
FOUND_PATIENTS = 20


class OrderForm(BaseModel):
    """A syringe as it is ordered, each entry as it was typed."""

    patient: Word = ""
    order: Word = ""
    drugs: Column
    strengths: Column
    volume: Word = ""
    diluent: Word = ""
    preservative_free: Word = ""
    needed_by: Word = ""
    refill_by: Word = ""


class StepForm(BaseModel):
    """A step: the revision that the person looked at, and words where the step asks for them."""

    seen: Word = ""
    why: Word = ""
    key: Word = ""
    carrier: Word = ""
    needed_by: Word = ""


class CodeForm(BaseModel):
    """A scanned or typed code."""

    code: Word = ""


class RecallForm(BaseModel):
    """A lot that is recalled, and why."""

    lot: Word = ""
    why: Word = ""


class SettingsForm(BaseModel):
    """Lead times in days, the days on which nobody works, and a note on each schedule."""

    seen: Word = ""
    prescription: Word = ""
    make: Word = ""
    quality_check: Word = ""
    ship: Word = ""
    closed_weekdays: Annotated[list[Word], Field(default_factory=list, max_length=20)]
    closed_days: Annotated[str, Field(max_length=4000)] = ""
    note_II: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""  # noqa: N815
    note_III: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""  # noqa: N815
    note_IV: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""  # noqa: N815
    note_V: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""  # noqa: N815


@router.get("/pharmacy", response_class=HTMLResponse)
def the_queue(
    visit: Annotated[Visit, Depends(may("order.see"))],
    find: Annotated[str, Query(max_length=200)] = "",
    state: Annotated[str, Query(max_length=20)] = "",
    page: Annotated[int, Query(ge=1, le=10**6)] = 1,
) -> HTMLResponse:
    """Syringes by the day they are needed."""
    visit.looked("saw the pharmacy's queue", find=find)
    with visit.reading() as db:
        found = lookup.queue(db, text=find, state=state, page=page)
        settings, today = settings_of(db), clinic_day(db, visit.now_s)
    due = {w.preparation.id: countdown(w.preparation, settings, today) for w in found.lines}
    held = {w.preparation.id: mixture_text(w.mixture, visit.house.formulary) for w in found.lines}
    shown: dict[str, Any] = {
        "found": found,
        "find": find,
        "state": state,
        "due": due,
        "held": held,
        "states": [*State],
        "words": IN_WORDS,
    }
    return render(visit, "pharmacy/queue.html", **shown)


@router.get("/pharmacy/order", response_class=HTMLResponse, responses=MISSING)
def order_form(
    visit: Annotated[Visit, Depends(may("order.write"))],
    patient: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    order: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    find: Annotated[str, Query(max_length=200)] = "",
) -> HTMLResponse:
    """An empty form for one patient, or the choice of the patient first."""
    if patient is None:
        with visit.reading() as db:
            query = select(Patient).where(
                Patient.active.in_((True,)), *(Patient.search.contains(w, autoescape=True) for w in sought(find))
            )
            people = list(db.scalars(query.order_by(Patient.family, Patient.id).limit(FOUND_PATIENTS))) if find else []
        visit.looked("patients looked up", find=find)
        return render(visit, "pharmacy/choose.html", find=find, people=people)
    return _order_form(visit, patient, order, Entries())


@router.post("/pharmacy/order", response_class=RedirectResponse, status_code=303, responses=ALL)
def order(visit: Annotated[Visit, Depends(may("order.write"))], form: Annotated[OrderForm, Form()]) -> Response:
    """Order a syringe."""
    patient_id, order_id = _whole(form.patient), _whole(form.order) if form.order else None
    entry = ordering.Entry(
        patient_id, form.drugs, form.strengths, form.volume, form.diluent, form.preservative_free, form.needed_by,
        form.refill_by, order_id,
    )  # fmt: skip
    made = ordering.order(visit.house, visit.who, entry, _today(visit))
    if isinstance(made, tuple):
        return _order_form(visit, patient_id, order_id, Entries(_flat(form.model_dump()), made), 422)
    return go(f"/pharmacy/{made.id}")


@router.get("/pharmacy/receive", response_class=HTMLResponse)
def receive_form(visit: Annotated[Visit, Depends(may("syringe.receive"))]) -> HTMLResponse:
    """A field for the scanner."""
    return render(visit, "pharmacy/receive.html", entries=Entries())


@router.post("/pharmacy/receive", response_class=RedirectResponse, status_code=303, responses=ALL)
def receive(visit: Annotated[Visit, Depends(may("syringe.receive"))], form: Annotated[CodeForm, Form()]) -> Response:
    """Take a syringe in at the clinic."""
    made = way.receive(visit.house, visit.who, form.code)
    if isinstance(made, tuple):
        return render(visit, "pharmacy/receive.html", status_of(made), entries=Entries(form.model_dump(), made))
    return go(f"/pharmacy/{made.id}")


@router.get("/pharmacy/recall", response_class=HTMLResponse)
def recall(
    visit: Annotated[Visit, Depends(may("order.see"))], lot: Annotated[str, Query(max_length=100)] = ""
) -> HTMLResponse:
    """Every syringe that a lot of stock went into."""
    return _recall_page(visit, lot)


@router.post("/pharmacy/recall", response_class=RedirectResponse, status_code=303, responses=ALL)
def recall_lot(
    visit: Annotated[Visit, Depends(may("compounding.release"))], form: Annotated[RecallForm, Form()]
) -> Response:
    """Recall a lot: what was made of it is given up, and whose pump holds it is a task."""
    made = recalling.recall(visit.house, visit.who, form.lot, form.why)
    if isinstance(made, tuple):
        return _recall_page(visit, form.lot, Entries(form.model_dump(), made), status_of(made))
    return go(f"/pharmacy/recall?{urlencode({'lot': made.lot.lot})}")


def _recall_page(visit: Visit, lot: str, entries: Entries | None = None, status: int = 200) -> HTMLResponse:
    visit.looked("looked up a lot of stock", lot=lot)
    with visit.reading() as db:
        found = lookup.stock_lot(db, lot)
        back = lookup.recalled(db, [lot])
    return render(
        visit, "pharmacy/recall.html", status, lot=lot, found=found, words=IN_WORDS, entries=entries or Entries(),
        back=back[0] if back and lot.strip() else None,
    )  # fmt: skip


@router.get("/pharmacy/settings", response_class=HTMLResponse)
def settings_form(visit: Annotated[Visit, Depends(may("pharmacy.settings"))]) -> HTMLResponse:
    """Lead times with what history says beside them, and the site's notes on controlled drugs."""
    with visit.reading() as db:
        kept = settings_of(db)
    values: dict[str, Any] = {f"note_{s}": note for s, note in notes_of(kept).items()}
    closed = closed_of(kept)
    values |= {"closed_weekdays": [str(w) for w in sorted(closed.weekdays)]}
    values |= {"closed_days": "\n".join(on.isoformat() for on in sorted(closed.days))}
    values |= {t.lead.value: str(t.days) for t in lead_times(kept) if t.by == "this site"}
    return _settings_form(visit, Entries(values))


@router.post("/pharmacy/settings", response_class=RedirectResponse, status_code=303, responses=ALL)
def settings(
    visit: Annotated[Visit, Depends(may("pharmacy.settings"))], form: Annotated[SettingsForm, Form()]
) -> Response:
    """Set them."""
    entered = form.model_dump()
    days = {lead.value: entered[lead.value] for lead in Lead}
    notes = {schedule: entered[f"note_{schedule}"] for schedule in SCHEDULES}
    closed = (form.closed_weekdays, form.closed_days)
    made = set_for_site(visit.house, visit.who, days, notes, closed, seen=_whole(form.seen))
    if isinstance(made, tuple):
        return _settings_form(visit, Entries(entered, made), 422)
    return go("/pharmacy/settings")


@router.get("/pharmacy/{preparation_id}", response_class=HTMLResponse, responses=MISSING)
def one_syringe(visit: Annotated[Visit, Depends(may("order.see"))], preparation_id: Number) -> HTMLResponse:
    """One syringe: what was ordered, where it stands, what comes next."""
    return syringe_page(visit, preparation_id)


@router.post("/pharmacy/{preparation_id}/needed-by", response_class=RedirectResponse, status_code=303, responses=ALL)
def needed_by(
    visit: Annotated[Visit, Depends(may("order.move"))], preparation_id: Number, form: Annotated[StepForm, Form()]
) -> Response:
    """Move the day on which it is needed."""
    found_or_404(visit, preparation_id)
    reading = Entered()
    on = reading.day("needed_by", form.needed_by)
    if on is None:
        return syringe_page(visit, preparation_id, Entries(form.model_dump(), tuple(reading.refused)), 422)
    seen = _whole(form.seen)
    done = way.move_needed_by(visit.house, visit.who, preparation_id, on, form.why, seen=seen)
    return after(visit, preparation_id, form.model_dump(), done)


@router.post("/pharmacy/{preparation_id}/withdraw", response_class=RedirectResponse, status_code=303, responses=ALL)
def withdraw(
    visit: Annotated[Visit, Depends(may("order.write"))], preparation_id: Number, form: Annotated[StepForm, Form()]
) -> Response:
    """The physician takes the order back."""
    found_or_404(visit, preparation_id)
    done = way.cancel(visit.house, visit.who, preparation_id, form.why, _whole(form.seen))
    return after(visit, preparation_id, form.model_dump(), done)


@router.post("/pharmacy/{preparation_id}/cancel", response_class=RedirectResponse, status_code=303, responses=ALL)
def cancel(
    visit: Annotated[Visit, Depends(may("compounding.do"))], preparation_id: Number, form: Annotated[StepForm, Form()]
) -> Response:
    """The pharmacy gives it up."""
    found_or_404(visit, preparation_id)
    done = way.cancel(visit.house, visit.who, preparation_id, form.why, _whole(form.seen))
    return after(visit, preparation_id, form.model_dump(), done)


def syringe_page(visit: Visit, preparation_id: int, entries: Entries | None = None, status: int = 200) -> HTMLResponse:
    """The page of one syringe; a worksheet that waits for its second check is shown to its writer alone."""
    row = found_or_404(visit, preparation_id)
    house, formulary = visit.house, visit.house.formulary
    visit.looked("saw a syringe", row.patient_id)
    with visit.reading() as db:
        mixture, patient = lookup.mixture_in(db, row), db.get(Patient, row.patient_id)
        limits = way.limits_on(db, row, formulary)
        today, kept, acts = clinic_day(db, house.now_s()), settings_of(db), history(db, row.id)
    blind = row.state == State.MADE and row.worksheet["by"] != visit.who.person_id
    sheet = sheet_in_words(row.worksheet, formulary) if row.worksheet and not blind else None
    labeled = row.syringe_code is not None
    return render(
        visit, "pharmacy/one.html", status, row=row, patient=patient, entries=entries or Entries(),
        state=State(row.state), words=IN_WORDS, way=WAY, reached=reached, blind=blind, sheet=sheet,
        held=mixture_text(mixture, formulary), drug_parts=_parts(visit, mixture.drugs),
        limits=limits, in_the_way=blocking(limits, row.overridden) if row.worksheet else (),
        clock=syringe_clock(row), pump=pump_clocks(row, mixture, formulary),
        notes=handling_notes(mixture.drugs, formulary),
        due=countdown(row, kept, today), site_notes=[(s, n) for s, n in notes_of(kept).items() if n], acts=acts,
        label=label_in_words(row.worksheet, formulary) if labeled else (),
    )  # fmt: skip


def after(visit: Visit, preparation_id: int, entered: dict[str, Any], done: object) -> Response:
    """The page after a step: the syringe's own, or the same with what was refused."""
    refused = (done,) if isinstance(done, Refused) else done
    if isinstance(refused, tuple):
        return syringe_page(visit, preparation_id, Entries(entered, refused), status_of(refused))
    return go(f"/pharmacy/{preparation_id}")


def status_of(refused: Sequence[Refused]) -> int:
    """409 where the state does not allow it, 422 where an entry is wrong."""
    return 409 if any(r.code == Why.OUT_OF_ORDER for r in refused) else 422


def found_or_404(visit: Visit, preparation_id: int) -> Preparation:
    """A syringe, or the answer that there is none."""
    with visit.reading() as db:
        row = db.get(Preparation, preparation_id)
    if row is None:
        raise HTTPException(404)
    return row


def seen_revision(text: str) -> int:
    """The revision that a page showed; -1, which is never current, for anything else."""
    return _whole(text)


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else -1


def _today(visit: Visit) -> date:
    with visit.reading() as db:
        return clinic_day(db, visit.now_s)


def _parts(visit: Visit, drugs: Sequence[str]) -> list[tuple[str, str]]:
    formulary = visit.house.formulary
    shown = {code: drug.display_name for code, drug in formulary.drugs.items()}
    return [(shown.get(code, code), class_of(code, formulary)) for code in drugs]


def _flat(entered: dict[str, Any]) -> dict[str, Any]:
    """Entries with each item of a list under its own name: drugs.0, drugs.1."""
    flat: dict[str, Any] = {}
    for name, value in entered.items():
        flat |= {f"{name}.{at}": one for at, one in enumerate(value)} if isinstance(value, list) else {name: value}
    return flat


flat_entries = _flat


def _order_form(
    visit: Visit, patient_id: int, order_id: int | None, entries: Entries, status: int = 200
) -> HTMLResponse:
    with visit.reading() as db:
        patient = db.get(Patient, patient_id) if patient_id > 0 else None
        ready = ordering.ready_order(db, patient_id) if patient is not None else None
        on_way = ordering.open_of(db, patient_id) if patient is not None else []
    if patient is None:
        raise HTTPException(404)
    visit.looked("began to order a syringe", patient_id)
    of_order = ready if ready is not None and order_id == ready.id else None
    mixture = None
    if of_order is not None:
        with visit.reading() as db:
            mixture = mixture_text(ordering.mixture_of_order(db, of_order), visit.house.formulary)
    drugs = [(d.code, d.display_name) for d in visit.house.formulary.drugs.values() if d.status not in ordering.NEVER]
    return render(
        visit, "pharmacy/order.html", status, patient=patient, entries=entries, ready=ready, of_order=of_order,
        mixture=mixture, on_way=on_way, drugs=drugs, most=ordering.MOST_INGREDIENTS, words=IN_WORDS,
    )  # fmt: skip


def _settings_form(visit: Visit, entries: Entries, status: int = 200) -> HTMLResponse:
    with visit.reading() as db:
        kept, history_of = settings_of(db), {one.lead: one for one in learned(db)}
        clinic = db.scalars(select(Clinic)).first()
    seen = clinic.revision if clinic is not None else 0
    shown = {
        "times": lead_times(kept),
        "learned": history_of,
        "schedules": SCHEDULES,
        "seen": seen,
        "weekdays": WEEKDAYS,
    }
    return render(visit, "pharmacy/settings.html", status, entries=entries, **shown)
