"""Doses from flow and back, the doses of every ingredient of a program, and the change from before.

Formulas F1 to F3 of device-facts 3. What comes in is a program, a mixture and a pump's envelope; what goes out is
exact mass per ingredient. Nothing here judges a dose against a clinical limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from thecal.quantities import DoseRate, Duration, Flow, Mass, Volume
from thecal.therapy.pattern import pattern_of
from thecal.therapy.program import DAY, DAY_S, Stopped
from thecal.therapy.refusal import Code, Refusal, at_least_text, at_most_text

if TYPE_CHECKING:
    from fractions import Fraction

    from thecal.quantities import Concentration
    from thecal.therapy.envelope import Envelope
    from thecal.therapy.mixture import Mixture
    from thecal.therapy.order import Previous
    from thecal.therapy.pattern import Pattern
    from thecal.therapy.program import Program

Dose = TypeVar("Dose", "Mass", "DoseRate")
HOUR = Duration.of(1, "h")


def dose_from_flow(flow: Flow, concentration: Concentration) -> DoseRate:
    """Drug per time at a flow (device-facts F1)."""
    return flow * concentration


def flow_from_dose(dose: DoseRate, concentration: Concentration) -> Flow:
    """The flow that gives a dose (device-facts F1, turned round)."""
    return dose / concentration


@dataclass(frozen=True, slots=True)
class DoseRange:
    """The lowest dose apart from zero, and the highest, that a pump can give at one concentration."""

    lowest: DoseRate
    highest: DoseRate


def dose_range(pump: Envelope, concentration: Concentration) -> DoseRange:
    """Floor and ceiling of the dose (device-facts F2); both are the same for a constant-flow pump."""
    low, high = (pump.fixed_flow, pump.fixed_flow) if pump.fixed_flow else (pump.flow_min, pump.flow_max)
    return DoseRange(low * concentration, high * concentration)


@dataclass(frozen=True, slots=True)
class Deliverable:
    """A dose that lies within a pump's range, with its flow."""

    dose: DoseRate
    flow: Flow


def check_dose(dose: DoseRate, pump: Envelope, concentration: Concentration, unit: str = "mg") -> Deliverable | Refusal:
    """Whether a pump's flow range can give a dose; the refusal names the concentration that would.

    A dose of zero is within every range; whether a family runs at zero is for the review. ``unit`` is the drug's own.
    """
    allowed = dose_range(pump, concentration)
    per_day, per_ml = f"{unit}/day", f"{unit}/mL"
    if not dose or allowed.lowest <= dose <= allowed.highest:
        return Deliverable(dose, flow_from_dose(dose, concentration))
    low, high = at_least_text(allowed.lowest, per_day), at_most_text(allowed.highest, per_day)
    span = f"{low} to {high} at {concentration.text(per_ml)}"
    if pump.fixed_flow:
        only = dose / pump.fixed_flow
        then = f"this pump has one flow: compound {only.text(per_ml)}, or order {allowed.lowest.text(per_day)}"
        return Refusal(Code.FIXED_FLOW, dose.text(per_day), allowed.lowest.text(per_day), then)
    if dose < allowed.lowest:
        then = f"dilute to {at_most_text(dose / pump.flow_min, per_ml)} or less"
        return Refusal(Code.BELOW_FLOOR, dose.text(per_day), span, then)
    then = f"compound {at_least_text(dose / pump.flow_max, per_ml)} or more, or order less"
    return Refusal(Code.ABOVE_CEILING, dose.text(per_day), span, then)


@dataclass(frozen=True, slots=True)
class Strokes:
    """What a pump that moves whole strokes makes of a dose: rounded down, so never more than was asked for."""

    asked: DoseRate
    asked_volume: Flow
    per_day: int
    delivered: DoseRate
    per_stroke: Mass

    def frequencies(self, at_least: int) -> tuple[int, ...]:
        """Deliveries per day that share the strokes out equally: divisors of the count, ``at_least`` or more."""
        return tuple(n for n in range(at_least, self.per_day + 1) if self.per_day % n == 0)

    def dose_per_delivery(self, deliveries: int) -> Mass:
        """What one of ``deliveries`` equal deliveries a day gives."""
        return self.delivered * DAY / deliveries


def strokes(dose: DoseRate, concentration: Concentration, stroke: Volume) -> Strokes:
    """A dose in whole strokes a day, rounded down; ``stroke`` is more than zero."""
    flow = flow_from_dose(dose, concentration)
    count = (flow * DAY / stroke).__floor__()
    per_stroke = stroke * concentration
    return Strokes(dose, flow, count, per_stroke * count / DAY, per_stroke)


@dataclass(frozen=True, slots=True)
class Window:
    """The most of one drug in any window of a length, by source.

    A patient bolus counts whole in the window in which it starts, so this is never less than what is delivered.
    """

    base: Mass
    patient: Mass
    single: Mass

    @property
    def total(self) -> Mass:
        """From all sources together."""
        return self.base + self.patient + self.single


