"""Bringing a record to the version of this software; what newer software wrote is refused.

A migration may add tables and columns that may be empty. It never rewrites a kept row: the digests in the audit chain
leave out what is empty, and so still hold for rows of before.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from thecal.clinic.record.opening import APPLICATION, READS, WRITES
from thecal.clinic.record.unusable import NewerRecordError, StoreError, Trouble, absent, trouble

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

_SCRIPTS = Path(__file__).with_name("migrations")
_OURS = re.compile(r"\d{4}")
HEAD = "head"
MOST_LACKING = 3
"""Tables and columns that a refusal names; how many more is said. Ours."""


def config() -> Config:
    """Alembic's settings: where the migrations are."""
    found = Config()
    found.set_main_option("script_location", str(_SCRIPTS))
    return found


def newest() -> str:
    """The version that this software makes."""
    head = ScriptDirectory.from_config(config()).get_current_head()
    assert head is not None  # noqa: S101 -- there is a first migration
    return head


def version_of(connection: Connection) -> str | None:
    """The version of a record; None for an empty database; StoreError where it is another program's or newer."""
    where = connection.engine.url.render_as_string()
    tables = inspect(connection).get_table_names()
    current = MigrationContext.configure(connection).get_current_revision() if tables else None
    if current is None:
        if tables:
            raise trouble(Trouble.NOT_OURS, f"{len(tables)} tables of another program", where)
        return None
    if not _OURS.fullmatch(current):
        raise trouble(Trouble.NOT_OURS, f"version {current!r}", where)
    script = ScriptDirectory.from_config(config())
    if current not in {revision.revision for revision in script.walk_revisions()}:
        raise NewerRecordError(current, newest())
    return current


def look_at_layout(connection: Connection) -> None:
    """StoreError where a record lacks a table or a column that this software reads: its version says the same, and its
    layout is that of other software.
    """
    from thecal.clinic.record.tables import Base  # noqa: PLC0415 - the tables are many, and migrating does not need them

    there = inspect(connection)
    names = set(there.get_table_names())
    lacking = [f"the table {name}" for name in sorted(Base.metadata.tables) if name not in names]
    for name, table in sorted(Base.metadata.tables.items()):
        held = {column["name"] for column in there.get_columns(name)} if name in names else set(table.columns.keys())
        lacking += [f"the column {column.name} of {name}" for column in table.columns if column.name not in held]
    if lacking:
        more = f" and {len(lacking) - MOST_LACKING} more" if len(lacking) > MOST_LACKING else ""
        raise StoreError(
            Trouble.NOT_OURS,
            f"a record of another layout, without {', '.join(lacking[:MOST_LACKING])}{more}",
            "a record with the layout of this software",
            "start it with the software that wrote it; a demonstration can be made anew with --fresh",
        )


def migrate(engine: Engine, to: str = HEAD, within: Connection | None = None, *, make: bool = True) -> None:
    """Run the migrations that are missing, all or none; NewerRecordError where the record is beyond all of them.

    ``within`` is a transaction that they become part of. Without ``make`` an empty database is refused.
    """
    wanted = newest() if to == HEAD else to
    if within is not None:
        _upgrade(within, wanted)
        return
    with engine.execution_options(**READS).connect() as connection:
        there = version_of(connection)
    if there == wanted:
        return
    if there is None and not make:
        raise absent(engine.url.render_as_string())
    with engine.execution_options(**WRITES).begin() as connection:
        if version_of(connection) != wanted:  # else another process did it, while this one waited
            _upgrade(connection, wanted)


def _upgrade(connection: Connection, wanted: str) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION}")
    settings = config()
    settings.attributes["connection"] = connection
    command.upgrade(settings, wanted)
