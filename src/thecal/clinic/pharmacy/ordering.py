"""A physician orders a syringe: what is to be in it, how much, for whom, until when. Nothing is filled in by us."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING

from sqlalchemy import select

from thecal.clinic.pharmacy.entries import Entered
from thecal.clinic.pharmacy.mixtures import mixture_of
from thecal.clinic.pharmacy.refusing import Why, refused, stopped
from thecal.clinic.pharmacy.states import OPEN, State
from thecal.clinic.pharmacy.stepping import NO_DRUG, refresh_board
from thecal.clinic.programming.order_text import kept_mixture
from thecal.clinic.record.tables import Mixture as MixtureRow
from thecal.clinic.record.tables import Order, Patient, Preparation
from thecal.clinic.sought import folded
from thecal.formulary import Status
from thecal.quantities import Concentration, Volume
from thecal.therapy.mixture import Ingredient, Mixture
from thecal.therapy.refusal import day_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.refused import Refused
    from thecal.clinic.who import Who
    from thecal.formulary import Formulary

MOST_INGREDIENTS = 6
READY = ("signed", "running")
"""States of a therapy order from which a syringe may be ordered."""
NEVER = (Status.FORBIDDEN, Status.DO_NOT_INFUSE)


@dataclass(frozen=True, slots=True)
class Entry:
    """The order form as it was filled in. ``order_id`` is the therapy order whose mixture it takes, or None."""

    patient_id: int
    drugs: Sequence[str] = ()
    strengths: Sequence[str] = ()
    volume: str = ""
    diluent: str = ""
    preservative_free: str = ""
    needed_by: str = ""
    refill_by: str = ""
    order_id: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is ordered, read and whole."""

    mixture: Mixture
    volume: Volume
    diluent: str
    needed_by: date
    refill_by: date | None


@dataclass
class _Reading(Entered):
    today: date | None = None
    parts: list[Ingredient] = field(default_factory=list)


def ready_order(db: Session, patient_id: int) -> Order | None:
    """The newest therapy order of a patient from which a syringe can be ordered; None where there is none."""
    query = select(Order).where(Order.patient_id == patient_id, Order.state.in_(READY), Order.mixture_id.is_not(None))
    return db.scalars(query.order_by(Order.id.desc())).first()


def mixture_of_order(db: Session, order: Order) -> Mixture:
    """The mixture of a therapy order; LookupError where it has none."""
    row = db.get(MixtureRow, order.mixture_id) if order.mixture_id is not None else None
    if row is None:
        raise LookupError(f"order {order.id} has no mixture")
    return mixture_of(row)


def open_of(db: Session, patient_id: int) -> list[Preparation]:
    """The syringes of a patient that are on their way."""
    query = select(Preparation).where(
        Preparation.patient_id == patient_id, Preparation.state.in_([str(s) for s in OPEN])
    )
    return list(db.scalars(query.order_by(Preparation.needed_by)))


def order(practice: Practice, who: Who, entry: Entry, today: date) -> Preparation | tuple[Refused, ...]:
    """Order a syringe; everything that is wrong with the entry instead. ``today`` is the day at the clinic."""
    with practice.reading() as db:
        mixture = _ordered_mixture(db, entry)
    if isinstance(mixture, tuple):
        return mixture
    wanted = read(entry, practice.formulary, today, mixture)
    if isinstance(wanted, tuple):
        return stopped(practice, who, entry.patient_id, wanted)
    with practice.writing(who, "syringe ordered", entry.patient_id) as record:
        return _keep(record, entry, wanted)


def _ordered_mixture(db: Session, entry: Entry) -> Mixture | tuple[Refused, ...] | None:
    """The mixture of the therapy order that was named; it is the order's, and nothing typed goes over it."""
    if db.get(Patient, entry.patient_id) is None:
        return (
            refused(
                Why.UNKNOWN, "a patient who is not in the record", "a patient of this clinic", "find the patient first"
            ),
        )
    if entry.order_id is None:
        return None
    found = db.get(Order, entry.order_id)
    row = db.get(MixtureRow, found.mixture_id) if found is not None and found.mixture_id is not None else None
    if found is None or row is None or found.patient_id != entry.patient_id or found.state not in READY:
        allowed = "a signed order of this patient with its mixture"
        return (
            refused(Why.NOT_ALLOWED, "no such order", allowed, "go back and start from the patient's order of today"),
        )
    return mixture_of(row)


