"""Tubing and catheter: a delay in pumped volume, from the reservoir to the tip.

The line holds ``dead_volume_ml``. With W the volume pumped so far, the fluid that leaves the tip is what entered when
W was smaller by the dead volume (plug flow, transport-science 5.1). So mass entered is one function of volume, made
of straight pieces, and mass arrived is the same function read one dead volume earlier: exact at every stroke, and
nothing is stepped. A stop or a stall is a stroke that does not occur. A stroke moves its whole volume at its second;
where it straddles a boundary between two fluids, its mass splits in proportion.

A front between two fluids may be given a width: a Gaussian in volume whose variance grows with the distance that the
front has gone in the line, so that nothing arrives before it enters and no mass is made or lost. Lines are never as
sharp as plug flow at priming speed (device-facts 3, warning on F5 and F6): a computed arrival is nominal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from thecal.body.reservoir import Drawn, FloatArray, IntArray, check_amount, check_strokes, draw, row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from thecal.body.reservoir import BoolArray, Period, Refill, Refilled, Reservoir

_TIE = 1e-6  # share of the smallest stroke, or of the line, within which a front counts as having reached the tip
_FULL = 1e-9  # share of the dead volume by which the fluids stated to be in the line may miss it
_TAIL = 9.0  # standard deviations beyond which a front of any width is as sharp as a plug


@dataclass(frozen=True, slots=True)
class Parcel:
    """A length of one fluid in the line: its volume in mL and each ingredient in mg/mL."""

    volume_ml: float
    c_mg_per_ml: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Line:
    """Tubing and catheter: dead volume in mL (more than 0), what is in it at the start, and the width of a front.

    ``contents`` runs from the tip to the pump and fills the dead volume; left out, the line holds no drug.
    ``sigma_ml`` is the standard deviation of a front that has gone the whole way (0: plug flow).
    """

    dead_volume_ml: float
    contents: tuple[Parcel, ...] = ()
    sigma_ml: float = 0.0


@dataclass(frozen=True, slots=True)
class Front:
    """A boundary between two fluids: when it entered the line, and when the first stroke brought it to the tip.

    ``entered_s`` is None for one that was in the line at the start; ``reaches_tip_s`` is None where no stroke of the
    run did it. ``pumped_ml`` is the volume pumped when it entered, below 0 for one that was in the line.
    ``refill`` is the number of the refill that made it, from 0, or None. Concentrations are in mg/mL.
    """

    pumped_ml: float
    entered_s: int | None
    refill: int | None
    c_before_mg_per_ml: FloatArray
    c_after_mg_per_ml: FloatArray
    reaches_tip_s: int | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """Mass against volume in straight pieces: where each starts (mL), the mass so far (mg), its slope (mg/mL)."""

    start_ml: FloatArray
    mass_mg: FloatArray
    c_mg_per_ml: FloatArray

    def piece(self, volume_ml: FloatArray) -> IntArray:
        """The number of the piece that each volume lies in."""
        found = np.searchsorted(self.start_ml, volume_ml, side="right") - 1
        return np.asarray(np.maximum(found, 0), dtype=np.int64)

    def mass(self, volume_ml: FloatArray) -> FloatArray:
        """The mass (mg) up to each volume: one row for each ingredient."""
        n = self.piece(volume_ml)
        return np.asarray(self.mass_mg[:, n] + self.c_mg_per_ml[:, n] * (volume_ml - self.start_ml[n]))


@dataclass(frozen=True, slots=True)
class TipArrival:
    """What left the reservoir and what left the tip, at every stroke and at any time.

    Rows of a mass array are ``ingredients``; columns are the times asked for, or the strokes. A time counts every
    stroke up to and including its second. Masses are mg since the start of the run.
    """

    ingredients: tuple[str, ...]
    t_s: IntArray
    line: Line
    drawn: Drawn
    entry: Profile
    fronts: tuple[Front, ...]

    @property
    def moved_ml(self) -> FloatArray:
        """What each stroke moved."""
        return self.drawn.moved_ml

    @property
    def dry(self) -> BoolArray:
        """Which strokes found less than they should move."""
        return self.drawn.dry

    @property
    def refills(self) -> tuple[Refilled, ...]:
        """What each refill found, removed and left."""
        return self.drawn.refilled

    def pumped_ml(self, at_s: npt.ArrayLike | None = None) -> FloatArray:
        """Volume pumped up to each time, or after each stroke."""
        if at_s is None:
            return self.drawn.pumped_ml
        strokes = np.searchsorted(self.t_s, np.atleast_1d(at_s), side="right")
        return np.concatenate(([0.0], self.drawn.pumped_ml))[strokes]

    def delivered_mg(self, at_s: npt.ArrayLike | None = None) -> FloatArray:
        """Mass that left the reservoir up to each time, or after each stroke."""
        return self.entry.mass(self.pumped_ml(at_s)) - self.initial_line_mg[:, None]

    def arrived_mg(self, at_s: npt.ArrayLike | None = None) -> FloatArray:
        """Mass that left the tip up to each time, or after each stroke; what was in the line at first counts too."""
        pumped_ml = self.pumped_ml(at_s)
        arrived = self.entry.mass(pumped_ml - self.line.dead_volume_ml)
        return arrived + self._spread_mg(pumped_ml) if self.line.sigma_ml else arrived

    def in_line_mg(self, at_s: npt.ArrayLike | None = None) -> FloatArray:
        """Mass between reservoir and tip at each time, or after each stroke."""
        return self.initial_line_mg[:, None] + self.delivered_mg(at_s) - self.arrived_mg(at_s)

    @property
    def initial_line_mg(self) -> FloatArray:
        """Mass that was in the line at the start, for each ingredient."""
        return self.entry.mass(np.zeros(1))[:, 0]

    def tip_c_mg_per_ml(self, at_s: npt.ArrayLike | None = None) -> FloatArray:
        """Concentration of the fluid that lies at the tip and leaves next, in plug flow."""
        return self.entry.c_mg_per_ml[:, self.entry.piece(self.pumped_ml(at_s) - self.line.dead_volume_ml)]

    def ahead_ml(self, at_s: npt.ArrayLike | None = None) -> FloatArray:
        """Volume between each front (rows) and the tip: 0 once it is there, not-a-number before it enters."""
        times = self.t_s if at_s is None else np.atleast_1d(np.asarray(at_s))
        starts_ml = np.array([f.pumped_ml for f in self.fronts])[:, None]
        ahead = np.clip(starts_ml + self.line.dead_volume_ml - self.pumped_ml(at_s), 0.0, self.line.dead_volume_ml)
        entered = np.array([-math.inf if f.entered_s is None else f.entered_s for f in self.fronts])[:, None]
        return np.asarray(np.where(times >= entered, ahead, np.nan))

    def reservoir_at(self, at_s: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Volume in the reservoir (mL) and concentrations in it (mg/mL, a row for each ingredient) at each time.

        A refill counts from its second on.
        """
        times = np.atleast_1d(np.asarray(at_s, dtype=np.int64))
        periods = self.drawn.periods
        number = np.searchsorted([p.t_s for p in periods[1:]], times, side="right")
        start_ml = np.array([p.volume_ml + p.pumped_ml for p in periods])[number]
        c = np.empty((len(self.ingredients), times.size))
        for n in np.unique(number):
            c[:, number == n] = self.drawn.concentration(periods[n], times[number == n])
        return start_ml - self.pumped_ml(times), c

    def line_at(self, at_s: int) -> tuple[Parcel, ...]:
        """What the line holds at ``at_s``, from the tip to the pump, as ``Line.contents`` takes it (plug flow)."""
        end_ml = float(self.pumped_ml(at_s)[0])
        first_ml = end_ml - self.line.dead_volume_ml
        edges_ml = np.append(np.clip(self.entry.start_ml, first_ml, end_ml), end_ml)
        volumes_ml = np.diff(edges_ml)
        return tuple(
            Parcel(
                float(volumes_ml[n]), dict(zip(self.ingredients, self.entry.c_mg_per_ml[:, n].tolist(), strict=True))
            )
            for n in np.flatnonzero(volumes_ml > 0)
        )

    def _spread_mg(self, pumped_ml: FloatArray) -> FloatArray:
        """How much more than a plug has arrived, because fronts are wide."""
        extra = np.zeros((len(self.ingredients), pumped_ml.size))
        for front in self.fronts:
            gone_ml = np.maximum(pumped_ml - max(front.pumped_ml, 0.0), 0.0)
            sigma_ml = self.line.sigma_ml * np.sqrt(gone_ml / self.line.dead_volume_ml)
            past_ml = pumped_ml - self.line.dead_volume_ml - front.pumped_ml
            near = np.flatnonzero(np.abs(past_ml) < _TAIL * sigma_ml)
            step = front.c_after_mg_per_ml - front.c_before_mg_per_ml
            extra[:, near] += step[:, None] * _early_ml(past_ml[near], sigma_ml[near])
        return extra


