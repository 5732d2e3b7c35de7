"""One pump that this process runs: woken when it is due, and on the radio while it has power.

What the pump does, it does at true seconds; a wake that comes late changes when it is computed and nothing else. What
goes wrong inside one pump stays there: it loses power, its watchdog starts it again from its memory, and after too many
starts it stays dark until somebody looks.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from thecal.link.answering import Answering
from thecal.link.endpoint import Endpoint
from thecal.link.key import Side, kept_key, new_key
from thecal.link.protection import pair
from thecal.link.radio import Radio
from thecal.link.roles import Field
from thecal.pump.device import Device, NoPower, PowerCut
from thecal.rig.home import write_private
from thecal.rig.rest import lay_down, wake
from thecal.rig.witness import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from thecal.link.answering import Answered
    from thecal.link.key import Key
    from thecal.link.roles import Role
    from thecal.pump.core.controller import Controller
    from thecal.pump.device import Disk
    from thecal.rig.clock import Clock

    Work = Callable[[Device], object]

SLICE_S = 21_600
"""True seconds that one pump may be taken on before the others have their turn."""
LEAST_WAIT_S = 0.02
"""Real seconds between two wakes of one pump, so that no pump keeps the process busy."""
MOST_WAIT_S = 30.0
"""Real seconds after which a pump is looked at even where nothing is due."""
WATCHDOG_S = 2.0
"""Real seconds until a pump that failed is started again. Ours."""
MOST_STARTS = 3
"""Starts by the watchdog before a pump stays dark. Ours."""

_log = logging.getLogger(__name__)


class HostedPump:
    """One pump of a host; all of it runs in the host's event loop. Where it ``rests``, leaving is no loss of power."""

    def __init__(
        self, serial: str, disk: Disk, clock: Clock, address: Path, truth: Path | None = None, *, rests: bool = False
    ) -> None:
        self.serial = serial
        self._rests = rests
        self._disk = disk
        self._clock = clock
        self._address = address
        self._truth = truth
        self._device: Device | None = None
        self._witness: Witness | None = None
        self._core: Controller | None = None  # that the endpoint answers for
        self._endpoint: Endpoint | None = None
        self._answering: Answering | None = None
        self._radio: Radio | None = None
        self._frames = 0
        self._told: dict[str, tuple[str, int] | None] = {}  # the addresses as callers find them
        self._near_until_s = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tuning = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._starts = 0
        self._closed = False
        self.failed = ""
        """Why this pump is dark although nobody cut its power; empty where it is not."""

    # Life

    async def open(self) -> None:
        """Start the pump from its memory and bring it on the radio; ``failed`` says why where it does not start."""
        self._restart()
        await self.tuned()

    async def close(self) -> None:
        """Settle what was done up to now, and leave."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        await self.tuned()
        self._try(self._leave)
        self._silence()
        await asyncio.sleep(0)  # the loop closes an aborted socket in its next round
        if self._witness is not None:
            self._witness.close()

    def _leave(self, device: Device) -> None:
        device.advance(max(device.now_s, self._clock.now_s()))
        if self._rests:
            lay_down(device, self._disk)
        elif device.powered:
            device.settle()
        device.cut_power()

    def _start(self) -> None:
        now_s = self._clock.now_s()
        self._device = device = wake(self._disk, now_s) if self._rests else Device(self._disk, now_s)
        if self._truth is not None:
            if self._witness is not None:
                self._witness.close()
            self._witness = Witness(self._truth, device)
            device.watch(self._witness.turned)
        self.failed = ""

    def device(self) -> Device | None:
        """The pump as it is now, brought up to this second; None where it failed."""
        self._try(self._catch_up)
        return self._device

    def act(self) -> None:
        """Something was done to the pump: see what follows from it."""
        self._schedule()
        self._retune()

    async def tuned(self) -> None:
        """Wait until the radio is in line with what was done."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # Waking

    def wake(self) -> None:
        """Let the pump do what is due, one slice of time at most, and ask to be woken again."""
        self._try(self._slice)
        self.act()

    def behind(self) -> bool:
        """Whether the pump has not yet reached this second."""
        return self._device is not None and self._device.now_s < self._clock.now_s()

    def _slice(self, device: Device) -> None:
        device.advance(max(device.now_s, min(self._clock.now_s(), device.now_s + SLICE_S)))
        self._count_frames(device)

    def _catch_up(self, device: Device) -> None:
        device.advance(max(device.now_s, self._clock.now_s()))

    def _try(self, work: Work) -> None:
        """Do something with the pump; what it raises ends this pump's power, never the process."""
        device = self._device
        if device is None:
            return
        try:
            work(device)
        except (PowerCut, NoPower):
            _log.info("pump %s: power is gone", self.serial)
        except Exception as fault:  # noqa: BLE001 -- one pump's defect must not reach the others
            self._fail(fault)

    def _fail(self, fault: Exception) -> None:
        _log.error("pump %s failed and loses power", self.serial, exc_info=fault)
        self._device = None
        self._core = None
        self.failed = f"{type(fault).__name__}: {fault}"
        self._silence()
        if not self._closed and self._starts < MOST_STARTS:
            self._starts += 1
            asyncio.get_running_loop().call_later(WATCHDOG_S, self._restart)

    def _restart(self) -> None:
        """The watchdog: start from memory, as after any loss of power."""
        if self._closed or self._device is not None:
            return
        try:
            self._start()
        except Exception as fault:  # noqa: BLE001 -- as above
            self._fail(fault)
        else:
            self.act()

    def restart(self) -> None:
        """Somebody looked at a pump that failed and starts it again."""
        self._starts = 0
        self._restart()

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        device = self._device
        if self._closed or device is None:
            return
        due_s = device.due_s()
        if self._near_until_s > device.now_s:
            due_s = min(due_s, self._near_until_s)
        wait_s = 0.0 if self.behind() and due_s <= self._clock.now_s() else self._clock.wait_s(due_s)
        self._timer = asyncio.get_running_loop().call_later(min(max(wait_s, LEAST_WAIT_S), MOST_WAIT_S), self.wake)

    # The radio

    def near(self, seconds: int) -> None:
        """Somebody holds a programmer over the pump for so many true seconds; 0 takes it away."""
        self._near_until_s = self._clock.now_s() + seconds
        self.act()

    def near_left_s(self) -> int:
        """True seconds for which somebody is still near."""
        return max(0, self._near_until_s - self._clock.now_s())

    def _wanted(self) -> set[Field]:
        """The fields in which this pump listens now."""
        if self._closed or self._device is None or not self._device.powered:
            return set()
        return {Field.FAR, Field.NEAR} if self.near_left_s() else {Field.FAR}

    def _listening(self) -> set[Field]:
        return {f for f in Field if self._radio is not None and self._radio.address(f) is not None}

    def _retune(self) -> None:
        """Bring the radio in line with power and nearness, soon."""
        told = self._told == self._here()
        if not self._closed and (self._listening() != self._wanted() or self._is_another_start() or not told):
            self._spawn(self._tune())

    def _here(self) -> dict[str, tuple[str, int] | None]:
        """The addresses of the fields that this pump listens in."""
        radio = self._radio
        return {} if radio is None else {field.name.lower(): radio.address(field) for field in Field}

    def _is_another_start(self) -> bool:
        device = self._device
        return device is not None and device.powered and device.controller is not self._core

    async def _tune(self) -> None:
        async with self._tuning:
            if not self._wanted() or self._is_another_start():
                self._silence()
            device = self._device
            if device is not None and self._wanted():
                await self._follow(self._radio or self._tune_in(device))

    def _tune_in(self, device: Device) -> Radio:
        """A new start of the pump has new answers; nothing of the start before is remembered."""
        self._core = device.controller
        self._answering = Answering(device)
        self._endpoint = Endpoint(self._disk, self.serial, self)
        self._radio = Radio(self._endpoint, lambda: self._core.t if self._core else 0, self._heard_break)
        self._frames = 0
        return self._radio

    async def _follow(self, radio: Radio) -> None:
        """Listen where it is wanted and nowhere else, and say so where callers look."""
        for gone in self._listening() - self._wanted():
            radio.close(gone)
        for new in self._wanted() - self._listening():
            await radio.open(new)
            if self._radio is not radio:  # power went in the meantime
                radio.close()
                return
        here = self._here()
        if here != self._told:
            write_private(self._address, json.dumps({"pid": os.getpid(), **here}).encode())
            self._told = here

    def _silence(self) -> None:
        self._address.unlink(missing_ok=True)
        self._told = {}
        if self._radio is not None:
            self._radio.close()
        self._radio = self._endpoint = self._answering = self._core = None

    def _heard_break(self, fault: Exception) -> None:
        """The pump raised while it answered: without power it says nothing more."""
        if isinstance(fault, PowerCut | NoPower | OSError):
            # A memory that refuses a write refuses an answer; what it means for delivery is for the pump to find out.
            self._silence()
            self.act()
        else:
            self._fail(fault)

    def answer(self, role: Role, field: Field, path: str, payload: bytes) -> Answered:
        """Answer for the pump at this very second (``link.endpoint.Answers``)."""
        device = self._device
        if device is None or self._answering is None:
            raise NoPower(f"pump {self.serial} has no power: nobody can be answered")
        self._catch_up(device)
        if not device.powered or self._is_another_start():
            raise NoPower(f"pump {self.serial} lost power since: its answers begin anew")
        answered = self._answering.answer(role, field, path, payload)
        self._schedule()
        return answered

    def _count_frames(self, device: Device) -> None:
        """Frames cost battery."""
        if self._radio is not None:
            frames = sum(hearing.met.total() for hearing in self._radio.hearing.values())
            if frames > self._frames:
                device.heard(frames - self._frames)
                self._frames = frames

    def heard(self) -> dict[str, dict[str, int]]:
        """What the radio has heard since the pump started, by field."""
        if self._radio is None:
            return {}
        return {
            field.name.lower(): {**{met.value: n for met, n in h.met.items()}, "asleep": h.asleep}
            for field, h in self._radio.hearing.items()
        }

    def pair(self, role: Role) -> Key:
        """A new key for a role, kept in the pump's memory from now on; the older one of that role stops working."""
        known = kept_key(self._disk, Side.PUMP, role, self.serial)
        key = new_key(role, self.serial, 1 if known is None else known.generation + 1)
        pair(self._disk, Side.PUMP, key)
        if self._endpoint is not None:
            self._endpoint.paired(role)
        return key

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        with suppress(asyncio.CancelledError):
            fault = task.exception()
            if isinstance(fault, OSError):
                _log.warning("pump %s is not on the radio for now: %s", self.serial, fault)
            elif isinstance(fault, Exception):
                self._fail(fault)
