"""The dose rate of a base over the pump clock, as pieces that repeat: totals, windows and crossing times, exact.

What comes in is a base of a program and the mixture it runs with; what goes out is mass of the primary ingredient
and seconds, never rounded. Seconds count from Monday 00:00 of the pump clock. No clock is read here.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import timedelta, timezone
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from thecal.quantities import DoseRate, Duration, Exact, Mass
from thecal.therapy.program import DAY_S, Continuous, DaySchedule, MinimumRate, RepeatedDoses, Stopped
from thecal.therapy.refusal import Code, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from thecal.quantities import Flow
    from thecal.therapy.mixture import Mixture
    from thecal.therapy.program import Base, DayPlan

WEEK_S = 7 * DAY_S


@dataclass(frozen=True, slots=True)
class Piece:
    """From ``start_s`` seconds after the start of the period until the next piece: one dose rate."""

    start_s: Fraction
    dose: DoseRate


def _given(dose: DoseRate, seconds: Exact) -> Mass:
    return dose * Duration.of(seconds, "s")


@dataclass(frozen=True, slots=True)
class Pattern:
    """Pieces that repeat every ``period_s`` seconds, from Monday 00:00 on; the first starts at 0 and starts rise."""

    period_s: int
    pieces: tuple[Piece, ...]
    _starts: tuple[Fraction, ...] = field(init=False, repr=False, compare=False)
    _before: tuple[Mass, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        starts = tuple(p.start_s for p in self.pieces)
        edges = (*starts, Fraction(self.period_s))
        if not starts or starts[0] != 0 or any(b <= a for a, b in pairwise(edges)):
            raise ValueError("pieces start at 0 and follow one another within the period")
        before = [Mass.zero()]
        for piece, end in zip(self.pieces, edges[1:], strict=True):
            before.append(before[-1] + _given(piece.dose, end - piece.start_s))
        object.__setattr__(self, "_starts", starts)
        object.__setattr__(self, "_before", tuple(before))

    @property
    def total(self) -> Mass:
        """What one period gives."""
        return self._before[-1]

    def _piece_at(self, rest_s: Fraction) -> int:
        return bisect_right(self._starts, rest_s) - 1

    def dose_at(self, at_s: Exact) -> DoseRate:
        """The dose rate in force at a second of the pump clock (the start of a piece belongs to it)."""
        return self.pieces[self._piece_at(Fraction(at_s) % self.period_s)].dose

    def until(self, at_s: Exact) -> Mass:
        """What is given from second 0 to ``at_s``; ``at_s`` may lie many periods on."""
        periods, rest = divmod(Fraction(at_s), self.period_s)
        index = self._piece_at(rest)
        return self.total * periods + self._before[index] + _given(self.pieces[index].dose, rest - self._starts[index])

    def between(self, start_s: Exact, end_s: Exact) -> Mass:
        """What is given from ``start_s`` to ``end_s``."""
        return self.until(end_s) - self.until(start_s)

    def slices(self, start_s: Exact, end_s: Exact) -> Iterator[tuple[Fraction, Fraction, DoseRate]]:
        """Begin, end and dose rate of each stretch of one dose from ``start_s`` to ``end_s``, in order."""
        at = Fraction(start_s)
        while at < end_s:
            periods, rest = divmod(at, self.period_s)
            index = self._piece_at(rest)
            after = self._starts[index + 1] if index + 1 < len(self._starts) else Fraction(self.period_s)
            end = min(periods * self.period_s + after, Fraction(end_s))
            yield at, end, self.pieces[index].dose
            at = end

    def seconds_to(self, start_s: Exact, mass: Mass) -> Fraction | None:
        """Seconds from ``start_s`` until ``mass`` is given, at the earliest; None where that never happens."""
        if mass <= Mass.zero():
            return Fraction(0)
        if not self.total:
            return None
        target = self.until(start_s) + mass
        periods = (target / self.total).__ceil__() - 1
        rest = target - self.total * periods
        index = next(i for i, after in enumerate(self._before[1:]) if after >= rest)
        inside = (rest - self._before[index]) / self.pieces[index].dose
        return periods * self.period_s + self._starts[index] + inside.number("s") - start_s

    def most_in(self, window_s: Exact) -> Mass:
        """The most that any window of that length holds, wherever it starts.

        What a window holds is linear in its start between the moments at which one of its edges meets the start
        of a piece, so the greatest is found at one of those.
        """
        edges = {e for s in self._starts for e in (s, (s - window_s) % self.period_s)}
        return max(self.between(e, e + window_s) for e in edges)

    def least_in(self, window_s: Exact) -> Mass:
        """The least that any window of that length holds, wherever it starts."""
        edges = {e for s in self._starts for e in (s, (s - window_s) % self.period_s)}
        return min(self.between(e, e + window_s) for e in edges)

    def plus(self, dose: DoseRate) -> Pattern:
        """The same pattern with a steady dose rate on top."""
        return Pattern(self.period_s, tuple(Piece(p.start_s, p.dose + dose) for p in self.pieces))


def steady(dose: DoseRate) -> Pattern:
    """One dose rate all the time."""
    return Pattern(DAY_S, (Piece(Fraction(0), dose),))


def _day(plan: DayPlan, offset_s: int) -> tuple[Piece, ...]:
    return tuple(Piece(Fraction(offset_s + s.start_s), s.dose) for s in plan.steps)


def _schedule(base: DaySchedule) -> Pattern:
    if len(base.plans) == 1:
        return Pattern(DAY_S, _day(base.plans[0], 0))
    return Pattern(WEEK_S, tuple(p for d in range(7) for p in _day(base.plan(d), d * DAY_S)))


def _repeated(base: RepeatedDoses) -> Pattern:
    pieces = [Piece(Fraction(0), base.background + base.dose / base.duration)]
    if base.duration < base.every:
        pieces.append(Piece(base.duration.number("s"), base.background))
    return Pattern(int(base.every.number("s")), tuple(pieces))


def pattern_of(base: Base, mixture: Mixture, minimum_rate: Flow | None) -> Pattern | Refusal:
    """The pattern of a base; a refusal where it is the minimum rate and the pump's minimum rate is not known."""
    match base:
        case Stopped():
            return steady(DoseRate.zero())
        case MinimumRate():
            if minimum_rate is None:
                return Refusal(
                    Code.UNKNOWN,
                    "the minimum rate of a pump that states none",
                    "a pump family with a minimum rate",
                    "order a continuous dose or stop the pump",
                )
            return steady(minimum_rate * mixture.primary.concentration)
        case Continuous(dose=dose):
            return steady(dose)
        case DaySchedule():
            return _schedule(base)
        case _:
            return _repeated(base)


