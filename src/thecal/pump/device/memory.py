"""Durable memory: named areas of bytes that outlive power and process, and the four of them that the core writes.

A write has reached the medium when it returns. What the power may do to a write that it cuts is said for each kind of
disk, and ``faulty_memory`` does it on purpose.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from thecal.pump.core.record import Store

if TYPE_CHECKING:
    from pathlib import Path

IDENTITY = "identity"
STATE = ("state-0", "state-1")
PROGRAM = ("program-0", "program-1")
LOG = "log"
DOCUMENT = ("document-0", "document-1")
WORLD = ("world-0", "world-1")

_AREAS = STATE + PROGRAM  # in the order in which the core numbers them
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\Z")
_UNREADABLE = b"\xff"  # in place of an area that is lost: the core takes it for damaged, never for factory-new


class Disk(Protocol):
    """Memory that survives: areas by name (1 to 64 lower-case letters, digits and hyphens). OSError where it fails."""

    def read(self, name: str) -> bytes:
        """What an area holds; empty where it was never written."""

    def write(self, name: str, data: bytes) -> None:
        """Replace an area; durable on return."""

    def write_at(self, name: str, at: int, data: bytes) -> None:
        """Write a part of an area, from byte ``at`` on, and lengthen it with zeros where needed; durable on return."""

    def erase(self, name: str) -> None:
        """Forget an area; durable on return, and nothing happens where there is none."""


def checked(name: str) -> str:
    """The name of an area; ValueError for anything else."""
    if not _NAME.match(name):
        raise ValueError(
            f"found {name!r} as the name of an area of memory; "
            "allowed: 1 to 64 lower-case letters, digits and hyphens, a letter or digit first"
        )
    return name


def spliced(held: bytes, at: int, data: bytes) -> bytes:
    """What an area holds after a part of it was written."""
    return held[:at].ljust(at, b"\0") + data + held[at + len(data) :]


class RamDisk:
    """A disk in working memory, for tests and for demonstrations that need not outlive their process."""

    def __init__(self) -> None:
        self._areas: dict[str, bytes] = {}

    def read(self, name: str) -> bytes:
        """What an area holds."""
        return self._areas.get(checked(name), b"")

    def write(self, name: str, data: bytes) -> None:
        """Replace an area."""
        self._areas[checked(name)] = bytes(data)

    def write_at(self, name: str, at: int, data: bytes) -> None:
        """Write a part of an area."""
        self.write(name, spliced(self.read(name), at, data))

    def erase(self, name: str) -> None:
        """Forget an area."""
        self._areas.pop(checked(name), None)


class FileDisk:
    """A folder with one file for each area, readable by its owner alone; made where it is missing.

    Files are written in place and flushed, file and folder. A power cut in the middle of a write may leave old and new
    bytes side by side, and the old or the new length; of two areas only the one that is being written is ever touched.
    Whoever writes must therefore keep two copies, or a checksum and something to fall back on.
    With ``flush`` false a write outlives the process but not the machine: for runs where only processes die.
    """

    def __init__(self, folder: Path, *, flush: bool = True) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._flush = flush

    def read(self, name: str) -> bytes:
        """What an area holds; empty where it was never written."""
        with suppress(FileNotFoundError):
            return self._path(name).read_bytes()
        return b""

    def write(self, name: str, data: bytes) -> None:
        """Replace an area; durable on return."""
        self._put(name, 0, data, whole=True)

    def write_at(self, name: str, at: int, data: bytes) -> None:
        """Write a part of an area; durable on return."""
        self._put(name, at, data, whole=False)

    def erase(self, name: str) -> None:
        """Forget an area; durable on return."""
        with suppress(FileNotFoundError):
            self._path(name).unlink()
            self._flush_folder()

    def _put(self, name: str, at: int, data: bytes, *, whole: bool) -> None:
        path = self._path(name)
        fresh = not path.exists()
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            view = memoryview(data)
            while view:
                done = os.pwrite(handle, view, at)
                view = view[done:]
                at += done
            if whole:
                os.ftruncate(handle, len(data))
            if self._flush:
                os.fsync(handle)
        finally:
            os.close(handle)
        if fresh:
            self._flush_folder()

    def _flush_folder(self) -> None:
        if not self._flush:
            return
        handle = os.open(self._folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _path(self, name: str) -> Path:
        return self._folder / checked(name)


class CoreStore(Store):
    """The four areas of the core on a disk. An area that cannot be written does not read back; that decides.

    Only a pump that is being made (``new``) may find no state: for any other one a state that is gone is damaged.
    """

    def __init__(self, disk: Disk, *, new: bool = False) -> None:
        super().__init__()
        self._disk = disk
        self._new = new

    def write(self, area: int, data: bytearray) -> None:
        """Replace an area."""
        with suppress(OSError):
            self._disk.write(_AREAS[area], bytes(data))

    def read(self, area: int) -> bytes:
        """What an area holds; for a state that is gone something that no state can be."""
        held = self._raw(area)
        lost = not held and not self._new and _AREAS[area] in STATE
        return _UNREADABLE if lost else held

    def holds(self, area: int, data: bytearray) -> bool:
        """Whether an area holds just this, read back from the disk."""
        return self._raw(area) == data

    def _raw(self, area: int) -> bytes:
        try:
            return self._disk.read(_AREAS[area])
        except OSError:
            return _UNREADABLE
