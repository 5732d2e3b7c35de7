"""The first fill of a new pump, written down as it was done at the implant: what a later refill is held against.

The syringe of an operating room has no label of this clinic's pharmacy, so that none stands behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from thecal.clinic.programming.order_text import kept_mixture, pump_envelope
from thecal.clinic.record.tables import Fill, Implant
from thecal.clinic.refilling.entries import Wrong
from thecal.clinic.refused import Refused
from thecal.clinic.session.readings import refresh
from thecal.clinic.session.stepping import session_of
from thecal.clinic.session.writing import written
from thecal.quantities import Volume
from thecal.therapy.files import Measured
from thecal.therapy.reservoir import FillAccepted, check_fill

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record
    from thecal.clinic.record.tables import Session as SessionRow
    from thecal.clinic.who import Who
    from thecal.therapy.mixture import Mixture

MAY = "refill.do"


def write_first(practice: Practice, who: Who, session_id: int, mixture: Mixture, volume: Volume) -> Fill | Refused:
    """Keep the first fill of a session's pump. Refused where one is on record, and where the model does not hold it."""

    def kept(record: Record) -> Fill | Refused:
        session = session_of(record.session, session_id, who)
        if isinstance(session, Refused):
            return session
        return _against(record.session, session, volume) or _kept(record, session, mixture, volume)

    if not who.may(MAY):
        return Refused(Wrong.NOT_ALLOWED, f"{who.name} filling a pump", "a nurse or a physician", "ask one of them")
    return written(practice, who, "wrote a first fill", None, kept, session=session_id)


def _against(db: Session, session: SessionRow, volume: Volume) -> Refused | None:
    if db.scalars(select(Fill.id).where(Fill.serial == session.serial).limit(1)).first() is not None:
        found, allowed = f"a fill of pump {session.serial} on record", "a pump that was never filled here"
        return Refused(Wrong.NOT_ALLOWED, found, allowed, "refill it, step by step")
    implant = db.scalars(select(Implant).where(Implant.serial == session.serial).order_by(Implant.id.desc())).first()
    if implant is None:
        return Refused(Wrong.NOT_KNOWN, f"pump {session.serial}", "an implanted pump", "enter the implant first")
    pump = pump_envelope(implant.family, Measured(stroke=implant.stroke, tubing=implant.tubing))
    found_ = check_fill(volume, volume, pump, Volume.zero())
    if isinstance(found_, FillAccepted):
        return None
    first = found_.refusals[0]
    return Refused(Wrong.HARD_STOP, first.found, first.allowed, first.then, "volume")


def _kept(record: Record, session: SessionRow, mixture: Mixture, volume: Volume) -> Fill:
    fill = record.keep(
        Fill(
            patient_id=session.patient_id,
            serial=session.serial,
            session_id=session.id,
            preparation_id=None,
            mixture_id=kept_mixture(record, mixture).id,
            filled_utc_s=record.now_s,
            expected=None,
            aspirated=None,
            filled=volume,
            left=Volume.zero(),
            programmed=volume,
        )
    )
    refresh(record, session.patient_id)
    return fill
