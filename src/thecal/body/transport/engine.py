"""Which engine makes a run, and whether what it made can be trusted.

Reduced modal by default; rational stepping where modes would lose digits, where an edge goes one way, and where the
reduced engine cannot show an error under the tolerance; full modal only where it is asked for.
What no engine can show to be so is refused as an UntrustedError and never returned. The error that a course states is
that of the arithmetic in time: the grid in space and the model have errors of their own, which are many times greater.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from thecal.body.transport import stepping
from thecal.body.transport.course import Course, Engine
from thecal.body.transport.dosing import MOST_INSTANTS, Dosing
from thecal.body.transport.modal import MOST_SCALE_RATIO, Modes
from thecal.body.transport.reduced import Reduced
from thecal.body.transport.system import Channels
from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thecal.body.transport.system import System
    from thecal.body.transport.tree import FloatArray

TOLERANCE = 1e-7


class Prepared:
    """A system made ready for some channels: what an engine finds is found once, and used for many dosings."""

    def __init__(self, system: System, channels: Channels | None = None, *, tolerance: float = TOLERANCE) -> None:
        if not 0 < tolerance < 1:
            raise UntrustedError(Doubt.OUT_OF_RANGE, f"a tolerance of {tolerance}", "more than 0 and less than 1")
        if channels is not None and channels.weights.shape[1] != system.size:
            raise UntrustedError(Doubt.SHAPE, f"weights {channels.weights.shape}", f"(channels, {system.size})")
        self.system, self.channels, self.tolerance = system, channels, tolerance

    @cached_property
    def choice(self) -> tuple[Engine, ...]:
        """The engines to try, best first."""
        if self.system.tree.scale_ratio > MOST_SCALE_RATIO:
            return (Engine.STEPPING,)
        return Engine.REDUCED, Engine.STEPPING

    def run(
        self,
        dosing: Dosing,
        at_s: npt.ArrayLike,
        *,
        engine: Engine | None = None,
        state: FloatArray | None = None,
    ) -> Course:
        """As ``engine.run``."""
        _check(self.system, dosing, state)
        *first, last = (engine,) if engine else self.choice
        for kind in first:
            try:
                return self._trusted(self._made(kind, dosing, at_s, state), dosing, state)
            except UntrustedError as error:
                if error.doubt is not Doubt.LOST_DIGITS:
                    raise
        return self._trusted(self._made(last, dosing, at_s, state), dosing, state)

    @cached_property
    def _reduced(self) -> Reduced:
        return Reduced(self.system, self.channels or all_states(self.system), tolerance=self.tolerance)

    @cached_property
    def _modes(self) -> Modes:
        return Modes(self.system)

    def _made(self, kind: Engine, dosing: Dosing, at_s: npt.ArrayLike, state: FloatArray | None) -> Course:
        times = np.asarray(at_s, dtype=np.float64)
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # what comes of it is found by the checks
                if kind is Engine.REDUCED:
                    return self._whole(self._reduced.run(dosing, times, state=state))
                if kind is Engine.MODAL:
                    return self._modes.run(dosing, times, self.channels, state=state)
        except (np.linalg.LinAlgError, ArithmeticError) as error:  # as two modes of one rate, one driving the other
            raise UntrustedError(Doubt.LOST_DIGITS, f"{kind}: {error}", "modes that stand apart") from error
        goal = min(self.tolerance, stepping.TOLERANCE)
        return stepping.run(self.system, dosing, times, self.channels, state=state, tolerance=goal)

    def _whole(self, course: Course) -> Course:
        """The course with its last state, where every state is a channel."""
        return course if self.channels is not None else replace(course, state=course.values[:, -1].copy())

    def _trusted(self, course: Course, dosing: Dosing, state: FloatArray | None) -> Course:
        check(course, self.tolerance)
        if stepping.never_negative(dosing, state):
            floor = stepping.floor(self.system, self.channels, dosing, float(course.at_s[-1]), state)
            certain = self.channels is None or np.min(self.channels.weights, axis=1) >= 0
            check_sign(course, self.tolerance, np.where(certain, floor, np.inf))
        return course


def check(course: Course, tolerance: float) -> None:
    """UntrustedError unless all of a course is finite and its error is under the tolerance."""
    if not (np.all(np.isfinite(course.values)) and (course.state is None or np.all(np.isfinite(course.state)))):
        raise UntrustedError(Doubt.LOST_DIGITS, f"{course.engine} that is not finite", "finite readings")
    if not course.time_error <= tolerance:
        found = f"an error of {course.time_error:.2g} from {course.engine}"
        raise UntrustedError(Doubt.LOST_DIGITS, found, f"up to {tolerance:g}")


def check_sign(course: Course, tolerance: float, floor: FloatArray) -> None:
    """UntrustedError where a channel is under 0 by more than the tolerance, as a share of the most that it is, or of
    ``floor`` (channels,) where that is more. For channels that cannot be negative in truth.
    """
    size = np.maximum(np.max(np.abs(course.values), axis=1), floor)
    under = np.min(course.values, axis=1) < -tolerance * size
    if np.any(under):
        name = course.names[int(np.argmax(under))]
        raise UntrustedError(Doubt.LOST_DIGITS, f"{name} under 0 from {course.engine}", "0 or more")


def run(
    system: System,
    dosing: Dosing,
    at_s: npt.ArrayLike,
    channels: Channels | None = None,
    *,
    engine: Engine | None = None,
    tolerance: float = TOLERANCE,
    state: FloatArray | None = None,
) -> Course:
    """Readings of ``channels`` at ``at_s`` (every state where none are named), from ``state`` or from nothing.

    ``tolerance`` is the greatest ``time_error`` that is accepted, more than 0 and less than 1. ``engine`` asks for one
    engine and no other. UntrustedError for input that cannot be, and where no engine allowed stays under the tolerance.
    The state at the end is known where every state is read, and where the reduced engine did not make the run.
    """
    return Prepared(system, channels, tolerance=tolerance).run(dosing, at_s, engine=engine, state=state)


def run_changing(
    pieces: Sequence[tuple[float, System]],
    dosing: Dosing,
    at_s: npt.ArrayLike,
    channels: Channels | Sequence[Channels] | None = None,
    *,
    tolerance: float = TOLERANCE,
    state: FloatArray | None = None,
) -> Course:
    """As ``run``, for physiology that changes in time: each (instant, system) holds until the next one's instant.

    The pieces stand on the same pools, and what a pool or a lag holds goes on over a change. ``channels`` may be one
    for each piece, with the same names, where weights change too. Made by rational stepping.
    """
    if not 0 < tolerance < 1:
        raise UntrustedError(Doubt.OUT_OF_RANGE, f"a tolerance of {tolerance}", "more than 0 and less than 1")
    goal = min(tolerance, stepping.TOLERANCE)
    course = stepping.run_pieces(pieces, dosing, at_s, channels, state=state, tolerance=goal)
    check(course, tolerance)
    return course


def all_states(system: System) -> Channels:
    """A channel for each part of the state."""
    return Channels(tuple(f"state {k}" for k in range(system.size)), np.eye(system.size))


def _check(system: System, dosing: Dosing, state: FloatArray | None) -> None:
    if dosing.rate_ng_per_s.shape[0] != system.inputs.shape[1]:
        found = f"{dosing.rate_ng_per_s.shape[0]} rows of dosing for {system.inputs.shape[1]} inputs"
        raise UntrustedError(Doubt.SHAPE, found, "a row for each input")
    if state is not None and state.shape != (system.size,):
        raise UntrustedError(Doubt.SHAPE, f"a state of shape {state.shape}", f"({system.size},)")
    if state is not None and not np.all(np.isfinite(state)):
        raise UntrustedError(Doubt.NOT_A_NUMBER, "a state that is not finite", "finite amounts")


def binned(dosing: Dosing, width_s: float) -> Dosing:
    """The same mass with fewer instants, for pumps whose every stroke is an impulse: a rate for each stretch of
    ``width_s``, counted from the first instant.

    Each stretch gives what it gave, evenly from the first instant in it at which the input gives anything until its
    end: nothing comes before it truly does. A part of a dose comes up to ``width_s`` later or earlier than it did, so
    that a reading is off by what its course changes in that time; halve the width to see by how much. The last rate
    goes on for ever, as it did.
    """
    begin, last = float(dosing.t_s[0]), float(dosing.t_s[-1])
    if not (np.isfinite(width_s) and width_s > 0 and (last - begin) / width_s < MOST_INSTANTS):
        raise UntrustedError(Doubt.TIME, f"a width of {width_s} s", f"a finite width, {MOST_INSTANTS} of them at most")
    edges = np.asarray(begin + width_s * np.arange(int((last - begin) / width_s) + 2), dtype=np.float64)
    edges = edges[: int(np.searchsorted(edges, last, side="right")) + 1]
    starts, rates = zip(*(_even(dosing, row, edges) for row in range(dosing.rate_ng_per_s.shape[0])), strict=True)
    t_s = np.unique(np.concatenate((*starts, [begin])))
    rate = np.zeros((len(rates), t_s.size))
    for row, (start, held) in enumerate(zip(starts, rates, strict=True)):
        at = np.searchsorted(start, t_s, side="right") - 1
        rate[row] = np.where(at >= 0, held[at], 0.0)
    return Dosing(t_s, rate, np.zeros(rate.shape))


def _even(dosing: Dosing, row: int, edges: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Instants and rates of one input when each stretch between two edges gives evenly; then the last rate."""
    t_s = np.union1d(dosing.t_s, edges)
    held = np.searchsorted(dosing.t_s, t_s, side="right") - 1
    rate = dosing.rate_ng_per_s[row, held]
    mass = np.where(dosing.t_s[held] == t_s, dosing.mass_ng[row, held], 0.0)
    step_s = np.diff(t_s)
    stretch = np.searchsorted(edges, t_s[:-1], side="right") - 1
    given = np.bincount(stretch, weights=mass[:-1] + rate[:-1] * step_s, minlength=edges.size - 1)
    gives = (mass[:-1] != 0) | (rate[:-1] != 0)
    number, first = np.unique(stretch[gives], return_index=True)
    start = t_s[:-1][gives][first]
    after = np.setdiff1d(edges[1:], start)
    instants = np.concatenate((start, after))
    held_then = np.concatenate((given[number] / (edges[number + 1] - start), np.zeros(after.size)))
    held_then[instants == edges[-1]] = rate[-1]
    sort = np.argsort(instants)
    return instants[sort], held_then[sort]