@dataclass(frozen=True, slots=True)
class Totals:
    """What a program gives of one drug.

    ``by_weekday`` is the base of each pump-clock day, Monday first; ``boluses`` every allowed patient bolus in 24 h;
    ``worst_24h`` and ``worst_1h`` the most in any window of that length, wherever it starts.
    """

    drug: str
    by_weekday: tuple[Mass, ...]
    boluses: Mass
    worst_24h: Window
    worst_1h: Window

    @property
    def average(self) -> Mass:
        """The base per 24 h, averaged over the week."""
        return sum(self.by_weekday, start=Mass.zero()) / 7

    @property
    def average_with_boluses(self) -> Mass:
        """Per 24 h, averaged over the week, with every allowed patient bolus taken."""
        return self.average + self.boluses

    @property
    def by_weekday_with_boluses(self) -> tuple[Mass, ...]:
        """Each pump-clock day with every allowed patient bolus taken, Monday first."""
        return tuple(day + self.boluses for day in self.by_weekday)


def patient_boluses_in(program: Program, window: Duration) -> Mass:
    """The primary ingredient of every patient bolus that may start in a window; a stopped pump refuses them all."""
    if program.patient_bolus is None or isinstance(program.base, Stopped):
        return Mass.zero()
    return program.patient_bolus.dose * program.patient_bolus.starts_in(window)


def single_boluses_in(program: Program, window: Duration) -> Mass:
    """The most of the one-time boluses, all started together, that a window can hold."""
    parts = (b.dose if b.duration <= window else b.dose * (window / b.duration) for b in program.single_boluses)
    return sum(parts, start=Mass.zero())


def worst_window(program: Program, pattern: Pattern, window: Duration) -> Window:
    """The most of the primary ingredient in any window of that length, at most 24 h, wherever it starts."""
    return Window(
        pattern.most_in(window.number("s")),
        patient_boluses_in(program, window),
        single_boluses_in(program, window),
    )


def _scaled(window: Window, share: Fraction) -> Window:
    return Window(window.base * share, window.patient * share, window.single * share)


def totals(program: Program, mixture: Mixture, pump: Envelope) -> tuple[Totals, ...] | Refusal:
    """What a program gives of every ingredient, primary first (device-facts F3)."""
    pattern = pattern_of(program.base, mixture, pump.minimum_rate)
    if isinstance(pattern, Refusal):
        return pattern
    days = tuple(pattern.between(d * DAY_S, (d + 1) * DAY_S) for d in range(7))
    boluses = patient_boluses_in(program, DAY)
    day, hour = worst_window(program, pattern, DAY), worst_window(program, pattern, HOUR)
    return tuple(
        Totals(
            drug,
            tuple(mixture.follow(drug, mass) for mass in days),
            mixture.follow(drug, boluses),
            _scaled(day, mixture.share(drug)),
            _scaled(hour, mixture.share(drug)),
        )
        for drug in mixture.drugs
    )


class Basis(StrEnum):
    """What a change is measured against."""

    DELIVERED = "drug delivered, by the record"
    PROGRAMMED = "drug programmed, delivery never stopped"


@dataclass(frozen=True, slots=True)
class Change:
    """From ``before`` to ``after``, both per 24 h; ``ratio`` is the part of ``before`` by which it changed."""

    before: Mass
    after: Mass
    ratio: Fraction
    basis: Basis


def change_ratio(before: Dose, after: Dose) -> Fraction | Refusal:
    """The change as a part of ``before``: ``Fraction(1, 10)`` is 10 % more; a refusal from zero."""
    if before.value <= 0:
        return Refusal(
            Code.FROM_ZERO,
            "no drug before",
            "a change in percent from more than zero",
            "treat it as a start, not as a change",
        )
    return after / before - 1


def change_from(previous: Previous, programmed: Mass, after: Mass) -> Change | Refusal:
    """The change per 24 h from what the patient really had: the record first, the old program only without a gap.

    ``programmed`` is what the old program gives per 24 h. A patient who has been without drug is not used to the
    programmed dose (worked example WE-13), so an unknown delivery is refused.
    """
    if previous.delivered_per_day is not None:
        before, basis = previous.delivered_per_day, Basis.DELIVERED
    elif previous.gap is not None and not previous.gap:
        before, basis = programmed, Basis.PROGRAMMED
    else:
        gap = "unknown length" if previous.gap is None else previous.gap.text("h")
        return Refusal(
            Code.UNKNOWN,
            f"a delivery gap of {gap} and no record of what was delivered",
            "a change from drug that was delivered",
            "read the pump's record, or plan a restart from zero",
        )
    ratio = change_ratio(before, after)
    return ratio if isinstance(ratio, Refusal) else Change(before, after, ratio, basis)
