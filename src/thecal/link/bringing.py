"""A proposed program and its order document, as they come piece by piece; held in working memory only."""

from __future__ import annotations

from hashlib import sha256

from thecal.link.catalogue import MOST_DOCUMENT, Area
from thecal.pump.core.program import RECORD_SIZE

_WHOLE = {Area.PROGRAM: (RECORD_SIZE, RECORD_SIZE), Area.DOCUMENT: (1, MOST_DOCUMENT)}


class Brought:
    """What was brought so far. Pieces come in order; a first piece begins anew; whatever does not fit is not taken."""

    def __init__(self) -> None:
        self._held = {area: bytearray() for area in _WHOLE}
        self._whole = dict.fromkeys(_WHOLE, 0)

    def take(self, area: Area, whole: int, at: int, data: bytes) -> int:
        """Take the piece that begins at byte ``at`` of ``whole``; the answer is how many bytes are held now.

        A repeated piece, save the first one, changes nothing.
        """
        held = self._held[area]
        least, most = _WHOLE[area]
        if not least <= whole <= most or at + len(data) > whole:
            return len(held)
        if at == 0:
            held.clear()
            self._whole[area] = whole
        if at == len(held) and self._whole[area] == whole:
            held += data
        return len(held)

    def text(self, area: Area, digest: bytes) -> bytes:
        """The whole text with this SHA-256; empty where it is not held."""
        held = self._held[area]
        if len(held) != self._whole[area] or sha256(held).digest() != digest:
            return b""
        return bytes(held)

    def forget(self) -> None:
        """Hold nothing any more."""
        for area, held in self._held.items():
            held.clear()
            self._whole[area] = 0
