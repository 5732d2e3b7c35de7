"""The link's ledger on SQLite: every number given out, every command before it is sent, and what became of it.

Rows are only ever added: a command is one row, its outcome another, and the database itself refuses to change either.
What a method did is on the disk when it returns, so that a process may be killed at any instant.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

import cbor2

from thecal.link.catalogue import MOST_ID
from thecal.link.ledger import Outcome, Pending
from thecal.link.roles import Role
from thecal.rig.home import OWNER_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA = 1
"""The version of the tables below; a ledger of a newer one is refused."""

_APPLICATION = 0x54484C31  # "THL1"

_TABLES = """
CREATE TABLE number (
    serial TEXT NOT NULL, role TEXT NOT NULL, newest INTEGER NOT NULL CHECK (newest > 0),
    PRIMARY KEY (serial, role)
) STRICT;
CREATE TABLE command (
    row INTEGER PRIMARY KEY, serial TEXT NOT NULL, role TEXT NOT NULL, command INTEGER NOT NULL CHECK (command > 0),
    path TEXT NOT NULL, fields BLOB NOT NULL, written_utc TEXT NOT NULL, log_records INTEGER NOT NULL,
    UNIQUE (serial, role, command)
) STRICT;
CREATE TABLE outcome (
    row INTEGER PRIMARY KEY REFERENCES command (row), outcome TEXT NOT NULL, answer INTEGER NOT NULL,
    wait_s INTEGER NOT NULL, said TEXT NOT NULL, resolved_utc TEXT NOT NULL
) STRICT;
CREATE TRIGGER number_rises BEFORE UPDATE ON number WHEN new.newest <= old.newest OR new.serial <> old.serial
    OR new.role <> old.role BEGIN SELECT RAISE (ABORT, 'a number is never given out again'); END;
CREATE TRIGGER number_stays BEFORE DELETE ON number BEGIN SELECT RAISE (ABORT, 'numbers are kept'); END;
CREATE TRIGGER command_kept BEFORE UPDATE ON command BEGIN SELECT RAISE (ABORT, 'commands are never edited'); END;
CREATE TRIGGER command_stays BEFORE DELETE ON command BEGIN SELECT RAISE (ABORT, 'commands are kept'); END;
CREATE TRIGGER outcome_kept BEFORE UPDATE ON outcome BEGIN SELECT RAISE (ABORT, 'outcomes are never edited'); END;
CREATE TRIGGER outcome_stays BEFORE DELETE ON outcome BEGIN SELECT RAISE (ABORT, 'outcomes are kept'); END;
"""

_READ = """
SELECT command.serial, role, command, path, fields, written_utc, log_records,
    outcome, answer, wait_s, said, resolved_utc
