"""Transactions on the record: who writes says so, and all of it is written or nothing.

``Store.writing`` gives a ``Record``; at the end of its block everything is written together with one link of the audit
chain. An exception gives all of it up. One writer is at work at a time, on either engine, so that what a transaction
read still holds when it writes.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import event, inspect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session as OrmSession
from sqlalchemy.orm.attributes import flag_modified

from thecal.clinic.record import chain, opening
from thecal.clinic.record.columns import Base, Living, Stamped
from thecal.clinic.record.migrating import migrate
from thecal.clinic.record.opening import READS, WRITES, address, engine_at, troubles
from thecal.clinic.record.tables import Act, Audit
from thecal.clinic.record.unusable import NewerRecordError, StoreError, Trouble, trouble
from thecal.clinic.refused import EditedMeanwhile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL
    from sqlalchemy.orm import SessionTransaction

    from thecal.clinic.who import Who
    from thecal.formulary import Formulary

__all__ = ["NewerRecordError", "Record", "Stamp", "Store", "StoreError", "Trouble"]

TRIES = 20
TRY_AGAIN_S = 0.25
"""So often, and so long apart, a database is asked that went away in the last step: it may be starting again. Ours."""

R = TypeVar("R", bound=Base)
L = TypeVar("L", bound=Living)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What every row of a transaction says of its making. ``at_utc_s`` is of the clinic's world.

    ``formulary`` is the version in force; ``known`` is that formulary itself, for what is made anew beside the rows.
    """

    who: Who
    at_utc_s: int
    machine_utc_s: int
    software: str
    formulary: str
    known: Formulary | None = None


@dataclass(frozen=True, slots=True)
class _Done:
    """What somebody did or saw, as its link says it."""

    stamp: Stamp
    action: str
    patient_id: int | None
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Look:
    """What somebody saw, until its link is written."""

    done: _Done
    written: Future[None] = field(default_factory=Future)


class Record:
    """One transaction. ``session`` serves for reading as SQLAlchemy has it; write through the methods here alone."""

    def __init__(self, session: OrmSession, stamp: Stamp) -> None:
        self.session = session
        self.stamp = stamp
        self._written: dict[tuple[str, tuple[Any, ...]], tuple[Base, str]] = {}
        self._in_doubt = False
        event.listen(session, "after_soft_rollback", self._taken_back)

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
        if not inspect(row).transient:
            raise ValueError(f"found a {row.__tablename__} that is written already; allowed: a new one")
        if isinstance(row, Stamped):
            row.at_utc_s = self.stamp.at_utc_s
            row.by_person = self.stamp.who.person_id
            row.software = self.stamp.software
            row.formulary = self.stamp.formulary
        if isinstance(row, Living):
            row.revision = 1
        self.session.add(row)
        self._wrote(row)
        if isinstance(row, Living):
            self._act_of(row, "made", {**_content(row), **details})
        return row

    def change(
        self, row: L, kind: str, seen: int | None = None, details: dict[str, Any] | None = None, **new: Any
    ) -> L:
        """Change a living row by one revision, and leave an act ``kind`` with what is new and ``details``.

        The row was read in this transaction, else ValueError. EditedMeanwhile where it is no longer at revision
        ``seen``, the one that the person looked at.
        """
        if row not in self.session:
            raise ValueError(f"found {_name(row)} of another transaction; allowed: one that this transaction read")
        now = row.revision
        if seen is not None and seen != now:
            raise EditedMeanwhile(_name(row), seen, now)
        for name, value in new.items():
            setattr(row, name, value)
            flag_modified(row, name)  # a structure that was changed in its place looks unchanged
        row.revision = now + 1
        self._wrote(row)
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

    def _wrote(self, row: Base) -> None:
        """Send a row to the database, and remember what of it is there now."""
        self.session.flush()
        if chain.is_chained(type(row)):
            key = row.__tablename__, tuple(inspect(row).identity or ())
            self._written[key] = row, chain.row_digest(chain.stored(row))

    def _taken_back(self, _session: OrmSession, _ended: SessionTransaction) -> None:
        self._in_doubt = True

    def _look_again(self) -> None:
        """After a savepoint was taken back: which rows are there after all, and what they hold."""
        rows, self._written = [row for row, _ in self._written.values()], {}
        for row in rows:
            if inspect(row).persistent:
                self.session.refresh(row)
                self._wrote(row)
        self._in_doubt = False

    def rows(self) -> list[list[Any]]:
        """What was written, with the digest of each row."""
        if self._in_doubt:
            self._look_again()
        return [[table, list(key), digest] for (table, key), (_, digest) in self._written.items()]

    def link(self, action: str, patient_id: int | None, details: dict[str, Any]) -> Audit:
        """Append the link of this transaction, which is the last thing that it writes."""
        self.session.flush()
        return _append(self.session, _Done(self.stamp, action, patient_id, details), self.rows())


def _append(session: OrmSession, done: _Done, rows: list[list[Any]]) -> Audit:
    """Append the link of what was done, with the rows that it wrote."""
    link = Audit(
        at_utc_s=done.stamp.at_utc_s,
        machine_utc_s=done.stamp.machine_utc_s,
        by_person=done.stamp.who.person_id,
        action=done.action,
        patient_id=done.patient_id,
        details=done.details,
        rows=rows,
        software=done.stamp.software,
    )
    return chain.append(session, link)


