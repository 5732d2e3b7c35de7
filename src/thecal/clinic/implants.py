"""Which pump a patient has now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from thecal.clinic.record.tables import Implant

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def implant_of(db: Session, patient_id: int, serial: str | None = None) -> Implant | None:
    """The pump that a patient has in use, the newest where there are several; None where there is none.

    With ``serial`` only that pump, while it is in use in this patient.
    """
    query = select(Implant).where(Implant.patient_id == patient_id, Implant.until.is_(None))
    if serial is not None:
        query = query.where(Implant.serial == serial)
    return db.scalars(query.order_by(Implant.implanted_on.desc(), Implant.id.desc()).limit(1)).first()
