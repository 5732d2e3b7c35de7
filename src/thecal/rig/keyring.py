"""The client's keys, by pump and role: one folder that one process at a time has open, for its owner alone.

A key comes from the pump, once, when a role is paired with it. What this room adds to the link's own memory is the list
of what is paired.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from thecal.link.key import Side, kept_key
from thecal.link.protection import pair
from thecal.link.roles import Role
from thecal.link.vault import FileVault, Mirrored
from thecal.rig.home import OWNER_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from thecal.link.key import Key

_LIST = "pairs"


class Keyring:
    """Keys with the counters that belong to them. Raises ``link.vault.InUse`` where another process has them open."""

    def __init__(self, folder: Path) -> None:
        self.vault = FileVault(folder)
        (folder / "lock").chmod(OWNER_FILE)
        self._list = Mirrored(self.vault, _LIST)

    def keep(self, key: Key) -> None:
        """Keep a key that a pump has just handed out, in place of the role's former one; ValueError for an old one."""
        known = self.paired()
        if (key.serial, key.role) not in known:
            self._list.write(json.dumps([*known, (key.serial, key.role)]).encode())
        pair(self.vault, Side.CALLER, key)

    def key(self, serial: str, role: Role) -> Key | None:
        """The key of a role with a pump; None where they are not paired."""
        return kept_key(self.vault, Side.CALLER, role, serial)

    def paired(self) -> list[tuple[str, Role]]:
        """Every pump and role that a key was ever kept for, in the order of their first pairing."""
        copies = [json.loads(copy) for copy in self._list.read()]
        longest: list[list[str]] = max(copies, key=len, default=[])
        return [(serial, Role(role)) for serial, role in longest]

    def close(self) -> None:
        """Let another process open it."""
        self.vault.close()
