"""What can be read off a curve in time or a profile in space. Pure: curves come in, numbers go out.

Times are in s from the start, whatever a curve's values are. What a curve does not have (a peak that is still to come,
a half-life of something that rises) is refused and never guessed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from thecal.body.transport.tree import FloatArray

FIRST_S = 1.0  # the finest step after an instant of dosing
FIT_POINTS = 9
_SAMPLES, _FEWEST, _FINE = 2400, 12, 41
_MOST_IN_GAP = 160
_CORNER = 1e-3  # a smooth top bends by less between fine samples, as a share
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(6)


class UnreadableError(ValueError):
    """A curve or profile that has no such number; the message says why."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Values at any ascending times, and the instants up to a time at which what is given changes."""

    at: Callable[[FloatArray], FloatArray]
    instants: Callable[[float], FloatArray]


def value(curve: Curve, t_s: float) -> float:
    """The value at one time."""
    return float(curve.at(np.array([t_s]))[0])


def area(curve: Curve, start_s: float, end_s: float) -> float:
    """The area under it: Gauss-Legendre on panels that grow after each instant, exact to far below 3 digits."""
    edges = _samples(curve, start_s, end_s, growth=2.0)
    half, middle = np.diff(edges) / 2, (edges[:-1] + edges[1:]) / 2
    t_s = (middle[:, None] + half[:, None] * _NODES).ravel()
    values = curve.at(t_s).reshape(half.size, _NODES.size)
    return float(np.sum((values @ _WEIGHTS) * half))


def mean(curve: Curve, start_s: float, end_s: float) -> float:
    """The average over time."""
    return area(curve, start_s, end_s) / (end_s - start_s)


def peak(curve: Curve, start_s: float, end_s: float) -> tuple[float, float]:
    """When the greatest value is reached, and that value. UnreadableError where it still rises at the end."""
    t_s = _samples(curve, start_s, end_s)
    found = curve.at(t_s)
    top = int(np.argmax(found))
    if found[top] <= 0:
        raise UnreadableError("nothing arrives in this time")
    if top == t_s.size - 1:
        raise UnreadableError("it still rises at the end of this time")
    if top == 0 or t_s[top] in curve.instants(end_s):
        return float(t_s[top]), float(found[top])
    fine_s = np.linspace(t_s[top - 1], t_s[top + 1], _FINE)
    return _parabola(fine_s, curve.at(fine_s))


def _parabola(t_s: FloatArray, found: FloatArray) -> tuple[float, float]:
    """The top of the parabola through the greatest of some even samples and its neighbors; the sample at a corner."""
    top = int(np.clip(np.argmax(found), 1, t_s.size - 2))
    before, here, after = found[top - 1 : top + 2]
    bend = before - 2 * here + after
    if not -_CORNER * here < bend < 0:
        return float(t_s[top]), float(here)
    shift = float(np.clip(0.5 * (before - after) / bend, -1.0, 1.0))
    return float(t_s[top] + shift * (t_s[1] - t_s[0])), float(here - 0.25 * (before - after) * shift)


def half_life(curve: Curve, start_s: float, end_s: float) -> float:
    """ln 2 over the slope of a straight line through the logarithm at nine even times."""
    t_s = np.linspace(start_s, end_s, FIT_POINTS)
    found = curve.at(t_s)
    if np.any(found <= 0):
        raise UnreadableError("nothing is left in this time")
    slope = _slope(t_s, np.log(found))
    if slope >= 0:
        raise UnreadableError("it does not fall in this time")
    return math.log(2) / -slope


def arrival(curve: Curve, start_s: float, end_s: float, share: float) -> float:
    """When a share of the greatest value is first reached."""
    top_s, top = peak(curve, start_s, end_s)
    t_s = _samples(curve, start_s, end_s)
    t_s = np.append(t_s[t_s < top_s], top_s)
    found = curve.at(t_s)
    return _crossing(t_s, found, share * top)


def _crossing(t_s: FloatArray, found: FloatArray, level: float) -> float:
    """The first time at which a level is reached, straight between samples."""
    after = int(np.argmax(found >= level))
    if after == 0:
        return float(t_s[0])
    share = (level - found[after - 1]) / (found[after] - found[after - 1])
    return float(t_s[after - 1] + share * (t_s[after] - t_s[after - 1]))


def time_over(curve: Curve, start_s: float, end_s: float, level: float) -> float:
    """How long a level is passed, straight between samples."""
    t_s = _samples(curve, start_s, end_s)
    over = curve.at(t_s) - level
    low, high = np.minimum(over[:-1], over[1:]), np.maximum(over[:-1], over[1:])
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(low >= 0, 1.0, np.where(high <= 0, 0.0, high / (high - low)))
    return float(np.sum(share * np.diff(t_s)))


def spread(edges_cm: FloatArray, mass: FloatArray, share: float) -> float:
    """The length of the shortest stretch that holds a share of the mass; ``edges_cm`` is one longer than ``mass``."""
    total = float(np.sum(mass))
    if total <= 0:
        raise UnreadableError("nothing is there at this time")
    held = np.append(0.0, np.cumsum(mass)) / total
    from_left = np.interp(held + share, held, edges_cm, right=np.inf) - edges_cm
    from_right = edges_cm - np.interp(held - share, held, edges_cm, left=-np.inf)
    return float(min(np.min(from_left), np.min(from_right)))


def decay_length(x_cm: FloatArray, found: FloatArray, from_cm: float, to_cm: float) -> float:
    """1 over the slope of a straight line through the logarithm, from one place to another, which may lie lower."""
    low, high = min(from_cm, to_cm), max(from_cm, to_cm)
    inside = (x_cm >= low) & (x_cm <= high)
    if np.count_nonzero(inside) < 2:
        raise UnreadableError("fewer than two cells lie in this stretch")
    if np.any(found[inside] <= 0):
        raise UnreadableError("nothing is there at this time")
    slope = _slope(x_cm[inside], np.log(found[inside])) * (1 if to_cm > from_cm else -1)
    if slope >= 0:
        raise UnreadableError("it does not fall along this stretch")
    return 1 / -slope


def _slope(x: FloatArray, y: FloatArray) -> float:
    from_mean = x - np.mean(x)
    return float(from_mean @ y / (from_mean @ from_mean))


def _samples(curve: Curve, start_s: float, end_s: float, growth: float | None = None) -> FloatArray:
    """Times from start to end: every instant between, and from each on finely at first, then ever wider."""
    inside = curve.instants(end_s)
    marks = np.unique(np.concatenate(([start_s, end_s], inside[(inside > start_s) & (inside < end_s)])))
    most = int(np.clip(_SAMPLES // (marks.size - 1), _FEWEST, _MOST_IN_GAP))
    pieces = [np.array([end_s])]
    for begin, until in pairwise(marks):
        wide = until - begin
        count = most if growth is None else 1 + math.ceil(math.log(max(wide / FIRST_S, 1.0)) / math.log(growth))
        offsets = np.geomspace(min(FIRST_S, wide / 2), wide, count + 1)[:-1]
        pieces.append(begin + np.append(0.0, offsets))
    return np.unique(np.concatenate(pieces))
