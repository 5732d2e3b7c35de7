"""A linear system whole: the tree of pools, plasma below it, lags below both, and the readings taken of them.

The state is one vector: ``n`` amounts in the tree (ng), three amounts in plasma (ng), then a concentration for each
lag (ng/mL). Nothing flows back from plasma into the tree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thecal.body.transport.untrusted import Doubt, UntrustedError

if TYPE_CHECKING:
    from thecal.body.transport.tree import FloatArray, Tree

PLASMA = 3


@dataclass(frozen=True, slots=True)
class Plasma:
    """Three compartments, mammillary: ``k12`` is from 1 to 2. Rates in 1/s, the central volume in mL (more than 0)."""

    v1_ml: float
    k10_per_s: float
    k12_per_s: float = 0.0
    k21_per_s: float = 0.0
    k13_per_s: float = 0.0
    k31_per_s: float = 0.0

    def __post_init__(self) -> None:
        rates = (self.k10_per_s, self.k12_per_s, self.k21_per_s, self.k13_per_s, self.k31_per_s)
        if not (np.isfinite(self.v1_ml) and self.v1_ml > 0 and all(np.isfinite(r) and r >= 0 for r in rates)):
            raise UntrustedError(Doubt.OUT_OF_RANGE, repr(self), "a volume over 0 and finite rates from 0")

    @property
    def matrix(self) -> FloatArray:
        """dp/dt = matrix @ p for the amounts; shape (3, 3)."""
        return np.array([
            [-(self.k10_per_s + self.k12_per_s + self.k13_per_s), self.k21_per_s, self.k31_per_s],
            [self.k12_per_s, -self.k21_per_s, 0.0],
            [self.k13_per_s, 0.0, -self.k31_per_s],
        ])  # fmt: skip


@dataclass(frozen=True, eq=False, slots=True)
class Lag:
    """A concentration that follows a site: dCe/dt = ke0 (site - Ce), in ng/mL.

    The site is ``weights @ tree amounts + plasma_weight * central amount``: ``weights`` has shape (n,), in 1/mL, as
    has ``plasma_weight``. ``ke0_per_s`` is more than 0.
    """

    name: str
    ke0_per_s: float
    weights: FloatArray
    plasma_weight: float = 0.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.ke0_per_s) and self.ke0_per_s > 0):
            raise UntrustedError(Doubt.OUT_OF_RANGE, f"ke0 {self.ke0_per_s}", "a finite rate over 0")
        if not (np.all(np.isfinite(self.weights)) and np.isfinite(self.plasma_weight)):
            raise UntrustedError(Doubt.NOT_A_NUMBER, f"weights of {self.name}", "finite weights")


@dataclass(frozen=True, eq=False, slots=True)
class System:
    """Tree, plasma and lags, and where a ng that is given goes: each column of ``inputs`` (n, p) sums to 1."""

    tree: Tree
    inputs: FloatArray
    plasma: Plasma
    lags: tuple[Lag, ...] = ()

    def __post_init__(self) -> None:
        n = self.tree.size
        if self.inputs.ndim != 2 or self.inputs.shape[0] != n or any(lag.weights.shape != (n,) for lag in self.lags):
            raise UntrustedError(Doubt.SHAPE, f"inputs {self.inputs.shape}", f"({n}, inputs), and lags over {n} pools")
        if not np.all(np.isfinite(self.inputs)):
            raise UntrustedError(Doubt.NOT_A_NUMBER, "an input that is not a number", "finite shares")
        if np.any(self.inputs < 0) or not np.allclose(self.inputs.sum(axis=0), 1.0, rtol=0, atol=1e-9):
            raise UntrustedError(Doubt.OUT_OF_RANGE, "an input that does not sum to 1", "shares from 0 that sum to 1")

    @property
    def size(self) -> int:
        """Length of the state."""
        return self.tree.size + PLASMA + len(self.lags)

    @property
    def below(self) -> FloatArray:
        """How plasma and lags change by themselves: dy/dt = below @ y + feed @ x; shape (3 + lags, 3 + lags)."""
        found = np.zeros((PLASMA + len(self.lags),) * 2)
        found[:PLASMA, :PLASMA] = self.plasma.matrix
        for row, lag in enumerate(self.lags, start=PLASMA):
            found[row, 0] = lag.ke0_per_s * lag.plasma_weight
            found[row, row] = -lag.ke0_per_s
        return found

    @property
    def feed(self) -> FloatArray:
        """What the tree gives to plasma and lags; shape (3 + lags, n)."""
        found = np.zeros((PLASMA + len(self.lags), self.tree.size))
        found[0] = self.tree.to_plasma_per_s
        for row, lag in enumerate(self.lags, start=PLASMA):
            found[row] = lag.ke0_per_s * lag.weights
        return found


@dataclass(frozen=True, eq=False, slots=True)
class Channels:
    """Readings of the state: ``names`` and, for each, a row of ``weights`` (channels, n + 3 + lags)."""

    names: tuple[str, ...]
    weights: FloatArray

    def __post_init__(self) -> None:
        if self.weights.ndim != 2 or self.weights.shape[0] != len(self.names):
            raise UntrustedError(
                Doubt.SHAPE, f"weights {self.weights.shape}", f"a row for each of {len(self.names)} names"
            )
        if not np.all(np.isfinite(self.weights)):
            raise UntrustedError(Doubt.NOT_A_NUMBER, "a weight that is not a number", "finite weights")
