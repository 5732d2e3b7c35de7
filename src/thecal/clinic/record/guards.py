"""What the database itself refuses: a kept row is never changed, and a living one only by one revision at a time.

These are triggers, so that they hold against everybody who writes, this program's own mistakes included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from thecal.clinic.record.tables import Base, Kept, Living
from thecal.clinic.record.tables.account import Audit
from thecal.clinic.record.tables.linked import LinkCommand, LinkNumber, LinkOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = "what was written is never edited"
STAYS = "what was written is never taken away"
ONE_ON = "a change raises the revision by one"
RISES = "a number is never given out again"

_POSTGRES_FUNCTION = """
CREATE OR REPLACE FUNCTION thecal_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation'; END $$
"""


def kept_tables() -> list[str]:
    """Tables whose rows are never changed."""
    tables = [m.local_table.name for m in Base.registry.mappers if issubclass(m.class_, Kept)]  # type: ignore[attr-defined]
    return sorted([*tables, Audit.__tablename__, LinkCommand.__tablename__, LinkOutcome.__tablename__])


def living_tables() -> list[str]:
    """Tables whose rows change by one revision at a time."""
    return sorted(m.local_table.name for m in Base.registry.mappers if issubclass(m.class_, Living))  # type: ignore[attr-defined]


def guards(dialect: str) -> Iterator[str]:
    """The statements that make every guard; ``dialect`` is sqlite or postgresql."""
    if dialect == "postgresql":
        yield _POSTGRES_FUNCTION
    for table in kept_tables():
        yield _guard(dialect, table, "kept", "UPDATE", "", KEPT)
        yield _guard(dialect, table, "stays", "DELETE", "", STAYS)
    for table in living_tables():
        yield _guard(dialect, table, "one_on", "UPDATE", "new.revision <> old.revision + 1 OR new.id <> old.id", ONE_ON)
        yield _guard(dialect, table, "stays", "DELETE", "", STAYS)
    number = LinkNumber.__tablename__
    rises = "new.newest <= old.newest OR new.serial <> old.serial OR new.role <> old.role"
    yield _guard(dialect, number, "rises", "UPDATE", rises, RISES)
    yield _guard(dialect, number, "stays", "DELETE", "", STAYS)


def _guard(dialect: str, table: str, name: str, on: str, when: str, said: str) -> str:
    if dialect == "postgresql":
        condition = f"WHEN ({when}) " if when else ""
        return (
            f'CREATE TRIGGER {table}_{name} BEFORE {on} ON "{table}" FOR EACH ROW {condition}'
            f"EXECUTE FUNCTION thecal_refuse('{said}')"
        )
    condition = f"WHEN {when} " if when else ""
    return (
        f"CREATE TRIGGER {table}_{name} BEFORE {on} ON \"{table}\" {condition}BEGIN SELECT RAISE (ABORT, '{said}'); END"
    )
