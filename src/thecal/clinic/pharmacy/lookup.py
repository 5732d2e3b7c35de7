"""Finding syringes: the pharmacist's queue, one by its code, all that were made from a lot of stock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from thecal.clinic.pharmacy.mixtures import mixture_of
from thecal.clinic.pharmacy.states import OPEN, State
from thecal.clinic.pharmacy.syringe_code import normal
from thecal.clinic.record.tables import Mixture as MixtureRow
from thecal.clinic.record.tables import Patient, Preparation, RecalledLot, StockTaken
from thecal.clinic.sought import sought

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from thecal.therapy.mixture import Mixture

PAGE = 25
"""Syringes on one page of the queue. Ours."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One line of the queue."""

    preparation: Preparation
    patient: Patient
    mixture: Mixture


@dataclass(frozen=True, slots=True)
class Queue:
    """One page of the queue, the soonest needed first; ``pages`` counts from 1."""

    lines: tuple[Waiting, ...]
    found: int
    page: int
    pages: int


def by_code(db: Session, code: str) -> Preparation | None:
    """The syringe with a code, as scanned or typed; None where there is none or the code was mistyped."""
    known = normal(code)
    if known is None:
        return None
    return db.scalars(select(Preparation).where(Preparation.syringe_code == known)).first()


def mixture_in(db: Session, preparation: Preparation) -> Mixture:
    """What a syringe holds, or is to hold, as therapy counts with it."""
    row = db.get(MixtureRow, preparation.mixture_id)
    if row is None:
        raise LookupError(f"mixture {preparation.mixture_id} of preparation {preparation.id} is not in the record")
    return mixture_of(row)


def queue(db: Session, *, text: str = "", state: str = "", page: int = 1) -> Queue:
    """Syringes by the day they are needed. ``state`` is a word of ``State``, "all", or empty for those still open."""
    query = select(Preparation, Patient, MixtureRow).join(Patient, Patient.id == Preparation.patient_id)
    query = query.join(MixtureRow, MixtureRow.id == Preparation.mixture_id)
    if not state:
        query = query.where(Preparation.state.in_([str(s) for s in OPEN]))
    elif state != "all":
        query = query.where(Preparation.state == state)
    for word in sought(text):
        query = query.where(Preparation.search.contains(word, autoescape=True))
    found = db.scalar(query.with_only_columns(func.count(Preparation.id))) or 0
    pages = max(1, -(-found // PAGE))
    page = min(max(page, 1), pages)
    ordered = query.order_by(Preparation.needed_by, Preparation.id).offset((page - 1) * PAGE).limit(PAGE)
    lines = tuple(Waiting(p, patient, mixture_of(m)) for p, patient, m in db.execute(ordered))
    return Queue(lines, found, page, pages)


def of_patient(db: Session, patient_id: int) -> list[Preparation]:
    """Every syringe of a patient, the newest first."""
    query = select(Preparation).where(Preparation.patient_id == patient_id).order_by(Preparation.id.desc())
    return list(db.scalars(query))


@dataclass(frozen=True, slots=True)
class FromLot:
    """One syringe that a lot of stock went into, or was to go into."""

    taken: StockTaken
    preparation: Preparation
    patient: Patient

    @property
    def current(self) -> bool:
        """Whether the syringe's present worksheet names the lot; False where the worksheet was written anew since."""
        return bool(self.preparation.worksheet) and self.preparation.worksheet.get("made") == self.taken.made

    @property
    def where(self) -> State:
        """Where the syringe is."""
        return State(self.preparation.state)


def stock_lot(db: Session, lot: str) -> tuple[FromLot, ...]:
    """Every syringe whose worksheet names a lot, in any mix of capitals; for a recall. None for an empty lot."""
    key = lot_key(lot)
    if not key:
        return ()
    query = (
        select(StockTaken, Preparation, Patient)
        .join(Preparation, Preparation.id == StockTaken.preparation_id)
        .join(Patient, Patient.id == StockTaken.patient_id)
        .where(StockTaken.lot_key == key)
        .order_by(Preparation.id.desc(), StockTaken.id)
    )
    return tuple(FromLot(*row) for row in db.execute(query))


def recalled(db: Session, lots: Sequence[str]) -> tuple[RecalledLot, ...]:
    """Those of these lots that are recalled."""
    keys = {lot_key(lot) for lot in lots}
    return tuple(db.scalars(select(RecalledLot).where(RecalledLot.lot_key.in_(keys)).order_by(RecalledLot.id)))


def lot_key(lot: str) -> str:
    """A lot for comparing: capitals, no spaces."""
    return "".join(lot.upper().split())
