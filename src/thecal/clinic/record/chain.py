"""The audit chain: one link for each transaction, each bound to the one before by its digest.

A link names every row that its transaction wrote, with the digest of that row, so that a row which was changed behind the
program's back is found as surely as a link that was.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import rfc8785
from sqlalchemy import inspect, select

from thecal.clinic.record.columns import Base, Exact, exact_text
from thecal.clinic.record.tables import Audit, AuditHead

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

BEFORE_FIRST = bytes(32)
_MOST = 2**53 - 1  # of whole numbers in canonical JSON


@dataclass(frozen=True, slots=True)
class Link:
    """What a transaction says of itself."""

    at_utc_s: int
    machine_utc_s: int
    by_person: int
    action: str
    patient_id: int | None
    details: dict[str, Any]
    rows: list[list[Any]]
    software: str

    def digest(self, seq: int, prev: bytes) -> bytes:
        """SHA-256 of the link before and of this one in canonical JSON."""
        said = {
            "seq": seq,
            "at_utc_s": self.at_utc_s,
            "machine_utc_s": self.machine_utc_s,
            "by_person": self.by_person,
            "action": self.action,
            "patient_id": self.patient_id,
            "details": _plain(self.details),
            "rows": self.rows,
            "software": self.software,
        }
        return sha256(prev + rfc8785.dumps(said)).digest()


def append(session: Session, link: Link) -> Audit:
    """Append a link; the head is locked until the transaction ends, so that links follow one another."""
    head = session.scalars(select(AuditHead).with_for_update()).one_or_none()
    if head is None:
        head = AuditHead(one=1, seq=0, hash=BEFORE_FIRST)
        session.add(head)
    seq, prev = head.seq + 1, head.hash
    found = link.digest(seq, prev)
    row = Audit(
        seq=seq,
        at_utc_s=link.at_utc_s,
        machine_utc_s=link.machine_utc_s,
        by_person=link.by_person,
        action=link.action,
        patient_id=link.patient_id,
        details=link.details,
        rows=link.rows,
        software=link.software,
        prev=prev,
        hash=found,
    )
    session.add(row)
    head.seq, head.hash = seq, found
    return row


def row_digest(row: Base) -> str:
    """The digest of a row's content, as hex."""
    mapper = inspect(type(row))
    said = {}
    for attribute in mapper.column_attrs:
        said[attribute.key] = plain_column(attribute.columns[0], getattr(row, attribute.key))
    return sha256(rfc8785.dumps(said)).hexdigest()


def plain_column(column: ColumnElement[Any], value: Any) -> Any:
    """A column's value as canonical JSON takes it: amounts as their exact number in the column's unit."""
    if isinstance(column.type, Exact) and value is not None:
        return exact_text(value.number(column.type.unit))
    return _plain(value)


def _plain(value: Any) -> Any:
    """A value as canonical JSON takes it: bytes as hex, days and whole numbers of more than 53 bits as text."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _MOST else str(value)
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return str(value)
