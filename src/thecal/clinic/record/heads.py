"""Heads of the chain, signed with Ed25519 and kept elsewhere: what nobody can write anew together with the record."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from sqlalchemy import select

from thecal.clinic.record.chain import BEFORE_FIRST, head_of
from thecal.clinic.record.tables import Audit
from thecal.clinic.record.unusable import StoreError, Trouble
from thecal.clinic.record.verifying import Tampered, Tampering

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.orm import Session

_FORM = "thecal audit head 1"
_OWNER_FILE = 0o600


class BadHead(ValueError):  # noqa: N818 -- what somebody handed over, not a fault of the program
    """Something that is no signed head, or not what was signed."""


@dataclass(frozen=True, slots=True)
class Head:
    """The newest link at one moment. ``at_utc_s`` is of the machine's clock; ``key`` and ``signature`` are hex."""

    seq: int
    hash: str
    at_utc_s: int
    key: str
    signature: str

    def as_json(self) -> dict[str, Any]:
        """As it is printed and read again."""
        return {**self._signed(), "signature": self.signature}

    def _signed(self) -> dict[str, Any]:
        return {"form": _FORM, "seq": self.seq, "hash": self.hash, "at_utc_s": self.at_utc_s, "key": self.key}

    def said(self) -> bytes:
        """What the signature is over."""
        return rfc8785.dumps(self._signed())


def signing_key(path: Path, *, make: bool = False) -> Ed25519PrivateKey:
    """The key of a clinic's heads, for its owner alone; made where there is none and ``make`` says so."""
    try:
        if make and not path.exists():
            _write(path, Ed25519PrivateKey.generate())
        found = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as wrong:
        found_text = f"no key that heads can be signed with at {path}: {wrong}"
        then = "put the clinic's key back from where it was kept"
        raise StoreError(Trouble.ABSENT, found_text, "the key that thecal clinic init made", then) from wrong
    if not isinstance(found, Ed25519PrivateKey):
        then = "put the clinic's key back from where it was kept"
        raise StoreError(Trouble.NOT_OURS, f"a key of another kind at {path}", "a key of Ed25519", then)
    return found


def _write(path: Path, key: Ed25519PrivateKey) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_FILE)
    with os.fdopen(handle, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        os.fsync(file.fileno())


def sign(session: Session, key: Ed25519PrivateKey, at_utc_s: int) -> Head:
    """The newest link, signed."""
    seq, found = head_of(session)
    head = Head(seq, found.hex(), at_utc_s, key.public_key().public_bytes_raw().hex(), "")
    return Head(seq, head.hash, at_utc_s, head.key, key.sign(head.said()).hex())


def read_head(said: str) -> Head:
    """A head that was kept; BadHead where it is none, or where its signature does not belong to it."""
    try:
        found = json.loads(said)
        head = Head(*(found[name] for name in ("seq", "hash", "at_utc_s", "key", "signature")))
        whole = found["form"] == _FORM and all(type(n) is int and n >= 0 for n in (head.seq, head.at_utc_s))
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(head.key))
        signature = bytes.fromhex(head.signature)
        bytes.fromhex(head.hash)
    except (ValueError, KeyError, TypeError) as wrong:
        raise BadHead("found no signed head; allowed: what thecal clinic audit head printed") from wrong
    try:
        public.verify(signature, head.said())
    except InvalidSignature as wrong:
        raise BadHead("found a head that is not what was signed; allowed: one as it was printed") from wrong
    if not whole:
        raise BadHead("found a head of another form; allowed: what thecal clinic audit head printed")
    return head


def against(session: Session, head: Head, public_key: str | None = None) -> list[Tampered]:
    """What does not agree between the record and a head that was kept: the chain went another way, or is shorter.

    ``public_key`` is the clinic's own, as hex; a head of another one is told.
    """
    found = []
    link = session.scalars(select(Audit).where(Audit.seq == head.seq)).one_or_none()
    is_now = link.hash if link is not None else (BEFORE_FIRST if head.seq == 0 else None)
    if is_now is None:
        said = f"no link {head.seq:,}, which the kept head says was there: the record was cut short or is older"
        found.append(Tampered(Tampering.TAIL_CUT, said))
    elif is_now.hex() != head.hash:
        said = f"link {head.seq:,}, which is not the one that the kept head was signed over: the chain was written anew"
        found.append(Tampered(Tampering.OTHER_HEAD, said))
    if public_key is not None and public_key != head.key:
        found.append(Tampered(Tampering.OTHER_KEY, f"a head signed with key {head.key[:16]}, not with this clinic's"))
    return found
