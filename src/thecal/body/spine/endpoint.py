"""From concentrations at sites of effect to an effect: curves, and how curves are combined.

Sigmoid Emax: E = Emax Ce^gamma / (EC50^gamma + Ce^gamma) (transport-science 5.1). This is the one place that is not
linear in the dose, and it stands behind the linear systems and never inside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from thecal.body.transport.tree import FloatArray

# An engine answers to a share of a channel's greatest value, so that nothing may come out as slightly less.
ROUNDING = 1e-6
_MOST_STEPS = 60
_CLOSE = 1e-12


@dataclass(frozen=True, slots=True)
class Curve:
    """A sigmoid: half of ``emax`` at ``ec50_ng_per_ml``, as steep as ``gamma``. All over 0, ``emax`` up to 1."""

    ec50_ng_per_ml: float
    gamma: float
    emax: float = 1.0

    def __post_init__(self) -> None:
        numbers = (self.ec50_ng_per_ml, self.gamma, self.emax)
        if not (all(np.isfinite(v) and v > 0 for v in numbers) and self.emax <= 1):
            raise UntrustedError(Doubt.OUT_OF_RANGE, repr(self), "finite numbers over 0, and an emax up to 1")

    def effect(self, ce_ng_per_ml: npt.ArrayLike) -> FloatArray:
        """Effect, from 0 to ``emax``, in the shape of ``ce_ng_per_ml``."""
        return np.asarray(self.emax * expit(self.gamma * _log(self.share(ce_ng_per_ml))))

    def share(self, ce_ng_per_ml: npt.ArrayLike) -> FloatArray:
        """Concentration over EC50, from 0: UntrustedError where it is not a number or clearly under 0."""
        ce = np.asarray(ce_ng_per_ml, dtype=np.float64)
        if not np.all(np.isfinite(ce)):
            raise UntrustedError(Doubt.NOT_A_NUMBER, "a concentration that is not a number", "finite concentrations")
        floor = -ROUNDING * max(float(np.max(np.abs(ce), initial=0.0)), self.ec50_ng_per_ml)
        if np.any(ce < floor):
            raise UntrustedError(
                Doubt.OUT_OF_RANGE, f"{float(np.min(ce))} ng/mL at a site of effect", "0 or more, but for rounding"
            )
        return np.asarray(np.maximum(ce, 0.0) / self.ec50_ng_per_ml)


@dataclass(frozen=True, eq=False, slots=True)
class Agent:
    """A share of EC50, from 0, any shape, and the curve that it acts by: one drug at one site."""

    share: FloatArray
    curve: Curve


class Within(StrEnum):
    """How drugs of one mechanism are combined: they replace each other, or they act as if they were strangers."""

    LOEWE = "loewe"
    BLISS = "bliss"


class Between(StrEnum):
    """How mechanisms are combined: as independent chances to relieve, or only the strongest counts."""

    BLISS = "bliss"
    GREATEST = "greatest"


@dataclass(frozen=True, slots=True)
class Combining:
    """The choice made for mixtures. It is ours: no source gives one for drugs in spinal fluid.

    Only the cord counts for relief, unless ``supraspinal``. That term is off because its EC50 is known in plasma
    alone and is used at a place that the fluid reaches: with it, relief after 0.25 mg of morphine is over half for
    32 h where about 12 h are reported (Nordberg 1984, pubmed 6546839), and for 10 h with the cord alone. ``synergy``
    (from 0, and over 0 only with ``supraspinal``) adds ``synergy * sqrt(spinal * supraspinal)`` to the shares of EC50
    of an analgesic mechanism; 0 is additive.
    """

    within: Within = Within.LOEWE
    between: Between = Between.BLISS
    synergy: float = 0.0
    supraspinal: bool = False

    def __post_init__(self) -> None:
        if not (np.isfinite(self.synergy) and self.synergy >= 0):
            raise UntrustedError(Doubt.OUT_OF_RANGE, f"synergy {self.synergy}", "a finite number from 0")
        if self.synergy and not self.supraspinal:
            found = f"synergy {self.synergy} of the cord with nothing above it"
            raise UntrustedError(Doubt.OUT_OF_RANGE, found, "0, or supraspinal relief with it")


def loewe(agents: Sequence[Agent]) -> FloatArray:
    """One effect of agents that replace each other: the E at which the shares Ce / C(E) sum to 1.

    C(E) is the concentration at which an agent alone has the effect E. Exact for any steepness; the agents need one
    ``emax`` in common, else UntrustedError. Agents with equal steepness simply add their shares.
    """
    emax = {agent.curve.emax for agent in agents}
    if len(emax) != 1:
        raise UntrustedError(Doubt.OUT_OF_RANGE, f"emax {sorted(emax)} within a mechanism", "one emax in common")
    gammas = np.array([agent.curve.gamma for agent in agents])
    shares = np.array(np.broadcast_arrays(*(agent.share for agent in agents)))
    logit = gammas[0] * _log(shares.sum(axis=0)) if np.all(gammas == gammas[0]) else _common_logit(shares, gammas)
    return np.asarray(emax.pop() * expit(logit))


def bliss(effects: Sequence[FloatArray]) -> FloatArray:
    """One effect of independent effects (each from 0 to 1): 1 minus the product of what each leaves over."""
    return np.asarray(1.0 - np.prod(np.array(np.broadcast_arrays(*(1.0 - e for e in effects))), axis=0))


def greatest(effects: Sequence[FloatArray]) -> FloatArray:
    """The strongest of the effects at each place."""
    return np.asarray(np.max(np.array(np.broadcast_arrays(*effects)), axis=0))


def _log(share: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(share))


def _common_logit(shares: FloatArray, gammas: FloatArray) -> FloatArray:
    """y such that the sum of ``share * exp(-y / gamma)`` is 1; minus infinity where there is no drug.

    The logarithm of that sum falls and is convex, and the start lies left of its zero: Newton's steps only go up.
    """
    found = np.full(shares.shape[1:], -np.inf)
    given = np.any(shares > 0, axis=0)
    if not np.any(given):
        return found
    log, slope = _log(shares[:, given]), 1.0 / gammas[:, None]
    y = np.max(log / slope, axis=0)
    for _ in range(_MOST_STEPS):
        terms = log - slope * y
        greatest_term = np.max(terms, axis=0)
        parts = np.exp(terms - greatest_term)
        total = np.sum(parts, axis=0)
        step = total * (greatest_term + np.log(total)) / np.sum(slope * parts, axis=0)
        y = y + step
        if np.max(np.abs(step)) < _CLOSE * max(1.0, float(np.max(np.abs(y)))):
            found[given] = y
            return found
    raise UntrustedError(Doubt.LOST_DIGITS, f"no common effect after {_MOST_STEPS} steps", "curves that have one")
