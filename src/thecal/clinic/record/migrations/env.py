"""Alembic's way in: the connection is handed over by ``migrating``, and the tables are the record's."""

from __future__ import annotations

from alembic import context

from thecal.clinic.record.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
