"""The case of a refill: the session with its patient, the pump as it was read, what runs in it and what was filled
before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from thecal.clinic.programming.order_text import parsed_by, pump_envelope
from thecal.clinic.record.tables import Fill, Implant, Interrogation, Order, Patient, ProgramRun
from thecal.clinic.record.tables import Mixture as MixtureRow
from thecal.clinic.record.tables import Session as SessionRow
from thecal.clinic.refilling.entries import NoSuchSession
from thecal.clinic.session.proposing import draft_of
from thecal.pump.document import OrderDocument, UnreadableDocument
from thecal.quantities import Concentration, Volume
from thecal.therapy.files import Measured, OrderFile
from thecal.therapy.line import dead_volume
from thecal.therapy.mixture import Ingredient, Mixture

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.formulary import Drug, Formulary
    from thecal.therapy.envelope import Envelope
    from thecal.therapy.order import Order as Ordered

LAST_GAPS = 6
"""Gaps that a trend shows (users-and-interfaces J4)."""


@dataclass(frozen=True, slots=True)
class Case:
    """One refill. ``read`` is the newest whole reading of the pump, ``fills`` the fills before, the newest first.

    ``running`` is the order that runs in the pump, None where it cannot be read; ``held`` the mixture in the reservoir.
    """

    session: SessionRow
    patient: Patient
    implant: Implant
    read: Interrogation | None
    fills: tuple[Fill, ...]
    runs: tuple[ProgramRun, ...]
    running: OrderFile | None
    held: Mixture | None
    formulary: Formulary

    @property
    def last(self) -> Fill | None:
        """The fill before this one."""
        return self.fills[0] if self.fills else None

    @property
    def order(self) -> Ordered | None:
        """What runs."""
        return None if self.running is None else self.running.order

    @property
    def pump(self) -> Envelope:
        """What this pump can deliver, as measured."""
        return pump_envelope(self.implant.family, Measured(stroke=self.implant.stroke, tubing=self.implant.tubing))

    @property
    def dead(self) -> Volume | None:
        """Tubing and catheter as implanted; None where the catheter is not known."""
        i = self.implant
        if i.catheter_supplied is None or i.catheter_removed is None or i.catheter_volume is None:
            return None
        length = i.catheter_supplied - i.catheter_removed
        return dead_volume(self.pump.tubing, length * i.catheter_volume)

    def drug(self, code: str) -> Drug:
        """How a drug is shown."""
        return self.formulary.drug(code)


def case_of(practice: Practice, db: Session, session_id: int) -> Case:
    """The case of a session; NoSuchSession where there is none."""
    session = db.get(SessionRow, session_id)
    if session is None:
        raise NoSuchSession(session_id)
    patient = db.get(Patient, session.patient_id)
    implant = db.scalars(
        select(Implant)
        .where(Implant.serial == session.serial, Implant.patient_id == session.patient_id)
        .order_by(Implant.id.desc())
    ).first()
    if patient is None or implant is None:
        raise NoSuchSession(session_id)
    read = (
        db.get(Interrogation, session.reading_id)
        if session.reading_id is not None
        else newest_reading(db, session.serial)
    )
    runs = tuple(
        db.scalars(
            select(ProgramRun)
            .where(ProgramRun.serial == session.serial)
            .order_by(ProgramRun.confirmed_utc_s, ProgramRun.id)
        )
    )
    running = running_order(practice.formulary, read, runs)
    fills = tuple(
        db.scalars(
            select(Fill)
            .where(Fill.serial == session.serial, Fill.session_id.is_distinct_from(session.id))
            .order_by(Fill.filled_utc_s.desc(), Fill.id.desc())
            .limit(LAST_GAPS)
        )
    )
    return Case(session, patient, implant, read, fills, runs, running, _held(db, fills, running), practice.formulary)


def newest_reading(db: Session, serial: str) -> Interrogation | None:
    """The pump as it was read last, whole."""
    query = select(Interrogation).where(Interrogation.serial == serial, Interrogation.whole == 1)
    return db.scalars(query.order_by(Interrogation.read_utc_s.desc(), Interrogation.id.desc()).limit(1)).first()


def running_order(formulary: Formulary, read: Interrogation | None, runs: tuple[ProgramRun, ...]) -> OrderFile | None:
    """The order behind the program in the pump: by the pump's own document, else by what was confirmed last."""
    text = _document_text(read) or (runs[-1].order_text if runs else "")
    found = parsed_by(text, formulary) if text else ()
    return found if isinstance(found, OrderFile) else None


def _document_text(read: Interrogation | None) -> str:
    if read is None or not read.document:
        return ""
    try:
        return OrderDocument.decode(read.document).order
    except UnreadableDocument:
        return ""


def _held(db: Session, fills: tuple[Fill, ...], running: OrderFile | None) -> Mixture | None:
    if fills:
        row = db.get(MixtureRow, fills[0].mixture_id)
        return None if row is None else mixture_of(row)
    return None if running is None else running.order.mixture


def mixture_of(row: MixtureRow) -> Mixture:
    """A mixture of the record as therapy takes it."""
    parts = tuple(Ingredient(i["drug"], Concentration.parse(i["concentration"])) for i in row.ingredients)
    return Mixture(parts, preservative_free=row.preservative_free)


def proposed_order(practice: Practice, db: Session, session: SessionRow) -> tuple[Order, OrderFile] | None:
    """The order that was written in a session, by the program step; None where there is none to read."""
    row = draft_of(db, session)
    found = () if row is None else parsed_by(row.text, practice.formulary)
    return (row, found) if row is not None and isinstance(found, OrderFile) else None


def name_of(mixture: Mixture, formulary: Formulary) -> str:
    """A mixture for the eye: each drug with its strength, in the drug's own unit."""
    parts = []
    for i in mixture.ingredients:
        drug = formulary.drug(i.drug)
        parts.append(f"{drug.display_name} {i.concentration.text(drug.conc_unit)}")
    return ", ".join(parts)
