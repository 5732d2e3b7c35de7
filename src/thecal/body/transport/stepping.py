"""Rational stepping engine: exp(hA) for a whole step from a few shifted systems, each one sweep of the tree.

The exponential is replaced on the negative real axis by its best rational approximation of degree 16, whose error is
3e-16 (Trefethen, Weideman and Schmelzer 2006 say how such approximations are found and used; the coefficients are
those of Pusa 2012, arXiv 1206.2880). Beside it the whole run is done a second time with degree 14, in the other half
of the vector lanes: where the two differ, digits are lost, and that difference is the error that a course states.

Nothing has to be symmetric: edges may go one way, and the tree may be as far from symmetric as bulk flow makes it
(transport-science 6.1). Plasma and lags hang below the tree and are solved with it, exactly as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from thecal.body.transport.course import Course, Engine
from thecal.body.transport.dosing import Dosing, Timeline, timeline
from thecal.body.transport.kernels.stepping import HALF, LANES, Forest, Readings, Scheme, march
from thecal.body.transport.system import PLASMA, Channels, System
from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thecal.body.transport.tree import FloatArray, IntArray

    BoolArray = npt.NDArray[np.bool_]

TOLERANCE = 1e-9
NOTHING = 1e-6  # of what a channel would read if all that was given lay where it weighs most: less counts as nothing
MOST_STEPS = 20_000_000
_SPLIT = 4
_MOST_FACTORS = 64 * 2**20  # bytes

# Pole and residue of each pair, and the value at infinity (Pusa 2012, arXiv 1206.2880, tables for k = 16 and 14).
DEGREE_16 = (
    (-10.843917078696988026 + 19.277446167181652284j, -5.0901521865224915650e-7 - 2.4220017652852287970e-5j),
    (-5.2649713434426468895 + 16.220221473167927305j, 2.1151742182466030907e-4 + 4.3892969647380673918e-3j),
    (5.9481522689511774808 + 3.5874573620183222829j, 1.1339775178483930527e2 + 1.0194721704215856450e2j),
    (3.5091036084149180974 + 8.4361989858843750826j, 1.5059585270023467528e1 - 5.7514052776421819979j),
    (6.4161776990994341923 + 1.1941223933701386874j, -6.4500878025539646595e1 - 2.2459440762652096056e2j),
    (1.4193758971856659786 + 10.925363484496722585j, -1.4793007113557999718 + 1.7686588323782937906j),
    (4.9931747377179963991 + 5.9968817136039422260j, -6.2518392463207918892e1 - 1.1190391094283228480e1j),
    (-1.4139284624888862114 + 13.497725698892745389j, 4.1023136835410021273e-2 - 1.5743466173455468191e-1j),
)
FAR_16 = 2.1248537104952237488e-16
DEGREE_14 = (
    (-8.8977731864688888199 + 16.630982619902085304j, -7.1542880635890672853e-5 + 1.4361043349541300111e-4j),
    (-3.7032750494234480603 + 13.656371871483268171j, 9.4390253107361688779e-3 - 1.7184791958483017511e-2j),
    (-0.2087586382501301251 + 10.991260561901260913j, -3.7636003878226968717e-1 + 3.3518347029450104214e-1j),
    (3.9933697105785685194 + 6.0048316422350373178j, -2.3498232091082701191e1 - 5.8083591297142074004j),
    (5.0893450605806245066 + 3.5888240290270065102j, 4.6933274488831293047e1 + 4.5643649768827760791e1j),
    (5.6231425727459771248 + 1.1940690463439669766j, -2.7875161940145646468e1 - 1.0214733999056451434e2j),
    (2.2697838292311127097 + 8.4617379730402214019j, 4.8071120988325088907 - 1.3209793837428723881j),
)
FAR_14 = 1.8321743782540412751e-14


def _scheme() -> Scheme:
    """Poles (2, LANES), coefficients of amounts and doses (2, 2, LANES), values at infinity (2,).

    With pole z and residue a, a step is far x + sum of Re(-2 a (z - hA)^-1 (x + h dose / z)): the dose enters as one
    more pool of constant content.
    """
    pairs = (*DEGREE_16, *DEGREE_14, *((1j, 0j),) * (HALF - len(DEGREE_14)))
    pole, residue = np.array(pairs).T
    weight = -2 * residue
    c = np.array([[weight.real, weight.imag], [(weight / pole).real, (weight / pole).imag]])
    return np.array([pole.real, pole.imag]), c, np.array([FAR_16, FAR_14])


SCHEME = _scheme()


@dataclass(frozen=True, eq=False, slots=True)
class _Leg:
    """A system over a stretch of time: its forest, what happens when, and the readings taken in it.

    ``order`` (n + 3 + lags,) says where in the forest each part of the state stands; ``readings`` which pools each
    channel reads with which weights, row by row; ``read`` (rows,) at which instants, and ``times`` (times asked for,)
    which of these each one is.
    """

    system: System
    forest: Forest
    order: IntArray
    line: Timeline
    readings: Readings
    read: IntArray
    times: IntArray


def forest(system: System) -> Forest:
    """The arrays that the sweeps go over: tree, then plasma, then lags, each pool after those that give to it.

    The order is that of the state, but for the central compartment, which stands behind the two that it exchanges
    with. A pool without parent is its own.
    """
    tree, plasma, n, size = system.tree, system.plasma, system.tree.size, system.size
    parent = np.arange(size)
    parent[: n - 1], parent[n : n + 2] = tree.parent[:-1], n + 2
    up, down, loss = np.zeros(size), np.zeros(size), np.zeros(size)
    up[: n - 1], down[: n - 1], loss[:n] = tree.up_per_s[:-1], tree.down_per_s[:-1], tree.loss_per_s
    up[n : n + 2], down[n : n + 2] = (plasma.k21_per_s, plasma.k31_per_s), (plasma.k12_per_s, plasma.k13_per_s)
    loss[n + 2] = plasma.k10_per_s
    loss[n + PLASMA :] = [lag.ke0_per_s for lag in system.lags]
    child = np.flatnonzero(parent != np.arange(size))
    to, by, rate = [parent[child]], [child], [up[child]]
    for row, feed in zip((n + 2, *range(n + PLASMA, size)), np.delete(system.feed, (1, 2), axis=0), strict=True):
        by.append(np.flatnonzero(feed))
        to.append(np.full(by[-1].size, row))
        rate.append(feed[by[-1]])
    lags = np.arange(n + PLASMA, size)
    to.append(lags)
    by.append(np.full(lags.size, n + 2))
    rate.append(system.below[PLASMA:, 0])
    goes, comes, rates = np.concatenate(to), np.concatenate(by), np.concatenate(rate)
    sort = np.lexsort((comes, goes))
    source_of = np.searchsorted(goes[sort], np.arange(size + 1))
    stage = np.array([0, n, n + PLASMA, size])
    return parent, up, down, loss, stage, source_of, comes[sort], rates[sort]


def _leg(system: System, dosing: Dosing, at_s: FloatArray, channels: Channels | None, *, extra: bool) -> _Leg:
    """A leg that reads at ``at_s``; with ``extra``, the last of them only says where the leg ends."""
    line = timeline(dosing, at_s)
    n = system.tree.size
    order = np.concatenate((np.arange(n), [n + 2, n, n + 1], np.arange(n + PLASMA, system.size)))
    if channels is None:
        readings = np.arange(system.size + 1), order, np.ones(system.size)
    else:
        row, part = np.nonzero(channels.weights)
        first = np.searchsorted(row, np.arange(len(channels.names) + 1))
        readings = first, order[part], np.asarray(channels.weights[row, part], dtype=np.float64)
    read, times = np.unique(line.read, return_inverse=True)
    return _Leg(system, forest(system), order, line, readings, read, times[:-1] if extra else times)


def _slots(line: Timeline, size: int) -> tuple[IntArray, IntArray]:
    """Which slot keeps the factorization of each length of step, and what is in the slots: nothing yet.

    A length that is used more than once has a slot of its own while memory lasts; all others share the last one.
    """
    uses = np.bincount(line.which, minlength=line.steps_s.size)
    most = _MOST_FACTORS // (size * 2 * LANES * 8)
    own = np.argsort(-uses, kind="stable")[: min(int(np.count_nonzero(uses > 1)), most)]
    slot = np.full(uses.size, own.size)
    slot[own] = np.arange(own.size)
    return slot, np.full(own.size + 1, -1)


def _go(leg: _Leg, x: FloatArray, parts: int) -> tuple[FloatArray, FloatArray]:
    """Go through a leg, each step made of ``parts`` equal ones; ``x`` (pools, 2) moves on.

    Returns what is read (rows, channels), and of each channel (3, channels) the greatest difference to the check, the
    greatest value and the least.
    """
    line, channels = leg.line, leg.readings[0].size - 1
    found, seen = np.empty((leg.read.size, channels)), np.zeros((3, channels))
    slot, ready = _slots(line, leg.system.size)
    factors = np.empty((ready.size, leg.system.size, 2, LANES))
    row = np.full(line.t_s.size, -1)
    row[leg.read] = np.arange(leg.read.size)
    inputs, mass, rate = (
        np.array(a, dtype=np.float64, order="C") for a in (leg.system.inputs, line.mass_ng, line.rate_ng_per_s)
    )
    steps = (line.steps_s, line.which, row, mass, rate)
    march(leg.forest, SCHEME, inputs, steps, (parts, slot, factors, ready), leg.readings, x, found, seen)
    return found, seen


@dataclass(frozen=True, eq=False, slots=True)
class _Found:
    """Readings (channels, times), the state at the end, and the error of the arithmetic."""

    values: FloatArray
    state: FloatArray
    error: float


def _once(legs: Sequence[_Leg], state: FloatArray, parts: int, floor: FloatArray, certain: BoolArray) -> _Found:
    """One run, each step made of ``parts`` equal ones. ``floor`` (channels,) is the least that a channel's error is
    measured by; where ``certain``, a channel cannot be negative, and so what is negative is error.
    """
    order = legs[0].order
    x = np.empty((state.size, 2))
    x[order] = state[:, None]
    gap, greatest, least = np.zeros(floor.size), floor, np.zeros(floor.size)
    values = []
    for leg in legs:
        found, (apart, most, under) = _go(leg, x, parts)
        gap, greatest, least = np.maximum(gap, apart), np.maximum(greatest, most), np.minimum(least, under)
        values.append(found if np.array_equal(leg.times, np.arange(found.shape[0])) else found[leg.times])
    whole = np.concatenate(values) if len(values) > 1 else values[0]
    wrong = np.maximum(2 * gap, np.where(certain, -least, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(wrong == 0, 0.0, wrong / greatest)
    error = float(np.max(share))
    return _Found(whole.T, x[order, 0], error if np.all(np.isfinite(x)) and np.isfinite(error) else np.inf)


def run(
    system: System,
    dosing: Dosing,
    at_s: npt.ArrayLike,
    channels: Channels | None = None,
    *,
    state: FloatArray | None = None,
    tolerance: float = TOLERANCE,
) -> Course:
    """Readings of ``channels`` at ``at_s``, every state where none are named; from ``state`` at the first dosing.

    Each step is split in four, and again, while the stated error is over ``tolerance`` and falls by it. ``time_error``
    is twice the greatest difference between the two approximations, as a share of the greatest value of the channel,
    or of 1e-6 of what the channel would read if all that is given lay where it weighs most, whichever is more. Amounts
    cannot be negative: a reading under 0 is rounding, is left as it is, and ``time_error`` is no less than its depth.
    UntrustedError for input that cannot be, and for results that are not finite.
    """
    return run_pieces(((-np.inf, system),), dosing, at_s, channels, state=state, tolerance=tolerance)


def run_pieces(
    pieces: Sequence[tuple[float, System]],
    dosing: Dosing,
    at_s: npt.ArrayLike,
    channels: Channels | Sequence[Channels] | None = None,
    *,
    state: FloatArray | None = None,
    tolerance: float = TOLERANCE,
) -> Course:
    """As ``run``, for physiology that changes in time: each system holds from its instant (s) to the next one's.

    All stand on the same pools. What a pool holds goes on where rates change; so does what a lag reads. ``channels``
    may be one for each piece, with the same names, where weights change too; a reading at a change sees the new piece.
    """
    named = _each(pieces, channels)
    _check(pieces, dosing, named)
    first = pieces[0][1]
    start = np.zeros(first.size) if state is None else np.array(state, dtype=np.float64)
    if start.shape != (first.size,) or not np.all(np.isfinite(start)):
        raise UntrustedError(Doubt.SHAPE, f"a state of shape {start.shape}", f"{first.size} finite amounts")
    if not tolerance > 0:
        raise UntrustedError(Doubt.OUT_OF_RANGE, f"a tolerance of {tolerance}", "more than 0")
    asked = np.asarray(at_s, dtype=np.float64)
    with np.errstate(over="ignore"):
        whole = timeline(dosing, asked)
    legs = _legs(pieces, dosing, asked, named)
    floors = [
        floor(system, read, dosing, float(whole.t_s[-1]), start)
        for (_, system), read in zip(pieces, named, strict=True)
    ]
    least = np.max(floors, axis=0)
    positive = [read is None or np.min(read.weights, axis=1) >= 0 for read in named]
    certain = never_negative(dosing, start) & np.broadcast_to(np.all(positive, axis=0), least.shape)
    found = _refined(legs, start, least, certain, tolerance)
    names = tuple(f"state {k}" for k in range(first.size)) if named[0] is None else named[0].names
    return Course(names, asked, found.values, Engine.STEPPING, found.error, found.state)


def _refined(
    legs: Sequence[_Leg], start: FloatArray, floor: FloatArray, certain: BoolArray, tolerance: float
) -> _Found:
    """The best of runs with shorter and shorter steps, until the error is small enough or falls no more."""
    count, parts = sum(leg.line.step_s.size for leg in legs), 1
    best: _Found | None = None
    while (best is None or best.error > tolerance) and count * parts <= MOST_STEPS:
        with np.errstate(all="ignore"):
            found = _once(legs, start, parts, floor, certain)
        if best is not None and not found.error < best.error / 2:
            break
        best, parts = found, parts * _SPLIT
    if best is None or not np.isfinite(best.error):
        found_error = "too many steps" if best is None else "amounts that are not finite"
        raise UntrustedError(Doubt.LOST_DIGITS, found_error, f"finite amounts in up to {MOST_STEPS} steps")
    return best


def _each(
    pieces: Sequence[tuple[float, System]], channels: Channels | Sequence[Channels] | None
) -> Sequence[Channels | None]:
    if channels is None or isinstance(channels, Channels):
        return [channels] * len(pieces)
    if len(channels) != len(pieces) or any(c.names != channels[0].names for c in channels):
        raise UntrustedError(Doubt.SHAPE, f"{len(channels)} sets of channels", f"{len(pieces)} with the same names")
    return channels


def _check(pieces: Sequence[tuple[float, System]], dosing: Dosing, channels: Sequence[Channels | None]) -> None:
    """Pieces that follow one another on the same pools, from the first dosing on."""
    starts = np.array([begin for begin, _ in pieces])
    if not starts.size or np.any(np.isnan(starts)) or np.any(np.diff(starts) <= 0) or starts[0] > dosing.t_s[0]:
        raise UntrustedError(
            Doubt.TIME, f"systems from {starts} s", f"one or more, ascending, the first by {dosing.t_s[0]} s"
        )
    first = pieces[0][1]
    names = [lag.name for lag in first.lags]
    for (_, system), read in zip(pieces, channels, strict=True):
        if not np.array_equal(system.tree.parent, first.tree.parent) or [lag.name for lag in system.lags] != names:
            raise UntrustedError(Doubt.SHAPE, "a system of other pools", "the same pools and lags in every piece")
        if system.inputs.shape[1] != dosing.rate_ng_per_s.shape[0]:
            found = f"{dosing.rate_ng_per_s.shape[0]} rows of dosing for {system.inputs.shape[1]} inputs"
            raise UntrustedError(Doubt.SHAPE, found, "a row for each input")
        if read is not None and read.weights.shape[1] != system.size:
            raise UntrustedError(Doubt.SHAPE, f"weights {read.weights.shape}", f"(channels, {system.size})")


def _legs(
    pieces: Sequence[tuple[float, System]], dosing: Dosing, asked: FloatArray, channels: Sequence[Channels | None]
) -> list[_Leg]:
    """The stretch of time of each piece that is needed; all but the last go to the instant of the change."""
    ends = [*(begin for begin, _ in pieces[1:]), np.inf]
    legs = []
    for (begin, system), end, read in zip(pieces, ends, channels, strict=True):
        if end <= dosing.t_s[0] or begin > asked[-1]:
            continue
        here = asked[(asked >= begin) & (asked < end)]
        last = end > asked[-1]
        given = _within(dosing, max(begin, float(dosing.t_s[0])), end)
        legs.append(_leg(system, given, here if last else np.append(here, end), read, extra=not last))
    return legs


def _within(dosing: Dosing, begin: float, end: float) -> Dosing:
    """What is given from ``begin`` until just before ``end``."""
    inside = (dosing.t_s > begin) & (dosing.t_s < end)
    held = int(np.searchsorted(dosing.t_s, begin, side="right")) - 1
    rate = np.column_stack((dosing.rate_ng_per_s[:, held], dosing.rate_ng_per_s[:, inside]))
    now = dosing.mass_ng[:, held] if dosing.t_s[held] == begin else np.zeros(rate.shape[0])
    return Dosing(np.append(begin, dosing.t_s[inside]), rate, np.column_stack((now, dosing.mass_ng[:, inside])))


def never_negative(dosing: Dosing, state: FloatArray | None = None) -> bool:
    """Whether no amount can be negative: nothing is taken away, and nothing under 0 was there."""
    given = np.min(dosing.mass_ng) >= 0 and np.min(dosing.rate_ng_per_s) >= 0
    return bool(given and (state is None or np.min(state) >= 0))


def floor(
    system: System, channels: Channels | None, dosing: Dosing, until_s: float, state: FloatArray | None = None
) -> FloatArray:
    """The least that the error of each channel is a share of: ``NOTHING`` times what it would read if all that is given
    until then, and all that was there, lay where it weighs most. UntrustedError where that is not a number.
    """
    n, size = system.tree.size, system.size
    start = np.zeros(size) if state is None else state
    with np.errstate(over="ignore"):
        given = timeline(dosing, [until_s]).given_ng
        most = np.full(size, given + np.sum(np.abs(start[: n + PLASMA])))
        for row, lag in enumerate(system.lags, start=n + PLASMA):
            most[row] = most[0] * max(float(np.max(np.abs(lag.weights))), abs(lag.plasma_weight)) + abs(start[row])
        reach = most if channels is None else np.max(np.abs(channels.weights) * most, axis=1)
    if not np.all(np.isfinite(reach)):
        raise UntrustedError(Doubt.OUT_OF_RANGE, "amounts that are not finite", "amounts that can be added up")
    return np.asarray(NOTHING * reach)
