"""Freeze the tables of the record as its first migration: statements for each engine, and the module that runs them.

Run it while no record of a clinic depends on version 0001 yet; afterwards each change is a migration of its own.

    python scripts/migration.py
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from thecal.clinic.record import migrations
from thecal.clinic.record.guards import guards
from thecal.clinic.record.tables import Base

if TYPE_CHECKING:
    from sqlalchemy import Dialect

VERSIONS = Path(migrations.__file__).with_name("versions")
DIALECTS: dict[str, Dialect] = {
    "sqlite": sqlite.dialect(),
    "postgresql": postgresql.dialect(),  # type: ignore[no-untyped-call]
}
REVISION = "0001"
MODULE = '''"""The tables of the first record, frozen: a file of statements for each engine, empty lines between."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables and their guards."""
    dialect = op.get_bind().dialect.name
    frozen = Path(__file__).with_name(f"v{revision}.{dialect}.sql").read_text("utf-8")
    for statement in frozen.split("\\n\\n"):
        op.execute(statement.strip().removesuffix(";"))


def downgrade() -> None:
    """Not offered: restore a backup instead."""
    raise NotImplementedError("a record is not taken back; restore a backup of before")
'''


def statements(dialect: str) -> list[str]:
    """Everything that makes an empty record on an engine: tables in the order of their references, indexes, guards."""
    found = []
    for table in Base.metadata.sorted_tables:
        found.append(str(CreateTable(table).compile(dialect=DIALECTS[dialect])))
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        found += [str(CreateIndex(index).compile(dialect=DIALECTS[dialect])) for index in indexes]
    return [_tidy(statement) for statement in (*found, *guards(dialect))]


def _tidy(statement: str) -> str:
    lines = [re.sub(r"\s+$", "", line.replace("\t", "    ")) for line in statement.strip().splitlines()]
    return "\n".join(line for line in lines if line)


def freeze(folder: Path = VERSIONS) -> list[Path]:
    """Write the migration; the files that were written."""
    written = []
    for dialect in DIALECTS:
        written.append(folder / f"v{REVISION}.{dialect}.sql")
        written[-1].write_text(";\n\n".join(statements(dialect)) + ";\n", "utf-8")
    written.append(folder / f"v{REVISION}_the_record.py")
    written[-1].write_text(MODULE, "utf-8")
    return written


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--into", type=Path, default=VERSIONS, metavar="DIR", help="Write there instead.")
    for path in freeze(options.parse_args().into):
        print(path)


if __name__ == "__main__":
    main()
