"""What a pump is asked to do, in doses of the primary ingredient: closed types, no arithmetic beyond totals.

A base (stopped, minimum rate, continuous, day schedule, repeated doses), the patient's bolus, one-time boluses, the
ceilings of every ingredient, and what the pump does on each class of fault. Times of day are pump-clock seconds
from midnight; weekdays count from Monday = 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

from thecal.quantities import Duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thecal.quantities import DoseRate, Mass, Volume

DAY_S = 86_400
EVERY_DAY = frozenset(range(7))
DAY = Duration.of(1, "day")


@dataclass(frozen=True, slots=True)
class Stopped:
    """No delivery at all; boluses are refused."""


@dataclass(frozen=True, slots=True)
class MinimumRate:
    """The slowest flow that the pump family has; the dose follows from the concentration."""


@dataclass(frozen=True, slots=True)
class Continuous:
    """One dose rate all the time; zero is allowed (boluses alone)."""

    dose: DoseRate


@dataclass(frozen=True, slots=True)
class Step:
    """From ``start_s`` seconds after midnight until the next step: ``dose`` per time."""

    start_s: int
    dose: DoseRate


@dataclass(frozen=True, slots=True)
class DayPlan:
    """The steps of one or more weekdays; the first starts at 0 and starts rise strictly."""

    weekdays: frozenset[int]
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        starts = [s.start_s for s in self.steps]
        if not starts or starts[0] != 0:
            raise ValueError("the first step starts at 00:00, so that no part of the day is left open")
        if any(b <= a for a, b in pairwise(starts)) or starts[-1] >= DAY_S:
            raise ValueError("steps start one after the other, within one day")
        if not self.weekdays or not self.weekdays <= EVERY_DAY:
            raise ValueError("a day plan names at least one weekday, Monday = 0 to Sunday = 6")

    @property
    def total(self) -> Mass:
        """What one such day gives, of the primary ingredient."""
        ends = [s.start_s for s in self.steps[1:]] + [DAY_S]
        parts = [s.dose * Duration.of(e - s.start_s, "s") for s, e in zip(self.steps, ends, strict=True)]
        return sum(parts[1:], start=parts[0])


@dataclass(frozen=True, slots=True)
class DaySchedule:
    """Day plans that together name every weekday exactly once."""

    plans: tuple[DayPlan, ...]

    def __post_init__(self) -> None:
        named = sorted(d for p in self.plans for d in p.weekdays)
        if named != sorted(EVERY_DAY):
            raise ValueError(f"every weekday is planned exactly once; found weekdays {named}")

    def plan(self, weekday: int) -> DayPlan:
        """The plan of ``weekday`` (Monday = 0)."""
        return next(p for p in self.plans if weekday in p.weekdays)


@dataclass(frozen=True, slots=True)
class RepeatedDoses:
    """``dose`` over ``duration``, again every ``every`` (start to start), on a steady ``background`` (may be zero).

    The first dose of a day starts at midnight of the pump clock; ``every`` divides the day.
    """

    dose: Mass
    duration: Duration
    every: Duration
    background: DoseRate

    def __post_init__(self) -> None:
        every = self.every.number("s")
        if every <= 0 or every.denominator != 1 or DAY_S % every:
            raise ValueError("repeated doses come at an interval that divides the day, such as 2 h or 90 min")
        if not Duration.zero() < self.duration <= self.every:
            raise ValueError("a repeated dose lasts longer than nothing and at most until the next one")

    @property
    def times_per_day(self) -> int:
        """How many doses start in 24 h."""
        return int(DAY / self.every)


Base = Stopped | MinimumRate | Continuous | DaySchedule | RepeatedDoses


@dataclass(frozen=True, slots=True)
class PatientBolus:
    """``dose`` of the primary ingredient over ``duration``, added to the base rate.

    ``lockout`` runs from start to start; at most ``most_per_24h`` starts fall in any 24 h.
    """

    dose: Mass
    duration: Duration
    lockout: Duration
    most_per_24h: int

    def __post_init__(self) -> None:
        if self.dose.value <= 0 or self.duration.value <= 0 or self.most_per_24h < 1:
            raise ValueError("a patient bolus has a dose, a duration and at least one start in 24 h")
        if self.lockout < self.duration:
            raise ValueError("the lockout runs from start to start and lasts at least as long as the bolus")

    @property
    def most_in_24h(self) -> Mass:
        """The primary ingredient if every allowed bolus is taken."""
        return self.dose * self.starts_in(DAY)

    def starts_in(self, window: Duration) -> int:
        """The most starts that fit in a window of that length (start included, end not), 24 h at the longest."""
        if self.lockout >= window:
            return 1
        return min(self.most_per_24h, (window / self.lockout).__ceil__())


@dataclass(frozen=True, slots=True)
class SingleBolus:
    """One dose that a clinician gives, over ``duration``, added to the base rate."""

    dose: Mass
    duration: Duration


@dataclass(frozen=True, slots=True)
class PrimingBolus:
    """A volume that fills tubing and catheter once, at the pump's priming rate; it is not a dose."""

    volume: Volume


@dataclass(frozen=True, slots=True)
class BridgeBolus:
    """Old drug pushed out of tubing and catheter at ``dose`` of the old primary ingredient before the program starts.

    Patient boluses are blocked while it runs unless ``bolus_in_old_drug`` states their dose in the old drug.
    """

    volume: Volume
    dose: DoseRate
    bolus_in_old_drug: Mass | None = None


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most of one drug that any 1 h and any 24 h may hold, from all sources together."""

    drug: str
    per_1h: Mass
    per_24h: Mass


class FaultClass(StrEnum):
    """What can go wrong, as the controller groups it (promise 11)."""

    RESERVOIR = "reservoir"
    MOTOR = "motor"
    POWER = "power"
    MEMORY = "memory"
    OVER_DELIVERY = "over-delivery"
    CLOCK = "clock"


class Response(StrEnum):
    """What the pump does about it."""

    STOP = "stop"
    FALLBACK = "fallback"
    CONTINUE = "continue"


ALWAYS_STOP = frozenset({FaultClass.OVER_DELIVERY, FaultClass.MEMORY})


@dataclass(frozen=True, slots=True)
class FailSafe:
    """One response for each class of fault; ``fallback_dose`` where any of them is the fallback, with the reason."""

    responses: Mapping[FaultClass, Response]
    fallback_dose: DoseRate | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Program:
    """Everything that a pump runs by; doses are of the primary ingredient of the mixture it goes with."""

    base: Base
    patient_bolus: PatientBolus | None = None
    single_boluses: tuple[SingleBolus, ...] = ()
    priming: PrimingBolus | None = None
    bridge: BridgeBolus | None = None
    ceilings: tuple[Ceiling, ...] = ()
    fail_safe: FailSafe | None = None
    low_level: Volume | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    """Reasons that the physician gives for going past a soft limit, by finding code and drug."""

    def ceiling(self, drug: str) -> Ceiling | None:
        """The ceilings of ``drug``; None where the order states none, which the review and the pump refuse."""
        return next((c for c in self.ceilings if c.drug == drug), None)
