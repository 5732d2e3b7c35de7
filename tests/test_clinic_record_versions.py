"""Tables and migrations agree on both engines; a newer record, and what is none, is refused."""

from __future__ import annotations

import importlib.util
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from alembic.autogenerate import compare_metadata
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect
from tests.record_engines import raw, store_fixture, urls_fixture  # noqa: F401 -- fixtures

from thecal.clinic.record import Store, StoreError
from thecal.clinic.record.guards import all_guards
from thecal.clinic.record.migrating import migrate, newest, version_of
from thecal.clinic.record.opening import APPLICATION, address, engine_at
from thecal.clinic.record.store import Stamp
from thecal.clinic.record.tables import Base, NearMiss
from thecal.clinic.record.unusable import NewerRecordError, Trouble
from thecal.clinic.who import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from sqlalchemy import Connection

STAMP = Stamp(SYSTEM, 1, 2, "s", "f")
SCRIPT = Path(__file__).parent.parent / "scripts" / "migration.py"


def loaded(path: Path) -> ModuleType:
    """A file of Python as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def triggers(connection: Connection) -> dict[str, str]:
    """Every trigger of a database, as the database says it."""
    asked = (
        "SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal"
        if connection.dialect.name == "postgresql"
        else "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    )
    return {name: " ".join(sql.split()) for name, sql in connection.exec_driver_sql(asked)}


def agrees(connection: Connection) -> None:
    """A database holds what the tables say: columns, types, indexes, constraints, and each guard."""
    assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    assert set(triggers(connection)) == {guard.trigger for guard in all_guards(connection.dialect.name)}
    checks = {c["name"] for t in Base.metadata.tables for c in inspect(connection).get_check_constraints(t)}
    assert checks == {
        c.name for t in Base.metadata.tables.values() for c in t.constraints if type(c).__name__ == "CheckConstraint"
    }


def test_tables_and_migrations_agree(store: Store) -> None:
    with store.engine.connect() as connection:
        agrees(connection)
        assert version_of(connection) == newest()


def test_the_frozen_first_migration_makes_what_the_tables_say(record_urls: Callable[..., str], tmp_path: Path) -> None:
    """The script that freezes it can be run again while tables move, and what it writes runs."""
    written = loaded(SCRIPT).freeze(tmp_path)
    assert [path.name for path in written] == ["v0001.sqlite.sql", "v0001.postgresql.sql", "v0001_the_record.py"]
    migration = loaded(written[-1])
    frozen, made = create_engine(record_urls(empty=True)), create_engine(record_urls(empty=True))
    with frozen.begin() as connection:
        with Operations.context(MigrationContext.configure(connection)):
            migration.upgrade()
        agrees(connection)
        if connection.dialect.name == "sqlite":
            tables = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE type = 'table'").scalars()
            assert all("STRICT" in sql for sql in tables)
        found = triggers(connection)
    migrate(made)
    with made.connect() as connection:
        assert triggers(connection) == found
    frozen.dispose()
    made.dispose()


def test_a_record_that_was_opened_before_opens_again_as_it_was(record_urls: Callable[..., str]) -> None:
    url = record_urls(empty=True)
    for n in range(3):
        with closing(Store(url)) as store, store.writing(STAMP, "kept") as record:
            record.keep(NearMiss(where="w", code=str(n), found="f", allowed="a"))
    with closing(Store(url, make=False)) as store:
        assert len(raw(store, "SELECT * FROM near_miss")) == 3


@pytest.mark.parametrize(("version", "kind"), [("0999", NewerRecordError), ("ae1027a6acf4", StoreError)])
def test_a_record_of_another_version_is_refused_and_left_as_it_is(
    store: Store, version: str, kind: type[StoreError]
) -> None:
    raw(store, "UPDATE alembic_version SET version_num = ?", version)
    with pytest.raises(kind, match=r"; allowed: .*; next: ") as refused:
        Store(store.url)
    assert refused.value.code is (Trouble.NEWER if version == "0999" else Trouble.NOT_OURS)
    assert raw(store, "SELECT version_num FROM alembic_version") == [(version,)]


def test_a_database_of_another_program_is_refused_and_left_as_it_is(record_urls: Callable[..., str]) -> None:
    url = record_urls(empty=True)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE other (x INTEGER)")
    with pytest.raises(StoreError, match=r"1 tables? of another program") as refused:
        Store(url)
    assert refused.value.code is Trouble.NOT_OURS
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["other"]
    engine.dispose()


def test_a_migration_that_fails_leaves_nothing(
    record_urls: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = record_urls(empty=True)
    engine = engine_at(address(url))

    def fails(connection: Connection, _wanted: str) -> None:
        connection.exec_driver_sql("CREATE TABLE half (x INTEGER)")
        raise RuntimeError("half way")

    with monkeypatch.context() as broken:
        broken.setattr("thecal.clinic.record.migrating._upgrade", fails)
        with pytest.raises(RuntimeError, match="half way"):
            Store(url)
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == []
    Store(url).close()
    engine.dispose()


@pytest.mark.about_sqlite("the head of its file")
def test_a_file_says_whose_it_is(tmp_path: Path) -> None:
    Store(f"sqlite:///{tmp_path}/record").close()
    with closing(sqlite3.connect(tmp_path / "record")) as db:
        assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "sqlite://", "sqlite:///:memory:", "mysql://host/db", "postgresql://host/db", "postgresql+psycopg2://h/d"],
)  # fmt: skip
def test_an_address_that_no_record_can_have_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match=r"allowed: .*; next: write sqlite") as refused:
        Store(url)
    assert refused.value.code is Trouble.BAD_ADDRESS
