"""What a line of the board prints beside its days: where the drug order stands, and the tries to reach the patient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from thecal.clinic.pharmacy.states import OPEN
from thecal.clinic.record.tables import Booking, Contact, Preparation

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from thecal.clinic.desk.dates import LineDates


def dates_shown(dates: LineDates) -> dict[str, Any]:
    """The dates as days since 1970, the use of boluses, and why a date is not known."""
    held = dates.held
    return {
        "empty": dates.empty,
        "stable": dates.stable,
        "stable_source": dates.stable_source,
        "use": dates.use,
        "unknown": dates.unknown,
        "held": "" if held is None else held.volume.text("mL", 3),
        "held_by": "" if held is None else held.source,
    }


def order_shown(session: Session, patient_id: int) -> dict[str, Any] | None:
    """The first syringe that is being made for a patient: its step, and the day it is needed by; None without one."""
    query = select(Preparation).where(
        Preparation.patient_id == patient_id, Preparation.state.in_([str(state) for state in OPEN])
    )
    made = session.scalars(query.order_by(Preparation.needed_by, Preparation.id).limit(1)).first()
    if made is None:
        return None
    return {"id": made.id, "step": made.state, "needed_by": made.needed_by.isoformat()}


def contact_shown(session: Session, patient_id: int) -> dict[str, Any] | None:
    """How often somebody tried to reach the patient since the last visit, and what came of the last try."""
    attended = select(func.max(Booking.begins_utc_s)).where(
        Booking.patient_id == patient_id, Booking.state == "attended"
    )
    since = session.scalar(attended) or 0
    tries = list(
        session.scalars(
            select(Contact)
            .where(Contact.patient_id == patient_id, Contact.at_utc_s >= since)
            .order_by(Contact.at_utc_s.desc(), Contact.id.desc())
            .limit(50)
        )
    )
    if not tries:
        return None
    last = tries[0]
    return {"tries": len(tries), "outcome": last.outcome, "way": last.way, "at_utc_s": last.at_utc_s}
