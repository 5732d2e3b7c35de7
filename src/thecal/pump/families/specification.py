"""One pump family: typed constants, each with its source, and what therapy and the controller need of them."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING

from thecal.pump.families.calibration import Calibration, CalibrationError
from thecal.quantities import Flow, Volume
from thecal.therapy.envelope import Can, Catheter, Envelope

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from thecal.quantities import Duration, Length, LinearVolume


class Kind(StrEnum):
    """How a pump moves fluid."""

    PERISTALTIC = "peristaltic"
    VALVE = "valve"
    CONSTANT_FLOW = "constant flow"
    BENCH = "bench"


class InField(StrEnum):
    """What the flow does in the field of a scanner."""

    STOPS_AND_RESUMES = "stops and resumes"
    STAYS_SHUT = "stays shut until it is reset"
    UNAFFECTED = "unaffected"


class PatientControl(StrEnum):
    """What the patient's own controller sets bounds on."""

    DOSE = "dose of a bolus"
    DURATION = "duration of a bolus"
    LOCKOUT = "lockout between boluses"
    MOST_PER_24H = "most boluses in 24 h"


@dataclass(frozen=True, slots=True)
class Superseded:
    """A value that a constant had before: kept, because pumps and records with it are still about."""

    value: object
    source: str
    verified: bool
    until: str


@dataclass(frozen=True, slots=True)
class Constant:
    """One constant of a family: its typed value (None: no source gives one), where it stands, and if it was read there.

    ``verified`` is False for general knowledge and for stand-ins; ``note`` says what a reader has to know.
    """

    name: str
    value: object
    source: str
    verified: bool
    note: str | None = None
    history: tuple[Superseded, ...] = ()


@dataclass(frozen=True, slots=True)
class Ability:
    """Something that a family can do, with its source."""

    what: Can
    source: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Fact:
    """Something about a family that people must know and nothing computes with."""

    topic: str
    text: str
    source: str
    verified: bool


@dataclass(frozen=True, slots=True)
class Alarm:
    """One class of alarm: how it sounds, how long, how often, and what raises it; None or empty where not found."""

    sound: str | None
    lasts: Duration | None
    every: Duration | None
    events: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CatheterModel:
    """A catheter as supplied for a family: its length, its volume per length and the source of both."""

    model: str
    supplied: Length
    volume_per_length: LinearVolume
    constants: Mapping[str, Constant]

    @property
    def verified(self) -> bool:
        """True where both length and volume per length were read in a source."""
        return all(c.verified for c in self.constants.values())

    def implanted(self, removed: Length, tip_level: str | None = None) -> Catheter:
        """The catheter after ``removed`` was trimmed off; ValueError where that is not less than its length."""
        return Catheter(self.supplied, removed, self.volume_per_length, tip_level)


class UnknownCatheter(KeyError):  # noqa: N818  (named as people say it)
    """A catheter model that the family is not supplied with."""

    def __init__(self, found: str, family: str, models: tuple[str, ...]) -> None:
        super().__init__(found)
        self.found = found
        self.models = models
        self.family = family

    def __str__(self) -> str:
        allowed = ", ".join(self.models) or "none: state its length and its volume per length"
        return f"catheter {self.found!r} is not known for {self.family}; allowed: {allowed}"


@dataclass(frozen=True, slots=True)
class HardwareConstants:
    """The integers that the controller runs by; every rate rounds to the safe side, a maximum down, a minimum up.

    Rates are picolitres per hour, volumes nanolitres, times seconds of pump uptime. ``min_rate_pl_per_h`` is the
    lowest that can be ordered apart from zero, ``minimum_rate_pl_per_h`` the minimum-rate mode (0: there is none).
    """

    stroke_nl: int
    reservoir_nl: int
    residual_nl: int
    tubing_nl: int
    low_level_nl: int
    max_rate_pl_per_h: int
    min_rate_pl_per_h: int
    minimum_rate_pl_per_h: int
    prime_rate_pl_per_h: int
    replace_soon_s: int
    end_of_service_s: int


