"""A pump that rests while its world stands still: its working memory is kept beside its durable one.

To a pump the end of its process is a loss of power, and it wakes with what its program says about that. A world whose
time stands still while nobody looks (a demonstration) must not do so to its pumps each evening: they rest, and go on in
the same second. A rest is good once, for the very memory that it was taken with; without one a pump wakes as after any
loss of power, and so it does after a crash.
"""

from __future__ import annotations

import copyreg
import io
import logging
import pickle
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from thecal.pump.device import Device
from thecal.pump.device.memory import IDENTITY, LOG, PROGRAM, STATE, WORLD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thecal.pump.device import Disk

AREA = "rest"
"""Where a rest lies on the disk of a pump."""
_SEAL = 64
_MEMORY = (IDENTITY, *STATE, *PROGRAM, LOG, *WORLD)
_PLAIN = frozenset(
    {
        ("array", "_array_reconstructor"),
        ("array", "array"),
        ("builtins", "bytearray"),
        ("collections", "deque"),
        ("fractions", "Fraction"),
    }
)
"""What a pump is made of beside things of Thecal."""

_log = logging.getLogger(__name__)


def lay_down(device: Device, disk: Disk) -> None:
    """Let a pump with power rest on its ``disk``; what it did is settled first. OSError where memory refuses."""
    if not device.powered:
        return
    device.settle()
    device.watch(None)
    held = io.BytesIO()
    _Pickler(held, disk).dump(device)
    disk.write(AREA, _seal(disk, held.getvalue()) + held.getvalue())


def wake(disk: Disk, true_s: int) -> Device:
    """The pump of a disk at a true second: from its rest, which is then used up, else from its memory."""
    held = disk.read(AREA)
    disk.erase(AREA)
    rested = _rested(disk, held) if held else None
    if rested is None or rested.now_s > true_s:
        return Device(disk, true_s)
    rested.advance(true_s)
    return rested


def _rested(disk: Disk, held: bytes) -> Device | None:
    """The pump as it lay down; None where it was not with this very memory, or not by this software."""
    seal, body = held[:_SEAL], held[_SEAL:]
    if seal != _seal(disk, body):
        _log.warning("a rest that is not of this memory is not used: the pump starts as after a loss of power")
        return None
    try:
        found = _Unpickler(io.BytesIO(body), disk).load()
    except Exception as wrong:  # noqa: BLE001 -- written by other software; the pump's own memory is always good
        _log.warning("a rest that cannot be read is not used: %s", wrong)
        return None
    return found if isinstance(found, Device) else None


def _seal(disk: Disk, body: bytes) -> bytes:
    """A digest over a rest and the durable memory that it belongs to."""
    digest = sha256(body)
    for area in _MEMORY:
        digest.update(sha256(disk.read(area)).digest())
    return digest.hexdigest().encode()


def _proxy(held: dict[Any, Any]) -> Mapping[Any, Any]:
    return MappingProxyType(held)


class _Pickler(pickle.Pickler):
    dispatch_table = {**copyreg.dispatch_table, MappingProxyType: lambda proxy: (_proxy, (dict(proxy),))}  # noqa: RUF012

    def __init__(self, file: io.BytesIO, disk: Disk) -> None:
        super().__init__(file)
        self._disk = disk

    def persistent_id(self, obj: Any) -> str | None:
        return "disk" if obj is self._disk else None


class _Unpickler(pickle.Unpickler):
    """Reads what ``_Pickler`` wrote: things of Thecal and plain ones, and no others."""

    def __init__(self, file: io.BytesIO, disk: Disk) -> None:
        super().__init__(file)
        self._disk = disk

    def persistent_load(self, _pid: Any) -> Any:
        return self._disk

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _PLAIN and not module.startswith("thecal."):
            raise pickle.UnpicklingError(f"found {module}.{name}; allowed: what a pump is made of")
        return super().find_class(module, name)