def _content(row: Base) -> dict[str, Any]:
    """A row's own columns as a structure; what every row says of its making is left out."""
    return {
        attribute.key: chain.plain_column(attribute.columns[0], getattr(row, attribute.key))
        for attribute in inspect(type(row)).column_attrs
        if attribute.key not in _STAMPS
    }


_STAMPS = {"id", "at_utc_s", "by_person", "software", "formulary", "revision"}


def _name(row: Living) -> str:
    return f"{row.__tablename__.replace('_', ' ')} {row.id}"


class Store:
    """The record at one address. StoreError where it cannot be used, from every method.

    ``url`` is as SQLAlchemy has it: ``sqlite:///clinic.sqlite`` or ``postgresql+psycopg://...``. Migrations run when it
    is opened; a record that newer software wrote is refused. Without ``make`` one that is not there is refused too: no
    file, or a database without tables.
    """

    def __init__(self, url: str | URL, *, make: bool = True) -> None:
        self.url = address(url)
        self.engine = engine_at(self.url, make=make)
        self._writes = self.engine.execution_options(**WRITES)
        self._reads = self.engine.execution_options(**READS)
        self._here = threading.local()
        self._turn = threading.Lock()
        self._looks: list[_Look] = []
        self._looking = threading.Lock()
        try:
            with troubles(self.url):
                migrate(self.engine, make=make)
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
        """One transaction with one link of the audit chain; everything is written at the end, or nothing.

        A StoreError of code NOT_KNOWN says that the answer to the last step was lost and could not be found out.
        """
        with self._alone() as session:
            record = Record(session, stamp)
            yield record
            link = record.link(action, patient_id, details)
            self._commit(session, link.seq, link.hash)

    def looked(self, stamp: Stamp, action: str, patient_id: int | None = None, **details: Any) -> None:
        """One link for what somebody is shown, durable when this returns.

        Looks that come while another writer is at work are written together, a link each; StoreError from ``writing``.
        """
        self._not_within()
        look = _Look(_Done(stamp, action, patient_id, details))
        with self._looking:
            self._looks.append(look)
            first = len(self._looks) == 1
        if first:
            self._write_looks()
        look.written.result()

    def _write_looks(self) -> None:
        """Write what everybody saw who came until it is our turn; each is told the same of how it ended."""
        looks: list[_Look] = []
        try:
            with self._alone() as session:
                looks = self._taken()
                for look in looks:
                    link = _append(session, look.done, [])
                self._commit(session, link.seq, link.hash)
        except BaseException as wrong:
            for look in looks or self._taken():
                look.written.set_exception(wrong)
            if not isinstance(wrong, Exception):
                raise
        else:
            for look in looks:
                look.written.set_result(None)

    def _taken(self) -> list[_Look]:
        with self._looking:
            taken, self._looks = self._looks, []
        return taken

    @contextmanager
    def noting(self) -> Iterator[OrmSession]:
        """One transaction without a link, for what is no part of the account: sign-ins, numbers, projections.

        ValueError for a row of a table that the chain watches; StoreError as from ``writing``.
        """
        with self._alone() as session:
            event.listen(session, "before_flush", _nothing_chained)
            yield session
            session.flush()
            self._commit(session)

    @contextmanager
    def reading(self) -> Iterator[OrmSession]:
        """A look at the record as it is at one instant; nothing can be written."""
        with troubles(self.url), OrmSession(self._reads, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def _alone(self) -> Iterator[OrmSession]:
        """A session that is the only writer, before anything is read in it. RuntimeError within another one."""
        self._not_within()
        with troubles(self.url), self._in_turn(), OrmSession(self._writes, expire_on_commit=False) as session:
            session.connection()
            self._here.writes = True
            try:
                yield session
            finally:
                self._here.writes = False

    def _not_within(self) -> None:
        if getattr(self._here, "writes", False):
            raise RuntimeError("found a transaction within another one, for which it would wait for ever")

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Wait for the other writers of this process: SQLite's own waiting looks again ever later, and some starve."""
        if not self._turn.acquire(timeout=opening.BUSY_S):
            raise trouble(Trouble.BUSY, "another writer of this process", self.url.render_as_string())
        try:
            yield
        finally:
            self._turn.release()

    def _commit(self, session: OrmSession, seq: int = 0, found: bytes = b"") -> None:
        """Make it durable; where the database went away just then, find out what became of it."""
        try:
            session.commit()
        except DBAPIError as lost:
            if lost.connection_invalidated and not seq:
                raise _not_known() from lost
            if not lost.connection_invalidated or not self._came_through(seq, found):
                raise

    def _came_through(self, seq: int, found: bytes) -> bool:
        """Whether a transaction whose answer was lost was written. As a writer, this waits until it can be told."""
        for left in reversed(range(TRIES)):
            try:
                with OrmSession(self._writes) as session:
                    link = session.get(Audit, seq)
                    return link is not None and link.hash == found
            except DBAPIError as gone:
                if not left:
                    raise _not_known() from gone
                time.sleep(TRY_AGAIN_S)
        raise AssertionError("every try ends above")


def _not_known() -> StoreError:
    return StoreError(
        Trouble.NOT_KNOWN,
        "that the database went away in the last step of writing",
        "a transaction whose end is known",
        "look whether what you entered is there before you enter it again",
    )


def _nothing_chained(session: OrmSession, _context: Any, _instances: Any) -> None:
    for row in (*session.new, *session.dirty, *session.deleted):
        if chain.is_chained(type(row)):
            raise ValueError(f"found a {row.__tablename__}; allowed: tables that are no part of the account")
