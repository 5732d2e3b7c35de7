"""The audit chain: one link for each transaction, each bound to the one before by its digest.

A link names every row that its transaction wrote, with the digest of that row, so that a row which was changed behind
the program's back is found as surely as a link that was. Digests are of what the database holds, column by column, and
leave out what is empty: a column that is added later changes none of them.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import rfc8785
from sqlalchemy import inspect, select
from sqlalchemy.types import TypeDecorator

from thecal.clinic.record.columns import Base, Exact, Kept, Living, exact_text
from thecal.clinic.record.tables import Audit, AuditHead
from thecal.clinic.record.tables.linked import LinkCommand, LinkOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

BEFORE_FIRST = bytes(32)
_MOST = 2**53 - 1  # of whole numbers in canonical JSON
_NOT_SAID = {"prev", "hash"}


def is_chained(kind: type[Base]) -> bool:
    """Whether rows of a table are named in the chain: those that are kept, and those that live by revisions."""
    return issubclass(kind, (Kept, Living, LinkCommand, LinkOutcome))


def append(session: Session, link: Audit) -> Audit:
    """Append a link, which says everything but its place; whoever calls is the only writer."""
    head = session.get(AuditHead, 1)
    if head is None:
        head = AuditHead(one=1, seq=0, hash=BEFORE_FIRST)
        session.add(head)
    link.seq, link.prev = head.seq + 1, head.hash
    link.hash = link_hash(head.hash, stored(link))
    session.add(link)
    head.seq, head.hash = link.seq, link.hash
    session.flush()
    return link


def link_hash(prev: bytes, content: Mapping[str, Any]) -> bytes:
    """SHA-256 of the link before and of what this one holds."""
    return sha256(prev + canonical({name: v for name, v in content.items() if name not in _NOT_SAID})).digest()


def row_digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of what a row holds, as hex."""
    return sha256(canonical(content)).hexdigest()


def canonical(content: Mapping[str, Any]) -> bytes:
    """What a row holds in canonical JSON (RFC 8785): bytes as hex, numbers beyond 53 bits as text, nothing empty."""
    return rfc8785.dumps({name: _plain(value) for name, value in content.items() if value is not None})


def stored(row: Base) -> dict[str, Any]:
    """What the database holds of a row that was written: text, whole numbers, bytes or nothing, by column."""
    return {name: _bound(column, getattr(row, key)) for key, name, column in _columns(type(row))}


@cache
def _columns(kind: type[Base]) -> tuple[tuple[str, str, ColumnElement[Any]], ...]:
    return tuple((a.key, a.columns[0].name, a.columns[0]) for a in inspect(kind).column_attrs)


def _bound(column: ColumnElement[Any], value: Any) -> Any:
    """A value as it goes to the database; both engines are given the same."""
    if isinstance(column.type, TypeDecorator):
        value = column.type.process_bind_param(value, None)  # type: ignore[arg-type]
    return int(value) if isinstance(value, bool) else value


def plain_column(column: ColumnElement[Any], value: Any) -> Any:
    """A column's value as acts keep it: amounts as their exact number in the column's unit."""
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


def head_of(session: Session) -> tuple[int, bytes]:
    """The number and the hash of the newest link; 0 before the first."""
    head = session.scalars(select(AuditHead)).one_or_none()
    return (0, BEFORE_FIRST) if head is None else (head.seq, head.hash)
