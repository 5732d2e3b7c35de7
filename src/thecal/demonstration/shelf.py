"""Pumps in working memory, in a process of their own: taken on whenever nobody talks to them, up to when somebody will.

One process keeps the record, this one lets the pumps run: on two cores months pass twice as fast. What a pump does, it
does at true seconds, so that when it is computed changes nothing.
"""

from __future__ import annotations

import signal
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from thecal.link.answering import Answering
from thecal.link.endpoint import Endpoint
from thecal.link.key import Side
from thecal.link.protection import pair
from thecal.link.roles import Field, Role
from thecal.pump.device import Device, Fault, FaultKind, FileDisk, NoPower, PowerCut, RamDisk, make
from thecal.rig.rest import lay_down

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from pathlib import Path

    from thecal.link.answering import Answered
    from thecal.link.key import Key
    from thecal.pump.device import Identity

SLICE_S = 7_200
"""True seconds that a pump is taken on while nobody waits: short, because somebody may ask meanwhile. Ours."""
PAUSE_S = 0.0005
"""Real seconds without a request after which pumps are taken on. Ours."""


class Memory(RamDisk):
    """The memory of a pump on the shelf, which can be handed over as a whole."""

    def hand_over(self, disk: FileDisk) -> None:
        """Write every area to another disk."""
        for name, data in self._areas.items():
            disk.write(name, data)


class ShelfPump:
    """One pump, and its end of the link."""

    def __init__(self, identity: Identity, true_s: int) -> None:
        self.disk = Memory()
        make(self.disk, identity)
        self._device = Device(self.disk, true_s)
        self.visited = True  # somebody is there, and nothing may be done ahead of them
        self._listen()

    def _listen(self) -> None:
        self._core = self._device.controller
        self._answering = Answering(self._device)
        self._endpoint = Endpoint(self.disk, self._device.serial(), self)

    def now_s(self) -> int:
        """The true second that it has reached."""
        return self._device.now_s

    def at(self, true_s: int) -> Device:
        """The pump, brought up to a second."""
        if true_s < self._device.now_s:
            raise RuntimeError(f"found a visit at true second {true_s:,}, and the pump is at {self._device.now_s:,}")
        self._device.advance(true_s)
        self.visited = True
        return self._device

    def take_on(self, true_s: int) -> None:
        """Take the pump on while nobody is there."""
        self._device.advance(true_s)

    def heard(self, true_s: int, frame: bytes, field: Field) -> bytes | None:
        """Its answer to a frame; None where it has no power, and nothing left this side."""
        device = self.at(true_s)
        if not device.powered:
            return None
        if device.controller is not self._core:
            self._listen()
        try:
            return self._endpoint.heard(frame, field, "bench").frame
        except (NoPower, PowerCut):
            return b""

    def answer(self, role: Role, field: Field, path: str, payload: bytes) -> Answered:
        """Answer for the pump (``link.endpoint.Answers``)."""
        return self._answering.answer(role, field, path, payload)


@dataclass
class Shelf:
    """All pumps of a world that is being made. ``visits`` are the true seconds at which somebody will talk to each."""

    pumps: dict[str, ShelfPump] = field(default_factory=dict)
    visits: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def make(self, true_s: int, identity: Identity, keys: tuple[Key, ...], visits: tuple[int, ...]) -> None:
        """Make a pump, and pair it."""
        pump = self.pumps[identity.serial] = ShelfPump(identity, true_s)
        self.visits[identity.serial] = visits
        for key in keys:
            pair(pump.disk, Side.PUMP, key)

    def heard(self, true_s: int, serial: str, frame: bytes, near: bool) -> bytes | None:
        """A pump's answer to a frame."""
        return self.pumps[serial].heard(true_s, frame, Field.NEAR if near else Field.FAR)

    def fill(self, true_s: int, serial: str, volume_nl: int) -> int:
        """Put fluid into a reservoir; nL that are in it now."""
        device = self.pumps[serial].at(true_s)
        device.fill(volume_nl)
        return device.truth().reservoir_nl

    def draw(self, true_s: int, serial: str) -> int:
        """Aspirate all there is."""
        return self.pumps[serial].at(true_s).draw()

    def moved(self, true_s: int, serial: str) -> tuple[int, int]:
        """nL that were ever filled and ever drawn."""
        truth = self.pumps[serial].at(true_s).truth()
        return truth.filled_nl, truth.drawn_nl

    def fault(self, true_s: int, serial: str, kind: FaultKind, until_s: int, amount: int) -> None:
        """Let a fault come; what is there of its kind is over."""
        device = self.pumps[serial].at(true_s)
        device.heal(kind)
        from_s = device.now_s + 1
        device.inject(Fault(kind, from_s, max(from_s, until_s), amount))

    def lay_down(self, true_s: int, serial: str, folder: Path, keys: tuple[Key, ...]) -> None:
        """Let a pump rest in its folder of a rig, paired anew."""
        pump = self.pumps[serial]
        for key in keys:
            pair(pump.disk, Side.PUMP, key)
        device = pump.at(true_s)
        lay_down(device, pump.disk)
        pump.disk.hand_over(FileDisk(folder, flush=False))

    def idle(self) -> bool:
        """Take on the pump that is furthest behind, to just before somebody talks to it; False where all are there."""
        left = [
            serial for serial, pump in self.pumps.items() if not pump.visited and pump.now_s() < self._until(serial)
        ]
        if not left:
            return False
        behind = min(left, key=lambda serial: self.pumps[serial].now_s())
        pump = self.pumps[behind]
        pump.take_on(min(self._until(behind), pump.now_s() + SLICE_S))
        return True

    def over(self, _true_s: int) -> None:
        """Whoever was there has gone: pumps may be taken on again."""
        for pump in self.pumps.values():
            pump.visited = False

    def _until(self, serial: str) -> int:
        """The last second before somebody talks to a pump."""
        visits, now_s = self.visits[serial], self.pumps[serial].now_s()
        at = bisect_right(visits, now_s)
        return visits[at] - 1 if at < len(visits) else now_s


def serve(asked: Connection) -> None:
    """Be the process of the shelf: do what is asked, and take pumps on in between, until nobody can ask any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks is told, and closes
    shelf = Shelf()
    busy = True
    while True:
        if busy and not asked.poll(PAUSE_S):
            busy = shelf.idle()
            continue
        try:
            operation, fields = asked.recv()
        except EOFError:
            return
        asked.send(_done(getattr(shelf, operation), fields))
        busy = True


def _done(work: Callable[..., Any], fields: tuple[Any, ...]) -> tuple[bool, Any]:
    """What came of it: the answer, or what was raised, which is raised where it was asked."""
    try:
        return True, work(*fields)
    except Exception as wrong:  # noqa: BLE001 -- it is raised in the process that asked
        return False, wrong
