"""Pools of drug that form a tree: each gives to its parent, takes from it, and loses for ever.

Amounts are in ng and rates in 1/s. Children stand before their parents, so that one sweep up and one sweep down solve
any shifted system in as many steps as there are pools. Where both rates of every edge are positive, a diagonal scaling
makes the matrix symmetric, and its modes are real (transport-science 6.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from thecal.body.transport.kernels.sweep import fault, log_scale, outflow
from thecal.body.transport.untrusted import Doubt, UntrustedError

_MOST_LOG = 700.0

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Arrays = tuple[IntArray, FloatArray, FloatArray, FloatArray, FloatArray]


@dataclass(frozen=True, eq=False)
class Tree:
    """``n`` pools; all arrays have shape (n,).

    ``parent[i] > i``, and the last pool is the root with parent -1. ``up_per_s[i]`` is the rate from i to its parent,
    ``down_per_s[i]`` the rate from the parent to i (both 0 at the root). ``loss_per_s`` leaves for ever, and the part
    of it named ``to_plasma_per_s`` enters the central compartment of plasma. UntrustedError for anything else.
    """

    parent: IntArray
    up_per_s: FloatArray
    down_per_s: FloatArray
    loss_per_s: FloatArray
    to_plasma_per_s: FloatArray

    def __post_init__(self) -> None:
        n = self.parent.size
        rates = (self.up_per_s, self.down_per_s, self.loss_per_s, self.to_plasma_per_s)
        if n == 0 or self.parent.shape != (n,) or any(r.shape != (n,) for r in rates):
            raise UntrustedError(
                Doubt.SHAPE, f"shapes {[r.shape for r in rates]}", f"five arrays of {n} pools, 1 or more"
            )
        wrong = fault(*self.arrays)
        if wrong == 1:
            raise UntrustedError(Doubt.NOT_A_TREE, "a parent that does not follow its child", "children before parents")
        if wrong == 2:
            raise UntrustedError(Doubt.NOT_A_NUMBER, "a rate that is infinite or not a number", "finite rates")
        if wrong == 3:
            raise UntrustedError(Doubt.OUT_OF_RANGE, "a negative rate", "rates from 0")
        if wrong == 4:
            raise UntrustedError(Doubt.OUT_OF_RANGE, "more to plasma than is lost", "a part of the loss")
        if wrong == 5:
            raise UntrustedError(Doubt.NOT_A_TREE, "rates of an edge above the root", "rates of 0 there")

    @cached_property
    def arrays(self) -> Arrays:
        """The five arrays as compiled loops take them: in one piece, and of one type whoever made them."""
        return (
            np.array(self.parent, dtype=np.int64),
            np.array(self.up_per_s, dtype=np.float64),
            np.array(self.down_per_s, dtype=np.float64),
            np.array(self.loss_per_s, dtype=np.float64),
            np.array(self.to_plasma_per_s, dtype=np.float64),
        )

    @property
    def size(self) -> int:
        """How many pools there are."""
        return self.parent.size

    @cached_property
    def outflow_per_s(self) -> FloatArray:
        """All that leaves each pool: the diagonal of the matrix, with its sign turned."""
        return outflow(*self.arrays[:4])

    @cached_property
    def matrix(self) -> sparse.csr_matrix:
        """dx/dt = matrix @ x, without anything given; shape (n, n)."""
        n, child = self.size, np.arange(self.size - 1)
        rows = np.concatenate((np.arange(n), self.parent[:-1], child))
        columns = np.concatenate((np.arange(n), child, self.parent[:-1]))
        values = np.concatenate((-self.outflow_per_s, self.up_per_s[:-1], self.down_per_s[:-1]))
        return sparse.csr_matrix((values, (rows, columns)), shape=(n, n))

    @cached_property
    def log_scale(self) -> FloatArray:
        """Logarithm of the diagonal that makes the matrix symmetric, greatest 0; infinite where none does."""
        return log_scale(*self.arrays[:3])

    @property
    def scale_ratio(self) -> float:
        """The greatest entry of the scaling over the smallest: how many digits modes lose (transport-science 6.1)."""
        least = float(np.min(self.log_scale))
        return math.exp(-least) if -_MOST_LOG < least <= 0 else math.inf
