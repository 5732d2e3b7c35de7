"""Memory that fails when it is told to: power cut at a known write, flushes and writes lost, bits turned over.

It stands between a pump and its disk, so that everything that writes there (state, programs, log, documents, keys)
fails alike. Writes are counted from 1: fail at the first, then at the second, and so on until none fails.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from thecal.pump.device.memory import spliced

if TYPE_CHECKING:
    from collections.abc import Callable

    from thecal.pump.device.memory import Disk


class Tear(StrEnum):
    """What a power cut leaves of the write that it hits."""

    BEFORE = "before"  # nothing of it was written
    OVERWRITTEN = "overwritten"  # its first bytes, and what was there before behind them
    TRUNCATED = "truncated"  # its first bytes, and blank memory behind them
    AFTER = "after"  # all of it


class PowerCut(Exception):  # noqa: N818 - an event of the world, not an error of the program
    """The power is gone: nothing that was only in working memory exists any more."""


class FaultyDisk:
    """A disk with faults that are asked for by name; without any it is the disk it stands before."""

    def __init__(self, inner: Disk) -> None:
        self._inner = inner
        self.writes = 0
        self._cut_at = 0
        self._tear = Tear.BEFORE
        self._torn_bytes = 0
        self._lost: set[int] = set()
        self._unflushed: set[int] = set()
        self._durable: dict[str, bytes] = {}  # areas whose newest writes never reached the medium, as it holds them

    # Faults

    def cut(self, writes_from_now: int, tear: Tear = Tear.BEFORE, torn_bytes: int = 0) -> None:
        """Let the power fail at a write to come (1 is the next one), after ``torn_bytes`` bytes of it."""
        self._cut_at = self.writes + writes_from_now
        self._tear = tear
        self._torn_bytes = torn_bytes

    def lose_write(self, writes_from_now: int) -> None:
        """Let a write to come be reported as done and not be done; reading back shows it."""
        self._lost.add(self.writes + writes_from_now)

    def lose_flush(self, writes_from_now: int) -> None:
        """Let a write to come be reported as done and vanish at the next power cut; reading back does not show it.

        A later write to the same area that is flushed carries this one with it.
        """
        self._unflushed.add(self.writes + writes_from_now)

    def flip(self, name: str, byte: int, bit: int = 0) -> None:
        """Turn one bit of an area over; nothing where the area is empty."""
        held = bytearray(self._inner.read(name))
        if held:
            held[byte % len(held)] ^= 1 << bit
            self._inner.write(name, bytes(held))

    def calm(self) -> None:
        """Let none of the faults come that were asked for and have not come yet."""
        self._cut_at = 0
        self._lost.clear()
        self._unflushed.clear()

    def power_cut(self) -> None:
        """The power is gone: what was never flushed vanishes. A pump says so to its memory whenever it loses power."""
        for name, held in self._durable.items():
            self._keep(name, held)
        self._durable.clear()

    # A disk

    def read(self, name: str) -> bytes:
        """What an area holds."""
        return self._inner.read(name)

    def write(self, name: str, data: bytes) -> None:
        """Replace an area; PowerCut where the power fails at this write."""
        self._put(name, lambda: self._keep(name, data), lambda held: self._torn(held, 0, data, whole=True))

    def write_at(self, name: str, at: int, data: bytes) -> None:
        """Write a part of an area; PowerCut where the power fails at this write."""
        self._put(
            name,
            lambda: self._inner.write_at(name, at, data),
            lambda held: self._torn(held, at, data, whole=False),
        )

    def erase(self, name: str) -> None:
        """Forget an area; counts as a write."""
        self._put(name, lambda: self._inner.erase(name), lambda held: held)

    def _torn(self, held: bytes, at: int, data: bytes, *, whole: bool) -> bytes:
        """What a cut in the middle of this write would leave."""
        n = min(self._torn_bytes, len(data))
        if self._tear == Tear.TRUNCATED:
            return data[:n] if whole else spliced(held, at, data[:n] + bytes(len(data) - n))
        return spliced(held, at, data[:n])

    def _put(self, name: str, act: Callable[[], None], torn: Callable[[bytes], bytes]) -> None:
        """Do a write, or what is left of it; ``torn`` says what a cut in its middle makes of what is there."""
        self.writes += 1
        cut = self.writes == self._cut_at
        whole = not cut or self._tear == Tear.AFTER
        if self.writes not in self._lost:
            if self.writes in self._unflushed:
                self._durable.setdefault(name, self._inner.read(name))
            elif whole:
                self._durable.pop(name, None)
            if whole:
                act()
            elif self._tear != Tear.BEFORE:
                self._keep(name, torn(self._inner.read(name)))
        if cut:
            self.power_cut()
            raise PowerCut

    def _keep(self, name: str, data: bytes) -> None:
        if data:
            self._inner.write(name, data)
        else:
            self._inner.erase(name)
