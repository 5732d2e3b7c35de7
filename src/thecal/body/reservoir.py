"""The reservoir: what every stroke finds in it, through refills, loss and running dry.

Fluid in the reservoir is well mixed. A refill leaves at most ``left_ml`` of it and mixes that, by mass, with what is
filled in (transport-science 5.1). Drug may be lost by a first-order rate per ingredient; the loss acts in the
reservoir only, where fluid stays for weeks, and not in the line, which it passes in hours to days. A stroke moves
what is there: the last one before dry moves the rest, and those after it move nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

DAY_S = 86_400
_SHORT = 1e-9  # a stroke that moves this share less than asked is short of fluid; less than that is rounding


def check_amount(value: float, name: str) -> float:
    """``value`` itself; ValueError where it is negative, infinite or not a number."""
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{name} is {value}: allowed is a finite number from 0")
    return value


def row(ingredients: Sequence[str], values: Mapping[str, float], name: str) -> FloatArray:
    """``values`` in the order of ``ingredients``, zero where one is not named; ValueError for a bad number."""
    return np.array([check_amount(float(values.get(i, 0.0)), f"{name} of {i}") for i in ingredients], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Reservoir:
    """What is in the reservoir at ``t_s``: volume in mL, each ingredient in mg/mL, and its loss per day (first order).

    ``unusable_ml`` stays behind when the pump is dry: strokes cannot move it, a refill mixes with it.
    """

    volume_ml: float
    c_mg_per_ml: Mapping[str, float]
    loss_per_day: Mapping[str, float] = field(default_factory=dict)
    unusable_ml: float = 0.0
    t_s: int = 0


@dataclass(frozen=True, slots=True)
class Refill:
    """At ``t_s``, before any stroke of that second: aspirate to ``left_ml`` (or what there is), fill ``filled_ml``.

    ``left_ml`` may be ``math.inf``: nothing is aspirated. An ingredient that is not named is not in the new fluid.
    """

    t_s: int
    left_ml: float
    filled_ml: float
    c_mg_per_ml: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Refilled:
    """What a refill found and left: volumes in mL, removed mass in mg and concentrations in mg/mL, by ingredient."""

    t_s: int
    found_ml: float
    removed_ml: float
    removed_mg: FloatArray
    volume_ml: float
    c_before_mg_per_ml: FloatArray
    c_after_mg_per_ml: FloatArray


@dataclass(frozen=True, slots=True)
class Period:
    """The reservoir from one refill to the next, at its start: ``first`` is the index of its first stroke."""

    t_s: int
    first: int
    pumped_ml: float
    volume_ml: float
    c_mg_per_ml: FloatArray


@dataclass(frozen=True, slots=True)
class Drawn:
    """What the strokes took: per stroke the moved and the cumulative volume, and whether fluid was short."""

    moved_ml: FloatArray
    pumped_ml: FloatArray
    dry: BoolArray
    periods: tuple[Period, ...]
    refilled: tuple[Refilled, ...]
    loss_per_day: FloatArray

    def concentration(self, period: Period, t_s: IntArray) -> FloatArray:
        """mg/mL of every ingredient (rows) at times from the start of ``period`` on (columns)."""
        days = np.maximum(t_s - period.t_s, 0) / DAY_S
        return np.asarray(period.c_mg_per_ml[:, None] * np.exp(-self.loss_per_day[:, None] * days))


def check_strokes(t_s: npt.ArrayLike, stroke_ml: npt.ArrayLike) -> tuple[IntArray, FloatArray]:
    """Stroke times as int64, ascending, and volumes as float64: one for all, or one each; ValueError otherwise."""
    times, volumes = np.asarray(t_s), np.asarray(stroke_ml, dtype=np.float64)
    if times.size and not np.issubdtype(times.dtype, np.integer):
        raise ValueError(f"stroke times are whole seconds; found {times.dtype}")
    times = times.astype(np.int64)
    if times.ndim != 1 or (volumes.ndim and volumes.shape != times.shape):
        raise ValueError(f"one volume for all strokes or one each; found {volumes.shape} for {times.shape}")
    if np.any(times[1:] < times[:-1]):
        raise ValueError("stroke times ascend; they may repeat")
    if not np.all(np.isfinite(volumes) & (volumes >= 0)):
        raise ValueError("every stroke volume is a finite number of mL from 0")
    return times, volumes


def running_total(stroke_ml: FloatArray, count: int) -> FloatArray:
    """Volume after each of ``count`` strokes: a count times a volume where all are alike, else a wide sum."""
    if stroke_ml.ndim == 0:
        return np.arange(1, count + 1, dtype=np.float64) * stroke_ml
    return np.cumsum(stroke_ml, dtype=np.longdouble).astype(np.float64)


def _check(reservoir: Reservoir, refills: Sequence[Refill], t_s: IntArray) -> None:
    check_amount(reservoir.volume_ml, "the volume in the reservoir")
    check_amount(reservoir.unusable_ml, "the unusable volume")
    for refill in refills:
        check_amount(refill.filled_ml, "the filled volume")
        if not refill.left_ml >= 0:
            raise ValueError(f"a refill leaves {refill.left_ml} mL: allowed is a number from 0")
    times = [reservoir.t_s, *(r.t_s for r in refills)]
    if any(b < a for a, b in pairwise(times)) or (t_s.size and t_s[0] < reservoir.t_s):
        raise ValueError("refills ascend in time, and nothing happens before the time of the reservoir")


def _mix(refill: Refill, found_ml: float, before: FloatArray, filled: FloatArray) -> Refilled:
    left_ml = min(refill.left_ml, found_ml)
    volume_ml = left_ml + refill.filled_ml
    after = (left_ml * before + refill.filled_ml * filled) / volume_ml if volume_ml else np.zeros_like(before)
    removed_ml = found_ml - left_ml
    return Refilled(refill.t_s, found_ml, removed_ml, removed_ml * before, volume_ml, before, after)


def _take(stroke_ml: FloatArray, asked_ml: FloatArray, usable_ml: float) -> tuple[FloatArray, FloatArray]:
    """What each stroke of one period moves, and the volume gone after it."""
    wanted_ml = running_total(stroke_ml, asked_ml.size)
    moved_ml = np.clip(usable_ml - (wanted_ml - asked_ml), 0.0, asked_ml)
    return moved_ml, np.minimum(wanted_ml, usable_ml)


def draw(
    t_s: IntArray,
    stroke_ml: FloatArray,
    reservoir: Reservoir,
    refills: Sequence[Refill],
    ingredients: Sequence[str],
) -> Drawn:
    """Every stroke's volume out of the reservoir, period by period; arrays as from ``check_strokes``."""
    _check(reservoir, refills, t_s)
    loss = row(ingredients, reservoir.loss_per_day, "loss per day")
    asked_ml = np.broadcast_to(stroke_ml, t_s.shape)
    moved_ml, pumped_ml = np.zeros(t_s.size), np.zeros(t_s.size)
    period = Period(reservoir.t_s, 0, 0.0, reservoir.volume_ml, row(ingredients, reservoir.c_mg_per_ml, "mg/mL"))
    periods, refilled = [period], list[Refilled]()
    ends = [int(np.searchsorted(t_s, r.t_s, side="left")) for r in refills]
    for end, refill in zip_longest([*ends, t_s.size], refills):
        part = slice(period.first, end)
        usable_ml = max(period.volume_ml - reservoir.unusable_ml, 0.0)
        moved, gone = _take(stroke_ml[part] if stroke_ml.ndim else stroke_ml, asked_ml[part], usable_ml)
        moved_ml[part], pumped_ml[part] = moved, period.pumped_ml + gone
        if refill is not None:
            gone_ml = float(gone[-1]) if gone.size else 0.0
            faded = period.c_mg_per_ml * np.exp(-loss * ((refill.t_s - period.t_s) / DAY_S))
            filled = row(ingredients, refill.c_mg_per_ml, "mg/mL")
            done = _mix(refill, period.volume_ml - gone_ml, faded, filled)
            period = Period(refill.t_s, end, period.pumped_ml + gone_ml, done.volume_ml, done.c_after_mg_per_ml)
            refilled.append(done)
            periods.append(period)
    dry = moved_ml < asked_ml * (1 - _SHORT)
    return Drawn(moved_ml, pumped_ml, dry, tuple(periods), tuple(refilled), loss)
