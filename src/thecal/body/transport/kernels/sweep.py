"""Over a tree in one sweep: what is wrong with it, its scaling, and its shifted systems for many shifts at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from thecal.body.transport.kernels.types import Floats, Ints, Pools


@numba.njit(cache=True, error_model="numpy")
def fault(parent: Ints, up: Floats, down: Floats, loss: Floats, to_plasma: Floats) -> int:
    """What is wrong with a tree: 0 nothing, 1 its order, 2 a number (or a sum of rates that no number holds), 3 a sign,
    4 more to plasma than is lost, 5 an edge above the root; the first of these.
    """
    n = parent.size
    if parent[n - 1] != -1:
        return 1
    number, sign, plasma = False, False, False
    for i in range(n):
        if i < n - 1 and (parent[i] <= i or parent[i] >= n):
            return 1
        number |= not np.isfinite(up[i] + down[i] + loss[i] + to_plasma[i])
        sign |= up[i] < 0 or down[i] < 0 or loss[i] < 0 or to_plasma[i] < 0
        plasma |= to_plasma[i] > loss[i] * (1 + 1e-12)
    if number:
        return 2
    if sign:
        return 3
    if plasma:
        return 4
    return 5 if up[n - 1] != 0.0 or down[n - 1] != 0.0 else 0


@numba.njit(cache=True, error_model="numpy")
def outflow(parent: Ints, up: Floats, down: Floats, loss: Floats) -> Floats:
    """All that leaves each pool."""
    out = up + loss
    for i in range(parent.size - 1):
        out[parent[i]] += down[i]
    return out


@numba.njit(cache=True, error_model="numpy")
def log_scale(parent: Ints, up: Floats, down: Floats) -> Floats:
    """Logarithm of the scaling, greatest 0; infinite everywhere if there is none."""
    n = parent.size
    log = np.zeros(n)
    greatest = 0.0
    for i in range(n - 2, -1, -1):
        step = 0.0
        if up[i] > 0 and down[i] > 0:
            step = 0.5 * (np.log(down[i]) - np.log(up[i]))
        elif up[i] != down[i]:
            return np.full(n, np.inf)
        log[i] = log[parent[i]] + step
        greatest = max(greatest, log[i])
    return log - greatest


@numba.njit(cache=True, error_model="numpy")
def shifted(pools: Pools, shifts: Floats, given: Floats) -> Floats:
    """x (n, shifts) with (shift - matrix) x = given for each shift from 0, without a subtraction: accurate in every
    entry where ``given`` is not negative. A part that neither loses nor is shifted gives 0.
    """
    parent, up, down, loss = pools
    n, k = parent.size, shifts.size
    excess, inverse, x = np.zeros((n, k)), np.empty((n, k)), np.zeros((n, k))
    for i in range(n):
        p = parent[i]
        u, lost, g = up[i], loss[i], given[i]
        e, q, xi = excess[i], inverse[i], x[i]
        for j in range(k):
            own = e[j] + shifts[j] + lost
            whole = own + u
            e[j] = own
            q[j] = 1.0 / whole if whole > 0.0 else 0.0
            xi[j] = (xi[j] + g) * q[j]
        if p >= 0:
            d, ep, xp = down[i], excess[p], x[p]
            for j in range(k):
                ep[j] += d * e[j] * q[j]
                xp[j] += u * xi[j]
    for i in range(n - 2, -1, -1):
        d, q, xi, xp = down[i], inverse[i], x[i], x[parent[i]]
        for j in range(k):
            xi[j] += d * q[j] * xp[j]
    return x


@numba.njit(cache=True, error_model="numpy")
def pivots(pools: Pools, inverse: Floats) -> None:
    """What elimination from children to parents divides by, without a shift; 0 stands for what cannot be divided."""
    parent, up, down, loss = pools
    excess = loss.copy()
    for i in range(parent.size):
        whole = excess[i] + up[i]
        inverse[i] = 1.0 / whole if whole > 0.0 else 0.0
        if parent[i] >= 0:
            excess[parent[i]] += down[i] * excess[i] * inverse[i]


@numba.njit(cache=True, error_model="numpy")
def solve(pools: Pools, inverse: Floats, x: Floats) -> None:
    """x becomes the solution of -matrix @ solution = x, by the ``pivots``."""
    parent, up, down, _ = pools
    for i in range(x.size):
        x[i] *= inverse[i]
        if parent[i] >= 0:
            x[parent[i]] += up[i] * x[i]
    for i in range(x.size - 2, -1, -1):
        x[i] += down[i] * inverse[i] * x[parent[i]]


@numba.njit(cache=True, error_model="numpy")
def length(x: Floats, scale: Floats) -> float:
    """The length of a vector of amounts in symmetric coordinates."""
    total = 0.0
    for i in range(x.size):
        part = x[i] / scale[i]
        total += part * part
    return float(np.sqrt(total))


@numba.njit(cache=True, error_model="numpy")
def applied(parent: Ints, coupling: Floats, out: Floats, rows: Floats) -> Floats:
    """The symmetric matrix times each row of ``rows`` (k, n)."""
    k, n = rows.shape
    found = np.empty((k, n))
    for j in range(k):
        v, y = rows[j], found[j]
        for i in range(n):
            y[i] = -out[i] * v[i]
        for i in range(n - 1):
            p = parent[i]
            y[i] += coupling[i] * v[p]
            y[p] += coupling[i] * v[i]
    return found
