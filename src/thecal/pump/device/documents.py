"""The order documents of a pump: that of the running program, and beside it that of a proposed one."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from thecal.pump.device.memory import DOCUMENT

if TYPE_CHECKING:
    from thecal.pump.device.memory import Disk

MOST_DOCUMENT = 65_536
"""Bytes of a document at most."""


class Documents:
    """Two areas that take turns: the document of the running program is never written over."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def held(self, digest: bytes) -> bytes:
        """The document with this SHA-256; empty where neither area holds it whole."""
        for area in DOCUMENT:
            found = self._read(area)
            if found and sha256(found).digest() == digest:
                return found
        return b""

    def keep(self, document: bytes, running: bytes) -> bool:
        """Store a document where that of the running program (its SHA-256) is not; whether it reads back.

        False too for an empty document and for one of more than MOST_DOCUMENT bytes: nothing is written then.
        """
        if not 0 < len(document) <= MOST_DOCUMENT:
            return False
        if sha256(document).digest() == running and self.held(running):
            return True
        first = self._read(DOCUMENT[0])
        area = DOCUMENT[1] if sha256(first).digest() == running else DOCUMENT[0]
        try:
            self._disk.write(area, document)
        except OSError:
            return False
        return self._read(area) == document

    def _read(self, area: str) -> bytes:
        try:
            return self._disk.read(area)
        except OSError:
            return b""
