"""What the body is given: every stroke of a trace as it leaves the tip, and what ran before it, drug by drug.

Comes in: a trace, what ran before, the times at which somebody looks. Goes out: for each drug a ``Dosing`` of the
spine, in ng and seconds after the start of the run. Strokes are given each at its second, or evenly: then a stroke
lasts until the next, what leaves the tip between two instants is given evenly between them, and ``displaced_ng`` says
by how much that is ever late or early. Nothing is made or lost by it, and no reading sees a drug before its stroke.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from thecal.body.transport.dosing import Dosing
from thecal.quantities import DoseRate
from thecal.therapy.pattern import Pattern, Piece, pattern_of, week_second
from thecal.therapy.program import DAY_S
from thecal.therapy.refusal import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import numpy.typing as npt

    from thecal.quantities import Flow
    from thecal.therapy.order import Previous
    from thecal.twin.trace import Trace

    FloatArray = npt.NDArray[np.float64]
    IntArray = npt.NDArray[np.int64]
    BoolArray = npt.NDArray[np.bool_]
    _Made = tuple[FloatArray, FloatArray, FloatArray, tuple[float, float]]

SETTLE_S = 365 * DAY_S
"""How long the mean dose of before is given first: one step, after which nothing of the beginning is left."""
RUN_IN_S = 7 * DAY_S
"""How long the program of before then runs, so that its days and weeks are in step with the clock."""
SAME_WIDTH = 1.01
"""Boluses whose first widths differ by less than this factor are given as one group."""
_COARSE_S = 3600  # strokes long before anybody looks are joined by the hour, and in long windows
_FINE_S = 600
_LONG_S = 92 * DAY_S
NEAR_S = DAY_S
"""Strokes from this long before a window on are joined as closely as within it."""
_NG_PER_MG = 1e6


@dataclass(frozen=True, eq=False, slots=True)
class Before:
    """What a patient was given before the run: rates of each drug from each ``t_s`` (pieces,) to the next, the last up
    to the start of the run at 0.
    """

    t_s: FloatArray
    rate_ng_per_s: dict[str, FloatArray]


NOTHING_BEFORE = Before(np.zeros(0), {})


@dataclass(frozen=True, eq=False, slots=True)
class Given:
    """One drug: its ``dosing`` (a row for each group of boluses), and the most that strokes that are given evenly are
    late and early (ng): those near the window, and those more than ``NEAR_S`` before it.
    """

    drug: str
    dosing: Dosing
    displaced_ng: float
    displaced_before_ng: float


@dataclass(frozen=True, slots=True)
class Window:
    """When somebody looks: from ``from_s`` to ``until_s`` after the start of the run, every ``step_s``."""

    from_s: int
    until_s: int
    step_s: int

    @property
    def at_s(self) -> FloatArray:
        """The times of the readings, after the start of the run; the last is the end."""
        steps = np.arange(self.from_s, self.until_s, self.step_s, dtype=np.float64)
        return np.append(steps, float(self.until_s))


_STEPS_S = (10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400)
_MOST_STEPS = 450


def window_of(from_s: int, length_s: int) -> Window:
    """The readings of a window: every 10 min for 72 h, closer for less and wider for more, 450 steps at most."""
    step_s = next((s for s in _STEPS_S if length_s <= s * _MOST_STEPS), _STEPS_S[-1])
    return Window(from_s, from_s + length_s, step_s)


# What ran before --------------------------------------------------------------------------------------------------


def before(previous: Previous, start: datetime, minimum_rate: Flow | None) -> Before | Refusal:
    """What ran before an order: a year at the mean of its week, which is its steady state, then a week of its program,
    then the gap.

    What was really delivered goes before what was programmed: more is added evenly, for boluses were given; of less,
    every piece takes its share. The line holds the same fluid throughout, so what the pump gives leaves the tip.
    """
    pattern = pattern_of(previous.program.base, previous.mixture, minimum_rate)
    if isinstance(pattern, Refusal):
        return pattern
    pattern = _as_delivered(pattern, previous)
    gap_s = float(previous.gap.number("s")) if previous.gap is not None else 0.0
    end_s = week_second(start) - Fraction(gap_s)
    slices = list(pattern.slices(end_s - RUN_IN_S, end_s))
    mean = float(pattern.total.number("ng")) / pattern.period_s
    instants = [float(begin - week_second(start)) for begin, _, _ in slices]
    rates = [float(dose.number("ng/day")) / DAY_S for _, _, dose in slices]
    t_s = np.array([instants[0] - SETTLE_S, *instants, *([-gap_s] if gap_s else [])])
    primary = np.array([mean, *rates, *([0.0] if gap_s else [])])
    return Before(t_s, {drug: primary * float(previous.mixture.share(drug)) for drug in previous.mixture.drugs})


def _as_delivered(pattern: Pattern, previous: Previous) -> Pattern:
    if previous.delivered_per_day is None:
        return pattern
    delivered = previous.delivered_per_day.number("mg")
    programmed = pattern.total.number("mg") * DAY_S / pattern.period_s
    if delivered >= programmed:
        return pattern.plus(DoseRate.of(delivered - programmed, "mg/day"))
    return Pattern(pattern.period_s, tuple(Piece(p.start_s, p.dose * (delivered / programmed)) for p in pattern.pieces))


# Boluses ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pushed:
    """A bolus as it left the tip: what was pumped from ``began_s`` to ``ended_s``, in mL, and its group of widths."""

    began_s: int
    ended_s: int
    volume_ml: float
    group: int


def pushed(
    traces: Sequence[Trace], tip_spread_cm: float, area_cm2: float
) -> tuple[tuple[float, ...], tuple[tuple[Pushed, ...], ...]]:
    """The volumes (mL) of the groups of boluses, strokes first (0 mL), and for each trace every bolus that was given.

    A bolus of volume V first lies with a width of sqrt(tip_spread^2 + (V / 2A)^2); a group is one width to within 1 %.
    """
    found = [[(span, _volume_ml(trace, span)) for span in _spans(trace)] for trace in traces]
    groups = [0.0]
    for volume in sorted(v for boluses in found for _, v in boluses):
        if _width(volume, tip_spread_cm, area_cm2) > SAME_WIDTH * _width(groups[-1], tip_spread_cm, area_cm2):
            groups.append(volume)
    named = tuple(
        tuple(Pushed(*span, volume, bisect_right(groups, volume) - 1) for span, volume in boluses) for boluses in found
    )
    return tuple(groups), named


def _spans(trace: Trace) -> list[tuple[int, int]]:
    """From when to when each bolus that began was given."""
    ends = [(b.began_s, b.ended_s) for b in trace.boluses if b.began_s is not None]
    return sorted((began_s, trace.length_s if ended_s is None else ended_s) for began_s, ended_s in ends)


def _volume_ml(trace: Trace, span: tuple[int, int]) -> float:
    return float(np.diff(trace.arrival.pumped_ml(np.array(span)))[0])


def _width(volume_ml: float, tip_spread_cm: float, area_cm2: float) -> float:
    return math.hypot(tip_spread_cm, volume_ml / (2 * area_cm2))


# Strokes ----------------------------------------------------------------------------------------------------------


class Strokes(StrEnum):
    """How strokes are given: each one at its second, or evenly from one to the next, which shows no ripple of them."""

    EACH = "each"
    EVEN = "even"


def given(
    trace: Trace,
    window: Window,
    *,
    boluses: Sequence[Pushed] = (),
    groups: int = 1,
    earlier: Before = NOTHING_BEFORE,
    strokes: Strokes = Strokes.EVEN,
    drugs: Sequence[str] = (),
) -> dict[str, Given]:
    """What the body is given of each drug up to the end of the window, with the drugs that only ran before.

    ``drugs`` are named too, whether or not anything of them is given.
    """
    strokes_s = np.unique(trace.stroke_s[trace.stroke_s <= window.until_s])
    arrived_ng = trace.arrived_mg(strokes_s) * _NG_PER_MG
    parts = _Parts(trace, window, boluses, strokes_s, strokes)
    found = {}
    for drug in dict.fromkeys((*trace.ingredients, *earlier.rate_ng_per_s, *drugs)):
        row = trace.ingredients.index(drug) if drug in trace.ingredients else None
        mass = np.zeros(strokes_s.size) if row is None else arrived_ng[row]
        found[drug] = _given(drug, parts, np.concatenate(([0.0], mass)), groups, earlier)
    return found


class _Parts:
    """Instants that are the same for every drug: edges between which strokes are joined, and how long each lasts."""

    def __init__(
        self, trace: Trace, window: Window, boluses: Sequence[Pushed], strokes_s: IntArray, strokes: Strokes
    ) -> None:
        self.strokes_s, self._boluses = strokes_s, boluses
        self.impulses = strokes is Strokes.EACH
        corners = [*trace.event_s().tolist(), *(s for b in boluses for s in (b.began_s, b.ended_s))]
        corners += [s for f in trace.fronts if f.tip_s is not None for s in (f.tip_s - 1, f.tip_s)]
        step_s = min(window.step_s, _FINE_S if window.until_s - window.from_s <= _LONG_S else _COARSE_S)
        self.near_s = max(window.from_s - NEAR_S // step_s * step_s, window.from_s % step_s)
        coarse = np.arange(0, self.near_s, _COARSE_S)
        fine = np.arange(self.near_s, window.until_s, step_s)
        edges = np.unique(np.concatenate((coarse, fine, np.array([*corners, 0, window.until_s])))).astype(np.int64)
        self.edges_s = edges[(edges >= 0) & (edges <= window.until_s)]
        self.lasts_s = _lasting(strokes_s, window.until_s)

    def groups(self, ends_s: IntArray) -> IntArray:
        """The group of what leaves the tip up to each of some seconds, from the edge or stroke before it."""
        found = np.zeros(ends_s.size, dtype=np.int64)
        for bolus in self._boluses:
            found[(ends_s > bolus.began_s) & (ends_s <= bolus.ended_s)] = bolus.group
        return found


def _lasting(strokes_s: IntArray, until_s: int) -> IntArray:
    """How long each stroke lasts when it is given evenly: the shorter of the gaps before and after it."""
    if not strokes_s.size:
        return strokes_s
    gaps = np.diff(strokes_s)
    before = np.concatenate((gaps[:1], gaps)) if gaps.size else np.zeros(1, dtype=np.int64)
    return np.asarray(np.minimum(before, np.append(gaps, until_s - strokes_s[-1])))


def _given(drug: str, parts: _Parts, arrived_ng: FloatArray, groups: int, earlier: Before) -> Given:
    """``arrived_ng`` (1 + strokes,) is what has left the tip before the first stroke (nothing) and after each."""
    t_s, rate, mass, (near, far) = (_each if parts.impulses else _even)(parts, arrived_ng, groups)
    lead = np.zeros((groups, earlier.t_s.size))
    lead[0] = earlier.rate_ng_per_s.get(drug, 0.0)
    dosing = Dosing(
        np.concatenate((earlier.t_s, t_s)),
        np.concatenate((lead, rate), axis=1),
        np.concatenate((np.zeros_like(lead), mass), axis=1),
    )
    return Given(drug, dosing, near, far)


def _each(parts: _Parts, arrived_ng: FloatArray, groups: int) -> _Made:
    """Every stroke at its second."""
    strokes = parts.strokes_s
    t_s = np.unique(np.concatenate((parts.edges_s[[0, -1]], strokes)))
    mass = np.zeros((groups, t_s.size))
    mass[parts.groups(strokes), np.searchsorted(t_s, strokes)] = np.diff(arrived_ng)
    return t_s.astype(np.float64), np.zeros_like(mass), mass, (0.0, 0.0)


def _even(parts: _Parts, arrived_ng: FloatArray, groups: int) -> _Made:
    """Each stroke from its second on, as long as it lasts; then evenly between edges, with what is left at the end."""
    edges, strokes = parts.edges_s, parts.strokes_s
    knots_s = np.column_stack((strokes, strokes + parts.lasts_s)).ravel()
    knots_ng = np.column_stack((arrived_ng[:-1], arrived_ng[1:])).ravel()
    upto = np.interp(edges, knots_s, knots_ng, left=0.0) if strokes.size else np.zeros(edges.size)
    left_ng = arrived_ng[-1] - upto[-1]
    rate, mass = np.zeros((groups, edges.size)), np.zeros((groups, edges.size))
    number = parts.groups(edges[1:])
    rate[number, np.arange(edges.size - 1)] = np.diff(upto) / np.diff(edges)
    mass[number[-1], -1] = left_ng
    upto[-1] += left_ng
    even, near = np.interp(strokes, edges, upto), strokes >= parts.near_s
    late, early = arrived_ng[1:] - even, even - arrived_ng[:-1]
    return edges.astype(np.float64), rate, mass, (_most(late, early, near), _most(late, early, ~near))


def _most(late_ng: FloatArray, early_ng: FloatArray, of: BoolArray) -> float:
    """By how much strokes are late at worst and early at worst, added.

    A reading whose answer to an impulse rises and then falls is wrong by at most this times the peak of the answer.
    """
    return float(np.max(late_ng[of], initial=0.0) + np.max(early_ng[of], initial=0.0))


def cumulated_ng(dosing: Dosing, at_s: FloatArray) -> FloatArray:
    """What a dosing has given by each time (times,), over all its inputs; nothing before it begins."""
    rate, mass = dosing.rate_ng_per_s.sum(axis=0), dosing.mass_ng.sum(axis=0)
    begun = np.cumsum(mass) + np.concatenate(([0.0], np.cumsum(rate[:-1] * np.diff(dosing.t_s))))
    number = np.searchsorted(dosing.t_s, at_s, side="right") - 1
    found = begun[number] + rate[number] * (at_s - dosing.t_s[number])
    return np.asarray(np.where(number >= 0, found, 0.0))
