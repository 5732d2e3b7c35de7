"""The disk of a pump as its host gives it: the world's own record may fail without the pump noticing.

What is true of the fluid stands beside the pump's memory on the same disk. Where that disk is full, it is the pump that
must find out by its own means, and stop; the world goes on, and writes down what is true as soon as it can.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from thecal.pump.device import FileDisk
from thecal.pump.device.memory import WORLD

if TYPE_CHECKING:
    from pathlib import Path

    from thecal.pump.device import Disk

_log = logging.getLogger(__name__)


def ground(folder: Path) -> Disk:
    """The disk of a pump in its folder."""
    return Ground(FileDisk(folder))


class Ground:
    """A disk on which a failed write of the world is a line in the host's log, and any other one is raised."""

    def __init__(self, inner: Disk) -> None:
        self._inner = inner
        self.unwritten = False
        """Whether the newest record of the world is not on the disk."""

    def read(self, name: str) -> bytes:
        """What an area holds."""
        return self._inner.read(name)

    def write(self, name: str, data: bytes) -> None:
        """Replace an area."""
        if name not in WORLD:
            self._inner.write(name, data)
            return
        try:
            self._inner.write(name, data)
        except OSError as fault:
            if not self.unwritten:
                _log.warning("what is true of a pump cannot be written down: %s", fault)
            self.unwritten = True
        else:
            self.unwritten = False

    def write_at(self, name: str, at: int, data: bytes) -> None:
        """Write a part of an area."""
        self._inner.write_at(name, at, data)

    def erase(self, name: str) -> None:
        """Forget an area."""
        self._inner.erase(name)
