"""Every pump that the clinic knows: in somebody, taken out, or read and never implanted; without a patient's name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import exists, func, or_, select, union

from thecal.clinic.record.tables import Implant, Interrogation
from thecal.clinic.session.readings import reading

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.orm import Session

PAGE = 50
"""Pumps on one page of the list. Ours."""


@dataclass(frozen=True, slots=True)
class KnownPump:
    """One pump: where it is or was last (None: never implanted), and its newest reading (None: never read)."""

    serial: str
    implant: Implant | None
    row: Interrogation | None

    @property
    def family(self) -> str:
        """Its family, as entered at the implant, else as it says itself."""
        return self.implant.family if self.implant is not None else str(self._said("family"))

    @property
    def software(self) -> str:
        """Its software, as it said itself, else as entered at the implant; empty where nobody knows."""
        entered = self.implant.software_at_implant if self.implant is not None else ""
        return str(self._said("software")) or entered

    @property
    def delivers(self) -> bool | None:
        """Whether it delivered at its newest reading, None where it was never read."""
        return None if self.row is None else bool(self.row.status.get("delivering"))

    def _said(self, name: str) -> object:
        return self.row.identity.get(name, "") if self.row is not None else ""


@dataclass(frozen=True, slots=True)
class FoundPumps:
    """One page of pumps, by serial number."""

    pumps: list[KnownPump]
    total: int
    page: int

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return max(1, -(-self.total // PAGE))


def find_pumps(db: Session, text: str = "", page: int = 1) -> FoundPumps:
    """Pumps of which serial number, family or model hold every word of ``text``; a page beyond the last is the last."""
    query = _matching(text)
    total = db.scalar(select(func.count()).select_from(query.subquery())) or 0
    at = min(max(1, page), max(1, -(-total // PAGE)))
    serials = list(db.scalars(query.limit(PAGE).offset((at - 1) * PAGE)))
    newest = {i.serial: i for i in db.scalars(select(Implant).where(Implant.serial.in_(serials)).order_by(Implant.id))}
    return FoundPumps([KnownPump(s, newest.get(s), reading(db, s)) for s in serials], total, at)


def _matching(text: str) -> Select[str]:
    """Serial numbers in order, each once."""
    known = union(select(Implant.serial), select(Interrogation.serial)).subquery()
    query = select(known.c.serial)
    for word in text.split():
        implanted = exists().where(
            Implant.serial == known.c.serial,
            or_(Implant.family.icontains(word, autoescape=True), Implant.model.icontains(word, autoescape=True)),
        )
        query = query.where(or_(known.c.serial.icontains(word, autoescape=True), implanted))
    return query.order_by(known.c.serial)
