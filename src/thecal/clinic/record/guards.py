"""What the database itself refuses: a kept row is never changed, and a living one only by one revision at a time.

These are triggers, so that they hold against everybody who writes, this program's own mistakes included. Whoever can
take a trigger away is found by the audit chain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import UniqueConstraint

from thecal.clinic.record.tables import Base, Kept, Living
from thecal.clinic.record.tables.account import Audit, AuditHead
from thecal.clinic.record.tables.linked import LinkCommand, LinkNumber, LinkOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = "what was written is never edited"
STAYS = "what was written is never taken away"
ONCE = "what was written is never replaced"
ONE_ON = "a change raises the revision by one, and leaves its making alone"
RISES = "a number is never given out again"

_POSTGRES_FUNCTION = """CREATE OR REPLACE FUNCTION thecal_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation'; END $$"""
_ALWAYS = ""
_CHANGES = {
    "one_on": "new.revision <> old.revision + 1 OR new.id <> old.id OR new.at_utc_s <> old.at_utc_s "
    "OR new.by_person <> old.by_person OR new.software <> old.software OR new.formulary <> old.formulary",
    "link_number": "new.newest <= old.newest OR new.serial <> old.serial OR new.role <> old.role",
    "audit_head": "new.seq <> old.seq + 1 OR new.one <> old.one",
}


@dataclass(frozen=True, slots=True)
class Guard:
    """One trigger: what it refuses (``on``), of which rows (``when``; empty for all), and what it says."""

    table: str
    name: str
    on: str
    when: str
    said: str

    @property
    def trigger(self) -> str:
        """What the database calls it."""
        return f"{self.table}_{self.name}"

    def sql(self, dialect: str) -> str:
        """The statement that makes it; ``dialect`` is sqlite or postgresql."""
        head = f'CREATE TRIGGER {self.trigger} BEFORE {self.on} ON "{self.table}"'
        condition = f" WHEN ({self.when})" if self.when else ""
        if dialect == "postgresql":
            each = "STATEMENT" if self.on == "TRUNCATE" else "ROW"
            return f"{head} FOR EACH {each}{condition} EXECUTE FUNCTION thecal_refuse('{self.said}')"
        return f"{head}{condition} BEGIN SELECT RAISE (ABORT, '{self.said}'); END"


def kept_tables() -> list[str]:
    """Tables whose rows are never changed."""
    tables = [m.local_table.name for m in Base.registry.mappers if issubclass(m.class_, Kept)]  # type: ignore[attr-defined]
    return sorted([*tables, Audit.__tablename__, LinkCommand.__tablename__, LinkOutcome.__tablename__])


def living_tables() -> list[str]:
    """Tables whose rows change by one revision at a time."""
    return sorted(m.local_table.name for m in Base.registry.mappers if issubclass(m.class_, Living))  # type: ignore[attr-defined]


def all_guards(dialect: str) -> Iterator[Guard]:
    """Every guard of the record, table after table."""
    for table in kept_tables():
        yield Guard(table, "kept", "UPDATE", _ALWAYS, KEPT)
        yield from _stays(dialect, table)
    for table in living_tables():
        yield Guard(table, "one_on", "UPDATE", _CHANGES["one_on"], ONE_ON)
        yield from _stays(dialect, table)
    for table in (LinkNumber.__tablename__, AuditHead.__tablename__):
        yield Guard(table, "rises", "UPDATE", _CHANGES[table], RISES)
        yield from _stays(dialect, table)


def guards(dialect: str) -> Iterator[str]:
    """The statements that make every guard."""
    if dialect == "postgresql":
        yield _POSTGRES_FUNCTION
    for guard in all_guards(dialect):
        yield guard.sql(dialect)


def _stays(dialect: str, table: str) -> Iterator[Guard]:
    """No row goes: not by deleting, and not by what each database has beside it."""
    yield Guard(table, "stays", "DELETE", _ALWAYS, STAYS)
    if dialect == "postgresql":
        yield Guard(table, "stays_all", "TRUNCATE", _ALWAYS, STAYS)
    else:
        yield Guard(table, "once", "INSERT", _taken(table), ONCE)


def _taken(table: str) -> str:
    """Whether a row that comes would push another out (SQLite's INSERT OR REPLACE fires no guard of deletion)."""
    found = Base.metadata.tables[table]
    keys = [[c.name for c in found.primary_key], *([c.name for c in u.columns] for u in _unique(table))]
    return " OR ".join(
        f'EXISTS (SELECT 1 FROM "{table}" WHERE {" AND ".join(f"{name} = new.{name}" for name in key)})'  # noqa: S608
        for key in keys
    )


def _unique(table: str) -> list[UniqueConstraint]:
    found = [c for c in Base.metadata.tables[table].constraints if isinstance(c, UniqueConstraint)]
    return sorted(found, key=lambda c: [column.name for column in c.columns])
