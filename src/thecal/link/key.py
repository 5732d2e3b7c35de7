"""The key that one role shares with one pump: made of random bytes alone, never of a serial number.

A key is issued when a role is paired with a pump and lives in both memories. Whoever has it speaks as that role.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import cbor2

from thecal.link.roles import KID, PUMP_KID, Role
from thecal.link.vault import Mirrored, Vault, flush_folder

if TYPE_CHECKING:
    from pathlib import Path

VERSION = 1
SECRET_BYTES = 16  # the strength of the cipher that it feeds, RFC 8613 section 3.2: AES-CCM-16-64-128
SALT_BYTES = 8
MOST_SERIAL = 64


class Side(StrEnum):
    """Whose memory it is."""

    PUMP = "pump"
    CALLER = "caller"


@dataclass(frozen=True, slots=True)
class Key:
    """What a role and a pump share. ``generation`` counts the pairings of that role with that pump, from 1."""

    role: Role
    serial: str
    generation: int
    secret: bytes = field(repr=False)
    salt: bytes = field(repr=False)

    def tag(self) -> bytes:
        """Eight bytes that tie counters to this key and tell nothing of it."""
        return sha256(b"thecal counters" + self.secret + self.salt).digest()[:8]

    def encode(self) -> bytes:
        """The record that is stored: a CBOR map with its version. Secret: for durable memory only."""
        fields = {"role": self.role.value, "serial": self.serial, "generation": self.generation}
        return cbor2.dumps({"version": VERSION, **fields, "secret": self.secret, "salt": self.salt})

    @classmethod
    def decode(cls, data: bytes) -> Key:
        """The key in a stored record; raises ValueError where it is anything else."""
        try:
            held = cbor2.loads(data)
        except Exception as unreadable:
            raise ValueError("not a key: it cannot be read") from unreadable
        return _checked(held)


def _checked(held: Any) -> Key:
    names = {"version", "role", "serial", "generation", "secret", "salt"}
    if not isinstance(held, dict) or set(held) != names or held["version"] != VERSION:
        raise ValueError(f"not a key of version {VERSION}")
    serial, generation, secret, salt = held["serial"], held["generation"], held["secret"], held["salt"]
    if held["role"] not in list(Role) or type(serial) is not str or not 1 <= len(serial) <= MOST_SERIAL:
        raise ValueError("not a key: its role or serial number is not one")
    if type(generation) is not int or generation < 1:
        raise ValueError("not a key: its generation is not one")
    if type(secret) is not bytes or len(secret) != SECRET_BYTES or type(salt) is not bytes or len(salt) != SALT_BYTES:
        raise ValueError("not a key: its secret is not one")
    return Key(Role(held["role"]), serial, generation, secret, salt)


def new_key(role: Role, serial: str, generation: int = 1) -> Key:
    """A key that nobody has had before; ``serial`` only says to which pump it will belong."""
    if not 1 <= len(serial) <= MOST_SERIAL:
        raise ValueError(f"a serial number has 1 to {MOST_SERIAL} characters, not {len(serial)}")
    return Key(role, serial, generation, secrets.token_bytes(SECRET_BYTES), secrets.token_bytes(SALT_BYTES))


def name_of(side: Side, role: Role, serial: str) -> str:
    """The name under which a memory holds what belongs to a role; a caller's memory holds many pumps."""
    if side is Side.PUMP:
        return f"link-{role.value}"
    return f"link-{sha256(serial.encode()).hexdigest()[:16]}-{role.value}"


def keep_key(vault: Vault, side: Side, key: Key) -> None:
    """Store a key, in place of the one that this role had."""
    Mirrored(vault, name_of(side, key.role, key.serial) + "-key").write(key.encode())


def kept_key(vault: Vault, side: Side, role: Role, serial: str) -> Key | None:
    """The key of a role with a pump; None where it was never paired, or where both copies are damaged."""
    copies = Mirrored(vault, name_of(side, role, serial) + "-key").read()
    mine = [key for key in map(_decoded, copies) if key is not None and (key.role, key.serial) == (role, serial)]
    return max(mine, key=lambda key: key.generation, default=None)


def _decoded(copy: bytes) -> Key | None:
    try:
        return Key.decode(copy)
    except ValueError:
        return None


def export_for_stock_client(key: Key, folder: Path) -> Path:
    """Write a key so that ``aiocoap-client --credentials`` uses it; the file to name there is returned.

    The folder must not exist yet. That program counts its own sequence numbers from 0: give it a key that was paired
    with the pump for it and that no other program uses, or numbers are used twice and the protection is gone.
    """
    folder.mkdir(mode=0o700)
    ids = {"sender-id_hex": KID[key.role].hex(), "recipient-id_hex": PUMP_KID.hex()}
    _write_private(folder / "settings.json", ids)
    _write_private(folder / "secret.json", {"secret_hex": key.secret.hex(), "salt_hex": key.salt.hex()})
    credentials = folder / "credentials.json"
    _write_private(credentials, {"coap://*": {"oscore": {"basedir": str(folder.resolve())}}})
    flush_folder(folder)
    return credentials


def _write_private(path: Path, content: dict[str, Any]) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
