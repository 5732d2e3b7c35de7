"""The tables of the first record."""

from __future__ import annotations

from alembic import op

from thecal.clinic.record.guards import guards
from thecal.clinic.record.tables import Base

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables and their guards."""
    connection = op.get_bind()
    Base.metadata.create_all(connection)
    for statement in guards(connection.dialect.name):
        op.execute(statement)


def downgrade() -> None:
    """Not offered: restore a backup instead."""
    raise NotImplementedError("a record is not taken back; restore a backup of before")
