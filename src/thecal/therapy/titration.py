"""Titration: how far and how often a dose may go up, plans with dated steps, and the bounds of a label.

What comes in is a rule of the formulary, doses and moments; what goes out is a plan or a refusal. A plan never
passes its ceiling and never places an increase sooner than its rule allows.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

from thecal.quantities import DoseRate, Duration, percent_text
from thecal.therapy.pattern import elapsed, later
from thecal.therapy.refusal import Code, Refusal, at_least_text, at_most_text, moment_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from thecal.formulary.limits import Titration

WEEK = Duration.of(7, "days")
SEVEN_DAYS = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class DatedDose:
    """A dose per time from a moment on."""

    at: datetime
    dose: DoseRate


@dataclass(frozen=True, slots=True)
class Increase:
    """An increase that a rule allows: how much, and as a part of the dose before (None from zero)."""

    before: DoseRate
    after: DoseRate
    ratio: Fraction | None


def largest_step(dose: DoseRate, rule: Titration) -> DoseRate:
    """The largest increase from ``dose`` that a rule allows; the smaller of its step and its percentage."""
    steps = [] if rule.step_max is None else [rule.step_max]
    if rule.percent_high is not None:
        steps.append(dose * rule.percent_high / 100)
    return min(steps)


def check_increase(
    history: Sequence[DatedDose], proposed: DatedDose, rule: Titration, maximum: DoseRate | None, unit: str = "mg/day"
) -> Increase | tuple[Refusal, ...]:
    """One increase on what ran before, oldest first: every reason why a rule does not allow it, or the increase.

    ``history`` holds the dose that runs now and the increases before it. The seven days are any seven days, the
    increase proposed among them. ValueError for an empty history, which is a start and not an increase.
    """
    if not history:
        raise ValueError("an increase needs the dose that runs now")
    now = history[-1]
    if proposed.dose <= now.dose:
        return (_not_an_increase(now, proposed, unit),)
    found = (
        *_step_refusals(now, proposed, rule, unit),
        *_time_refusals(now, proposed, rule),
        *_week_refusals(history, proposed, rule),
        *_maximum_refusals(proposed, maximum, unit),
    )
    ratio = proposed.dose / now.dose - 1 if now.dose else None
    return found or Increase(now.dose, proposed.dose, ratio)


def _not_an_increase(now: DatedDose, proposed: DatedDose, unit: str) -> Refusal:
    return Refusal(
        Code.NOT_AN_INCREASE,
        f"{proposed.dose.text(unit)} after {now.dose.text(unit)}",
        f"more than {now.dose.text(unit)}",
        "order a decrease as a decrease",
    )


def _step_refusals(now: DatedDose, proposed: DatedDose, rule: Titration, unit: str) -> tuple[Refusal, ...]:
    most = largest_step(now.dose, rule)
    step = proposed.dose - now.dose
    if step <= most:
        return ()
    percent = "" if rule.percent_high is None else f" ({percent_text(rule.percent_high / 100)})"
    return (
        Refusal(
            Code.STEP_TOO_BIG,
            f"a step of {step.text(unit)}",
            f"at most {at_most_text(most, unit)}{percent}, by {rule.source.name}",
            f"order at most {at_most_text(now.dose + most, unit)}",
        ),
    )


def _time_refusals(now: DatedDose, proposed: DatedDose, rule: Titration) -> tuple[Refusal, ...]:
    if rule.interval_min is None:
        return ()
    gone = elapsed(now.at, proposed.at)
    if gone >= rule.interval_min:
        return ()
    return (
        Refusal(
            Code.TOO_SOON,
            f"an increase {gone.text('h')} after the last",
            f"{rule.interval_min.text('h')} or more, by {rule.source.name}",
            f"wait {at_least_text(rule.interval_min - gone, 'h')} longer",
        ),
    )


def _week_refusals(history: Sequence[DatedDose], proposed: DatedDose, rule: Titration) -> tuple[Refusal, ...]:
    if rule.max_per_week is None:
        return ()
    made = [b.at for a, b in itertools.pairwise(history) if b.dose > a.dose]
    recent = [at for at in made if proposed.at - at < SEVEN_DAYS]
    if len(recent) < rule.max_per_week:
        return ()
    free = recent[-rule.max_per_week] + SEVEN_DAYS
    return (
        Refusal(
            Code.TOO_MANY_PER_WEEK,
            f"{len(recent) + 1} increases in 7 days",
            f"{rule.max_per_week} in any 7 days, by {rule.source.name}",
            f"wait until {moment_text(free)}",
        ),
    )


def _maximum_refusals(proposed: DatedDose, maximum: DoseRate | None, unit: str) -> tuple[Refusal, ...]:
    if maximum is None or proposed.dose <= maximum:
        return ()
    return (
        Refusal(
            Code.ABOVE_MAXIMUM,
            proposed.dose.text(unit),
            f"at most {at_most_text(maximum, unit)}",
            "stay at or below the maximum, or give the reason in the review",
        ),
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """A titration: the start and every increase, each dated; the last one is at the ceiling."""

    steps: tuple[DatedDose, ...]

    @property
    def increases(self) -> int:
        """How many times the dose goes up."""
        return len(self.steps) - 1


def plan(
    start: DatedDose,
    ceiling: DoseRate,
    step: DoseRate | Fraction,
    interval: Duration,
    *,
    rule: Titration,
    maximum: DoseRate | None,
    unit: str = "mg/day",
) -> Plan | tuple[Refusal, ...]:
    """Steps of ``step`` (an amount, or a part of the running dose) every ``interval`` up to ``ceiling``.

    The last step is as small as it must be to end at the ceiling. Every increase is checked against the rule, and
    the first that it does not allow refuses the plan: nothing is made smaller or later without saying so.
    """
    smallest = start.dose * step if isinstance(step, Fraction) else step
    if smallest.value <= 0 or interval.value <= 0 or ceiling < start.dose:
        return (_no_way_up(start, ceiling, smallest, interval, unit),)
    steps = [start]
    while steps[-1].dose < ceiling:
        now = steps[-1]
        at = later(now.at, interval)
        if isinstance(at, Refusal):
            return (at,)
        up = now.dose * step if isinstance(step, Fraction) else step
        proposed = DatedDose(at, min(now.dose + up, ceiling))
        found = check_increase(steps, proposed, rule, maximum, unit)
        if not isinstance(found, Increase):
            return found
        steps.append(proposed)
    return Plan(tuple(steps))


def _no_way_up(start: DatedDose, ceiling: DoseRate, step: DoseRate, interval: Duration, unit: str) -> Refusal:
    return Refusal(
        Code.NOT_POSITIVE,
        f"steps of {step.text(unit)} every {interval.text('h')} from {start.dose.text(unit)} to {ceiling.text(unit)}",
        "steps and an interval of more than zero, and a ceiling at or above the start",
        "state step, interval and ceiling; a percentage needs a start of more than zero",
    )


@dataclass(frozen=True, slots=True)
class Bounds:
    """The fewest increases from a start to a maximum, and the shortest time at so many a week."""

    increases: int
    shortest: Duration


def bounds(start: DoseRate, step: DoseRate, maximum: DoseRate, per_week: int) -> Bounds:
    """The bounds that a label's numbers imply (example WE-03); ``step`` and ``per_week`` are more than zero."""
    increases = max(0, ((maximum - start) / step).__ceil__())
    return Bounds(increases, WEEK * increases / per_week)


def within_step(change: Fraction, limit: Fraction) -> bool:
    """Whether a change, as a part of the dose before, is within a limit on one step (example WE-31)."""
    return change <= limit
