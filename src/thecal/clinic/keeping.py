"""Backup and restore: a whole record in one file of SQLite, from either engine and back to either.

A backup is itself a record: the same tables, guards and chain. It is looked through before it gets its name, and so is
what was restored from one. Keys are no part of it: neither those of the link, nor the one that opens second factors.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import MetaData, Table, delete, func, insert, inspect, select, text, update
from sqlalchemy.orm import Session

from thecal.clinic.people.sealing import keys_needed
from thecal.clinic.record import Store
from thecal.clinic.record.migrating import migrate, version_of
from thecal.clinic.record.opening import READS, WRITES, address, engine_at, file_of, troubles
from thecal.clinic.record.tables import Challenge, SignIn
from thecal.clinic.record.unusable import StoreError, Trouble, trouble
from thecal.clinic.record.verifying import Verified, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import URL, Connection, Engine

    from thecal.clinic.record.store import Stamp

    Tell = Callable[[float], None]

AT_ONCE = 1000
"""Rows that are carried at a time."""
PAGES = 4096
"""Pages that SQLite copies at a time."""
_NOT_COPIED = {"alembic_version"}


def _quiet(_part: float) -> None:
    """Nobody watches."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a backup holds, or what was restored: its version, and what was found when it was looked through.

    ``keys`` are the names of those that open what is sealed in it (``people.sealing``).
    """

    version: str
    size_bytes: int
    verified: Verified
    keys: frozenset[str] = frozenset()


class Damaged(StoreError):  # noqa: N818 -- one of the ends, like ``EditedMeanwhile``
    """A copy that is not whole; it is taken away, and ``verified`` says what is wrong with it."""

    def __init__(self, what: str, verified: Verified) -> None:
        first = verified.findings[0]
        super().__init__(
            Trouble.DAMAGED,
            f"{what} in which {verified.count:,} things are not as they were written; the first: {first.found}",
            "a record whose audit chain holds",
            "look at all of it with thecal clinic audit verify; an older backup may be whole; --anyway goes on",
        )
        self.verified = verified


def backup(store: Store, path: Path, *, replace: bool = False, anyway: bool = False, tell: Tell = _quiet) -> Kept:
    """Write a record to a new file, look it through, and give it its name: at no instant is half a backup there.

    StoreError where the file is there already and ``replace`` is not said; Damaged where the chain does not hold,
    unless ``anyway`` is said: then what is wrong stands in the answer.
    """
    if path.exists() and not replace:
        then = "name a new file; with --force the one that is there is replaced"
        raise StoreError(Trouble.NOT_WRITTEN, f"{path}, which is there already", "a new file", then)
    with _beside(path) as beside:
        if store.dialect == "sqlite":
            _copy_file(str(store.url.database), beside, lambda part: tell(part / 2))
        else:
            _copy_rows(store.engine, beside, lambda part: tell(part / 2))
        kept = _looked_through(beside, lambda part: tell(0.5 + part / 2))
        if not (kept.verified.whole or anyway):
            raise Damaged("a record", kept.verified)
        _sync(beside)
        beside.replace(path)
        _sync(path.absolute().parent)
    return kept


def restore(
    path: Path,
    into: str | URL,
    stamp: Stamp,
    *,
    anyway: bool = False,
    fits: Callable[[Kept], None] = lambda _kept: None,
    tell: Tell = _quiet,
) -> Kept:
    """Make a record of a backup, at an address where none is; the chain goes on with a link that says so.

    Every sign-in of it is over. StoreError where something is there already, or where the backup cannot be used, and
    Damaged where its chain does not hold, unless ``anyway`` is said; then nothing is left behind. ``fits`` looks at the
    backup before anything is written, and may raise.
    """
    where = address(into)
    kept = look_through(path, lambda part: tell(part / 3))
    fits(kept)
    if not (kept.verified.whole or anyway):
        raise Damaged("a backup", kept.verified)
    target = file_of(where)
    if target is None:
        _into_postgres(path, where, kept.version, lambda part: tell(1 / 3 + part / 3))
    else:
        _into_file(path, target, lambda part: tell(1 / 3 + part / 3))
    with closing(Store(where, make=False)) as store:
        seq, head = kept.verified.seq, kept.verified.hash.hex()
        with store.writing(stamp, "record restored from a backup", seq=seq, hash=head) as record:
            record.session.execute(update(SignIn).values(ended=True))
            record.session.execute(delete(Challenge))
        with store.reading() as session:
            verified = verify(session, lambda part: tell(2 / 3 + part / 3))
    if verified.count != kept.verified.count:
        raise Damaged("a restored record", verified)
    return Kept(kept.version, kept.size_bytes, verified, kept.keys)


def look_for_room(into: str | URL) -> None:
    """Nothing, where a record can be made at an address; StoreError where something is there, or nobody answers.

    Asked before long work that ends with ``restore``, which looks again.
    """
    where = address(into)
    target = file_of(where)
    if target is not None:
        _unless_there(target)
        return
    to = engine_at(where)
    try:
        with troubles(where):
            _unless_tables(to)
    finally:
        to.dispose()


def look_through(path: Path, tell: Tell = _quiet) -> Kept:
    """What a backup holds, and what is wrong with its chain; nothing of it is changed. StoreError where it is none."""
    if not path.is_file():
        raise StoreError(Trouble.ABSENT, f"no file {path}", "a backup", "name one that thecal clinic backup wrote")
    return _looked_through(path, tell)


def _looked_through(path: Path, tell: Tell) -> Kept:
    where = address(f"sqlite:///{path}")
    with troubles(where), closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as file:
        said = file.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if said != "ok":
        raise trouble(Trouble.DAMAGED, said, str(path))
    with troubles(where), _read_only(path) as engine, engine.connect() as connection:
        version = version_of(connection)
        if version is None:
            raise trouble(Trouble.NOT_OURS, "it holds no tables", str(path))
        with Session(connection) as session:
            verified, keys = verify(session, tell), keys_needed(session)
    return Kept(version, path.stat().st_size, verified, frozenset(keys))


# From file to file


def _copy_file(source: str, target: Path, tell: Tell) -> None:
    """SQLite's own online backup: one instant of the record, whoever writes meanwhile."""

    def progress(_status: int, left: int, total: int) -> None:
        tell(1 - left / total if total else 1.0)

    with (
        troubles(address(f"sqlite:///{source}")),
        closing(sqlite3.connect(f"file:{source}?mode=rw", uri=True)) as file,
        closing(sqlite3.connect(target)) as to,
    ):
        file.backup(to, pages=PAGES, progress=progress)
        to.execute("PRAGMA journal_mode = DELETE")


