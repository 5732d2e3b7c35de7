"""The dates of a refill: expected alert, worst case with every bolus taken, planned refill, empty.

Formulas F7 to F9 of device-facts 3. What comes in is the volume in the reservoir, the program and pump-clock
moments; what goes out is whole days, rounded down, with their dates. A computed alert is an estimate: a pump that
delivers more than programmed runs dry before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from thecal.quantities import Exact, Mass, Volume
from thecal.therapy.doses import patient_boluses_in
from thecal.therapy.pattern import elapsed, pattern_of, week_second
from thecal.therapy.program import DAY, DAY_S
from thecal.therapy.refusal import Code, Refusal, moment_text

if TYPE_CHECKING:
    from datetime import datetime
    from fractions import Fraction

    from thecal.quantities import DoseRate
    from thecal.therapy.envelope import Envelope
    from thecal.therapy.mixture import Mixture
    from thecal.therapy.pattern import Pattern
    from thecal.therapy.program import Program


class Limit(StrEnum):
    """What sets a planned refill."""

    VOLUME = "reservoir volume"
    STABILITY = "drug stability"


@dataclass(frozen=True, slots=True)
class Due:
    """So many whole days after the fill, rounded down, and the date on which that falls."""

    days: int
    on: date


@dataclass(frozen=True, slots=True)
class RefillDue:
    """The planned refill in days, and which limit set it."""

    days: int
    limit: Limit


@dataclass(frozen=True, slots=True)
class Planned:
    """The planned refill with its date, and which limit set it."""

    due: Due
    limit: Limit


def whole_days(volume: Volume, level: Volume, per_day: Volume) -> int | Refusal:
    """Days until ``volume`` falls to ``level``, rounded down (device-facts F7); 0 where it is there already."""
    if volume <= level:
        return 0
    if per_day.value <= 0:
        return _never()
    return ((volume - level) / per_day).__floor__()


def refill_due(volume_days: int, stability_days: int | None, lead_days: int) -> RefillDue | Refusal:
    """The earlier of the low level less the lead, and the drug's stability (device-facts F8, example WE-05).

    ``stability_days`` is None where no source gives one; the limit is then the volume, which the caller must say.
    """
    by_volume = volume_days - lead_days
    if by_volume < 0:
        return Refusal(
            Code.LEAD_TOO_LONG,
            f"the low level in {volume_days:,} days with a lead of {lead_days:,} days",
            "a lead no longer than the days to the low level",
            "book the refill now, or fill more, or order less volume",
        )
    if stability_days is not None and stability_days <= by_volume:
        return RefillDue(stability_days, Limit.STABILITY)
    return RefillDue(by_volume, Limit.VOLUME)


@dataclass(frozen=True, slots=True)
class Dates:
    """The dates of one fill. A refusal stands where a date does not exist or is not known.

    ``expected_alert`` and ``empty`` take the expected use of boluses; ``worst_alert`` and ``worst_empty`` every one.
    ``stability`` is the last day of the drug in the pump. ``planned`` lies before the worst alert by the lead.
    """

    expected_alert: Due | Refusal
    worst_alert: Due | Refusal
    planned: Planned | Refusal
    empty: Due | Refusal
    worst_empty: Due | Refusal
    stability: Due | Refusal


@dataclass(frozen=True, slots=True)
class Levels:
    """The volumes that dates are counted to: the pump's low level, and the end of the date with every bolus (F9)."""

    low: Volume
    bolus_end: Volume

    @property
    def worst(self) -> Volume:
        """Where the worst case ends: the higher of the two, so that it is never later than the expected alert."""
        return max(self.low, self.bolus_end)


def _never() -> Refusal:
    return Refusal(
        Code.NEVER,
        "a pump that delivers nothing",
        "a date for a pump that delivers",
        "plan by the drug's stability, and check that the pump should be stopped",
    )


def _due(start: datetime, days: int) -> Due | Refusal:
    try:
        return Due(days, start.date() + timedelta(days=days))
    except OverflowError:
        return Refusal(
            Code.BEYOND_CALENDAR,
            f"a date {days:,} days away",
            "dates up to the year 9999",
            "check the dose, the strength and the volume",
        )


