"""What is around the electronics of one pump: fluid, rotor, field, battery, and the faults that come upon them.

It goes on in true time whether the pump has power or not. Its record is not part of the pump's memory: it stands beside
it, in two copies that take turns, so that what is true is known after the process ends.
"""

from __future__ import annotations

import json
from binascii import crc32
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from thecal.pump.core.codes import NEVER
from thecal.pump.device.battery import Battery
from thecal.pump.device.faults import KINDS, Fault, FaultError, FaultKind
from thecal.pump.device.field import Field
from thecal.pump.device.memory import WORLD
from thecal.pump.device.motor import VirtualMotor
from thecal.pump.device.reservoir import FL_PER_NL, Reservoir
from thecal.pump.families import InField

if TYPE_CHECKING:
    from thecal.pump.device.identity import Identity
    from thecal.pump.device.memory import Disk

MOST_FAULTS = 256
_LEAK_S = 3600  # a leak is accounted for at every full hour, and whenever somebody looks
_CRC = 8  # hex digits in front of the text
_DARK = (FaultKind.RESET, FaultKind.LOSS_OF_THERAPY, FaultKind.LOW_BATTERY_RESET)
_FIELDS = (FaultKind.FIELD, FaultKind.FIELD_UNREAD)


class WorldError(RuntimeError):
    """The record of what is true is gone, in both copies: says what was found and what to do next."""


@dataclass(slots=True)
class Planned:
    """A fault, and whether it has begun."""

    fault: Fault
    begun: bool = False

    def over(self, true_s: int) -> bool:
        """Whether it has nothing more to do from this second on."""
        return self.begun and self.fault.until_s <= true_s and self.fault.from_s < true_s


