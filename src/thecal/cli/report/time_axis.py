"""Time under a chart of the spine: hours since the start for some days, dates for longer, and what is marked in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from thecal.cli.parts import tick_text
from thecal.cli.report.plot import Axis, Tick, nice
from thecal.cli.spine_figures import NO_CLOCK
from thecal.therapy.refusal import minute_text

if TYPE_CHECKING:
    import numpy.typing as npt

    from thecal.twin.spine import SpineCourse

    FloatArray = npt.NDArray[np.float64]

_LONG_S = 96 * 3600
_HOUR_S, _DAY_S = 3600, 86_400
_HOURS = (1, 2, 3, 6, 12, 24)
MOST_POINTS = 900
"""So many readings are drawn as they are; of more, each stretch of time becomes one point."""
STRETCHES = 300


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The time of a course, from ``first_s`` to ``last_s`` after ``start`` (pump clock)."""

    start: datetime
    first_s: float
    last_s: float

    @classmethod
    def of(cls, course: SpineCourse) -> TimeAxis:
        """The time that a course covers."""
        return cls(course.start, float(course.at_s[0]), float(course.at_s[-1]))

    @property
    def span_s(self) -> float:
        """How long it is."""
        return self.last_s - self.first_s

    @property
    def long(self) -> bool:
        """Whether it is told in days."""
        return self.span_s > _LONG_S

    def x(self, at_s: npt.ArrayLike) -> FloatArray:
        """Hours, or days where it is long."""
        return np.asarray(np.asarray(at_s, dtype=np.float64) / (_DAY_S if self.long else _HOUR_S))

    def instants(self) -> tuple[float, ...]:
        """Four instants at which a profile is worth a look: early ones close together, the last at the end."""
        return tuple(round(self.first_s + self.span_s * share) for share in (1 / 48, 1 / 12, 1 / 3, 1))

    @property
    def axis(self) -> Axis:
        """The same as an axis of a chart."""
        return Axis(*self.x([self.first_s, self.last_s]).tolist())

    def ticks(self, *, narrow: bool) -> list[Tick]:
        """Hours that a clock has, or dates."""
        axis = self.axis
        if self.long:
            days = nice(axis.low, axis.high, 4 if narrow else 7)
            return [(day, self._date(day)) for day in days if day == round(day)]
        most = 5 if narrow else 12
        step = next((h for h in _HOURS if (axis.high - axis.low) / h <= most), _HOURS[-1])
        return [(float(h), str(h)) for h in range(math.ceil(axis.low / step) * step, int(axis.high) + 1, step)]

    @property
    def label(self) -> str:
        """What stands under the ticks."""
        if self.start == NO_CLOCK:
            return f"{'days' if self.long else 'h'} after the start"
        return "" if self.long else f"h after {minute_text(self.start)}"

    def _date(self, day: float) -> str:
        return f"{day:g}" if self.start == NO_CLOCK else tick_text(self.start + timedelta(days=day))


@dataclass(frozen=True, eq=False, slots=True)
class Drawable:
    """A line as it is drawn: ``mean`` at ``at_s``, and what it moves between, ``low`` to ``high``.

    Where there are few readings all three are the readings themselves; else each is of one stretch of time.
    """

    at_s: FloatArray
    low: FloatArray
    mean: FloatArray
    high: FloatArray
    whole: bool


def drawable(at_s: FloatArray, values: FloatArray) -> Drawable:
    """A line with no more points than a screen shows; no peak is lost, because each stretch keeps its highest."""
    if at_s.size <= MOST_POINTS:
        return Drawable(at_s, values, values, values, whole=True)
    edges = np.linspace(0, at_s.size, STRETCHES + 1).astype(np.int64)
    first, many = edges[:-1], np.diff(edges)
    middle = np.add.reduceat(at_s, first) / many
    middle[0], middle[-1] = at_s[0], at_s[-1]
    low, high = np.minimum.reduceat(values, first), np.maximum.reduceat(values, first)
    return Drawable(middle, low, np.add.reduceat(values, first) / many, high, whole=False)