@dataclass(frozen=True, slots=True)
class Family:
    """A pump family. ``constants`` holds the source of every field of the same name; what is not in ``can`` is refused.

    ``accuracy`` is the greatest share by which delivery may miss what was programmed; ``residual`` stays in the
    reservoir when the pump is dry; ``service_life`` ends delivery for good, ``eri_to_eos`` after the alarm for it;
    ``youngest_years`` is the lowest age that the pump's labelling allows, by drug; ``leak_in_field`` the most that
    passes before a valve shuts in a scanner. None or empty: not found, or the pump has no such thing.
    """

    code: str
    name: str
    kind: Kind
    modeled_on: str
    abilities: tuple[Ability, ...]
    constants: Mapping[str, Constant]
    catheters: tuple[CatheterModel, ...]
    facts: tuple[Fact, ...]
    reservoir: Volume
    tubing: Volume
    flow_min: Flow
    flow_max: Flow
    low_level: Volume
    steps_per_day: int
    approved: tuple[str, ...]
    minimum_rate: Flow | None = None
    fixed_flow: tuple[Flow, ...] = ()
    stroke: Volume | None = None
    prime_rate: Flow | None = None
    accuracy: Fraction | None = None
    residual: Volume | None = None
    service_life: Duration | None = None
    eri_to_eos: Duration | None = None
    plan_replacement_before_end: Duration | None = None
    alarm_when_stopped_for: Duration | None = None
    youngest_years: Mapping[str, int] | None = None
    no_patient_bolus_of: tuple[str, ...] = ()
    patient_control: tuple[PatientControl, ...] = ()
    critical_sound: str | None = None
    critical_lasts: Duration | None = None
    critical_every: Duration | None = None
    critical_events: tuple[str, ...] = ()
    advisory_sound: str | None = None
    advisory_lasts: Duration | None = None
    advisory_every: Duration | None = None
    advisory_events: tuple[str, ...] = ()
    in_field: InField | None = None
    empty_before_field: bool | None = None
    leak_in_field: Volume | None = None
    hyperbaric_allowed: bool | None = None
    level_is_measured: bool | None = None
    deepest: Length | None = None

    @property
    def can(self) -> frozenset[Can]:
        """What the family is able to do."""
        return frozenset(a.what for a in self.abilities)

    @property
    def critical(self) -> Alarm:
        """The alarm that needs help at once."""
        return Alarm(self.critical_sound, self.critical_lasts, self.critical_every, self.critical_events)

    @property
    def advisory(self) -> Alarm:
        """The alarm that needs an appointment."""
        return Alarm(self.advisory_sound, self.advisory_lasts, self.advisory_every, self.advisory_events)

    def about(self, topic: str) -> tuple[Fact, ...]:
        """What there is to know about a topic, such as ``MRI``."""
        return tuple(f for f in self.facts if f.topic == topic)

    def catheter(self, model: str) -> CatheterModel:
        """The catheter of that model; UnknownCatheter names those that the family is supplied with."""
        for found in self.catheters:
            if found.model == model:
                return found
        raise UnknownCatheter(model, self.code, tuple(c.model for c in self.catheters))

    def envelope(self, calibration: Calibration | None = None) -> Envelope:
        """What one pump of the family can deliver; CalibrationError where the calibration does not fit the family.

        A constant-flow family comes in several flows, so its calibration has to say which.
        """
        measured = calibration or Calibration()
        self._check(measured)
        flow = None if measured.fixed_flow is None else measured.fixed_flow * (measured.flow_factor or 1)
        return Envelope(
            family=self.code,
            name=self.name,
            reservoir=self.reservoir,
            tubing=self._tubing(measured),
            flow_min=flow or self.flow_min,
            flow_max=flow or self.flow_max,
            low_level=self.low_level,
            steps_per_day=self.steps_per_day,
            can=self.can,
            approved=frozenset(self.approved),
            minimum_rate=self.minimum_rate,
            fixed_flow=flow,
            stroke=measured.stroke or self.stroke,
            unverified=self._unverified(measured),
            youngest_years=tuple(sorted((self.youngest_years or {}).items())),
            no_patient_bolus_of=frozenset(self.no_patient_bolus_of),
        )

    def hardware_constants(self, calibration: Calibration | None = None) -> HardwareConstants | None:
        """What the controller runs by; None for a family without electronics. CalibrationError as for the envelope."""
        measured = calibration or Calibration()
        self._check(measured)
        stroke = measured.stroke or self.stroke
        if stroke is None or self.prime_rate is None or self.service_life is None or self.eri_to_eos is None:
            return None
        return HardwareConstants(
            stroke_nl=stroke.floor("nL"),
            reservoir_nl=self.reservoir.floor("nL"),
            residual_nl=(self.residual or Volume.zero()).ceil("nL"),
            tubing_nl=self._tubing(measured).floor("nL"),
            low_level_nl=self.low_level.ceil("nL"),
            max_rate_pl_per_h=_pl_per_h(self.flow_max).__floor__(),
            min_rate_pl_per_h=_pl_per_h(self.flow_min).__ceil__(),
            minimum_rate_pl_per_h=_pl_per_h(self.minimum_rate or Flow.zero()).__floor__(),
            prime_rate_pl_per_h=_pl_per_h(self.prime_rate).__floor__(),
            replace_soon_s=(self.service_life - self.eri_to_eos).floor("s"),
            end_of_service_s=self.service_life.floor("s"),
        )

    def _tubing(self, measured: Calibration) -> Volume:
        return self.tubing if measured.tubing is None else measured.tubing

    def _check(self, measured: Calibration) -> None:
        if self.fixed_flow:
            flows = ", ".join(f.text("mL/day") for f in self.fixed_flow)
            if measured.fixed_flow not in self.fixed_flow:
                found = "nothing" if measured.fixed_flow is None else measured.fixed_flow.text("mL/day")
                raise CalibrationError(f"{self.code} comes in fixed flows: found {found}; state one of {flows}")
        elif measured.fixed_flow is not None or measured.flow_factor is not None:
            raise CalibrationError(f"{self.code} has no fixed flow: state the measured stroke instead")
        if measured.stroke is not None and self.stroke is None:
            raise CalibrationError(f"{self.code} has no strokes: leave the stroke out")

    def _unverified(self, measured: Calibration) -> frozenset[str]:
        doubtful = {c.name for c in self.constants.values() if not c.verified and c.name in _IN_ENVELOPE}
        if any(not a.verified for a in self.abilities):
            doubtful.add("can")
        known = {name for name in ("stroke", "tubing") if getattr(measured, name) is not None}
        return frozenset(doubtful - known)


_IN_ENVELOPE = frozenset(Envelope.__dataclass_fields__)


def _pl_per_h(flow: Flow) -> Fraction:
    return flow.number("nL/h") * 1000


def near_names(found: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Names like the one that was asked for, the closest first."""
    return tuple(get_close_matches(found.strip().casefold(), names, n=3, cutoff=0.5))