def _reach(start: datetime, pattern: Pattern, mass: Mass) -> Due | Refusal:
    seconds = pattern.seconds_to(week_second(start), mass)
    if seconds is None:
        return _never()
    return _due(start, int(seconds // DAY_S))


def _planned(worst: Due | Refusal, stability: Due | Refusal, start: datetime, lead_days: int) -> Planned | Refusal:
    if isinstance(worst, Refusal):
        return worst if isinstance(stability, Refusal) else Planned(stability, Limit.STABILITY)
    found = refill_due(worst.days, None if isinstance(stability, Refusal) else stability.days, lead_days)
    if isinstance(found, Refusal):
        return found
    return Planned(Due(found.days, start.date() + timedelta(days=found.days)), found.limit)


def _stability(start: datetime, days: int | None) -> Due | Refusal:
    if days is None:
        return Refusal(
            Code.UNKNOWN,
            "no stability time for this mixture",
            "a time with its source",
            "ask the pharmacy; the volume alone does not make a date safe",
        )
    return _due(start, days)


def refill_dates(
    program: Program,
    mixture: Mixture,
    pump: Envelope,
    *,
    volume: Volume,
    start: datetime,
    levels: Levels,
    lead_days: int,
    stability_days: int | None,
    boluses_per_day: Exact = 0,
) -> Dates | Refusal:
    """The dates of a fill of ``volume`` at ``start`` on the pump clock.

    ``boluses_per_day`` is how many patient boluses are expected on average, at most as many as are allowed: more are
    counted as all. Boluses count as spread over the day, which rounds to the same whole days as any other spread.
    """
    if boluses_per_day < 0:
        raise ValueError("boluses per day are none or more")
    base = pattern_of(program.base, mixture, pump.minimum_rate)
    if isinstance(base, Refusal):
        return base
    every = patient_boluses_in(program, DAY) / DAY
    expected, worst = base.plus(_expected_use(program, every, boluses_per_day)), base.plus(every)
    strength = mixture.primary.concentration
    worst_level = levels.worst if every else levels.low
    worst_alert = _reach(start, worst, (volume - worst_level) * strength)
    stability = _stability(start, stability_days)
    return Dates(
        expected_alert=_reach(start, expected, (volume - levels.low) * strength),
        worst_alert=worst_alert,
        planned=_planned(worst_alert, stability, start, lead_days),
        empty=_reach(start, expected, volume * strength),
        worst_empty=_reach(start, worst, volume * strength),
        stability=stability,
    )


def _expected_use(program: Program, every: DoseRate, boluses_per_day: Exact) -> DoseRate:
    if program.patient_bolus is None:
        return every
    return min(every, program.patient_bolus.dose * boluses_per_day / DAY)


@dataclass(frozen=True, slots=True)
class Account:
    """What became of a fill by the program: ``delivered`` and ``residual`` add up to ``filled``, always.

    ``programmed`` is more than ``delivered`` where the reservoir could not hold it: the pump then ran dry.
    """

    filled: Volume
    programmed: Volume
    delivered: Volume
    residual: Volume

    @property
    def ran_dry(self) -> bool:
        """True where the program asked for more than was filled."""
        return self.programmed > self.filled


def programmed_volume(
    program: Program, mixture: Mixture, pump: Envelope, *, start: datetime, end: datetime, boluses: int
) -> Volume | Refusal:
    """What the program gives from ``start`` to ``end`` on the pump clock, with ``boluses`` patient boluses counted."""
    if end < start:
        return Refusal(
            Code.OUT_OF_ORDER,
            f"an end at {moment_text(end)} before the start at {moment_text(start)}",
            "an end at or after the start",
            "check both moments",
        )
    base = pattern_of(program.base, mixture, pump.minimum_rate)
    if isinstance(base, Refusal):
        return base
    if boluses and program.patient_bolus is None:
        return Refusal(
            Code.UNKNOWN,
            f"patient boluses counted ({boluses:,}) with a program that has none",
            "boluses of a program with a patient bolus",
            "find the program that was running",
        )
    first = week_second(start)
    given = base.between(first, first + elapsed(start, end).number("s"))
    extra = program.patient_bolus.dose * boluses if program.patient_bolus else Mass.zero()
    return mixture.volume_of(given + extra)


def account(filled: Volume, programmed: Volume) -> Account:
    """The expected residual: filled less programmed, and never less than nothing (device-facts F10)."""
    delivered = min(filled, programmed)
    return Account(filled, programmed, delivered, filled - delivered)


def accuracy(delivered: Volume, programmed: Volume) -> Fraction | Refusal:
    """Delivered volume as a part of programmed volume (device-facts F10, example WE-38)."""
    if programmed.value <= 0:
        return Refusal(
            Code.NOT_POSITIVE,
            f"a programmed volume of {programmed.text('mL')}",
            "a programmed volume of more than 0 mL",
            "read the pump's record",
        )
    return delivered / programmed


def alarm_precedes(level: Volume, highest_residual: Volume) -> bool:
    """Whether a low level is reached before any residual at which patients fell ill (example WE-19)."""
    return level > highest_residual
