"""The record cannot be used: what of it, whether anything was written, and what to do next."""

from __future__ import annotations

import sqlite3
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError


class Trouble(StrEnum):
    """What is wrong with a record that cannot be used."""

    BAD_ADDRESS = "bad address"
    ABSENT = "absent"
    NOT_OURS = "not ours"
    NEWER = "newer"
    DAMAGED = "damaged"
    READ_ONLY = "read-only"
    NOT_REACHED = "not reached"
    BUSY = "busy"
    FULL = "full or failing"
    NOT_WRITTEN = "not written"
    NOT_KNOWN = "not known"


class StoreError(RuntimeError):
    """The record cannot be used. Nothing of the transaction was written, but where ``code`` is NOT_KNOWN."""

    def __init__(self, code: Trouble, found: str, allowed: str, then: str) -> None:
        super().__init__(f"found {found}; allowed: {allowed}; next: {then}")
        self.code, self.found, self.allowed, self.then = code, found, allowed, then


class NewerRecordError(StoreError):
    """The record was written by newer software than this."""

    def __init__(self, version: str, newest: str) -> None:
        super().__init__(
            Trouble.NEWER,
            f"a record of version {version}",
            f"up to {newest}, which this software knows",
            "start it with the software that wrote it, or restore a backup of before",
        )


_ALLOWED = {
    Trouble.NOT_OURS: "a record that Thecal made, or an empty database",
    Trouble.DAMAGED: "a record that can be read whole",
    Trouble.READ_ONLY: "a record that may be written to",
    Trouble.NOT_REACHED: "a database that answers",
    Trouble.BUSY: "one writer at a time, each done within seconds",
    Trouble.FULL: "a disk that takes what is written",
    Trouble.NOT_WRITTEN: "a file that can be written",
}
_THEN = {
    Trouble.NOT_OURS: "name the record of the clinic",
    Trouble.DAMAGED: "restore a backup; keep the damaged file for whoever looks into it",
    Trouble.READ_ONLY: "give the owner of this process the right to write, to the folder too",
    Trouble.NOT_REACHED: "check the address, and that the database runs; then try again",
    Trouble.BUSY: "try again; where it stays so, look for a process that holds the record",
    Trouble.FULL: "make room on the disk, or replace it; then try again: what was written before is whole",
    Trouble.NOT_WRITTEN: "name another place, or give the owner of this process the right to write there",
}
_SQLITE = {
    "SQLITE_BUSY": Trouble.BUSY,
    "SQLITE_LOCKED": Trouble.BUSY,
    "SQLITE_FULL": Trouble.FULL,
    "SQLITE_IOERR": Trouble.FULL,
    "SQLITE_NOMEM": Trouble.FULL,
    "SQLITE_READONLY": Trouble.READ_ONLY,
    "SQLITE_PERM": Trouble.READ_ONLY,
    "SQLITE_CANTOPEN": Trouble.READ_ONLY,
    "SQLITE_CORRUPT": Trouble.DAMAGED,
    "SQLITE_NOTADB": Trouble.NOT_OURS,
}
_NO_ROOM = "No space left on device"
_POSTGRES = {
    "55P03": Trouble.BUSY,
    "53": Trouble.FULL,
    "58": Trouble.FULL,
    "53300": Trouble.BUSY,
    "25006": Trouble.READ_ONLY,
    "42501": Trouble.READ_ONLY,
    "XX001": Trouble.DAMAGED,
    "XX002": Trouble.DAMAGED,
    "57P": Trouble.NOT_REACHED,
    "25P03": Trouble.BUSY,
    "08": Trouble.NOT_REACHED,
    "28": Trouble.NOT_REACHED,
    "3D": Trouble.NOT_REACHED,
}


def trouble(code: Trouble, said: object, where: str) -> StoreError:
    """The error of one kind, in what a database said about the record at ``where``."""
    first = str(said).strip().partition("\n")[0]
    return StoreError(code, f"a record that is {code}: {first} ({where})", _ALLOWED[code], _THEN[code])


def absent(where: str) -> StoreError:
    """The error of an address at which there is no record, and none was to be made."""
    then = "make a clinic with thecal clinic init, or name the folder of one"
    return StoreError(Trouble.ABSENT, f"no record at {where}", "the record of a clinic", then)


def trouble_of(wrong: DBAPIError | sqlite3.Error, where: str) -> StoreError | None:
    """What a database's error means for whoever uses the record; None where it is a defect of this program."""
    origin = wrong if isinstance(wrong, sqlite3.Error) else wrong.orig
    if isinstance(origin, sqlite3.Error):
        code = _sqlite_code(origin)
    else:
        code = None if isinstance(wrong, sqlite3.Error) else _postgres_code(wrong)
    return None if code is None else trouble(code, origin, where)


def _sqlite_code(origin: sqlite3.Error) -> Trouble | None:
    name = getattr(origin, "sqlite_errorname", None) or ""
    if not name and "decode to UTF-8" in str(origin):
        return Trouble.DAMAGED  # of the driver, which has no name for it
    return next((code for start, code in _SQLITE.items() if name == start or name.startswith(f"{start}_")), None)


def _postgres_code(wrong: DBAPIError) -> Trouble | None:
    state = getattr(wrong.orig, "sqlstate", None)
    if state is None and _NO_ROOM in str(wrong.orig):  # it lets nobody in either, and has no code for it then
        return Trouble.FULL
    if state is None:
        gone = wrong.connection_invalidated or type(wrong.orig).__name__ == "OperationalError"
        return Trouble.NOT_REACHED if gone else None
    for length in (5, 3, 2):
        if state[:length] in _POSTGRES:
            return _POSTGRES[state[:length]]
    return None
