"""Transactions on the record: who writes says so, and all of it is written or nothing.

``Store.writing`` gives a ``Record``; at the end of its block everything is written together with one link of the audit
chain. An exception gives all of it up.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import create_engine, event, inspect
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session as OrmSession

from thecal.clinic.record import chain
from thecal.clinic.record.columns import Base, Living, Stamped
from thecal.clinic.record.migrating import migrate
from thecal.clinic.record.tables import Act
from thecal.clinic.refused import EditedMeanwhile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine

    from thecal.clinic.who import Who

BUSY_S = 10.0
"""How long a writer waits for another one. Ours."""

R = TypeVar("R", bound=Base)
L = TypeVar("L", bound=Living)


class StoreError(RuntimeError):
    """The record cannot be used: of a newer version, of another program, not reachable; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every row of a transaction says of its making. ``at_utc_s`` is of the clinic's world."""

    who: Who
    at_utc_s: int
    machine_utc_s: int
    software: str
    formulary: str


class Record:
    """One transaction. ``session`` serves for reading as SQLAlchemy has it; write through the methods here alone."""

    def __init__(self, session: OrmSession, stamp: Stamp) -> None:
        self.session = session
        self.stamp = stamp
        self._written: list[Base] = []

    @property
    def who(self) -> Who:
        """Who acts."""
        return self.stamp.who

    @property
    def now_s(self) -> int:
        """UTC of the clinic's world, in s."""
        return self.stamp.at_utc_s

    def get(self, kind: type[R], row_id: int) -> R | None:
        """A row by its number, None where there is none."""
        return self.session.get(kind, row_id)

    def keep(self, row: R, **details: Any) -> R:
        """Write a new row. A living one leaves an act "made", with ``details`` beside its content."""
        if isinstance(row, Stamped):
            row.at_utc_s = self.stamp.at_utc_s
            row.by_person = self.stamp.who.person_id
            row.software = self.stamp.software
            row.formulary = self.stamp.formulary
        if isinstance(row, Living):
            row.revision = 1
        self.session.add(row)
        self.session.flush()
        self._written.append(row)
        if isinstance(row, Living):
            self._act_of(row, "made", {**_content(row), **details})
        return row

    def change(
        self, row: L, kind: str, seen: int | None = None, details: dict[str, Any] | None = None, **new: Any
    ) -> L:
        """Change a living row by one revision, and leave an act ``kind`` with what is new and ``details``.

        EditedMeanwhile where the row is no longer at revision ``seen``, the one that the person looked at.
        """
        now = row.revision
        if seen is not None and seen != now:
            raise EditedMeanwhile(_name(row), seen, now)
        for name, value in new.items():
            setattr(row, name, value)
        row.revision = now + 1
        self.session.flush()
        if row not in self._written:
            self._written.append(row)
        content = _content(row)
        self._act_of(row, kind, {**{name: content[name] for name in new}, **(details or {})})
        return row

    def act(
        self, subject_kind: str, subject_id: int, kind: str, details: dict[str, Any], patient_id: int | None = None
    ) -> Act:
        """Leave an act on something that has no living row of its own."""
        act = Act(
            subject_kind=subject_kind,
            subject_id=subject_id,
            revision=0,
            kind=kind,
            patient_id=patient_id,
            details=details,
        )
        return self.keep(act)

    def _act_of(self, row: Living, kind: str, details: dict[str, Any]) -> None:
        about = row.id if row.__tablename__ == "patient" else getattr(row, "patient_id", None)
        self.keep(
            Act(
                subject_kind=row.__tablename__,
                subject_id=row.id,
                revision=row.revision,
                kind=kind,
                patient_id=about,
                details=details,
            )
        )

    def rows(self) -> list[list[Any]]:
        """What was written, with the digest of each row."""
        return [[row.__tablename__, _key(row), chain.row_digest(row)] for row in self._written]


def _content(row: Base) -> dict[str, Any]:
    """A row's own columns as a structure; what every row says of its making is left out."""
    return {
        attribute.key: chain.plain_column(attribute.columns[0], getattr(row, attribute.key))
        for attribute in inspect(type(row)).column_attrs
        if attribute.key not in _STAMPS
    }


_STAMPS = {"id", "at_utc_s", "by_person", "software", "formulary", "revision"}


def _key(row: Base) -> list[Any]:
    return list(inspect(row).identity or ())


def _name(row: Living) -> str:
    return f"{row.__tablename__.replace('_', ' ')} {row.id}"


class Store:
    """The record at one address. StoreError where it cannot be used.

    ``url`` is as SQLAlchemy has it: ``sqlite:///clinic.sqlite`` or ``postgresql+psycopg://...``. Migrations run when it is
    opened; a record that newer software wrote is refused.
    """

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.engine = _engine(url)
        try:
            migrate(self.engine)
        except BaseException:
            self.engine.dispose()
            raise

    @property
    def dialect(self) -> str:
        """sqlite or postgresql."""
        return self.engine.dialect.name

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()

    @contextmanager
    def writing(self, stamp: Stamp, action: str, patient_id: int | None = None, **details: Any) -> Iterator[Record]:
        """One transaction with one link of the audit chain; everything is written at the end, or nothing."""
        with OrmSession(self.engine.execution_options(thecal_writes=True), expire_on_commit=False) as session:
            with session.begin():
                record = Record(session, stamp)
                yield record
                session.flush()
                link = chain.Link(
                    stamp.at_utc_s,
                    stamp.machine_utc_s,
                    stamp.who.person_id,
                    action,
                    patient_id,
                    details,
                    record.rows(),
                    stamp.software,
                )
                chain.append(session, link)

    @contextmanager
    def reading(self) -> Iterator[OrmSession]:
        """A look at the record as it is at one instant."""
        with OrmSession(self.engine, expire_on_commit=False) as session, session.begin():
            yield session


def _engine(url: str) -> Engine:
    where = make_url(url)
    if where.get_backend_name() == "postgresql":
        return create_engine(where, pool_size=10, max_overflow=20, pool_pre_ping=True)
    engine = create_engine(
        where, connect_args={"timeout": BUSY_S, "check_same_thread": False}, pool_size=10, max_overflow=20
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # SQLAlchemy begins transactions, below, and not the driver
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("thecal_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine
