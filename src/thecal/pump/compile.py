"""An order becomes the integers that the core runs, with what was asked beside what the pump can give.

Doses round down, to whole strokes or picolitres per hour; durations, lockouts, strengths and the low level round up,
so that a bolus is never faster, never sooner, never charged for less than it holds, and an alarm never later. What
the pump cannot do is refused with a reason; nothing is clamped. Whether a dose is right for a patient is for the
review, and so is who may leave a fail-safe out: a fault for which the order states no response stops the pump.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from thecal.pump.admission import admissions, refuse_base, refuse_bridge, refuse_changes
from thecal.pump.boluses import Strokes, bolus_strokes, check_patient_bolus, prime_strokes, single_strokes
from thecal.pump.channels import Channel, ChannelMap
from thecal.pump.core.codes import (
    F_CLOCK,
    F_MEMORY,
    F_MOTOR,
    F_OVER,
    F_POWER,
    F_RESERVOIR,
    R_CONTINUE,
    R_FALLBACK,
    R_STOP,
)
from thecal.pump.core.program import MAX_RATE_PL_PER_H, RECORD_SIZE, Program
from thecal.pump.fixed_flow import FixedFlow, fixed_flow
from thecal.pump.refused import Refused, Why
from thecal.pump.schedule import Schedule, cannot, check_flow, schedule_of
from thecal.pump.setting import Admission, Setting, flow_of, rate_of, volume_of
from thecal.quantities import Concentration, Duration, Flow, Mass, Volume
from thecal.therapy.envelope import Can
from thecal.therapy.program import ALWAYS_STOP, FailSafe, FaultClass, Response, Stopped

if TYPE_CHECKING:
    from collections.abc import Collection

    from thecal.therapy.mixture import Mixture
    from thecal.therapy.order import Order
    from thecal.therapy.program import BridgeBolus

__all__ = ["Compiled", "FixedFlow", "Refused", "Why", "compile_program", "patient_reference"]

PATIENT_REF_BYTES = 16
_MOST_CEILING_NG = 10**12  # of the core: 1 kg
_MOST_STRENGTH = 10**9  # of the core, in ng/mL
_MOST_BRIDGE_PL = 10**10  # of the core: 10 mL
_LONGEST_BRIDGE = Duration.of(29, "days")  # under the 30 days of the core, for what rounding down adds

_FAULT = {
    FaultClass.RESERVOIR: F_RESERVOIR,
    FaultClass.MOTOR: F_MOTOR,
    FaultClass.POWER: F_POWER,
    FaultClass.MEMORY: F_MEMORY,
    FaultClass.OVER_DELIVERY: F_OVER,
    FaultClass.CLOCK: F_CLOCK,
}
_RESPONSE = {Response.STOP: R_STOP, Response.FALLBACK: R_FALLBACK, Response.CONTINUE: R_CONTINUE}


@dataclass(frozen=True, slots=True)
class Compiled:
    """A program for the core, packed, with everything that was asked for beside what it will give.

    ``start`` is False where the order is a stopped pump: commit it and do not start. ``singles`` and ``prime`` are
    commands of their own, in strokes. ``stops_unasked`` are the faults for which the order states no response.
    """

    packed: bytes
    number: int
    channels: ChannelMap
    start: bool
    schedule: Schedule
    settings: tuple[Setting, ...]
    admissions: tuple[Admission, ...]
    singles: tuple[Strokes, ...]
    prime: Strokes | None
    stops_unasked: tuple[FaultClass, ...]

    @property
    def digest(self) -> bytes:
        """SHA-256 of the packed program: what the pump reads back before it is confirmed."""
        return hashlib.sha256(self.packed).digest()

    def program(self) -> Program:
        """The program as the core holds it, a new one each time."""
        made = Program()
        if not made.unpack(bytearray(self.packed)):
            raise RuntimeError("a packed program does not unpack")
        return made

    def setting(self, name: str) -> Setting:
        """The setting with that name; KeyError where there is none."""
        for found in self.settings:
            if found.name == name:
                return found
        raise KeyError(name)

    def as_json(self) -> dict[str, Any]:
        """For ``--json``: digest, settings and what the pump admits."""
        return {
            "number": self.number,
            "digest": self.digest.hex(),
            "start": self.start,
            "channels": [c.drug if c else None for c in self.channels.channels],
            "settings": [s.as_json() for s in self.settings],
            "admitted": [a.as_json() for a in self.admissions],
            "stops_unasked": [str(f) for f in self.stops_unasked],
        }


def patient_reference(reference: str) -> bytes:
    """The 16 bytes by which a pump knows its patient: the beginning of the SHA-256 of the clinic's reference."""
    return hashlib.sha256(reference.encode()).digest()[:PATIENT_REF_BYTES]


def compile_program(
    order: Order,
    *,
    number: int,
    patient_ref: bytes,
    order_document: bytes,
    channels: ChannelMap | None = None,
    in_use: Collection[str] = (),
) -> Compiled | FixedFlow | Refused:
    """The program of an order for the pump that it names, or the first reason why there is none.

    ``number`` counts the programs of this pump, from 1. ``channels`` is the map of the program before (None for a new
    pump) and ``in_use`` the drugs of which any was delivered in the past 24 h. ``order_document`` is stored beside the
    program and bound to it by digest. A bridge pushes out ``order.previous.mixture``. ValueError for a bad number or
    reference, or a pump faster than the core counts.
    """
    if not 0 < number < 2**32 or len(patient_ref) != PATIENT_REF_BYTES:
        raise ValueError("programs are numbered from 1, and a patient reference has 16 bytes")
    if order.pump.fixed_flow is not None:
        return fixed_flow(order)
    if order.pump.stroke is None or not 0 < rate_of(order.pump.flow_max) <= MAX_RATE_PL_PER_H:
        raise ValueError(f"{order.pump.name} has no stroke, or a flow that the core does not count")
    return _Compiler(order, channels or ChannelMap(), in_use).compile(number, patient_ref, order_document)


class _Compiler:
    """Fills in one core program part by part; the first refusal ends it."""

    def __init__(self, order: Order, channels: ChannelMap, in_use: Collection[str]) -> None:
        self._order = order
        self._mixture: Mixture = order.mixture
        self._channels = channels
        self._in_use = in_use
        self._made = Program()
        self._settings: list[Setting] = []
        self._unasked: tuple[FaultClass, ...] = ()
        self._singles: tuple[Strokes, ...] = ()
        self._prime: Strokes | None = None

    def compile(self, number: int, patient_ref: bytes, order_document: bytes) -> Compiled | Refused:
        """The whole program."""
        made, pump = self._made, self._order.pump
        stopped = isinstance(self._order.program.base, Stopped)
        schedule = schedule_of(self._order.program.base, self._mixture, pump)
        if isinstance(schedule, Refused):
            return schedule
        made.number = number
        made.stroke_nl = pump.stroke.floor("nL") if pump.stroke else 0
        made.max_rate_pl_per_h = rate_of(pump.flow_max)
        made.cycle_s, made.n_steps = schedule.cycle_s, len(schedule.starts_s)
        for i, (start_s, rate) in enumerate(zip(schedule.starts_s, schedule.rates_pl_per_h, strict=True)):
            made.step_s[i], made.rate_pl_per_h[i] = start_s, rate
        self._settings.extend(schedule.settings)
        made.order_digest[:] = hashlib.sha256(order_document).digest()
        made.patient_ref[:] = patient_ref
        refused = self._drugs() or self._fail_safe() or self._low_level()
        if refused is None and not stopped:
            refused = self._bridge() or self._patient_bolus() or self._one_time()
        if refused is not None:
            return refused
        fault = made.fault()
        if fault:
            raise RuntimeError(f"a compiled program that the core would not run: {fault}")
        return self._never_admitted(schedule) or self._result(schedule, start=not stopped)

    def _never_admitted(self, schedule: Schedule) -> Refused | None:
        """What is sound by itself, and what no pump with these ceilings and this memory would ever take."""
        made, channels = self._made, self._channels
        return refuse_changes(made, schedule) or refuse_base(made, channels) or refuse_bridge(made, channels)

    def _result(self, schedule: Schedule, *, start: bool) -> Compiled:
        packed = bytearray(RECORD_SIZE)
        self._made.pack(packed)
        return Compiled(
            packed=bytes(packed),
            number=self._made.number,
            channels=self._channels,
            start=start,
            schedule=schedule,
            settings=tuple(self._settings),
            admissions=admissions(self._made, self._mixture, self._channels),
            singles=self._singles,
            prime=self._prime,
            stops_unasked=self._unasked,
        )

    def _drugs(self) -> Refused | None:
        """Channels with their strengths and ceilings; a channel kept for a drug that is no longer given stays too."""
        wanted = []
        for ingredient in self._mixture.ingredients:
            found = self._ceilings(ingredient.drug)
            if isinstance(found, Refused):
                return found
            wanted.append(found)
        kept = self._channels.assign(wanted, self._in_use)
        if kept is None:
            return Refused(
                Why.TOO_MANY_DRUGS,
                f"{len(wanted)} drugs to come and {len(self._in_use)} of the past 24 h",
                "8 drugs together",
                "order fewer drugs, or wait until 24 h have passed since the old ones",
            )
        self._channels = kept
        made = self._made
        made.n_channels = len(kept.channels)
        for i, channel in enumerate(kept.channels):
            # A gap, or a drug of the past 24 h that the reservoir no longer holds: the least strength that the core
            # takes, and the ceilings as they were.
            made.strength_ng_per_ml[i] = 1
            made.ceiling_1h_ng[i] = channel.ceiling_1h_ng if channel else _MOST_CEILING_NG
            made.ceiling_24h_ng[i] = channel.ceiling_24h_ng if channel else _MOST_CEILING_NG
        return self._strengths()

    def _ceilings(self, drug: str) -> Channel | Refused:
        ceiling = self._order.program.ceiling(drug)
        if ceiling is None:
            return Refused(
                Why.CEILING_MISSING,
                f"no ceiling for {drug}",
                "a ceiling for any 1 h and for any 24 h, for every drug of the mixture",
                f"state the most {drug} that may be delivered",
            )
        hour, day = ceiling.per_1h.floor("ng"), ceiling.per_24h.floor("ng")
        if not 0 < hour <= day <= _MOST_CEILING_NG:
            return Refused(
                Why.CEILING_RANGE,
                f"{drug}: {ceiling.per_1h.text('mg')} in 1 h, {ceiling.per_24h.text('mg')} in 24 h",
                "1 ng to 1 kg, and in 1 h at most what 24 h may hold",
                f"correct the ceilings of {drug}",
            )
        self._settings.append(Setting(f"{drug}, ceiling of 1 h", ceiling.per_1h, Mass.of(hour, "ng")))
        self._settings.append(Setting(f"{drug}, ceiling of 24 h", ceiling.per_24h, Mass.of(day, "ng")))
        return Channel(drug, hour, day)

    def _strengths(self) -> Refused | None:
        for ingredient in self._mixture.ingredients:
            asked = ingredient.concentration
            strength = asked.ceil("ng/mL")  # up: a stroke is never charged for less than it holds
            if strength > _MOST_STRENGTH:
                return Refused(
                    Why.STRENGTH_RANGE,
                    f"{ingredient.drug} at {asked.text('mg/mL')}",
                    "at most 1,000 mg/mL",
                    "check the concentration and its unit",
                )
            self._made.strength_ng_per_ml[self._channels.number(ingredient.drug)] = strength
            given = Concentration.of(strength, "ng/mL")
            self._settings.append(Setting(f"{ingredient.drug}, strength that is charged", asked, given))
        return None

    def _fail_safe(self) -> Refused | None:
        chosen = self._order.program.fail_safe or FailSafe({})
        self._unasked = tuple(f for f in FaultClass if f not in chosen.responses and f not in ALWAYS_STOP)
        for fault, response in chosen.responses.items():
            if fault in ALWAYS_STOP and response is not Response.STOP:
                return Refused(Why.MUST_STOP, f"{response} on {fault}", "stop", f"let {fault} stop the pump")
            self._made.response[_FAULT[fault]] = _RESPONSE[response]
        return self._fallback(chosen)

    def _fallback(self, chosen: FailSafe) -> Refused | None:
        if Response.FALLBACK not in chosen.responses.values():
            return None
        pump, strength = self._order.pump, self._mixture.primary.concentration
        if not chosen.fallback_dose:
            return Refused(
                Why.FALLBACK_MISSING, "no fallback dose", "a dose of more than nothing", "state the fallback dose"
            )
        flow = self._mixture.flow_of(chosen.fallback_dose)
        if flow != pump.minimum_rate:
            refused = check_flow(flow, pump, "the fallback dose")
            if refused is not None:
                return refused
        self._made.fallback_pl_per_h = rate_of(flow)
        self._settings.append(Setting("fallback dose", chosen.fallback_dose, flow_of(rate_of(flow)) * strength))
        return None

    def _low_level(self) -> Refused | None:
        pump = self._order.pump
        asked = self._order.program.low_level or pump.low_level
        if asked > pump.reservoir:
            return Refused(
                Why.LOW_LEVEL_RANGE,
                f"a low level of {asked.text('mL')}",
                f"at most the reservoir, {pump.reservoir.text('mL')}",
                "state a lower level",
            )
        self._made.low_nl = asked.ceil("nL")
        self._settings.append(Setting("low level", asked, Volume.of(self._made.low_nl, "nL")))
        return None

    def _bridge(self) -> Refused | None:
        """The old drug ahead of the program: its volume, its rate, and what a patient bolus is meanwhile."""
        bridge, previous, pump = self._order.program.bridge, self._order.previous, self._order.pump
        if bridge is None:
            return None
        if Can.BRIDGE not in pump.can:
            return cannot(pump, Can.BRIDGE)
        if previous is None:
            return Refused(
                Why.NOTHING_TO_BRIDGE,
                "a bridge and no mixture from before",
                "a bridge after another mixture",
                "state what was in tubing and catheter, or leave the bridge out",
            )
        return self._bridge_flow(bridge, previous.mixture) or self._bridge_bolus(bridge, previous.mixture)

    def _bridge_flow(self, bridge: BridgeBolus, old: Mixture) -> Refused | None:
        flow = old.flow_of(bridge.dose)
        volume_pl = (bridge.volume.number("nL") * 1000).__floor__()
        if not flow or not 0 < volume_pl <= _MOST_BRIDGE_PL or bridge.volume / flow > _LONGEST_BRIDGE:
            return Refused(
                Why.BRIDGE_RANGE,
                f"a bridge of {bridge.volume.text('mL')} at {flow.text('mL/day')}",
                "more than 0 mL, at most 10 mL, over at most 29 days",
                "state volume and dose of the bridge",
            )
        refused = check_flow(flow, self._order.pump, "the bridge")
        if refused is None:
            self._made.bridge_pl, self._made.bridge_rate_pl_per_h = volume_pl, rate_of(flow)
            self._bridge_settings(old, bridge.volume, flow)
        return refused

    def _bridge_bolus(self, bridge: BridgeBolus, old: Mixture) -> Refused | None:
        dose, stroke_nl = bridge.bolus_in_old_drug, self._made.stroke_nl
        if dose is None:
            return None
        strokes = bolus_strokes(dose, old, stroke_nl, "a bridge bolus")
        if isinstance(strokes, Refused):
            return strokes
        self._made.bridge_bolus_strokes = strokes
        given = volume_of(strokes, stroke_nl) * old.primary.concentration
        self._settings.append(Setting("patient bolus while the bridge runs", dose, given))
        return None

    def _bridge_settings(self, old: Mixture, volume: Volume, flow: Flow) -> None:
        given = Volume.of(self._made.bridge_pl, "nL") / 1000
        self._settings.append(Setting("volume of the bridge", volume, given))
        for i in old.ingredients:
            rate = flow_of(self._made.bridge_rate_pl_per_h)
            self._settings.append(Setting(f"{i.drug}, bridge", flow * i.concentration, rate * i.concentration))

    def _patient_bolus(self) -> Refused | None:
        bolus, pump = self._order.program.patient_bolus, self._order.pump
        if bolus is None:
            if self._made.bridge_bolus_strokes:
                return Refused(
                    Why.UNKNOWN,
                    "a bolus while the bridge runs, and no patient bolus",
                    "both or neither",
                    "order a patient bolus, or leave the one in the old drug out",
                )
            return None
        if Can.PATIENT_BOLUS not in pump.can:
            return cannot(pump, Can.PATIENT_BOLUS)
        settings = check_patient_bolus(bolus, self._mixture, pump, self._made)
        if isinstance(settings, Refused):
            return settings
        self._settings.extend(settings)
        return None

    def _one_time(self) -> Refused | None:
        """Single boluses and priming: commands of their own, checked here so that they can be given later."""
        singles = []
        for bolus in self._order.program.single_boluses:
            found = single_strokes(bolus, self._mixture, self._order.pump, self._made)
            if isinstance(found, Refused):
                return found
            singles.append(found)
            self._settings.extend(found.settings)
        self._singles = tuple(singles)
        if self._order.program.priming is not None:
            prime = prime_strokes(self._order.program.priming.volume, self._order.pump)
            if isinstance(prime, Refused):
                return prime
            self._prime = prime
            self._settings.extend(prime.settings)
        return None
