"""A bad radio path as a real UDP proxy: it loses, repeats, delays, swaps, cuts and spoils frames by plan or by seed.

A caller speaks to ``LossyLink.address``; what it says goes on to ``target``, which may change, and answers come back.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

Address = tuple[str, int]
HELD_S = 0.05  # how long a frame that is to be swapped waits for the next one


class Way(StrEnum):
    TO_PUMP = "to the pump"
    TO_CALLER = "to the caller"


class Kind(StrEnum):
    DROP = "drop"
    TWICE = "twice"
    LATE = "late"  # amount: milliseconds
    SWAP = "swap"  # with the next frame of its way
    CUT = "cut"  # amount: bytes that are left
    FLIP = "flip"  # amount: which bit


@dataclass(frozen=True)
class Fault:
    kind: Kind
    amount: int = 0


class Plan(Protocol):
    def fault(self, way: Way, number: int, frame: bytes) -> Fault | None:
        """What happens to the n-th frame of a way, counted from 1."""


class Planned:
    """Faults for frames that are named."""

    def __init__(self, faults: Mapping[tuple[Way, int], Fault] | None = None) -> None:
        self.faults = dict(faults or {})

    def fault(self, way: Way, number: int, frame: bytes) -> Fault | None:
        return self.faults.get((way, number))


class Seeded:
    """Faults by chance: each frame is hit with the given probability, by any kind."""

    def __init__(self, seed: int, share: float, late_ms: int = 60) -> None:
        self._random = Random(seed)  # noqa: S311 - chance to be repeated, not a secret
        self._share = share
        self._late_ms = late_ms

    def fault(self, way: Way, number: int, frame: bytes) -> Fault | None:
        if self._random.random() >= self._share:
            return None
        kind = self._random.choice(list(Kind))
        most = {Kind.CUT: len(frame), Kind.FLIP: 8 * len(frame), Kind.LATE: self._late_ms}.get(kind, 1)
        return Fault(kind, self._random.randrange(most))


class LossyLink:
    """The path between one caller and a pump. ``seen`` is every frame as it was sent, before anything befell it."""

    def __init__(self, target: Address, plan: Plan | None = None) -> None:
        self.target = target
        self.plan = plan or Planned()
        self.seen: list[tuple[Way, bytes]] = []
        self.hit: list[Fault] = []
        self._caller: Address | None = None
        self._held: dict[Way, bytes] = {}
        self._timers: set[asyncio.TimerHandle] = set()

    async def __aenter__(self) -> LossyLink:
        loop = asyncio.get_running_loop()
        here = ("127.0.0.1", 0)
        self._front, _ = await loop.create_datagram_endpoint(lambda: _End(self, Way.TO_PUMP), local_addr=here)
        self._back, _ = await loop.create_datagram_endpoint(lambda: _End(self, Way.TO_CALLER), local_addr=here)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        for timer in self._timers:
            timer.cancel()
        self._front.close()
        self._back.close()
        await asyncio.sleep(0)

    @property
    def address(self) -> Address:
        host, port = self._front.get_extra_info("sockname")
        return host, port

    def frames(self, way: Way) -> list[bytes]:
        return [frame for went, frame in self.seen if went is way]

    def heard(self, way: Way, frame: bytes, sender: Address) -> None:
        if way is Way.TO_PUMP:
            self._caller = sender
        self.seen.append((way, frame))
        fault = self.plan.fault(way, len(self.frames(way)), frame)
        if fault is not None:
            self.hit.append(fault)
        self._befall(way, frame, fault)

    def _befall(self, way: Way, frame: bytes, fault: Fault | None) -> None:
        match fault:
            case None:
                self._pass(way, frame)
            case Fault(Kind.DROP):
                pass
            case Fault(Kind.TWICE):
                self._pass(way, frame)
                self._pass(way, frame)
            case Fault(Kind.LATE, ms):
                self._later(ms / 1000, lambda: self._pass(way, frame))
            case Fault(Kind.SWAP):
                self._held[way] = frame
                self._later(HELD_S, lambda: self._release(way))
            case Fault(Kind.CUT, left):
                self._pass(way, frame[:left])
            case Fault(Kind.FLIP, bit):
                at, spoiled = bit // 8 % len(frame), bytearray(frame)
                spoiled[at] ^= 1 << bit % 8
                self._pass(way, bytes(spoiled))

    def _later(self, seconds: float, act: Any) -> None:
        self._timers.add(asyncio.get_running_loop().call_later(seconds, act))

    def _pass(self, way: Way, frame: bytes) -> None:
        self._send(way, frame)
        self._release(way)

    def _release(self, way: Way) -> None:
        held = self._held.pop(way, None)
        if held is not None:
            self._send(way, held)

    def _send(self, way: Way, frame: bytes) -> None:
        if way is Way.TO_PUMP:
            self._back.sendto(frame, self.target)
        elif self._caller is not None:
            self._front.sendto(frame, self._caller)


class _End(asyncio.DatagramProtocol):
    def __init__(self, link: LossyLink, way: Way) -> None:
        self._link = link
        self._way = way

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self._link.heard(self._way, data, (addr[0], addr[1]))

    def error_received(self, exc: Exception) -> None:
        """Nobody listens at the other end: a lost frame."""