FROM command LEFT JOIN outcome USING (row) WHERE command.serial = ?
"""


class LedgerError(RuntimeError):
    """The ledger cannot be used: damaged, of a newer version, or of another program; the message says what to do."""


class SqliteLedger:
    """``link.ledger.Ledger`` in a file. One process at a time: the link's lock sees to that, not this class."""

    def __init__(self, path: Path) -> None:
        self._path = path
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, OWNER_FILE))
        self._db = sqlite3.connect(path, isolation_level=None, timeout=0.0)
        try:
            self._prepare()
        except sqlite3.DatabaseError as wrong:
            self._db.close()
            raise LedgerError(
                f"found a ledger that cannot be read ({path.name}: {wrong}); allowed: what a link service wrote; "
                "next: restore it from a copy; without it no command may be sent"
            ) from wrong
        except LedgerError:
            self._db.close()
            raise

    def _prepare(self) -> None:
        db = self._db
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if version > SCHEMA or application not in {0, _APPLICATION} or (version == 0 and tables):
            raise LedgerError(
                f"found a ledger of version {version} of application {application:#x}; allowed: version {SCHEMA} of "
                f"{_APPLICATION:#x}; next: use the version of Thecal that wrote it, or a newer one"
            )
        db.execute("PRAGMA journal_mode = WAL")
        if version == 0:
            with self._writing():
                for statement in _statements(_TABLES):
                    db.execute(statement)
                db.execute(f"PRAGMA application_id = {_APPLICATION}")
                db.execute(f"PRAGMA user_version = {SCHEMA}")
        found = [row for (row,) in db.execute("PRAGMA quick_check(1)")]
        if found != ["ok"]:
            raise sqlite3.DatabaseError(found[0])

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """All of it on the disk at the end, or nothing of it."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield self._db
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    # link.ledger.Ledger

    def next_command(self, serial: str, role: Role, newest_at_pump: int) -> int:
        """A number above every one given out before for this pump and role, and above ``newest_at_pump``."""
        with self._writing() as db:
            row = db.execute("SELECT newest FROM number WHERE serial = ? AND role = ?", (serial, role.value)).fetchone()
            number: int = max(newest_at_pump, row[0] if row else 0) + 1
            if number > MOST_ID:
                raise ValueError(f"command number {number}; allowed: up to {MOST_ID}")
            db.execute(
                "INSERT INTO number VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET newest = excluded.newest",
                (serial, role.value, number),
            )
        return number

    def write_down(self, pending: Pending) -> None:
        """Keep a command that is about to be sent; ValueError where its number is already written down."""
        if pending.outcome is not Outcome.NOT_KNOWN:
            raise ValueError(f"command {pending.command} has an outcome before it was sent")
        fields = cbor2.dumps(dict(pending.fields), canonical=True)
        row = (
            *(pending.serial, pending.role.value, pending.command, pending.path),
            *(fields, pending.written_utc, pending.log_records),
        )
        try:
            with self._writing() as db:
                db.execute(
                    "INSERT INTO command (serial, role, command, path, fields, written_utc, log_records) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?)",
                    row,
                )
        except sqlite3.IntegrityError as wrong:
            raise ValueError(f"command {pending.command} of {pending.role} is written down already: {wrong}") from wrong

    def pending(self, serial: str) -> list[Pending]:
        """Every command of this pump whose outcome is not known, in the order written."""
        return self._read("AND outcome IS NULL ORDER BY row", serial)

    def resolve(self, resolved: Pending) -> None:
        """Keep what became of a command; ValueError where it is not written down, or its outcome is known."""
        if resolved.outcome is Outcome.NOT_KNOWN:
            raise ValueError(f"command {resolved.command} has no outcome yet")
        key = (resolved.serial, resolved.role.value, resolved.command)
        outcome = (
            *(resolved.outcome.value, resolved.answer, resolved.wait_s),
            *(resolved.said, resolved.resolved_utc),
        )
        try:
            with self._writing() as db:
                done = db.execute(
                    "INSERT INTO outcome SELECT row, ?, ?, ?, ?, ? FROM command "
                    "WHERE serial = ? AND role = ? AND command = ?",
                    (*outcome, *key),
                )
        except sqlite3.IntegrityError as wrong:
            raise ValueError(f"command {resolved.command} of {resolved.role} is resolved already: {wrong}") from wrong
        if done.rowcount != 1:
            raise ValueError(f"command {resolved.command} of {resolved.role} was never written down")

    def history(self, serial: str) -> list[Pending]:
        """Every command of this pump that was ever written down, in the order written."""
        return self._read("ORDER BY row", serial)

    def _read(self, rest: str, serial: str) -> list[Pending]:
        return [_pending(row) for row in self._db.execute(_READ + rest, (serial,))]


def _pending(row: tuple[str, str, int, str, bytes, str, int, str | None, int, int, str, str]) -> Pending:
    serial, role, command, path, fields, written_utc, log_records, outcome, answer, wait_s, said, resolved_utc = row
    written = Pending(serial, Role(role), command, path, cbor2.loads(fields), written_utc, log_records)
    if outcome is None:
        return written
    return Pending(
        *(serial, Role(role), command, path, written.fields, written_utc, log_records),
        *(Outcome(outcome), answer, wait_s, said, resolved_utc),
    )


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one: the module's own way to run one commits first."""
    held = ""
    for line in script.splitlines(keepends=True):
        held += line
        if sqlite3.complete_statement(held):
            yield held
            held = ""