class World:
    """The surroundings of one pump. ``now_s`` is the last true second that has passed."""

    def __init__(self, identity: Identity, disk: Disk) -> None:
        constants = identity.constants()
        self._kind = identity.kind()
        self._disk = disk
        self.reservoir = Reservoir(constants.stroke_nl, constants.reservoir_nl, constants.residual_nl)
        self.motor = VirtualMotor(self.reservoir)
        self.field = Field()
        self.battery = Battery(constants.replace_soon_s, constants.end_of_service_s)
        self.now_s = 0
        self.dark = False  # a fault takes the power away
        self.low_battery = False  # the reset that the pump wakes from came from the battery
        self.ppm = 0
        self._planned: list[Planned] = []
        self._even_until = -1  # the last second before anything changes
        self._saved = 0
        self._saved_marks = self._marks()

    @classmethod
    def kept(cls, identity: Identity, disk: Disk) -> World:
        """The world as its record has it; WorldError where that is gone."""
        world = cls(identity, disk)
        world._load()
        return world

    # Faults

    def inject(self, fault: Fault) -> None:
        """Let a fault come; one whose time has begun begins with the next second. FaultError where it cannot be."""
        if len(self.faults()) >= MOST_FAULTS:
            raise FaultError(f"found {MOST_FAULTS} faults that are not over; allowed: that many; let some time pass")
        has_valve = self._kind.in_field == InField.STAYS_SHUT
        if fault.kind in _FIELDS and has_valve:
            raise FaultError(f"found {fault.kind} for {self._kind.code}; its valve shuts in a field: use valve shut")
        if fault.kind == FaultKind.VALVE_SHUT:
            passes = self._kind.leak_in_field
            if not has_valve or passes is None:
                raise FaultError(f"found {fault.kind} for {self._kind.code}, which has no such valve: use field")
            if fault.amount > passes.floor("nL"):
                most = passes.floor("nL")
                raise FaultError(f"amount: found {fault.amount:,}; allowed for {self._kind.code}: 0 to {most:,} nL")
        self._planned.append(Planned(fault))
        self._even_until = -1

    def heal(self, kind: FaultKind) -> int:
        """End every fault of a kind with this second, and forget those to come; the answer is how many there were.

        What a fault of a moment did stays done: a valve is reset by hand, a battery stays worn.
        """
        second = self.now_s + 1
        healed = [p for p in self._planned if p.fault.kind == kind and not p.over(second)]
        for p in healed:
            if p.begun and KINDS[kind].lasts:
                p.fault = replace(p.fault, until_s=max(second, p.fault.from_s + 1))
            else:
                self._planned.remove(p)
        if healed and kind in _FIELDS:
            self.field.leave(second)
        self._even_until = -1
        return len(healed)

    def faults(self) -> list[Fault]:
        """Every fault that is there or is still to come, in the order in which they were asked for."""
        return [p.fault for p in self._planned if not p.over(self.now_s + 1)]

    def begin(self, *, alarming: bool) -> list[Fault]:
        """Look at the second that comes next; the answer is what begins with it, for the pump to feel."""
        second = self.now_s + 1
        if second <= self._even_until:
            return []
        self.motor.spin(self.now_s)
        self.reservoir.leak_to(self.now_s)
        begun = [p for p in self._planned if not p.begun and p.fault.from_s <= second]
        for p in begun:
            p.begun = True
            self._strike(p.fault, alarming=alarming)
        self._planned = [p for p in self._planned if not p.over(second)]
        self._feel(second)
        self._even_until = self._last_even(second)
        return [p.fault for p in begun]

    def _strike(self, fault: Fault, *, alarming: bool) -> None:
        """What begins with a fault outside the electronics."""
        if fault.kind in _FIELDS:
            unread = fault.kind == FaultKind.FIELD_UNREAD
            self.field.enter(fault.until_s, fault.amount, alarming=alarming, unread=unread)
        elif fault.kind == FaultKind.VALVE_SHUT:
            self.reservoir.shut_valve(fault.amount)
        elif fault.kind == FaultKind.LOW_BATTERY_RESET:
            self.low_battery = True
        elif fault.kind == FaultKind.EARLY_REPLACEMENT:
            self.battery.film = True

    def _feel(self, second: int) -> None:
        """Set what is wrong in this second."""
        there: dict[FaultKind, list[int]] = {}
        for p in self._planned:
            if p.begun and second < max(p.fault.until_s, p.fault.from_s + 1):
                there.setdefault(p.fault.kind, []).append(p.fault.amount)
        self.dark = any(kind in there for kind in _DARK)
        self.ppm = sum(there.get(FaultKind.CLOCK_DRIFT, ()))
        self.motor.stands = FaultKind.STALL in there or self.field.stands(second)
        self.motor.missing.percent = max(there.get(FaultKind.PARTIAL_STALL, (0,)))
        self.motor.extra_per_h = sum(there.get(FaultKind.EXTRA_TURNS, ()))
        r = self.reservoir
        r.lost.percent = max(there.get(FaultKind.LOST_STROKES, (0,)))
        r.over_millionths = max(there.get(FaultKind.OVER_DELIVERY, (0,)))
        r.leak_nl_per_h = sum(there.get(FaultKind.LEAK, ()))
        if FaultKind.OCCLUSION in there:
            r.blocked = True
            r.takes_fl = max(there[FaultKind.OCCLUSION]) * FL_PER_NL
        else:
            r.free()

    def _last_even(self, second: int) -> int:
        """The last second that is like this one."""
        changes = [self.field.turns_s] if self.field.turns_s > second else []
        for p in self._planned:
            f = p.fault
            changes += [s for s in (f.from_s, max(f.until_s, f.from_s + 1)) if s > second]
        return min(changes, default=NEVER) - 1

    def even_until(self) -> int:
        """The last true second before anything changes here; ``begin`` comes first."""
        if self.reservoir.leak_nl_per_h:
            return min(self._even_until, (self.now_s // _LEAK_S + 1) * _LEAK_S)
        return self._even_until

    # Time and people

    def pass_to(self, true_s: int, *, powered: bool) -> None:
        """Let true time pass; a rotor turns beyond its command only while there is power."""
        self.now_s = true_s
        if not powered:
            self.motor.still_until(true_s)
        elif self.motor.extra_per_h:
            self.motor.spin(true_s)
        if true_s % _LEAK_S == 0:
            self.reservoir.leak_to(true_s)

    def interrogated(self) -> bool:
        """Somebody reads the pump; whether that changed anything."""
        changed = self.field.interrogated(self.now_s)
        if changed:
            self._even_until = -1
        return changed

    def fill(self, volume_nl: int) -> None:
        """Somebody fills the reservoir; ReservoirError where there is no room."""
        self.reservoir.leak_to(self.now_s)
        self.reservoir.fill(volume_nl)

    def draw(self) -> int:
        """Somebody empties the reservoir; the answer is what was in it, in nL."""
        self.reservoir.leak_to(self.now_s)
        return self.reservoir.draw()

    # Memory

    def unsaved(self) -> bool:
        """Whether fluid or rotor moved since what is true was last written down."""
        return self._marks() != self._saved_marks

    def _marks(self) -> tuple[int, int, int]:
        r = self.reservoir
        return sum(r.strokes.values()), r.volume_fl, r.delivered_fl

    def save(self) -> None:
        """Write down what is true. Where the disk refuses, the world goes on: the next save says it again."""
        self._saved += 1
        self._saved_marks = self._marks()
        text = json.dumps(self._state(), separators=(",", ":")).encode()
        with suppress(OSError):
            self._disk.write(WORLD[self._saved % 2], b"%08x" % crc32(text) + text)

    def _state(self) -> dict[str, Any]:
        f, b = self.field, self.battery
        return {
            "saved": self._saved,
            "now_s": self.now_s,
            "low_battery": self.low_battery,
            "reservoir": self.reservoir.state(),
            "field": [f.left_s, f.turns_s, int(f.trapped), f.unread],
            "battery": [b.frames, b.used_s, int(b.film), b.film_s],
            "missing_carry": self.motor.missing.carry,
            "faults": [{**p.fault.as_json(), "begun": p.begun} for p in self._planned],
        }

    def _load(self) -> None:
        held = [self._disk.read(area) for area in WORLD]
        sound = [json.loads(h[_CRC:]) for h in held if h and h[:_CRC] == b"%08x" % crc32(h[_CRC:])]
        if not sound:
            raise WorldError(
                "found no whole record of what is truly in this pump: it cannot be known any more; "
                "next: bring it back from a copy, or make another pump"
            )
        kept = max(sound, key=lambda k: int(k["saved"]))
        self._saved = kept["saved"]
        self.now_s = kept["now_s"]
        self.low_battery = kept["low_battery"]
        self.reservoir.restore(kept["reservoir"])
        left_s, turns_s, trapped, self.field.unread = kept["field"]
        self.field.left_s, self.field.turns_s, self.field.trapped = left_s, turns_s, bool(trapped)
        b = self.battery
        b.frames, b.used_s, film, b.film_s = kept["battery"]
        b.film = bool(film)
        self.motor.missing.carry = kept["missing_carry"]
        for fields in kept["faults"]:
            begun = fields.pop("begun")
            self._planned.append(Planned(Fault.parse(fields), begun))
        self._feel(self.now_s)
        self._saved_marks = self._marks()
