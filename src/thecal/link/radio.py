"""The pump's radio: one socket for the far field, and one for the near field while somebody is near.

The field of a frame is the socket it came in on, so nobody can claim it. The owner of the radio brings somebody near
and lets them leave; no request does. Each field has its own budget of frames, so that a flood from afar costs little
and does not close the near field. Frames are met one at a time, and none waits anywhere but in the system's own buffer.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from thecal.link.roles import Field

if TYPE_CHECKING:
    from collections.abc import Callable

    from thecal.link.endpoint import Endpoint, Met

HOUR_S = 3600
FRAMES_PER_HOUR = 4000
"""All frames of one field in an hour. Ours: a programming session needs some hundreds, a status every second 3,600."""
FAILED_PER_HOUR = 120
"""Frames without a true key, in one field and hour. Ours: noise on a bad path stays below, guessing does not."""
BUFFER_BYTES = 32_768
"""What the system may hold for one socket, in and out. Ours: some dozens of frames."""

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Budget:
    """How many frames one field may bring in an hour: all of them, and those that nobody with a key sent."""

    frames: int = FRAMES_PER_HOUR
    failed: int = FAILED_PER_HOUR


@dataclass(slots=True)
class Hearing:
    """What one field has heard since the pump started: frames by what became of them, and frames slept through."""

    met: Counter[Met] = field(default_factory=Counter)
    asleep: int = 0
    unsent: int = 0  # answers that the socket did not take
    since_s: int = 0
    frames: int = 0  # in the hour that began at since_s
    failed: int = 0

    def awake(self, now_s: int, budget: Budget) -> bool:
        """Whether a frame at this uptime is within the budget; an hour begins with its first frame."""
        if self.frames == 0 or now_s - self.since_s >= HOUR_S:
            self.since_s, self.frames, self.failed = now_s, 0, 0
        return self.frames < budget.frames and self.failed < budget.failed

    def count(self, met: Met) -> None:
        """Charge a frame to the budget."""
        self.met[met] += 1
        self.frames += 1
        self.failed += not met.genuine


class Radio:
    """The sockets of one pump. ``uptime_s`` is the pump's own time; ``broken`` is told what the pump raised.

    After the pump raised, the radio is silent and closed: a pump without power answers nobody.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        uptime_s: Callable[[], int],
        broken: Callable[[Exception], None],
        budget: Budget | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        where = ipaddress.ip_address(host)
        if where.is_unspecified or where.is_multicast:
            raise ValueError(f"a radio listens at one address of its own, not at {host}")
        self._host = host
        self._endpoint = endpoint
        self._uptime_s = uptime_s
        self._broken = broken
        self._budget = budget or Budget()
        self._ears: dict[Field, _Ear] = {}
        self.hearing = {Field.FAR: Hearing(), Field.NEAR: Hearing()}

    async def open(self, field: Field = Field.FAR, port: int = 0) -> Address:
        """Listen in a field, from now on; the address is returned. Port 0 takes a free one."""
        if field in self._ears:
            raise ValueError(f"the radio listens in the {field} already")
        ear = _Ear(self, field)
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: ear, local_addr=(self._host, port))
        self._ears[field] = ear
        return ear.address()

    def close(self, *fields: Field) -> None:
        """Stop listening in these fields, or in all where none is named; frames that wait unread are dropped."""
        for each in fields or tuple(self._ears):
            ear = self._ears.pop(each, None)
            if ear is not None:
                ear.transport.abort()

    def address(self, field: Field) -> Address | None:
        """Where a field is listened in; None where it is not."""
        ear = self._ears.get(field)
        return None if ear is None else ear.address()

    def meet(self, frame: bytes, field: Field, sender: Address) -> bytes:
        """What goes back for one frame; empty for silence. Beyond the budget the frame is not looked at."""
        hearing = self.hearing[field]
        if not hearing.awake(self._uptime_s(), self._budget):
            hearing.asleep += 1
            return b""
        try:
            reply = self._endpoint.heard(frame, field, sender)
        except Exception as fault:  # noqa: BLE001 - its owner must learn of it, whatever it is
            self.close()
            self._broken(fault)
            return b""
        hearing.count(reply.met)
        return reply.frame


class _Ear(asyncio.DatagramProtocol):
    """One socket."""

    transport: Any

    def __init__(self, radio: Radio, field: Field) -> None:
        self._radio = radio
        self._field = field

    def address(self) -> Address:
        host, port, *_ = self.transport.get_extra_info("sockname")
        return host, port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        held = transport.get_extra_info("socket")
        held.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        reply = self._radio.meet(data, self._field, (addr[0], addr[1]))
        if reply == b"" or self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() > 0:
            self._radio.hearing[self._field].unsent += 1
            return
        self.transport.sendto(reply, addr)

    def error_received(self, exc: Exception) -> None:
        """A reply that could not be delivered is the other side's loss."""