def _early_ml(past_ml: FloatArray, sigma_ml: FloatArray) -> FloatArray:
    """The volume of new fluid that a Gaussian front brings to the tip ahead of a plug; even in ``past_ml``."""
    z = np.abs(past_ml) / sigma_ml
    density = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    tail = 0.5 * np.asarray(np.frompyfunc(math.erfc, 1, 1)(z / math.sqrt(2)), dtype=np.float64)
    return np.asarray(sigma_ml * (density - z * tail))


def front_width_ml(
    dead_volume_ml: float, length_cm: float, flow_ml_per_day: float, diffusivity_cm2_per_s: float
) -> float:
    """Standard deviation in volume of a front that has passed a round tube at a steady flow (transport-science 5.1).

    Taylor-Aris: V sqrt(2 D_T / (u L)) with D_T = D (1 + Pe^2 / 48) and Pe = u r / D. All four are more than 0.
    """
    area_cm2 = dead_volume_ml / length_cm
    u_cm_per_s = flow_ml_per_day / 86_400 / area_cm2
    peclet = u_cm_per_s * math.sqrt(area_cm2 / math.pi) / diffusivity_cm2_per_s
    taylor = diffusivity_cm2_per_s * (1 + peclet**2 / 48)
    return dead_volume_ml * math.sqrt(2 * taylor / (u_cm_per_s * length_cm))


