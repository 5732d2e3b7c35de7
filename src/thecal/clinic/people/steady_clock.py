"""The machine's clock as signing in takes it: one that nobody can turn back while the process runs."""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class SteadyClock:
    """UTC in s that goes on at least as fast as time passes.

    Where the wall clock is set back, this one goes on from where it was; where it is set forward, this one follows.
    So a change of the machine's clock can end a sign-in early, and never lets one last longer.
    """

    def __init__(self, wall: Callable[[], float] = time.time, passed: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._passed = passed
        self._lock = Lock()
        self._said = wall()
        self._at = passed()

    def __call__(self) -> int:
        """The present second."""
        with self._lock:
            passed = self._passed()
            self._said = max(self._wall(), self._said + passed - self._at)
            self._at = passed
            return int(self._said)
