"""Trial doses: ladders of single shots with volumes and times, and the first pump day that follows from them.

What comes in is a ladder or a rule of the formulary; what goes out is dated doses with their volumes. Nothing here
says whether a trial succeeded.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from thecal.quantities import Duration
from thecal.therapy.pattern import later
from thecal.therapy.refusal import Code, Refusal

if TYPE_CHECKING:
    from datetime import datetime
    from fractions import Fraction

    from thecal.formulary.limits import StartRule, TrialLadder
    from thecal.quantities import Concentration, Mass, Volume


def volume_of_dose(dose: Mass, concentration: Concentration) -> Volume:
    """The volume that holds a dose (example WE-07)."""
    return dose / concentration


def growth(steps: tuple[Mass, ...]) -> tuple[Fraction, ...]:
    """By what factor each step exceeds the one before: twos where each doubles the last (example WE-35)."""
    return tuple(b / a for a, b in pairwise(steps))


@dataclass(frozen=True, slots=True)
class Shot:
    """One trial dose: when at the earliest, how much, what volume, and how long the patient is watched after it.

    The two times are the shortest and the longest that the source names; None is what it does not state.
    """

    at: datetime
    dose: Mass
    volume: Volume
    watch_from: Duration | None
    watch_to: Duration | None


def plan_trial(ladder: TrialLadder, concentration: Concentration, start: datetime) -> tuple[Shot, ...] | Refusal:
    """The shots of a ladder, each as early as its interval allows; a refusal where the ladder states no interval.

    Whether the next shot is given at all depends on the response to the last one.
    """
    interval = ladder.interval
    if interval is None:
        if len(ladder.steps) > 1:
            return Refusal(
                Code.UNKNOWN,
                f"a ladder without an interval, by {ladder.source.name}",
                "an interval between trial doses",
                "state the interval in the site's formulary",
            )
        interval = Duration.zero()
    shots: list[Shot] = []
    for number, dose in enumerate(ladder.steps):
        at = later(start, interval * number)
        if isinstance(at, Refusal):
            return at
        volume = volume_of_dose(dose, concentration)
        shots.append(Shot(at, dose, volume, ladder.observe_low, ladder.observe_high))
    return tuple(shots)


def first_pump_day(effective: Mass, lasted: Duration, rule: StartRule) -> Mass:
    """The first day's dose as a multiple of the trial dose that worked, smaller where its effect lasted long."""
    if rule.long_effect is not None and rule.multiple_long is not None and lasted > rule.long_effect:
        return effective * rule.multiple_long
    return effective * rule.multiple