def tip_arrival(
    t_s: npt.ArrayLike,
    stroke_ml: npt.ArrayLike,
    reservoir: Reservoir,
    line: Line,
    refills: Sequence[Refill] = (),
) -> TipArrival:
    """Follow every stroke from the reservoir to the tip.

    ``t_s``: int64 seconds, ascending, may repeat. ``stroke_ml``: the real volume of a stroke (nominal times accuracy),
    one for all or one each. Ingredients are all that any fluid names. ValueError for anything that cannot be.
    """
    times, volumes = check_strokes(t_s, stroke_ml)
    contents = _contents(line)
    fluids = [reservoir.c_mg_per_ml, *(p.c_mg_per_ml for p in contents), *(r.c_mg_per_ml for r in refills)]
    ingredients = tuple(dict.fromkeys(i for fluid in fluids for i in fluid))
    drawn = draw(times, volumes, reservoir, refills, ingredients)
    in_line = [row(ingredients, p.c_mg_per_ml, "mg/mL") for p in contents]
    entry = _entry(times, line, contents, in_line, drawn)
    moving = volumes[volumes > 0]
    tie_ml = _TIE * min(float(moving.min(initial=math.inf)), line.dead_volume_ml)
    fronts = [
        _timed(f, times, drawn.pumped_ml, f.pumped_ml + line.dead_volume_ml - tie_ml)
        for f in _fronts(line, contents, in_line, drawn)
    ]
    return TipArrival(ingredients, times, line, drawn, entry, tuple(fronts))


