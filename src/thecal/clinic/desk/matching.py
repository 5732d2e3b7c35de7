"""Which pumps a maker's notice is about: by family, model, serial number and the software that was read last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from thecal.clinic.record.tables import FieldNotice, NoticeHandled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from thecal.clinic.desk.dates import Known
    from thecal.clinic.record.tables import Implant


def software_of(implant: Implant, known: Known) -> str | None:
    """The software that the pump named when it was read last, else that of the implant; None where nobody knows."""
    if known.reading is not None and known.reading.identity.get("software"):
        return str(known.reading.identity["software"])
    return implant.software_at_implant or None


def matches(notice: FieldNotice, implant: Implant, software: str | None) -> bool:
    """Whether a notice is about this pump. An empty list matches all; software that nobody knows matches every list."""
    return (
        _listed(notice.families, implant.family)
        and _listed(notice.models, implant.model)
        and _listed(notice.serials, implant.serial)
        and (software is None or _listed(notice.softwares, software))
    )


def _listed(wanted: Sequence[str], found: str) -> bool:
    return not wanted or found.strip().casefold() in {w.strip().casefold() for w in wanted}


def notices_of(session: Session, patient_id: int, implant: Implant, known: Known) -> list[FieldNotice]:
    """Open notices about a patient's pump under which nothing was done for this patient yet."""
    software = software_of(implant, known)
    handled = select(NoticeHandled.notice_id).where(NoticeHandled.patient_id == patient_id)
    notices = session.scalars(
        select(FieldNotice)
        .where(FieldNotice.open.in_((True,)), FieldNotice.id.not_in(handled))
        .order_by(FieldNotice.published_on.desc(), FieldNotice.id)
    )
    return [n for n in notices if matches(n, implant, software)]
