"""What only the owner of the virtual world can do: who is near, what fails, what the time is, what is true.

A closed set of operations over the rig's own local socket. None of them goes over a pump's radio, and none of them is a
command to a pump: they are what people, nature and the workshop do to it.
"""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from thecal.link.catalogue import Truth, Whole, Word
from thecal.link.roles import Role
from thecal.pump.core.codes import MAX_TIME_S
from thecal.pump.core.program import MAX_LEVEL_NL
from thecal.pump.device import KINDS, Fault, FaultError, FaultKind, NoPower, PowerCut, ReservoirError
from thecal.rig.clock import MOST_TRUE_S, TestClock
from thecal.rig.host import InUseError
from thecal.rig.operations import SERIAL_FIELD, Operation, Optional, Request, check
from thecal.rig.refusal import Refusal, Why

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from thecal.pump.device import Device
    from thecal.rig.host import Host
    from thecal.rig.hosted import HostedPump

NEAR_S = 600
"""How long somebody stays near where nothing else is said: real seconds, or those of a test clock. Ours."""
MOST_NEAR_S = 3600
MOST_ADVANCE_S = 400 * 86_400
MOST_EVER_NL = 1 << 40

_FOR_EVER = MAX_TIME_S + 1

_P = (SERIAL_FIELD,)
_KIND = ("kind", Word(tuple(FaultKind)))
_WHEN = Whole(0, MOST_TRUE_S)
_ONLY_AT = ("only_at_nl", Optional(Whole(0, MOST_EVER_NL)))
"""How much was ever moved this way before: where that has changed, the same movement was made already, and is not made
again.
"""

OPERATIONS: tuple[Operation, ...] = (
    Operation("pumps"),
    Operation("time"),
    Operation("advance", (("seconds", Whole(0, MOST_ADVANCE_S)),)),
    Operation("adopt", _P),
    Operation("near", (*_P, ("seconds", Optional(Whole(1, MOST_NEAR_S), NEAR_S)))),
    Operation("away", _P),
    Operation(
        "inject",
        (
            *(*_P, _KIND, ("from_s", Optional(_WHEN)), ("until_s", Optional(_WHEN))),
            ("amount", Optional(Whole(-MOST_TRUE_S, MOST_TRUE_S), 0)),
        ),
    ),
    Operation("heal", (*_P, _KIND)),
    Operation("faults", _P),
    Operation("cut", _P),
    Operation("restore", _P),
    Operation("truth", _P),
    Operation("heard", _P),
    Operation("tones", (*_P, ("after", Optional(Whole(0, MOST_TRUE_S), 0)))),
    Operation("fill", (*_P, ("volume_nl", Whole(0, MAX_LEVEL_NL)), _ONLY_AT)),
    Operation("draw", (*_P, _ONLY_AT)),
    Operation("valve", _P),
    Operation("pair", (*_P, ("role", Word(tuple(Role))))),
    Operation("stop", (("sure", Truth()),)),
)
"""Every operation of the owner. ``from_s`` and ``until_s`` are true seconds: now, and never, where left out."""

Answer = dict[str, Any] | Refusal


