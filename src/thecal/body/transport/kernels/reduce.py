"""One input of a tree, seen through a rational Krylov basis: few modes that do what the many would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from thecal.body.transport.kernels.basis import dots, orthonormalize, project, take
from thecal.body.transport.kernels.eigen import modes
from thecal.body.transport.kernels.sweep import applied, length, pivots, shifted, solve

if TYPE_CHECKING:
    from thecal.body.transport.kernels.types import Below, Floats, Pools, Taken

_LEAST_GAP = 5e-8
_BARELY = 1e-14
_NOTHING = 1e-15
_EPSILON = 2.0**-52
_ROUNDINGS = 4.0
_SPARSE = 8
_TURNS = 8  # solves with the matrix itself: more than enough to place the slowest mode on a logarithmic scale


@numba.njit(cache=True, error_model="numpy")
def span(pools: Pools, scale: Floats, out: Floats, coupling: Floats, given: Floats) -> tuple[float, float]:
    """Between which rates what is given lives: that of the slowest mode that it reaches, and a moment of its fast end.

    The slow end comes from solves with the matrix itself, and is 0 where nothing is ever lost; the fast end is the
    eighth root of how much eight products with the matrix grow it.
    """
    parent = pools[0]
    n = given.size
    x, inverse = given.copy(), np.empty(n)
    pivots(pools, inverse)
    before = length(x, scale)
    slow = 0.0
    for _ in range(_TURNS):
        solve(pools, inverse, x)
        after = length(x, scale)
        if not 0.0 < after < np.inf:
            slow = 0.0
            break
        slow = before / after
        x /= after
        before = 1.0
    row, moved = given / scale, np.empty(n)
    unit = np.ones(n)
    before = length(row, unit)
    fast = 1.0
    for _ in range(8):
        for i in range(n):
            moved[i] = -out[i] * row[i]
        for i in range(n - 1):
            p = parent[i]
            moved[i] += coupling[i] * row[p]
            moved[p] += coupling[i] * row[i]
        after = length(moved, unit)
        if after == 0.0:
            break
        fast *= (after / before) ** 0.125
        for i in range(n):
            row[i] = moved[i] / after
        before = 1.0
    return slow, fast


@numba.njit(cache=True, error_model="numpy")
def turn(x: Floats, scale: Floats, rows: Floats, first: int) -> None:
    """Write solutions x (n, k) as rows from ``first``, in symmetric coordinates, each of length 1."""
    n, k = x.shape
    inverse = 1.0 / scale
    tile = 8
    for begin in range(0, n, tile):
        end = min(n, begin + tile)
        for j in range(k):
            for i in range(begin, end):
                rows[first + j, i] = x[i, j] * inverse[i]
    for j in range(first, first + k):
        size = 0.0
        for i in range(n):
            size += rows[j, i] * rows[j, i]
        if size > 0.0:
            size = 1.0 / np.sqrt(size)
            for i in range(n):
                rows[j, i] *= size


@numba.njit(cache=True, error_model="numpy")
def extend(
    pools: Pools,
    scale: Floats,
    out: Floats,
    coupling: Floats,
    given: Floats,
    basis: Floats,
    kept: int,
    shifts: Floats,
    matrix: Floats,
) -> int:
    """Add to a basis, rows[:kept], the solutions at ``shifts``, and to ``matrix`` what the tree is in it.

    Without a basis, what is given becomes its first vector. With one, the systems are solved not for what is given but
    for what the basis lacks of a product with the matrix: the space is the same, and the vectors are far from
    dependent. Returns how many the basis has now.
    """
    n = given.size
    side = given
    if kept == 0:
        turn(given.reshape((n, 1)), scale, basis, 0)
        kept = orthonormalize(basis, 0, 1)
        first = 0
    else:
        first = kept
        lacks = applied(pools[0], coupling, out, basis[kept - 1 : kept])
        part = np.empty(kept)
        for _ in range(2):
            dots(basis, kept, lacks[0], part)
            take(basis, kept, part, lacks[0])
        side = lacks[0] * scale
    turn(shifted(pools, shifts, side), scale, basis, kept)
    kept = orthonormalize(basis, kept, kept + shifts.size)
    project(basis, applied(pools[0], coupling, out, basis[first:kept]), first, kept, matrix)
    return kept


@numba.njit(cache=True, error_model="numpy")
def filled(taken: Floats, scale: Floats) -> Taken:
    """Rows of ``taken`` (m, n) times the scale, ready for ``seen``: the rows themselves, which places of each are not
    zero (m, n), and how many, or -1 where they are so many that the whole row is better taken.
    """
    m, n = taken.shape
    rows, place, count = np.empty((m, n)), np.empty((m, n), dtype=np.int64), np.zeros(m, dtype=np.int64)
    for q in range(m):
        found = 0
        for i in range(n):
            value = taken[q, i] * scale[i]
            rows[q, i] = value
            if value != 0.0:
                place[q, found] = i
                found += 1
        count[q] = found if found * _SPARSE < n else -1
    return rows, place, count


@numba.njit(cache=True, error_model="numpy")
def seen(basis: Floats, first: int, last: int, taken: Taken, found: Floats) -> None:
    """found[first:last] = basis[first:last] @ rows.T, for the rows that ``filled`` made ready."""
    rows, place, count = taken
    column = np.empty(last)
    for q in range(rows.shape[0]):
        if count[q] < 0:
            dots(basis[first:], last - first, rows[q], column)
            for j in range(first, last):
                found[j, q] = column[j - first]
            continue
        for j in range(first, last):
            total = 0.0
            for f in range(count[q]):
                total += basis[j, place[q, f]] * rows[q, place[q, f]]
            found[j, q] = total


@numba.njit(cache=True, error_model="numpy")
def blood(go: Floats, back: Floats, k10: float, ke0: Floats, from_blood: Floats) -> Below:
    """Modes of plasma, and how lags follow them.

    ``go`` and ``back`` (2,) lead from the central compartment to the others and back. Where drug only goes one way
    between two, a hundred-millionth of a millionth of that rate is let go the other way, so that the modes are real. A
    lag whose rate nearly is one of plasma is moved aside by one part in 1e7.
    """
    matrix, reads, scale = np.zeros((3, 3)), np.zeros((3, 3)), np.ones(3)
    matrix[0, 0] = -k10
    for side in range(2):
        there, here = go[side], back[side]
        matrix[0, 0] -= there
        matrix[side + 1, side + 1] = -here
        most = max(there, here)
        if most > 0.0:
            there, here = max(there, _BARELY * most), max(here, _BARELY * most)
            scale[side + 1] = np.sqrt(there / here)
            matrix[0, side + 1] = matrix[side + 1, 0] = np.sqrt(there * here)
    for i in range(3):
        reads[i, i] = 1.0
    own, _ = modes(matrix, reads)
    enters = reads[:, 0].copy()
    for j in range(3):
        if abs(enters[j]) < _NOTHING:
            enters[j] = 0.0
    reads = np.ascontiguousarray(reads.T)
    for i in range(3):
        for j in range(3):
            reads[i, j] *= scale[i]
    through, lag = np.zeros((ke0.size, 3)), ke0.copy()
    for n in range(ke0.size):
        for j in range(3):
            if abs(own[j] + ke0[n]) < _LEAST_GAP * ke0[n]:
                lag[n] = ke0[n] * (1 + 2 * _LEAST_GAP)
        for j in range(3):
            if enters[j] != 0.0:
                through[n, j] = from_blood[n] * reads[0, j] / (own[j] + lag[n])
    return own, enters, reads, lag, from_blood, through


@numba.njit(cache=True, error_model="numpy")
def settle(below: Below, weights: Floats, first: int, rate: Floats, read: Floats) -> None:
    """Put the modes of plasma and the lags behind those of the tree, from number ``first``: their rates, and how
    channels read them (modes, channels), from ``weights`` (channels, 3 + lags), how they read compartments and lags.
    """
    own, _, reads, lag, _, through = below
    for j in range(3):
        rate[first + j] = own[j]
        for q in range(weights.shape[0]):
            total = 0.0
            for i in range(3):
                total += weights[q, i] * reads[i, j]
            for n in range(lag.size):
                total += weights[q, 3 + n] * through[n, j]
            read[first + j, q] = total
    for n in range(lag.size):
        rate[first + 3 + n] = -lag[n]
        for q in range(weights.shape[0]):
            read[first + 3 + n, q] = weights[q, 3 + n]


@numba.njit(cache=True, error_model="numpy")
def close(
    matrix: Floats,
    columns: Floats,
    size: float,
    below: Below,
    weights: Floats,
    places: tuple[int, int],
    rate: Floats,
    enter: Floats,
    read: Floats,
) -> int:
    """Turn a matrix in a basis into modes, close plasma and lags over them analytically, and put them in place.

    ``columns`` (k, channels + 1 + lags) say how channels, plasma and lags read the basis, and what is given is ``size``
    times its first vector. ``places`` are the numbers of the first mode and of the first below the tree; ``rate``,
    ``enter`` (modes,) and ``read`` (modes, channels) are written there. A rate that nearly is one below it is moved
    aside by one part in 2e7; how many were is returned, or -1 where the modes were not found.
    """
    own, enters, reads, lag, from_blood, through = below
    first, under = places
    k, c, lags = matrix.shape[0], weights.shape[0], lag.size
    if k == 0:
        return 0
    turned = np.zeros((k, columns.shape[1] + 1))
    turned[:, 1:] = columns
    turned[0, 0] = size
    values, fine = modes(matrix, turned)
    if not fine:
        return -1
    part, amount = np.empty(3), np.empty(3)
    moved = 0
    for m in range(k):
        pace, begin = values[m], turned[m, 0]
        feed = turned[m, 1 + c]
        for j in range(3 + lags):
            other = own[j] if j < 3 else -lag[j - 3]
            least = _LEAST_GAP * max(abs(pace), abs(other))
            if abs(pace - other) < least and (j >= 3 or (enters[j] != 0.0 and feed != 0.0)):
                pace = other - least
                moved += 1
        for j in range(3):
            part[j] = feed * enters[j] / (pace - own[j]) if enters[j] != 0.0 and feed != 0.0 else 0.0
            enter[under + j] -= begin * part[j]
        for i in range(3):
            amount[i] = reads[i, 0] * part[0] + reads[i, 1] * part[1] + reads[i, 2] * part[2]
        rate[first + m] = pace
        enter[first + m] = begin
        for q in range(c):
            total = turned[m, 1 + q]
            for i in range(3):
                total += weights[q, i] * amount[i]
            read[first + m, q] = total
        for n in range(lags):
            follows = (lag[n] * turned[m, 2 + c + n] + from_blood[n] * amount[0]) / (pace + lag[n])
            for q in range(c):
                read[first + m, q] += weights[q, 3 + n] * follows
            for j in range(3):
                follows -= through[n, j] * part[j]
            enter[under + 3 + n] -= begin * follows
    return moved


@numba.njit(cache=True, error_model="numpy")
def reach(weights: Floats, unit: Floats) -> Floats:
    """The greatest of |weights * unit| in each row."""
    found = np.zeros(weights.shape[0])
    for q in range(weights.shape[0]):
        for i in range(weights.shape[1]):
            size = abs(weights[q, i]) * unit[i]
            found[q] = size if size > found[q] else found[q]
    return found


@numba.njit(cache=True, error_model="numpy")
def doubt(rate: Floats, mode: Floats, read: Floats, gap: Floats, size: Floats, seconds: float) -> float:
    """The greatest share of ``size`` (channels,) that a channel can be wrong by: twice its gap, and rounding.

    Each mode was at most ``mode`` (modes,) and is read as ``read`` (modes, channels). Its rate is off by what rounding
    does to the greatest rate, which is felt as long as the mode lasts, or for ``seconds``. What is not a number is
    infinite.
    """
    most = np.max(np.abs(rate))
    wrong = 2 * gap
    for m in range(rate.size):
        lasts = 1 / max(abs(rate[m]), 1 / seconds)
        for q in range(gap.size):
            wrong[q] += _EPSILON * mode[m] * (_ROUNDINGS + most * lasts) * abs(read[m, q])
    worst = 0.0
    for q in range(gap.size):
        share = 0.0 if wrong[q] == 0.0 else wrong[q] / size[q]
        if not share < np.inf:
            return np.inf
        worst = max(worst, share)
    return worst