def _keep(record: Record, entry: Entry, wanted: Wanted) -> Preparation:
    patient = record.get(Patient, entry.patient_id)
    assert patient is not None  # noqa: S101  (looked up a moment ago; patients are never taken away)
    row = kept_mixture(record, wanted.mixture)
    drugs = " ".join(wanted.mixture.drugs)
    made = record.keep(
        Preparation(
            patient_id=patient.id,
            order_id=entry.order_id,
            mixture_id=row.id,
            volume=wanted.volume,
            overfill=Volume.zero(),
            diluent=wanted.diluent,
            preservative_free=True,
            state=str(State.ORDERED),
            needed_by=wanted.needed_by,
            refill_by=wanted.refill_by,
            overridden=[],
            search=folded(f"{patient.search} {drugs}"),
        )
    )
    _ordered_again(record, patient.id)
    refresh_board(record, patient.id)
    return made


def _ordered_again(record: Record, patient_id: int) -> None:
    """Tasks that ask for a new syringe are done."""
    from thecal.clinic.desk.tasks import finish_kind  # noqa: PLC0415  (the desk reads the pharmacy's states)

    finish_kind(record, patient_id, NO_DRUG, "a syringe was ordered")


def read(
    entry: Entry, formulary: Formulary, today: date, ordered: Mixture | None = None
) -> Wanted | tuple[Refused, ...]:
    """The entry as values, or everything that is wrong with it. ``ordered`` is the mixture of a therapy order."""
    reading = _Reading(today=today)
    if ordered is None:
        _ingredients(reading, entry, formulary)
    volume = reading.amount("volume", entry.volume, Volume, "20 mL")
    diluent = reading.words("diluent", entry.diluent, "what it is made up with, in words")
    free = reading.yes_no("preservative_free", entry.preservative_free)
    if free is False:
        reading.wrong(
            Why.PRESERVED,
            "an order for a preserved syringe",
            "preservative-free only: a preserved product is contraindicated in the reservoir",
            "order it preservative-free",
            "preservative_free",
        )
    needed, refill = _days(reading, entry, today)
    if reading.refused or volume is None or needed is None:
        return tuple(reading.refused)
    parts = tuple(reading.parts) if ordered is None else ordered.ingredients
    return Wanted(Mixture(parts, preservative_free=True), volume, diluent, needed, refill)


def _days(reading: _Reading, entry: Entry, today: date) -> tuple[date | None, date | None]:
    needed = reading.day("needed_by", entry.needed_by)
    if needed is not None and needed < today:
        reading.wrong(
            Why.NOT_ALLOWED,
            f"{day_text(needed)}, which is over",
            f"{day_text(today)} or later",
            "enter the day of the refill",
            "needed_by",
        )
    refill = reading.day("refill_by", entry.refill_by, optional=True)
    if refill is not None and needed is not None and refill <= needed:
        reading.wrong(
            Why.NOT_ALLOWED,
            day_text(refill),
            f"a day after {day_text(needed)}",
            "enter when the pump is refilled again, or leave it open",
            "refill_by",
        )
    return needed, refill


def _ingredients(reading: _Reading, entry: Entry, formulary: Formulary) -> None:
    pairs = [
        (at, drug.strip(), strength.strip())
        for at, (drug, strength) in enumerate(zip_longest(entry.drugs, entry.strengths, fillvalue=""))
        if drug.strip() or strength.strip()
    ]
    if len(pairs) > MOST_INGREDIENTS:
        allowed = f"up to {MOST_INGREDIENTS}"
        then = "order fewer: none of them is left out silently"
        reading.wrong(Why.NOT_ALLOWED, f"{len(pairs)} ingredients", allowed, then, f"drugs.{pairs[-1][0]}")
        return
    if not pairs:
        reading.wrong(
            Why.MISSING,
            "no ingredient",
            "at least one drug with its strength",
            "name what is to be in the syringe",
            "drugs.0",
        )
    for at, code, text in pairs:
        _ingredient(reading, at, code, text, formulary)


def _ingredient(reading: _Reading, at: int, code: str, text: str, formulary: Formulary) -> None:
    where = f"drugs.{at}"
    drug = formulary.drugs.get(code)
    if drug is None:
        reading.wrong(
            Why.UNKNOWN,
            repr(code[:40]) if code else "no drug",
            "a drug of the formulary",
            "choose it from the list",
            where,
        )
    elif drug.status in NEVER:
        reading.wrong(
            Why.NOT_ALLOWED,
            f"{drug.display_name}: {drug.status}",
            "a drug that may be given this way",
            "take it out: it must not go into a pump",
            where,
        )
    elif any(part.drug == code for part in reading.parts):
        reading.wrong(Why.NOT_ALLOWED, f"{drug.display_name} twice", "each drug once", "take one of the two out", where)
    unit = drug.conc_unit if drug is not None else "mg/mL"
    strength = reading.amount(f"strengths.{at}", text, Concentration, f"2 {unit}")
    if drug is not None and strength is not None and not any(part.drug == code for part in reading.parts):
        reading.parts.append(Ingredient(code, strength))