def week_second(moment: datetime) -> Fraction:
    """Seconds from Monday 00:00 of the pump clock; ValueError for a zone that changes its clock.

    The pump clock has a fixed offset, so a moment is naive or carries a fixed ``datetime.timezone``.
    """
    if moment.tzinfo is not None and not isinstance(moment.tzinfo, timezone):
        raise ValueError(f"{moment.tzinfo} may change its clock; give pump-clock time with a fixed offset")
    whole = moment.weekday() * DAY_S + moment.hour * 3600 + moment.minute * 60 + moment.second
    return whole + Fraction(moment.microsecond, 10**6)


def elapsed(start: datetime, end: datetime) -> Duration:
    """The exact time from ``start`` to ``end``, below zero where ``end`` is earlier."""
    gone = end - start
    return Duration.of(gone.days * DAY_S + gone.seconds + Fraction(gone.microseconds, 10**6), "s")


def later(moment: datetime, after: Duration) -> datetime | Refusal:
    """The moment ``after`` later, rounded down to the second; a refusal past the end of the calendar."""
    try:
        return moment + timedelta(seconds=after.floor("s"))
    except OverflowError:
        return Refusal(
            Code.BEYOND_CALENDAR,
            f"a moment {after.text('days')} away",
            "moments up to the year 9999",
            "check the dose and the volume",
        )
