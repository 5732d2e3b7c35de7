"""Secrets that have to be read again are sealed in the record, under a key that lies beside it and is no part of it.

So nobody has a second factor who has a copy of the database or a backup alone. What is sealed (AES-256-GCM) is bound to
the person whose it is: moved to somebody else's row it does not open.
"""

from __future__ import annotations

import base64
import binascii
import os
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import delete, select

from thecal.clinic.record.tables import OneTimeSecret, RecoveryCode
from thecal.clinic.record.unusable import StoreError, Trouble
from thecal.clinic.who import SYSTEM

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.orm import Session

    from thecal.clinic.practice import Practice
    from thecal.clinic.record import Record

KEY = "secrets-key"
"""In a clinic's folder, for its owner alone. Never in a backup."""
_BYTES = 32
_NONCE = 12
_OWNER_FILE = 0o600
_THEN = "put the clinic's own secrets-key back from where it was kept; where it is lost: thecal clinic new-key"


class Seal:
    """One key. Without any, it neither seals nor opens: StoreError."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key

    @classmethod
    def new(cls) -> Seal:
        """A key that nobody had before."""
        return cls(AESGCM.generate_key(8 * _BYTES))

    @classmethod
    def at(cls, path: Path) -> Seal:
        """The key in a file; StoreError where none can be read."""
        try:
            if path.stat().st_mode & 0o077:
                path.chmod(_OWNER_FILE)
            key = base64.b64decode(path.read_bytes().strip(), validate=True)
        except FileNotFoundError as wrong:
            raise StoreError(
                Trouble.ABSENT, f"no key of the second factors at {path}", "the key that sealed them", _THEN
            ) from wrong
        except (OSError, binascii.Error) as wrong:
            found = f"a key of the second factors that cannot be read at {path}: {wrong}"
            raise StoreError(Trouble.NOT_OURS, found, "the key as it was made", _THEN) from wrong
        if len(key) != _BYTES:
            raise StoreError(Trouble.NOT_OURS, f"no key of the second factors in {path}", f"{_BYTES} bytes", _THEN)
        return cls(key)

    @property
    def name(self) -> str:
        """What the key is called where it must not be shown."""
        return sha256(b"thecal secrets key\0" + self._there()).hexdigest()[:8]

    def write(self, path: Path) -> Seal:
        """Keep the key in a new file, for its owner alone, whole or not at all; FileExistsError where there is one."""
        beside = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_FILE)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(base64.b64encode(self._there()) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.link(beside, path)
        finally:
            beside.unlink()
        return self

    def seal(self, secret: str, person_id: int) -> str:
        """A secret of a person as the record keeps it, with the name of the key."""
        nonce = os.urandom(_NONCE)
        sealed = nonce + AESGCM(self._there()).encrypt(nonce, secret.encode(), _about(person_id))
        return f"{self.name}:{base64.b64encode(sealed).decode()}"

    def open(self, sealed: str, person_id: int) -> str:
        """The secret again; StoreError under another key, or where it is not what was sealed for this person."""
        name, _, text = sealed.partition(":")
        if name != self.name:
            found = f"a second factor that was sealed under the key {name[:8]!r}, and here is {self.name!r}"
            raise StoreError(Trouble.NOT_OURS, found, "the key that sealed it", _THEN)
        try:
            raw = base64.b64decode(text, validate=True)
            return AESGCM(self._there()).decrypt(raw[:_NONCE], raw[_NONCE:], _about(person_id)).decode()
        except (InvalidTag, ValueError) as wrong:
            found, then = "a second factor that is not what was sealed", "reset it on the page of that person"
            raise StoreError(Trouble.DAMAGED, found, "what was written", then) from wrong

    def _there(self) -> bytes:
        if self._key is None:
            raise StoreError(Trouble.ABSENT, "no key of the second factors", "the clinic's own", _THEN)
        return self._key


def seal_of(folder: Path, session: Session) -> Seal:
    """The key of a clinic's folder; made where the record holds nothing that is sealed.

    StoreError where the key is gone, or is another one than that of the record.
    """
    path, needed = folder / KEY, keys_needed(session)
    _finish(path, needed)
    if not path.exists() and not needed:
        return _made(path)
    found = Seal.at(path)
    other = sorted(needed - {found.name})
    if other:
        said = f"second factors that were sealed under {', '.join(other)}, and the key {found.name} at {path}"
        raise StoreError(Trouble.NOT_OURS, said, "the key that sealed them", _THEN)
    return found


def change_key(practice: Practice, folder: Path) -> tuple[int, int]:
    """Seal everything under a new key; how many second factors were, and how many are void as nothing opened them.

    Whoever has a void one sets it up anew at the next sign-in. Nothing else may use the clinic meanwhile.
    """
    path, new = folder / KEY, Seal.new()
    with practice.reading() as session:
        _finish(path, keys_needed(session))
    old = Seal.at(path) if path.exists() else Seal()
    _next(path).unlink(missing_ok=True)
    new.write(_next(path))
    with practice.writing(SYSTEM, "key of the second factors changed", before=_name(old), now=new.name) as record:
        rows = record.session.scalars(select(OneTimeSecret)).all()
        sealed = sum(_again(record, row, old, new) for row in rows)
    _next(path).replace(path)
    return sealed, len(rows) - sealed


def _again(record: Record, row: OneTimeSecret, old: Seal, new: Seal) -> bool:
    """Seal one person's secret anew; False where nothing opens it, and then it is void."""
    row.pending = None
    try:
        row.secret = row.secret and new.seal(old.open(row.secret, row.person_id), row.person_id)
    except StoreError:
        record.session.execute(delete(RecoveryCode).where(RecoveryCode.person_id == row.person_id))
        record.session.delete(row)
        record.act("person", row.person_id, "second factor void", {"reason": "its key is gone"})
        return False
    return True


def _finish(path: Path, needed: set[str]) -> None:
    """Put the next key in its place, where whoever changed the key was killed before that."""
    if _next(path).exists() and needed == {Seal.at(_next(path)).name}:
        _next(path).replace(path)


def _next(path: Path) -> Path:
    return path.with_name(f"{KEY}.next")


def _name(seal: Seal) -> str:
    try:
        return seal.name
    except StoreError:
        return "none"


def _made(path: Path) -> Seal:
    try:
        return Seal.new().write(path)
    except FileExistsError:  # another process of the clinic was quicker
        return Seal.at(path)
    except OSError as wrong:
        then = "name another place, or give the owner of this process the right to write there"
        raise StoreError(Trouble.NOT_WRITTEN, f"{path}: {wrong.strerror}", "a file that can be made", then) from wrong


def keys_needed(session: Session) -> set[str]:
    """The names of the keys that something in a record is sealed under."""
    rows = session.execute(select(OneTimeSecret.secret, OneTimeSecret.pending)).all()
    return {text.partition(":")[0] for row in rows for text in row if text}


def _about(person_id: int) -> bytes:
    return f"second factor of person {person_id}".encode()
