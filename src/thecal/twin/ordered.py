"""What was ordered, in time: the program's base, bridges and boluses as one exact curve of mass for each drug.

Phases and boluses come in as they begin; out goes the cumulative mass at any time. The order is followed as it was
asked for, unrounded. A stop by the clinic ends what is ordered; a fault does not, so that what it cost can be seen.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from thecal.quantities import DoseRate
from thecal.therapy.program import DAY_S

if TYPE_CHECKING:
    import numpy.typing as npt

    from thecal.quantities import Mass
    from thecal.therapy.mixture import Mixture
    from thecal.therapy.pattern import Pattern

    FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """Cumulative mass in mg: straight pieces between ``at_s``, one row of ``mass_mg`` for each of ``ingredients``."""

    ingredients: tuple[str, ...]
    at_s: FloatArray
    mass_mg: FloatArray

    def mass(self, at_s: npt.ArrayLike) -> FloatArray:
        """Mass up to each time: one row for each ingredient."""
        times = np.atleast_1d(np.asarray(at_s, dtype=np.float64))
        return np.array([np.interp(times, self.at_s, row) for row in self.mass_mg]).reshape(-1, times.size)


@dataclass(slots=True)
class _Given:
    start_s: int
    end_s: int
    mixture: Mixture
    rate: DoseRate


class Ordering:
    """Collects what is ordered. ``clock_s`` is the pump clock's second of the week at the start of the run."""

    def __init__(self, clock_s: int) -> None:
        self._clock_s = clock_s
        self._slopes: dict[Fraction, dict[str, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
        self._base: tuple[int, Mixture, Pattern] | None = None
        self._boluses: list[_Given] = []

    def base(self, at_s: int, mixture: Mixture, pattern: Pattern) -> None:
        """From ``at_s`` on this base is ordered, in place of the one before."""
        self._end_base(at_s)
        self._base = (at_s, mixture, pattern)

    def bolus(self, at_s: int, seconds: int, mixture: Mixture, dose: Mass) -> None:
        """``dose`` of the primary ingredient from ``at_s`` on, evenly over ``seconds``."""
        rate = DoseRate.of(dose.number("mg") / seconds * DAY_S, "mg/day")
        self._boluses.append(_Given(at_s, at_s + seconds, mixture, rate))

    def stop(self, at_s: int) -> None:
        """Nothing is ordered from ``at_s`` on."""
        self._end_base(at_s)
        for given in self._boluses:
            given.end_s = min(given.end_s, max(at_s, given.start_s))

    def curve(self, end_s: int, ingredients: tuple[str, ...]) -> Curve:
        """The mass ordered until ``end_s``, and nothing after it."""
        self.stop(end_s)
        for given in self._boluses:
            self._give(Fraction(given.start_s), Fraction(given.end_s), given.mixture, given.rate)
        self._boluses.clear()
        times = sorted({Fraction(0), Fraction(end_s), *self._slopes})
        slope, mass = [Fraction(0)] * len(ingredients), [Fraction(0)] * len(ingredients)
        rows = []
        before = times[0]
        for at in times:
            mass = [m + s * (at - before) for m, s in zip(mass, slope, strict=True)]
            rows.append([float(m) for m in mass])
            change = self._slopes.get(at, {})
            slope = [s + change.get(drug, 0) for s, drug in zip(slope, ingredients, strict=True)]
            before = at
        return Curve(ingredients, np.array([float(t) for t in times]), np.array(rows).T)

    def _end_base(self, at_s: int) -> None:
        if self._base is not None:
            start_s, mixture, pattern = self._base
            first = self._clock_s
            for begin, end, dose in pattern.slices(first + start_s, first + at_s):
                self._give(begin - first, end - first, mixture, dose)
        self._base = None

    def _give(self, start: Fraction, end: Fraction, mixture: Mixture, rate: DoseRate) -> None:
        if end <= start or not rate:
            return
        for drug in mixture.drugs:
            per_s = mixture.follow(drug, rate).number("mg/day") / DAY_S
            self._slopes[start][drug] += per_s
            self._slopes[end][drug] -= per_s
