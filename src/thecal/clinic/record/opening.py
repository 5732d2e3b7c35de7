"""Ways to a database that holds a record: one file, or PostgreSQL, each set so that a transaction means the same.

Whoever writes is alone from the first statement on, and sees what the writer before has left; whoever reads sees one
instant, cannot write, and neither waits nor is waited for.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnection

from thecal.clinic.record.unusable import StoreError, Trouble, absent, trouble, trouble_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection, Engine
    from sqlalchemy.engine import ExceptionContext

BUSY_S = 10.0
"""How long a writer waits for another one. Ours."""
LOOK_AGAIN_S = 0.002
"""So often a writer looks whether SQLite is free: its own waiting looks ever later, and in a crowd somebody starves."""
STUCK_S = 60
"""After so long without a word PostgreSQL ends a transaction that holds the others up. Ours."""
POOL = {"pool_size": 20, "max_overflow": 30, "pool_timeout": BUSY_S}
"""Connections of one process: more than its web server has threads. Ours."""
OWNER_FILE = 0o600
APPLICATION = 0x54484352
"""What SQLite's header says of a record: "THCR"."""
ONE_WRITER = 0x5448_4543_414C
"""The number of the lock that PostgreSQL's writers take, one after the other."""

KIND = "thecal_transaction"
WRITES = {KIND: "writes"}
READS = {KIND: "reads"}


def address(url: str | URL) -> URL:
    """An address that a record can have; StoreError for any other."""
    then = "write sqlite:///clinic.sqlite or postgresql+psycopg://user@host/database"
    try:
        where = make_url(url)
    except ArgumentError as wrong:
        raise StoreError(
            Trouble.BAD_ADDRESS, "an address that cannot be read", "the address of a record", then
        ) from wrong
    memory = where.get_backend_name() == "sqlite" and where.database in {None, "", ":memory:"}
    if memory or where.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql+psycopg"}:
        found = f"the address {where.render_as_string()}"
        raise StoreError(Trouble.BAD_ADDRESS, found, "a file of SQLite, or PostgreSQL by psycopg", then)
    return where


def file_of(where: URL) -> Path | None:
    """The file of a record in SQLite; None for PostgreSQL."""
    return Path(str(where.database)) if where.get_backend_name() == "sqlite" else None


def engine_at(where: URL, *, make: bool = True) -> Engine:
    """The way to a record; an empty file for its owner alone is made where there is none and ``make`` says so."""
    path = file_of(where)
    if path is None:
        return _postgres(where)
    _file(path, make=make)
    return _sqlite(where)


@contextmanager
def troubles(where: URL) -> Iterator[None]:
    """Turn what a database says into StoreError; a defect of this program goes on as it is."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as wrong:
        found = trouble_of(wrong, where.render_as_string())
        if found is None:
            raise
        raise found from wrong
    except NoConnection as wrong:
        raise trouble(Trouble.BUSY, "every connection is in use", where.render_as_string()) from wrong


def _file(path: Path, *, make: bool) -> None:
    if not make and not path.is_file():
        raise absent(str(path))
    try:
        if not path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, OWNER_FILE))
        elif path.stat().st_mode & 0o077 and path.stat().st_uid == os.getuid():
            path.chmod(OWNER_FILE)
    except OSError as wrong:
        raise trouble(Trouble.READ_ONLY, wrong.strerror or wrong, str(path)) from wrong


def _sqlite(where: URL) -> Engine:
    engine = create_engine(
        where, connect_args={"timeout": BUSY_S, "check_same_thread": False}, hide_parameters=True, **POOL
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy begins transactions, below, and not the driver
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "recursive_triggers = ON",  # else a row that another replaces is taken away unseen by its guard
            "trusted_schema = OFF",
        ):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        kind = connection.get_execution_options().get(KIND)
        connection.exec_driver_sql(f"PRAGMA query_only = {int(kind == 'reads')}")
        if kind == "writes":
            _begin_alone(connection)
        else:
            connection.exec_driver_sql("BEGIN")

    return engine


def _begin_alone(connection: Connection) -> None:
    """Begin as the only writer of all processes, after up to BUSY_S."""
    until = time.monotonic() + BUSY_S
    connection.exec_driver_sql("PRAGMA busy_timeout = 0")
    try:
        while not _has_begun(connection, last=time.monotonic() > until):
            time.sleep(LOOK_AGAIN_S)
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(BUSY_S * 1000)}")


def _has_begun(connection: Connection, *, last: bool) -> bool:
    try:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    except DBAPIError as wrong:
        if last or getattr(wrong.orig, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True


def _postgres(where: URL) -> Engine:
    settings = {
        "synchronous_commit": "on",
        "lock_timeout": f"{int(BUSY_S * 1000)}ms",
        "idle_in_transaction_session_timeout": f"{STUCK_S}s",
    }
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    engine = create_engine(where, pool_pre_ping=True, connect_args={"options": options}, hide_parameters=True, **POOL)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        kind = connection.get_execution_options().get(KIND)
        if kind == "reads":
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        elif kind == "writes":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({ONE_WRITER})")

    @event.listens_for(engine, "handle_error")
    def _say_no_row(context: ExceptionContext) -> None:
        """PostgreSQL adds what a refused row holds: names and drugs belong into no message and no log."""
        origin, wrapped = context.original_exception, context.sqlalchemy_exception
        first = getattr(getattr(origin, "diag", None), "message_primary", None)
        if first is None:
            return
        whole, origin.args = str(origin), (first,)
        if wrapped is not None:
            wrapped.args = (str(wrapped.args[0]).replace(whole, first), *wrapped.args[1:])

    return engine