def _contents(line: Line) -> tuple[Parcel, ...]:
    check_amount(line.sigma_ml, "the width of a front")
    if not check_amount(line.dead_volume_ml, "the dead volume"):
        raise ValueError("the dead volume of a line is more than 0 mL")
    contents = line.contents or (Parcel(line.dead_volume_ml, {}),)
    held_ml = math.fsum(check_amount(p.volume_ml, "a volume in the line") for p in contents)
    if abs(held_ml - line.dead_volume_ml) > _FULL * line.dead_volume_ml:
        raise ValueError(
            f"the fluids in the line fill {held_ml} mL: allowed is the dead volume, {line.dead_volume_ml} mL"
        )
    return tuple(p for p in contents if p.volume_ml)


def _edges(line: Line, contents: Sequence[Parcel]) -> FloatArray:
    """Where each fluid in the line begins, in pumped volume: from minus the dead volume at the tip up to the pump."""
    starts = np.cumsum([0.0, *(p.volume_ml for p in contents[:-1])]) - line.dead_volume_ml
    return np.asarray(np.minimum(starts, 0.0))


def _entry(
    t_s: IntArray, line: Line, contents: Sequence[Parcel], in_line: Sequence[FloatArray], drawn: Drawn
) -> Profile:
    """Mass that entered the line, against pumped volume, with what was in the line at the start below 0."""
    starts = [_edges(line, contents)]
    slopes = [np.column_stack(in_line)]
    ends = [*(p.first for p in drawn.periods[1:]), t_s.size]
    for period, end in zip(drawn.periods, ends, strict=True):
        start_ml, c = _pieces(t_s, period, end, drawn)
        starts.append(start_ml)
        slopes.append(c)
    start_ml, c = np.concatenate(starts), np.concatenate(slopes, axis=1)
    steps = np.asarray(c[:, :-1] * np.diff(start_ml), dtype=np.longdouble)
    mass_mg = np.concatenate((np.zeros((c.shape[0], 1)), np.cumsum(steps, axis=1).astype(np.float64)), axis=1)
    return Profile(start_ml, mass_mg, c)


def _pieces(t_s: IntArray, period: Period, end: int, drawn: Drawn) -> tuple[FloatArray, FloatArray]:
    """One piece for the whole period, or one for each stroke where drug is lost in time."""
    if not drawn.loss_per_day.any() or end == period.first:
        return np.array([period.pumped_ml]), period.c_mg_per_ml[:, None]
    before_ml = np.concatenate(([period.pumped_ml], drawn.pumped_ml[period.first : end - 1]))
    return before_ml, drawn.concentration(period, t_s[period.first : end])


def _fronts(line: Line, contents: Sequence[Parcel], in_line: Sequence[FloatArray], drawn: Drawn) -> list[Front]:
    """Every boundary in the order in which they leave, without when they reach the tip."""
    start = drawn.periods[0]
    edges_ml = _edges(line, contents).tolist()
    inside = [Front(edges_ml[n], None, None, in_line[n - 1], in_line[n]) for n in range(1, len(contents))]
    first = Front(0.0, start.t_s, None, in_line[-1], start.c_mg_per_ml)
    later = [
        Front(period.pumped_ml, period.t_s, n, done.c_before_mg_per_ml, done.c_after_mg_per_ml)
        for n, (period, done) in enumerate(zip(drawn.periods[1:], drawn.refilled, strict=True))
    ]
    return [*inside, first, *later]


def _timed(front: Front, t_s: IntArray, pumped_ml: FloatArray, reach_ml: float) -> Front:
    """``front`` with the time of the first stroke after which ``reach_ml`` was pumped."""
    stroke = int(np.searchsorted(pumped_ml, reach_ml))
    return replace(front, reaches_tip_s=int(t_s[stroke])) if stroke < t_s.size else front
