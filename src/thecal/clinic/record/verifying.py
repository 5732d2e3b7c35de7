"""Whether the record is as it was written: every link after the one before, every row as its link has it.

Somebody who changes rows and links alike, to the end, shows against a head that was kept elsewhere (``heads``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from thecal.clinic.record.chain import BEFORE_FIRST, is_chained, link_hash, row_digest
from thecal.clinic.record.columns import Base, Living
from thecal.clinic.record.tables import Audit, AuditHead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.orm import Session

MOST_SHOWN = 200
"""Findings that are kept; what is beyond is counted. Ours."""
AT_ONCE = 2000

Key = tuple[Any, ...]
Rows = dict[str, dict[Key, str]]


class Tampering(StrEnum):
    """What is wrong with a record."""

    LINK_CHANGED = "link changed"
    LINK_MISSING = "link missing"
    TAIL_CUT = "tail cut off"
    ROW_CHANGED = "row changed"
    ROW_GONE = "row gone"
    ROW_ADDED = "row without a link"
    OTHER_HEAD = "other head"
    OTHER_KEY = "other key"


@dataclass(frozen=True, slots=True)
class Tampered:
    """One thing that is wrong, and what was found in words."""

    code: Tampering
    found: str


@dataclass
class Verified:
    """What was looked at, and everything that is wrong with it; ``count`` goes on where ``findings`` are full."""

    links: int = 0
    rows: int = 0
    seq: int = 0
    hash: bytes = BEFORE_FIRST
    count: int = 0
    findings: list[Tampered] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return self.count == 0

    def find(self, code: Tampering, found: str) -> None:
        """Something is wrong."""
        self.count += 1
        if len(self.findings) < MOST_SHOWN:
            self.findings.append(Tampered(code, found))


def verify(session: Session, tell: Callable[[float], None] = lambda _part: None) -> Verified:
    """Look at every link and every row that links name, at one instant; ``tell`` hears what part is done, 0 to 1."""
    found = Verified()
    tables = chained_tables()
    total = sum(_count(session, table) for table in ("audit", *tables)) or 1
    said = _links(session, found, lambda done: tell(done / total))
    _head(session, found)
    for name, key in tables.items():
        _rows(session, found, name, key, said.pop(name, {}))
        tell((found.links + found.rows) / total)
    for name, gone in said.items():
        found.find(Tampering.ROW_GONE, f"{len(gone):,} rows of {name}, a table that no link can name")
    return found


def chained_tables() -> dict[str, tuple[str, ...]]:
    """The tables whose rows links name, each with the columns that identify a row."""
    kinds = {m.class_ for m in Base.registry.mappers if is_chained(m.class_)}
    tables = [Base.metadata.tables[kind.__tablename__] for kind in kinds]
    return {t.name: tuple(c.name for c in t.primary_key) for t in sorted(tables, key=lambda t: t.name)}


def _living() -> set[str]:
    return {m.class_.__tablename__ for m in Base.registry.mappers if issubclass(m.class_, Living)}


def _count(session: Session, table: str) -> int:
    return int(session.execute(text(f'SELECT count(*) FROM "{table}"')).scalar_one())  # noqa: S608 -- our own table


def _read(session: Session, table: str, order: str) -> Iterator[dict[str, Any]]:
    """Every row as the database holds it, a part at a time."""
    asked = text(f'SELECT * FROM "{table}" ORDER BY {order}')  # noqa: S608 -- our own table
    result = session.connection().execution_options(stream_results=True, max_row_buffer=AT_ONCE).execute(asked)
    for part in result.mappings().partitions(AT_ONCE):
        for row in part:
            yield {name: bytes(v) if isinstance(v, memoryview) else v for name, v in row.items()}


def _links(session: Session, found: Verified, tell: Callable[[int], None]) -> Rows:
    """Follow the chain; the digest of every row that it names, the newest one of each."""
    said: Rows = {}
    living = _living()
    for link in _read(session, Audit.__tablename__, "seq"):
        if link["seq"] != found.seq + 1:
            found.find(Tampering.LINK_MISSING, f"link {link['seq']:,} after link {found.seq:,}")
        elif link["prev"] != found.hash:
            found.find(Tampering.LINK_MISSING, f"link {link['seq']:,}, which does not follow the one before it")
        if link_hash(link["prev"], link) != link["hash"]:
            found.find(Tampering.LINK_CHANGED, f"link {link['seq']:,}, which is not what was written")
        found.links += 1
        found.seq, found.hash = link["seq"], link["hash"]
        _named(link, said, living, found)
        if found.links % AT_ONCE == 0:
            tell(found.links)
    return said


def _named(link: dict[str, Any], said: Rows, living: set[str], found: Verified) -> None:
    try:
        rows = [(str(table), tuple(key), str(digest)) for table, key, digest in json.loads(link["rows"])]
    except (ValueError, TypeError):
        found.find(Tampering.LINK_CHANGED, f"link {link['seq']:,}, which names no rows that can be read")
        return
    for table, key, digest in rows:
        of = said.setdefault(table, {})
        if key in of and table not in living:
            found.find(Tampering.ROW_CHANGED, f"{_row(table, key)}, which link {link['seq']:,} says was written again")
        of[key] = digest


def _head(session: Session, found: Verified) -> None:
    head = session.execute(text(f'SELECT seq, hash FROM "{AuditHead.__tablename__}"')).one_or_none()  # noqa: S608
    seq, ends = (0, BEFORE_FIRST) if head is None else (head.seq, bytes(head.hash))
    if (seq, ends) != (found.seq, found.hash):
        found.find(Tampering.TAIL_CUT, f"a chain that ends at link {found.seq:,}, and a head at link {seq:,}")


def _rows(session: Session, found: Verified, table: str, key: tuple[str, ...], said: dict[Key, str]) -> None:
    """Hold a table's rows against what links say of them."""
    for row in _read(session, table, ", ".join(key)):
        found.rows += 1
        which = tuple(row[name] for name in key)
        digest = said.pop(which, None)
        if digest is None:
            found.find(Tampering.ROW_ADDED, f"{_row(table, which)}, which no link names")
        elif row_digest(row) != digest:
            found.find(Tampering.ROW_CHANGED, f"{_row(table, which)}, which is not what was written")
    for which in said:
        found.find(Tampering.ROW_GONE, f"{_row(table, which)}, which is not there any more")


def _row(table: str, key: Key) -> str:
    return f"{table.replace('_', ' ')} {', '.join(map(str, key))}"