def _unless_there(target: Path) -> None:
    if target.exists():
        then = "name a place where none is, or move that one away first"
        raise StoreError(Trouble.NOT_WRITTEN, f"{target}, which is there already", "a new file", then)


def _into_file(path: Path, target: Path, tell: Tell) -> None:
    _unless_there(target)
    with _beside(target) as beside:
        _copy_file(str(path), beside, tell)
        _sync(beside)
        os.link(beside, target)  # fails where somebody was quicker
        _sync(target.absolute().parent)


# From engine to engine


def _copy_rows(source: Engine, target: Path, tell: Tell) -> None:
    """Every row of one instant, into a new record of the same version."""
    to = engine_at(address(f"sqlite:///{target}"))
    try:
        with source.execution_options(**READS).connect() as reading:
            version = version_of(reading)
            assert version is not None  # noqa: S101 -- whoever opened the record has seen to it
            migrate(to, version)
            with to.execution_options(**WRITES).begin() as writing:
                _carry(reading, writing, tell)
        with to.connect() as connection:
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA journal_mode = DELETE")
    finally:
        to.dispose()


def _unless_tables(to: Engine) -> None:
    with to.execution_options(**READS).connect() as looking:
        if inspect(looking).get_table_names():
            then = "name an empty database: CREATE DATABASE makes one"
            found = f"tables in {to.url.render_as_string()}"
            raise StoreError(Trouble.NOT_WRITTEN, found, "an empty database", then)


def _into_postgres(path: Path, where: URL, version: str, tell: Tell) -> None:
    """All of a backup in one transaction: a database is left empty, or holds the whole."""
    to = engine_at(where)
    try:
        with troubles(where), _read_only(path) as source, source.connect() as reading:
            _unless_tables(to)
            with to.execution_options(**WRITES).begin() as writing:
                migrate(to, version, writing)
                _carry(reading, writing, tell)
                _number_on(writing)
    finally:
        to.dispose()


def _carry(reading: Connection, writing: Connection, tell: Tell) -> None:
    """Carry the rows of every table over, as the databases hold them; tables that others refer to come first."""
    tables = MetaData()
    tables.reflect(reading)
    there = MetaData()
    there.reflect(writing)
    carried = [t for t in tables.sorted_tables if t.name not in _NOT_COPIED]
    total = sum(_count(reading, table) for table in carried) or 1
    done = 0
    for table in carried:
        target = there.tables[table.name]
        result = reading.execution_options(stream_results=True, max_row_buffer=AT_ONCE).execute(select(table))
        for part in result.mappings().partitions(AT_ONCE):
            writing.execute(insert(target), [dict(row) for row in part])
            done += len(part)
            tell(done / total)


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _number_on(connection: Connection) -> None:
    """Let PostgreSQL number new rows from behind those that were carried over."""
    found = inspect(connection)
    for table in found.get_table_names():
        for name in found.get_pk_constraint(table)["constrained_columns"]:
            values: dict[str, Any] = {"t": f'"{table}"', "c": name}
            sequence = connection.execute(text("SELECT pg_get_serial_sequence(:t, :c)"), values).scalar_one()
            if sequence is not None:
                newest = f'SELECT setval(:s, coalesce(max("{name}"), 0) + 1, false) FROM "{table}"'  # noqa: S608
                connection.execute(text(newest), {"s": sequence})


# Files


@contextmanager
def _read_only(path: Path) -> Iterator[Engine]:
    """A way to a file that nobody may change, not even by looking: SQLite leaves no file beside it."""
    from sqlalchemy import create_engine  # noqa: PLC0415 -- the only place beside ``opening``

    engine = create_engine(f"sqlite:///file:{path}?mode=ro&immutable=1&uri=true")
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """A file of its own beside another, for the owner alone; taken away at the end where it was not renamed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    _clear(path)
    try:
        os.close(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as wrong:
        raise trouble(Trouble.NOT_WRITTEN, wrong.strerror or wrong, str(path)) from wrong
    try:
        yield beside
    finally:
        for left in (beside, beside.with_name(f"{beside.name}-wal"), beside.with_name(f"{beside.name}-shm")):
            left.unlink(missing_ok=True)


def _clear(path: Path) -> None:
    """Take away what a process left beside a file when it was killed."""
    for left in path.parent.glob(f".{path.name}.*"):
        number = left.name.removeprefix(f".{path.name}.").partition("-")[0]
        if number.isdecimal() and (int(number) == os.getpid() or not Path(f"/proc/{number}").exists()):
            left.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
