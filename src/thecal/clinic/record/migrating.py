"""Bringing a record to the version of this software; what newer software wrote is refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

if TYPE_CHECKING:
    from sqlalchemy import Engine

_SCRIPTS = Path(__file__).with_name("migrations")


class NewerRecordError(RuntimeError):
    """The record was written by newer software than this."""


def config() -> Config:
    """Alembic's settings: where the migrations are."""
    found = Config()
    found.set_main_option("script_location", str(_SCRIPTS))
    return found


def migrate(engine: Engine) -> None:
    """Run the migrations that are missing; NewerRecordError where the record is beyond all of them."""
    settings = config()
    script = ScriptDirectory.from_config(settings)
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    known = {revision.revision for revision in script.walk_revisions()}
    if current is not None and current not in known:
        raise NewerRecordError(
            f"found a record of version {current}; allowed: up to {script.get_current_head()}, which this software knows; "
            "next: start it with the software that wrote it, or restore a backup of before"
        )
    if current == script.get_current_head():
        return
    with engine.execution_options(thecal_writes=True).begin() as connection:
        settings.attributes["connection"] = connection
        command.upgrade(settings, "head")
