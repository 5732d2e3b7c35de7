"""Which pumps a maker's notice is about: by family, model, serial number, software that was read last, and catheter.

An entry of a list is a name, the beginning of one with a star behind it ("8637*"), or, for serial numbers, a range
("NGP100000 to NGP199999"). What nobody knows of a pump matches every list: it is found out by looking.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlalchemy import select

from thecal.clinic.record.tables import FieldNotice, NoticeHandled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from thecal.clinic.desk.dates import Known
    from thecal.clinic.record.tables import Implant

_RANGE = re.compile(r"(\S+) to (\S+)", re.IGNORECASE)
_SERIAL = re.compile(r"(.*?)([0-9]+)([^0-9]*)", re.DOTALL)
MOST_DIGITS = 18


def software_of(implant: Implant, known: Known) -> str | None:
    """The software that the pump named when it was read last, else that of the implant; None where nobody knows."""
    if known.reading is not None and known.reading.identity.get("software"):
        return str(known.reading.identity["software"])
    return implant.software_at_implant or None


def matches(notice: FieldNotice, implant: Implant, software: str | None) -> bool:
    """Whether a notice is about this pump. An empty list matches all; what nobody knows matches every list."""
    return (
        _listed(notice.families, implant.family)
        and _listed(notice.models, implant.model)
        and (_listed(notice.serials, implant.serial) or any(in_range(one, implant.serial) for one in notice.serials))
        and _listed(notice.softwares, software)
        and _listed(notice.catheters, implant.catheter_model)
    )


def _listed(wanted: Sequence[str], found: str | None) -> bool:
    said = (found or "").strip().casefold()
    return not wanted or not said or any(_is(one.strip().casefold(), said) for one in wanted)


def _is(wanted: str, found: str) -> bool:
    return found.startswith(wanted[:-1]) if wanted.endswith("*") else found == wanted


def in_range(entry: str, serial: str) -> bool:
    """Whether a serial number lies in an entry's range, both ends in it; a letter behind the number does not count."""
    ends, at = _ends(entry), _numbered(serial)
    if ends is None or at is None:
        return False
    (series, low), (_, high) = ends
    return at[0] == series and low <= at[1] <= high


def bad_range(entry: str) -> bool:
    """Whether an entry is written as a range and is none: two series, or an end before its beginning."""
    return " to " in f" {entry.casefold()} " and _ends(entry) is None


def _ends(entry: str) -> tuple[tuple[str, int], tuple[str, int]] | None:
    found = _RANGE.fullmatch(entry.strip())
    if found is None:
        return None
    low, high = _numbered(found[1]), _numbered(found[2])
    if low is None or high is None or low[0] != high[0] or low[1] > high[1]:
        return None
    return low, high


def _numbered(serial: str) -> tuple[str, int] | None:
    """The series of a serial number, and the number in it."""
    found = _SERIAL.fullmatch(serial.strip().casefold())
    return None if found is None or len(found[2]) > MOST_DIGITS else (found[1], int(found[2]))


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
