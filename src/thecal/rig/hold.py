"""One process at a time: a lock on a folder that ends with its process, and the name of who holds it."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from thecal.rig.home import OWNER_FILE, write_private

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Held:
    """Somebody else holds it: process ``pid`` (0 where that is not known), which does ``doing``."""

    what: str
    pid: int
    doing: str

    @property
    def message(self) -> str:
        """One line for a person: what was found, what is allowed, what to do next."""
        who = f"process {self.pid} ({self.doing})" if self.pid else "another process"
        return f"found {self.what} in use by {who}; allowed: one process at a time; next: ask that process, or end it"


class Hold:
    """A lock that this process holds, until ``release`` or its own end, however that comes."""

    def __init__(self, lock: FileLock, note: Path) -> None:
        self._lock = lock
        self._note = note

    def release(self) -> None:
        """Let it go; doing so twice is harmless."""
        if self._lock.is_locked:
            self._note.unlink(missing_ok=True)
            self._lock.release()


class Turn:
    """One at a time: of the threads of this process, and of every process that names the same lock file."""

    def __init__(self, path: Path) -> None:
        self._here = threading.Lock()
        self._lock = FileLock(path, mode=OWNER_FILE, thread_local=False)

    def acquire(self, *, blocking: bool = True) -> bool:
        """Take it; without ``blocking`` False where somebody else has it."""
        if not self._here.acquire(blocking=blocking):
            return False
        try:
            self._lock.acquire(timeout=-1 if blocking else 0)
        except Timeout:
            self._here.release()
            return False
        except BaseException:
            self._here.release()
            raise
        return True

    def release(self) -> None:
        """Let it go."""
        self._lock.release()
        self._here.release()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_how: object) -> None:
        self.release()


def hold(path: Path, what: str, doing: str) -> Hold | Held:
    """Hold ``path`` (a lock file, made where it is missing) for this process, or say who has it."""
    lock = FileLock(path, timeout=0, mode=OWNER_FILE, thread_local=False)
    note = path.with_suffix(".holder")
    try:
        lock.acquire()
    except Timeout:
        return _holder(note, what)
    write_private(note, json.dumps({"pid": os.getpid(), "doing": doing}).encode())
    return Hold(lock, note)


def _holder(note: Path, what: str) -> Held:
    """Who wrote the note beside a lock; it may be missing for a moment after the lock was taken."""
    try:
        said = json.loads(note.read_bytes())
        return Held(what, int(said["pid"]), str(said["doing"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Held(what, 0, "")