class Control:
    """Answers the owner for one host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._of_host: dict[str, Callable[[dict[str, Any]], Awaitable[Answer]]] = {
            "pumps": self._pumps,
            "time": self._time,
            "advance": self._advance,
            "adopt": self._adopt,
            "stop": self._stop,
        }

    async def answer(self, message: dict[str, Any]) -> Answer:
        """Do what a message asks for, or say why not."""
        asked = check(OPERATIONS, message)
        if isinstance(asked, Refusal):
            return asked
        values = dict(asked.values)
        if asked.operation in self._of_host:
            return await self._of_host[asked.operation](values)
        pump = self._host.pumps.get(values["serial"])
        if pump is None:
            here = ", ".join(self._host.pumps) or "none"
            return Refusal(Why.UNKNOWN_PUMP, f"pump {values['serial']}", f"pumps that this rig runs: {here}")
        answer = self._of_pump(pump, asked)
        await pump.tuned()
        return answer

    # The host

    async def _pumps(self, _values: dict[str, Any]) -> Answer:
        return {"pumps": [_row(pump) for pump in self._host.pumps.values()]}

    async def _time(self, _values: dict[str, Any]) -> Answer:
        clock = self._host.clock
        return {"true_s": clock.now_s(), "utc_s": clock.utc_s(), "speed": clock.anchor.speed}

    async def _advance(self, values: dict[str, Any]) -> Answer:
        clock = self._host.clock
        if not isinstance(clock, TestClock):
            return Refusal(
                Why.WRONG_CLOCK, f"a clock that runs by itself, at {clock.anchor.speed} times real time", "a test clock"
            )
        if clock.now_s() + values["seconds"] > MOST_TRUE_S:
            left_s = MOST_TRUE_S - clock.now_s()
            return Refusal(Why.CANNOT, f"{values['seconds']} s", f"up to {left_s} s: there the time of a world ends")
        return {"true_s": await self._host.advance(values["seconds"])}

    async def _adopt(self, values: dict[str, Any]) -> Answer:
        serial = values["serial"]
        if serial in self._host.pumps:
            return Refusal(Why.IN_USE, f"pump {serial}, which this rig runs already", "a pump that it does not run")
        if serial not in self._host.home.serials():
            here = ", ".join(self._host.home.serials()) or "none"
            return Refusal(Why.UNKNOWN_PUMP, f"pump {serial}", f"pumps of this home: {here}", "make it first")
        try:
            await self._host.adopt(serial)
        except InUseError as wrong:
            return Refusal(Why.IN_USE, str(wrong), "")
        return _row(self._host.pumps[serial])

    async def _stop(self, values: dict[str, Any]) -> Answer:
        if values["sure"]:
            self._host.leaving.set()
        return {"leaving": values["sure"]}

    # One pump

    def _of_pump(self, pump: HostedPump, asked: Request) -> Answer:
        if asked.operation == "restore" and pump.device() is None:
            pump.restart()
        device = pump.device()
        if device is None:
            found = f"pump {pump.serial}, which failed: {pump.failed}"
            return Refusal(Why.NOT_RUNNING, found, "a pump that runs", "restore its power")
        try:
            return _DO[asked.operation](self, pump, device, asked.values)
        except (FaultError, ReservoirError) as wrong:
            return Refusal(Why.CANNOT, str(wrong), "")
        except (NoPower, PowerCut) as dark:
            return Refusal(Why.NOT_RUNNING, str(dark) or "a power cut", "a pump with power", "restore its power")
        except OSError as wrong:
            return Refusal(Why.CANNOT, f"memory that refuses: {wrong}", "", "make room on the disk")
        finally:
            pump.act()

    def _near(self, pump: HostedPump, _device: Device, values: Any) -> Answer:
        pump.near(values["seconds"] * max(1, self._host.clock.anchor.speed))
        return {"near_left_s": pump.near_left_s()}

    def _away(self, pump: HostedPump, _device: Device, _values: Any) -> Answer:
        pump.near(0)
        return {"near_left_s": 0}

    def _inject(self, _pump: HostedPump, device: Device, values: Any) -> Answer:
        kind = FaultKind(values["kind"])
        from_s = device.now_s + 1 if values["from_s"] is None else values["from_s"]
        until_s = values["until_s"]
        if until_s is None:
            until_s = _FOR_EVER if KINDS[kind].lasts else from_s
        fault = Fault(kind, from_s, until_s, values["amount"])
        device.inject(fault)
        return fault.as_json()

    def _heal(self, _pump: HostedPump, device: Device, values: Any) -> Answer:
        return {"healed": device.heal(FaultKind(values["kind"]))}

    def _faults(self, _pump: HostedPump, device: Device, _values: Any) -> Answer:
        return {"faults": [fault.as_json() for fault in device.faults()]}

    def _cut(self, pump: HostedPump, device: Device, _values: Any) -> Answer:
        device.cut_power()
        return _row(pump)

    def _restore(self, pump: HostedPump, device: Device, _values: Any) -> Answer:
        if not device.powered:
            device.boot(device.now_s)
        return _row(pump)

    def _truth(self, _pump: HostedPump, device: Device, _values: Any) -> Answer:
        return device.truth().as_json()

    def _heard(self, pump: HostedPump, _device: Device, _values: Any) -> Answer:
        return {"heard": pump.heard()}

    def _tones(self, _pump: HostedPump, device: Device, values: Any) -> Answer:
        return {"tones": [asdict(tone) for tone in device.sounded_since(values["after"])]}

    def _fill(self, _pump: HostedPump, device: Device, values: Any) -> Answer:
        moved = _moved_since(values["only_at_nl"], device.truth().filled_nl)
        if moved is not None:
            return moved
        device.fill(values["volume_nl"])
        return {"reservoir_nl": device.truth().reservoir_nl}

    def _draw(self, _pump: HostedPump, device: Device, values: Any) -> Answer:
        moved = _moved_since(values["only_at_nl"], device.truth().drawn_nl)
        if moved is not None:
            return moved
        return {"drawn_nl": device.draw()}

    def _valve(self, _pump: HostedPump, device: Device, _values: Any) -> Answer:
        return {"was_shut": device.reset_valve()}

    def _pair(self, pump: HostedPump, device: Device, values: Any) -> Answer:
        if not device.powered:
            raise NoPower(f"pump {pump.serial} has no power: it can make no key")
        key = pump.pair(Role(values["role"]))
        return {"serial": pump.serial, "role": key.role.value, "key": base64.b64encode(key.encode()).decode()}


def _moved_since(only_at_nl: int | None, now_nl: int) -> Refusal | None:
    if only_at_nl is None or only_at_nl == now_nl:
        return None
    return Refusal(Why.CANNOT, f"{now_nl:,} nL moved so far", f"{only_at_nl:,} nL: it was moved meanwhile")


def _row(pump: HostedPump) -> dict[str, Any]:
    device = pump.device()
    return {
        "serial": pump.serial,
        "family": "" if device is None else device.family(),
        "powered": device is not None and device.powered,
        "near_left_s": pump.near_left_s(),
        "failed": pump.failed,
    }


_DO: dict[str, Callable[[Control, HostedPump, Device, Any], Answer]] = {
    "near": Control._near,
    "away": Control._away,
    "inject": Control._inject,
    "heal": Control._heal,
    "faults": Control._faults,
    "cut": Control._cut,
    "restore": Control._restore,
    "truth": Control._truth,
    "heard": Control._heard,
    "tones": Control._tones,
    "fill": Control._fill,
    "draw": Control._draw,
    "valve": Control._valve,
    "pair": Control._pair,
}
