"""The number of a measure: each of its arms is built and run once for each grid and each change that it needs."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from thecal.body.validation import observables
from thecal.body.validation.dimensions import leaves, level_of
from thecal.body.validation.giving import Giving
from thecal.body.validation.measures import (
    Area,
    Arrival,
    DecayLength,
    Difference,
    HalfLife,
    Mean,
    Order,
    Peak,
    PeakTime,
    Ratio,
    Reading,
    Sensitivity,
    Spread,
    TimeOver,
    Value,
)
from thecal.body.validation.observables import UnreadableError
from thecal.body.validation.people import subject
from thecal.body.validation.trials import Account, Trial

if TYPE_CHECKING:
    from thecal.body.validation.cases import Case, CaseFile
    from thecal.body.validation.measures import Measure
    from thecal.body.validation.observables import Curve

InTime = Value | Mean | HalfLife | Peak | PeakTime | Area | Arrival | TimeOver
Change = tuple[tuple[str, float], ...]
"""Factors by name, for a sensitivity."""


@dataclass
class Runner:
    """Runs the arms of a case on a grid as they are asked for, and keeps them."""

    case: Case
    file: CaseFile
    cells: int
    account: Account = field(default_factory=Account)
    _kept: dict[tuple[str, Change], Trial] = field(default_factory=dict)

    def trial(self, name: str | None, change: Change = ()) -> Trial:
        """The arm of this name, or the only one. UntrustedError where it cannot be built."""
        arm = next(arm for arm in self.case.arms if name in {None, arm.name})
        key = (arm.name, change)
        if key not in self._kept:
            factors = dict(change)
            effects = tuple(leaf for leaf in self._readings() if leaf.effect is not None)
            self._kept[key] = Trial(
                subject(self.file, arm, factors), Giving.of(arm, factors), self.cells, effects, self.account
            )
        return self._kept[key]

    def _readings(self) -> tuple[Reading, ...]:
        measures = [check.measure for check in self.case.check if check.measure is not None]
        return tuple(leaf for measure in measures for leaf in leaves(measure) if isinstance(leaf, Reading))

    def number(self, measure: Measure, change: Change = ()) -> float:
        """The number of a measure, in ng, cm, s. UntrustedError or UnreadableError where there is none."""
        match measure:
            case Ratio():
                return _over(self.number(measure.of, change), self.number(measure.over, change))
            case Difference():
                return self.number(measure.of, change) - self.number(measure.less, change)
            case Order():
                found = [self.number(one, change) for one in measure.falling]
                return min(_falls(one, other) for one, other in pairwise(found))
            case Sensitivity():
                return self._slope(measure, change)
            case Spread() | DecayLength():
                return self._in_space(measure, change)
            case _:
                return self._in_time(measure, change)

    def _slope(self, measure: Sensitivity, change: Change) -> float:
        """The slope of logarithms, from a factor up and a factor down."""
        more = self.number(measure.of, (*change, (measure.to, measure.factor)))
        less = self.number(measure.of, (*change, (measure.to, 1 / measure.factor)))
        if more <= 0 or less <= 0:
            raise UnreadableError("a number that is not over 0 has no logarithm")
        return math.log(more / less) / (2 * math.log(measure.factor))

    def _in_space(self, measure: Spread | DecayLength, change: Change) -> float:
        trial = self.trial(measure.arm, change)
        mass, concentration = trial.profile(measure)
        if isinstance(measure, Spread):
            return observables.spread(trial.edges_cm, mass, measure.share)
        ends = (trial.cm(position) for position in measure.span)
        return observables.decay_length(trial.neuraxis.x_cm, concentration, *ends)

    def _in_time(self, measure: InTime, change: Change) -> float:
        trial = self.trial(measure.arm, change)
        if isinstance(measure, Value) and measure.time == "steady":
            return trial.steady(measure)
        if isinstance(measure, Area) and measure.between is None:
            return trial.whole_area(measure)
        return _read(trial.curve(measure), measure)


def _read(curve: Curve, measure: InTime) -> float:
    """A number of one curve."""
    if isinstance(measure, Value):
        return observables.value(curve, float(measure.time))
    start_s, end_s = measure.between or (0.0, 0.0)
    found: float
    match measure:
        case Area():
            found = observables.area(curve, start_s, end_s)
        case Mean():
            found = observables.mean(curve, start_s, end_s)
        case HalfLife():
            found = observables.half_life(curve, start_s, end_s)
        case Arrival():
            found = observables.arrival(curve, start_s, end_s, measure.share)
        case TimeOver():
            found = observables.time_over(curve, start_s, end_s, level_of(measure))
        case _:
            found = observables.peak(curve, start_s, end_s)[0 if isinstance(measure, PeakTime) else 1]
    return found


def _over(one: float, other: float) -> float:
    if other == 0:
        raise UnreadableError("the number below is 0")
    return one / other


def _falls(one: float, other: float) -> float:
    """By what factor a number is greater than the next; over 1 where it is, whatever their signs."""
    if one == other:
        return 1.0
    if one < 0 and other < 0:
        return other / one
    return one / other if other > 0 else math.inf if one > other else 0.0
