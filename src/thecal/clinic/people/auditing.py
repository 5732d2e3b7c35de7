"""The account of who saw, changed and checked what, as an administrator looks through it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select

from thecal.clinic.record.chain import BEFORE_FIRST, link_hash, stored
from thecal.clinic.record.tables import Audit, AuditHead, Patient, Person

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

PAGE = 50
"""Links on one page. Ours."""
CHECKED = 500
"""How many of the newest links are followed whenever the page is shown. Ours."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What is looked for; whatever is None or empty is not asked about. ``before`` is a link: older ones only."""

    person_id: int | None = None
    patient: str = ""
    action: str = ""
    day: date | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One link with the names of the people in it."""

    link: Audit
    by: str
    patient: Patient | None


@dataclass(frozen=True, slots=True)
class Followed:
    """How many of the newest links were followed, and the first one that does not follow from the one before."""

    links: int
    wrong_at: int | None

    @property
    def whole(self) -> bool:
        """Whether all of them follow."""
        return self.wrong_at is None


def lines(session: Session, looked: Looked, zone: ZoneInfo) -> tuple[list[Line], bool]:
    """One page of links, the newest first, and whether there are more."""
    query = _asked(looked, zone).order_by(Audit.seq.desc()).limit(PAGE + 1)
    links: list[Audit] = list(session.scalars(query))
    return _named(session, links[:PAGE]), len(links) > PAGE


def follow_newest(session: Session, count: int = CHECKED) -> Followed:
    """Follow the newest links of the chain up to its head; the whole of it is a command of its own."""
    links = list(session.scalars(select(Audit).order_by(Audit.seq.desc()).limit(count)))[::-1]
    prev = links[0].prev if links and links[0].seq > 1 else BEFORE_FIRST
    seq = links[0].seq if links else 1
    for link in links:
        if link.seq != seq or link.prev != prev or link_hash(prev, stored(link)) != link.hash:
            return Followed(len(links), link.seq)
        seq, prev = seq + 1, link.hash
    head = session.get(AuditHead, 1)
    if links and (head is None or (head.seq, head.hash) != (seq - 1, prev)):
        return Followed(len(links), seq)
    return Followed(len(links), None)


def _asked(looked: Looked, zone: ZoneInfo) -> Select[Audit]:
    query = select(Audit)
    if looked.person_id is not None:
        query = query.where(Audit.by_person == looked.person_id)
    if looked.patient:
        patients = select(Patient.id).where(Patient.number == looked.patient.strip())
        query = query.where(Audit.patient_id.in_(patients))
    if looked.action:
        query = query.where(Audit.action.like(f"%{_plain(looked.action)}%", escape="\\"))
    if looked.day is not None:
        begins, ends = _day_s(looked.day, zone)
        query = query.where(Audit.at_utc_s >= begins, Audit.at_utc_s < ends)
    if looked.before is not None:
        query = query.where(Audit.seq < looked.before)
    return query


def _named(session: Session, links: list[Audit]) -> list[Line]:
    by = {link.by_person for link in links}
    about = {link.patient_id for link in links if link.patient_id is not None}
    people = {p.id: p.name for p in session.scalars(select(Person).where(Person.id.in_(by)))}
    patients = {p.id: p for p in session.scalars(select(Patient).where(Patient.id.in_(about)))}
    return [Line(link, people.get(link.by_person, "Thecal"), patients.get(link.patient_id or 0)) for link in links]


def _day_s(day: date, zone: ZoneInfo) -> tuple[int, int]:
    """Where a day of the clinic begins and ends, in s UTC; it may have 23 or 25 hours."""
    starts = (datetime(d.year, d.month, d.day, tzinfo=zone) for d in (day, day + timedelta(days=1)))
    begins, ends = (int(start.astimezone(UTC).timestamp()) for start in starts)
    return begins, ends


def _plain(words: str) -> str:
    return words.strip().replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
