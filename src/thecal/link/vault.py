"""Where keys and counters of the link are held, so that what was written once is there after any crash."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}\Z")
_SEAL = 8


class Vault(Protocol):
    """Named pieces of durable memory. A device's own memory is one, and ``FileVault`` is another."""

    def read(self, name: str) -> bytes:
        """What is held under a name; empty where nothing is."""

    def write(self, name: str, data: bytes) -> None:
        """Hold ``data`` under a name from now on. Returns only when it is durable, and raises where it is not."""


class InUse(RuntimeError):  # noqa: N818 - a state that a person reads about, not a fault of the program
    """Another process has the folder open: two of them would use the same sequence numbers."""


class FileVault:
    """A folder with one file for each name, readable for its owner alone and open in one process at a time.

    A write goes to a new file that replaces the old one, both flushed to the medium: a crash leaves the old or the new.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._lock = FileLock(folder / "lock", timeout=0)
        try:
            self._lock.acquire()
        except Timeout as busy:
            raise InUse(f"{folder} is open in another process: stop that one, or ask it instead") from busy

    def read(self, name: str) -> bytes:
        """What is held under a name; empty where nothing is."""
        with suppress(FileNotFoundError):
            return self._path(name).read_bytes()
        return b""

    def write(self, name: str, data: bytes) -> None:
        """Hold ``data`` under a name, durably. Raises OSError where the medium refuses."""
        path = self._path(name)
        fresh = path.with_name(f".{name}.new")
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        flush_folder(self._folder)

    def close(self) -> None:
        """Let another process open the folder."""
        self._lock.release()

    def __enter__(self) -> FileVault:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _path(self, name: str) -> Path:
        if not self._lock.is_locked:
            raise ValueError("the folder is closed")
        if not _NAME.match(name):
            raise ValueError(f"not a name of durable memory: {name!r}")
        return self._folder / name


def flush_folder(folder: Path) -> None:
    """Make the names in a folder durable; a renamed file is not until then."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Mirrored:
    """One record held twice, each copy with a seal that shows damage.

    The copies are written one after the other, and what is written counts only when both are. So a torn write leaves
    the other copy, and so does any later damage to one; the newer of two good copies is never older than what counted.
    """

    def __init__(self, vault: Vault, name: str) -> None:
        self._vault = vault
        self._names = (f"{name}-a", f"{name}-b")

    def write(self, data: bytes) -> None:
        """Write both copies."""
        sealed = data + sha256(data).digest()[:_SEAL]
        for name in self._names:
            self._vault.write(name, sealed)

    def read(self) -> list[bytes]:
        """The undamaged copies: none, one, or two that a crash may have left different."""
        found = [self._vault.read(name) for name in self._names]
        return [held[:-_SEAL] for held in found if sha256(held[:-_SEAL]).digest()[:_SEAL] == held[-_SEAL:]]
