"""Reduced modal engine, the default: a few dozen modes that do for these channels what all modes of the tree do.

For each input, solutions of the tree shifted by some real rates span a rational Krylov basis: one sweep gives all of
them at once. The tree seen through the basis is a small symmetric matrix; its modes, with plasma and lags closed
analytically, are stepped exactly from instant to instant (transport-science 6.1). The shifts are fitted to each system:
they reach from its slowest mode to the fastest that its input excites; the shift 0 makes the steady state exact.

The error that a course states comes from the run itself: it is made a second time from a part of the basis, and the
difference is the error of the smaller one, which the larger one falls short of by far.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from thecal.body.transport.course import Course, Engine
from thecal.body.transport.dosing import Dosing, Timeline, timeline
from thecal.body.transport.kernels.march import growth, march
from thecal.body.transport.kernels.reduce import blood, close, doubt, extend, filled, reach, seen, settle, span
from thecal.body.transport.kernels.vectors import LANES
from thecal.body.transport.modal import MOST_SCALE_RATIO
from thecal.body.transport.system import PLASMA, Channels, System
from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from thecal.body.transport.tree import FloatArray

TOLERANCE = 1e-7
NOTHING = 1e-9  # of what a channel would read if all that was given lay where it weighs most: less counts as nothing
FIRST, LAST = 3, 6  # how many sets of shifts a run starts with, and how many there are
MOST_LENGTHS = 20_000  # different lengths of step whose exponentials are held at once
_NUDGE = 2e-8  # what it can change at most that a rate is moved aside which nearly is another
_BEND = 0.4
_LEAST_RANGE = 1e3
_FINE = 120


def _sets() -> tuple[FloatArray, ...]:
    """Places of shifts between the slowest rate (0) and the fastest (1): each set stands in gaps of those before it."""
    step = np.arange(_FINE + 1)
    bent = step / _FINE + _BEND * np.sin(2 * np.pi * step / _FINE) / (2 * np.pi)
    masks = (step % 8 == 4, step % 8 == 0, step % 16 == 6, step % 16 == 14, step % 8 == 2, step % 2 == 1)
    return tuple(bent[mask] for mask in masks)


_SETS = _sets()
_ROOM = 2 + sum(places.size for places in _SETS)


@dataclass(frozen=True, eq=False, slots=True)
class _Pair:
    """Modes from a basis, and after them those from a part of it; each fills up to eights with modes that are nothing.

    Rates (modes,), what one ng of each input adds (inputs, modes), what the state has (modes,), how channels, in
    eights, read the first modes and the second (modes, channels), and how many rates were moved aside.
    """

    rate: FloatArray
    enter: FloatArray
    start: FloatArray
    read: tuple[FloatArray, FloatArray]
    moved: int


class _Column:
    """The basis that grows for one input, or for one state."""

    def __init__(self, whole: Reduced, given: FloatArray) -> None:
        self.whole = whole
        self.given = np.array(given, dtype=np.float64)
        self.size = float(np.linalg.norm(self.given / whole.scale))
        room = min(_ROOM, given.size + _SETS[-1].size + 1)
        self.basis = np.empty((room, given.size))
        self.matrix = np.empty((room, room))
        self.seen = np.empty((room, whole.taken[0].shape[0]))
        self.kept = [0]
        self.slow, self.fast = span(whole.pools, whole.scale, whole.out, whole.coupling, self.given)

    def count(self, sets: int) -> int:
        """How many vectors the basis has from so many sets of shifts; it grows to that."""
        whole = self.whole
        while len(self.kept) <= sets:
            before = self.kept[-1]
            after = before
            if before < self.given.size and self.size:
                shifts = self.shifts(len(self.kept) - 1)
                tree = whole.pools, whole.scale, whole.out, whole.coupling
                after = extend(*tree, self.given, self.basis, before, shifts, self.matrix)
                seen(self.basis, before, after, whole.taken, self.seen)
            self.kept.append(after)
        return self.kept[sets]

    def shifts(self, which: int) -> FloatArray:
        """A set of shifts: evenly spaced in the logarithm but for the bend, from the slowest mode to the fast end. Over
        less than three decades their solutions would be too much alike. The first set has the shift 0 too, which makes
        the steady state exact.
        """
        high = min(max(self.fast, _LEAST_RANGE * self.slow), 2 * float(np.max(self.whole.out))) or 1.0
        low = min(self.slow, 0.5 * high) if self.slow > 0 else 1e-7 * high
        found = low * (high / low) ** _SETS[which]
        return np.asarray(found if which else np.append(found, 0.0 if self.slow > 0 else 1e-3 * low))


class Reduced:
    """A system reduced for some channels, once, and used for many dosings. UntrustedError where digits would be lost.

    ``run`` refuses (LOST_DIGITS) what it cannot show to be within ``tolerance``; before that it takes more shifts.
    """

    def __init__(self, system: System, channels: Channels, *, tolerance: float = TOLERANCE) -> None:
        if not 0 < tolerance <= 1:
            raise UntrustedError(Doubt.OUT_OF_RANGE, f"a tolerance of {tolerance}", "more than 0, up to 1")
        tree, n = system.tree, system.tree.size
        if tree.scale_ratio > MOST_SCALE_RATIO:
            raise UntrustedError(
                Doubt.LOST_DIGITS, f"a scale ratio of {tree.scale_ratio:.3g}", f"up to {MOST_SCALE_RATIO:g}"
            )
        if channels.weights.shape[1] != system.size:
            raise UntrustedError(Doubt.SHAPE, f"weights {channels.weights.shape}", f"(channels, {system.size})")
        self.system, self.channels, self.tolerance = system, channels, tolerance
        self.pools = tree.arrays[:4]
        self.out, self.scale = tree.outflow_per_s, np.exp(tree.log_scale)
        self.coupling = np.sqrt(tree.arrays[1] * tree.arrays[2])
        taken = np.empty((len(channels.names) + 1 + len(system.lags), n))
        taken[: len(channels.names)] = channels.weights[:, :n]
        taken[len(channels.names)] = tree.to_plasma_per_s
        for row, lag in enumerate(system.lags, start=len(channels.names) + 1):
            taken[row] = lag.weights
        self.taken = filled(taken, self.scale)
        plasma, ke0 = system.plasma, np.array([lag.ke0_per_s for lag in system.lags])
        go, back = np.array([plasma.k12_per_s, plasma.k13_per_s]), np.array([plasma.k21_per_s, plasma.k31_per_s])
        from_blood = ke0 * np.array([lag.plasma_weight for lag in system.lags])
        self.below = blood(go, back, float(plasma.k10_per_s), ke0, from_blood)
        self.weights = np.array(channels.weights[:, n:])
        self.reach = self._most()
        self._columns = [_Column(self, column) for column in system.inputs.T]
        self._pairs: dict[int, _Pair] = {}

    def run(self, dosing: Dosing, at_s: npt.ArrayLike, *, state: FloatArray | None = None) -> Course:
        """Readings of the channels at ``at_s``, from ``state`` or from nothing; ``time_error`` is what is shown of it.

        It is a share of the greatest value of each channel, or of 1e-9 of what the channel would read if all that was
        given lay where it weighs most, whichever is more.
        """
        return self.follow(timeline(dosing, at_s), np.asarray(at_s, dtype=np.float64), state=state)

    def follow(
        self, line: Timeline, at_s: FloatArray, *, state: FloatArray | None = None, values: FloatArray | None = None
    ) -> Course:
        """As ``run``, with dosing and times joined before, as many systems may share them; readings are written into
        ``values`` (channels, times), if that is given.
        """
        if state is not None and state.shape != (self.system.size,):
            raise UntrustedError(Doubt.SHAPE, f"a state of shape {state.shape}", f"({self.system.size},)")
        if state is not None and not np.all(np.isfinite(state)):
            raise UntrustedError(Doubt.NOT_A_NUMBER, "a state that is not finite", "finite amounts")
        if line.rate_ng_per_s.shape[0] != len(self._columns):
            found = f"{line.rate_ng_per_s.shape[0]} rows of dosing for {len(self._columns)} inputs"
            raise UntrustedError(Doubt.SHAPE, found, "a row for each input")
        own = None if state is None else _Column(self, state[: self.system.tree.size])
        if values is None:
            values = np.empty((len(self.channels.names), line.read.size))
        best = np.inf
        for sets in range(FIRST, LAST + 1):
            pair = self.pair(sets) if own is None else self._joined([*self._columns, own], sets, state)
            error = self.doubt(line, pair, marched(line, pair, values), state)
            if error <= self.tolerance:
                return Course(self.channels.names, at_s, values, Engine.REDUCED, error)
            best = min(best, error)
        raise UntrustedError(Doubt.LOST_DIGITS, f"an error of {best:.2g}", f"up to {self.tolerance:g}")

    def pair(self, sets: int) -> _Pair:
        """The modes from so many sets of shifts, and from one set less."""
        if sets not in self._pairs:
            self._pairs[sets] = self._joined(self._columns, sets, None)
        return self._pairs[sets]

    def _joined(self, columns: list[_Column], sets: int, state: FloatArray | None) -> _Pair:
        """The modes of all columns side by side, then plasma and lags; and again from one set of shifts less."""
        lags, inputs = len(self.system.lags), len(self._columns)
        counts = [[column.count(which) for column in columns] for which in (sets, sets - 1)]
        under = [sum(count) for count in counts]
        rooms = [-(-(count + PLASMA + lags) // LANES) * LANES for count in under]
        rate, enter = np.zeros(sum(rooms)), np.zeros((len(columns), sum(rooms)))
        wide = -(-len(self.channels.names) // LANES) * LANES
        moved, at = 0, 0
        reads = []
        for count, below, room in zip(counts, under, rooms, strict=True):
            here = slice(at, at + room)
            read = np.zeros((room, wide))
            first = 0
            for column, k, into in zip(columns, count, enter[:, here], strict=True):
                part = column.matrix[:k, :k].copy(), column.seen[:k], column.size
                n = close(*part, self.below, self.weights, (first, below), rate[here], into, read)
                if n < 0:
                    raise UntrustedError(Doubt.LOST_DIGITS, "modes that were not found", "a matrix that turns diagonal")
                first, moved = first + k, moved + n
            settle(self.below, self.weights, below, rate[here], read)
            if state is not None:
                self._start(state, enter[inputs, at + below : at + below + PLASMA + lags])
            reads.append(read)
            at += room
        start = np.zeros(rate.size) if state is None else enter[inputs].copy()
        return _Pair(rate, enter[:inputs], start, (reads[0], reads[1]), moved)

    def _start(self, state: FloatArray, into: FloatArray) -> None:
        """Add what plasma and lags hold at first to their modes."""
        _, _, reads, _, _, through = self.below
        tree = self.system.tree.size
        held = np.linalg.solve(reads, state[tree : tree + PLASMA])
        into[:PLASMA] += held
        into[PLASMA:] += state[tree + PLASMA :] - through @ held

    def doubt(
        self, line: Timeline, pair: _Pair, seen: tuple[FloatArray, FloatArray, FloatArray], state: FloatArray | None
    ) -> float:
        """What is shown of the error: twice the gap to a smaller basis, rounding, and rates that were moved aside."""
        gap, greatest, mode = seen
        own = pair.read[0].shape[0]
        size = np.maximum(greatest, NOTHING * self._reach(line, state))
        seconds = float(line.t_s[-1] - line.t_s[0]) + 1.0
        return float(doubt(pair.rate[:own], mode[:own], pair.read[0], gap, size, seconds)) + pair.moved * _NUDGE

    def _reach(self, line: Timeline, state: FloatArray | None) -> FloatArray:
        """What each channel would read if all that was given, and all that was there, lay where it weighs most."""
        n = self.system.tree.size
        given = line.given_ng + (0.0 if state is None else float(np.sum(np.abs(state[: n + PLASMA]))))
        return given * self.reach

    def _most(self) -> FloatArray:
        """What each channel would read at most of 1 ng."""
        unit = np.ones(self.system.size)
        for row, lag in enumerate(self.system.lags, start=self.system.tree.size + PLASMA):
            unit[row] = max(float(np.max(np.abs(lag.weights))), abs(lag.plasma_weight))
        return reach(np.array(self.channels.weights), unit)


def marched(line: Timeline, pair: _Pair, values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Go through a timeline, in stretches where its lengths of step are very many. Returns the greatest difference of
    each channel to the smaller basis, its greatest value, and how great each mode was.
    """
    if line.steps_s.size <= MOST_LENGTHS:
        happens = line.which, line.rate_ng_per_s, line.mass_ng, line.read, line.checked, line.happens
        return march(pair.start, pair.enter, pair.read, growth(pair.rate, line.steps_s), happens, values)[:3]
    z, gap, size, mode = pair.start, *np.zeros((2, values.shape[0])), np.zeros(pair.rate.size)
    for first in range(0, line.step_s.size, MOST_LENGTHS):
        last = min(first + MOST_LENGTHS, line.step_s.size)
        end = last + 1 if last == line.step_s.size else last  # the instant between two stretches belongs to the second
        rows = slice(*np.searchsorted(line.read, (first, end)))
        checks = slice(*np.searchsorted(line.checked, (rows.start, rows.stop)))
        mass = line.mass_ng[:, first : last + 1].copy()
        steps_s, which = np.unique(line.step_s[first:last], return_inverse=True)
        rate, read, checked = line.rate_ng_per_s[:, first:last].copy(), line.read[rows] - first, line.checked[checks]
        part = np.empty((values.shape[0], read.size))
        brings = line.happens[first : last + 1].copy()
        brings[0] |= 2
        brings[end - first :] = 0
        happens = np.asarray(which, dtype=np.int64), rate, mass, read, checked - rows.start, brings
        gap_then, size_then, mode_then, z = march(z, pair.enter, pair.read, growth(pair.rate, steps_s), happens, part)
        values[:, rows] = part
        gap, size, mode = np.maximum(gap, gap_then), np.maximum(size, size_then), np.maximum(mode, mode_then)
    return gap, size, mode
