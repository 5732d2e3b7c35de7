"""Every pump that the clinic knows: in somebody, taken out, or read and never implanted; without a patient's name.

A pump comes to the clinic when a role is paired with it: the link service has the pump make a key, keeps it, and the
clinic's programmer reads the pump at once. Keys never come here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from sqlalchemy import exists, func, or_, select, union

from thecal.clinic.desk.lines import refresh
from thecal.clinic.pumps import LinkAway
from thecal.clinic.record.tables import Implant, Interrogation
from thecal.clinic.refused import Refused
from thecal.clinic.session.readings import keep_reading, read_whole, reading
from thecal.link.roles import Role

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.who import Who

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


def known_pump(db: Session, serial: str) -> KnownPump | None:
    """One pump; None where nobody ever read or implanted it."""
    implant = db.scalars(select(Implant).where(Implant.serial == serial).order_by(Implant.id.desc())).first()
    row = reading(db, serial)
    return None if implant is None and row is None else KnownPump(serial, implant, row)


# Pairing --------------------------------------------------------------------------------------------------------------

ROLES = {Role.PROGRAMMER.value: "the clinic's programmer", Role.PATIENT.value: "the patient's controller"}
"""Roles that a page gives keys to; what others need of a key is handed out on the command line."""
SERIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class No(StrEnum):
    """Why a pump was not paired."""

    SERIAL = "not-a-serial-number"
    ROLE = "no-such-role"
    AGAIN = "paired-already"
    PENDING = "commands-not-known"
    NOT_REACHED = "not-reached"
    UNKNOWN = "not-known-whether-paired"


def keys_of(practice: Practice, serial: str) -> tuple[Role, ...] | Refused:
    """The roles that have a key of a pump; refused where the link service is away."""
    try:
        return practice.pumps.paired(serial)
    except LinkAway as away:
        return Refused(No.NOT_REACHED, str(away), "a link service that runs", "wait until it does, and try again")


def pair(
    practice: Practice, who: Who, serial: str, role: str, *, again: bool, before: Callable[[str], None]
) -> tuple[Role, ...] | Refused:
    """Give a role a key of a pump, and read the pump with it where the role is the clinic's programmer.

    ``again`` allows it where the role has a key, which ends with it. ``before`` is called right before the reading.
    What was begun is written down before the pump is asked, what came of it after; the roles that have a key are
    answered.
    """
    serial = serial.strip()
    wrong = _not_now(practice, serial, role, again=again)
    if wrong is not None:
        return wrong
    with practice.writing(who, "pump pairing begun", serial=serial, role=role):
        pass
    try:
        practice.pumps.pair(serial, Role(role))
    except LinkAway as away:
        with practice.writing(who, "pump pairing failed", serial=serial, role=role, known=not away.asked):
            pass
        return _not_paired(away)
    with practice.writing(who, "pump paired", serial=serial, role=role):
        pass
    if role == Role.PROGRAMMER:
        before(serial)
        _read(practice, who, serial)
    return keys_of(practice, serial)


def _not_now(practice: Practice, serial: str, role: str, *, again: bool) -> Refused | None:
    misread = _misread(serial, role)
    if misread is not None:
        return misread
    held, pending = keys_of(practice, serial), _pending(practice, serial)
    if isinstance(held, Refused):
        return held
    if isinstance(pending, Refused):
        return pending
    return _key_stays(serial, role, held, pending, again=again)


def _misread(serial: str, role: str) -> Refused | None:
    if not SERIAL.fullmatch(serial):
        allowed = "1 to 64 letters, digits, '.', '_' and '-', the first one a letter or digit"
        return Refused(No.SERIAL, repr(serial[:70]), allowed, "read it from the pump or its box", "serial")
    if role not in ROLES:
        return Refused(No.ROLE, role[:40] or "no role", ", ".join(ROLES), "choose who gets the key", "role")
    return None


def _key_stays(serial: str, role: str, held: tuple[Role, ...], pending: int, *, again: bool) -> Refused | None:
    """Why the key that a role has does not end, and no new one is made."""
    if role in held and not again:
        found, then = f"{ROLES[role]}, which has a key of pump {serial}", "say that its key may end, or leave it"
        return Refused(No.AGAIN, found, "a role without one, or a new key in its place", then, "again")
    if pending:
        found, then = f"{pending} commands whose outcome is not known", "find out what became of them first"
        return Refused(No.PENDING, found, "a pump of which every command is known", then)
    return None


def _pending(practice: Practice, serial: str) -> int | Refused:
    try:
        return len(practice.pumps.pending(serial))
    except LinkAway as away:
        return Refused(No.NOT_REACHED, str(away), "a link service that runs", "wait until it does, and try again")


def _not_paired(away: LinkAway) -> Refused:
    if away.asked:
        found = f"no answer ({away}): the pump may have made a new key, and the one of before may have ended"
        return Refused(No.UNKNOWN, found, "an answer", "pair it again")
    return Refused(No.NOT_REACHED, str(away), "a pump that the rig runs", "make it and let the rig adopt it first")


def _read(practice: Practice, who: Who, serial: str) -> None:
    """Read the pump and keep it: from then on it stands in the list. One that does not answer is read later."""
    read = read_whole(practice, serial)
    if isinstance(read, Refused):
        return
    with practice.writing(who, "pump read after pairing", serial=serial) as record:
        holder = select(Implant.patient_id).where(Implant.serial == serial, Implant.until.is_(None))
        patient_id = record.session.scalars(holder).first()
        keep_reading(record, read, patient_id)
        if patient_id is not None:
            refresh(record, patient_id, practice.formulary)
