"""What is given and when: rates that hold from one instant to the next, and masses given at an instant.

A ``Timeline`` joins these instants with the times at which somebody looks, so that every engine steps from one to the
next and is exact at each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from thecal.body.transport.kernels.instants import joined, lengths, spread
from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from thecal.body.transport.tree import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Dosing:
    """For each input of a system (rows): ``rate_ng_per_s`` from each instant ``t_s`` to the next (the last goes on),
    and ``mass_ng`` given at the instant. Shapes (instants,), (inputs, instants), (inputs, instants).

    Instants ascend strictly; nothing is given before the first. A reading at an instant sees its mass. Rates and
    masses may be any finite numbers, so that a difference of two dosings is one too.
    """

    t_s: FloatArray
    rate_ng_per_s: FloatArray
    mass_ng: FloatArray

    def __post_init__(self) -> None:
        shape = self.rate_ng_per_s.shape
        if self.t_s.ndim != 1 or not self.t_s.size or len(shape) != 2 or shape[1] != self.t_s.size:
            raise UntrustedError(Doubt.SHAPE, f"{self.t_s.shape} instants for rates {shape}", "(inputs, instants)")
        if self.mass_ng.shape != shape:
            raise UntrustedError(Doubt.SHAPE, f"masses {self.mass_ng.shape}", f"{shape}, as the rates")
        if not (np.all(np.isfinite(self.t_s)) and np.all(np.diff(self.t_s) > 0)):
            raise UntrustedError(
                Doubt.TIME, "instants that do not ascend or are not finite", "finite, ascending instants"
            )
        if not (np.all(np.isfinite(self.rate_ng_per_s)) and np.all(np.isfinite(self.mass_ng))):
            raise UntrustedError(Doubt.NOT_A_NUMBER, "a rate or mass that is not a number", "finite rates and masses")

    @classmethod
    def bolus(cls, mass_ng: float, *, at_s: float = 0.0, over_s: float = 0.0) -> Dosing:
        """One mass into the first input: at an instant, or evenly over some seconds."""
        if over_s:
            return cls(np.array([at_s, at_s + over_s]), np.array([[mass_ng / over_s, 0.0]]), np.zeros((1, 2)))
        return cls(np.array([at_s]), np.zeros((1, 1)), np.array([[mass_ng]]))

    @classmethod
    def steady(cls, rate_ng_per_s: float, *, from_s: float = 0.0) -> Dosing:
        """One rate into the first input, for ever."""
        return cls(np.array([from_s]), np.array([[rate_ng_per_s]]), np.zeros((1, 1)))


@dataclass(frozen=True, eq=False, slots=True)
class Timeline:
    """Every instant in order, ``t_s`` (m,). What happens at one: first ``mass_ng`` is given, then it is read, then
    ``rate_ng_per_s`` holds for ``step_s`` (m - 1,) until the next.

    ``steps_s`` are the different lengths of step and ``which`` says which of them each step has. ``read`` (times,)
    says at which instant each asked time lies, and ``checked`` are some of these, or all: those at which an engine
    compares two results with each other. ``given_ng`` is all that is given, whatever its sign. ``happens`` (m,) says
    what an instant brings: 1 a mass, 2 another rate than before, 3 both, 0 nothing.
    """

    t_s: FloatArray
    step_s: FloatArray
    steps_s: FloatArray
    which: IntArray
    rate_ng_per_s: FloatArray
    mass_ng: FloatArray
    read: IntArray
    checked: IntArray
    given_ng: float
    happens: IntArray


MOST_INSTANTS = 20_000_000
_MOST_CHECKED = 1024
_EVENLY, _CHANGES, _SOON = 512, 128, 3


def timeline(dosing: Dosing, at_s: npt.ArrayLike) -> Timeline:
    """Join a dosing with the times asked for: finite, ascending (they may repeat), none before the dosing begins."""
    asked = np.asarray(at_s, dtype=np.float64)
    if asked.ndim != 1 or not asked.size:
        raise UntrustedError(Doubt.SHAPE, f"times of shape {asked.shape}", "one or more times in a row")
    if not np.all(np.isfinite(asked)) or np.any(np.diff(asked) < 0) or asked[0] < dosing.t_s[0]:
        raise UntrustedError(
            Doubt.TIME,
            f"times from {asked[0]} to {asked[-1]} s",
            f"finite and ascending times from {dosing.t_s[0]} s, when the dosing begins",
        )
    if asked.size + dosing.t_s.size > MOST_INSTANTS:
        raise UntrustedError(Doubt.TIME, f"{asked.size + dosing.t_s.size} instants", f"up to {MOST_INSTANTS}")
    begun = int(np.searchsorted(dosing.t_s, asked[-1], side="right"))
    t_s, held, read = joined(np.array(dosing.t_s[:begun]), np.array(asked))
    steps_s, which = lengths(np.diff(t_s))
    rate, mass = np.empty((dosing.mass_ng.shape[0], t_s.size - 1)), np.empty((dosing.mass_ng.shape[0], t_s.size))
    spread(held, np.array(dosing.rate_ng_per_s), np.array(dosing.mass_ng), rate, mass)
    step_s = steps_s[which]
    with np.errstate(over="ignore"):
        given_ng = float(np.sum(np.abs(mass)) + np.sum(np.abs(rate) * step_s))
    return Timeline(
        t_s, step_s, steps_s, which, rate, mass, read, _checked(rate, mass, read), given_ng, _happens(rate, mass)
    )


def _happens(rate: FloatArray, mass: FloatArray) -> IntArray:
    """What each instant brings; the first has another rate than there was before."""
    found: IntArray = np.any(mass != 0, axis=0).astype(np.int64)
    found[1:-1] += 2 * np.any(rate[:, 1:] != rate[:, :-1], axis=0)
    found[0] += 2
    return found


def _checked(rate: FloatArray, mass: FloatArray, read: IntArray) -> IntArray:
    """All reads where they are few; of many, evenly some, and the first after each of the greatest changes."""
    if read.size <= _MOST_CHECKED:
        return np.arange(read.size)
    even = np.linspace(0, read.size - 1, _EVENLY).astype(np.int64)
    jump = np.abs(np.diff(rate, axis=1, prepend=0.0, append=rate[:, -1:]))
    score = np.zeros(mass.shape[1])
    for change in (jump, np.abs(mass)):
        greatest = float(change.max())
        if greatest > 0:
            score = np.maximum(score, change.max(axis=0) / greatest)
    most = np.argpartition(-score, min(_CHANGES, score.size - 1))[:_CHANGES]
    after = np.searchsorted(read, most)
    soon = (after[:, None] + np.arange(_SOON)).ravel()
    return np.unique(np.concatenate((even, soon[soon < read.size])))
