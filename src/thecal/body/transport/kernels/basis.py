"""An orthonormal basis from rows that nearly depend on each other, and the matrix seen through it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from thecal.body.transport.kernels.vectors import LANES, eights, four_eights, less_four

if TYPE_CHECKING:
    from thecal.body.transport.kernels.types import Floats

_LONG = 0.1  # of the square of a length: more is left, and so what is left is orthogonal
LEAST_NEW = 1e-13


@numba.njit(cache=True, error_model="numpy")
def dot(a: Floats, b: Floats, count: int) -> float:
    """a . b over the first ``count``."""
    whole = count // LANES * LANES
    total = eights(a, b, whole)
    for i in range(whole, count):
        total += a[i] * b[i]
    return total


@numba.njit(cache=True, error_model="numpy")
def dots(rows: Floats, count: int, x: Floats, found: Floats) -> None:
    """found[j] = rows[j] . x for the first ``count`` rows; four at a time, so that x is loaded once for them."""
    n = x.size
    whole, fours = n // LANES * LANES, count // 4 * 4
    for j in range(0, fours, 4):
        four_eights(rows, j, x, whole, found)
        for k in range(j, j + 4):
            for i in range(whole, n):
                found[k] += rows[k, i] * x[i]
    for j in range(fours, count):
        found[j] = dot(rows[j], x, n)


@numba.njit(cache=True, error_model="numpy")
def take(rows: Floats, count: int, part: Floats, x: Floats) -> None:
    """x -= sum of part[j] rows[j] over the first ``count`` rows."""
    n = x.size
    whole, fours = n // LANES * LANES, count // 4 * 4
    for j in range(0, fours, 4):
        less_four(rows, j, part, x, whole)
        for k in range(j, j + 4):
            for i in range(whole, n):
                x[i] -= part[k] * rows[k, i]
    for j in range(fours, count):
        for i in range(n):
            x[i] -= part[j] * rows[j, i]


@numba.njit(cache=True, error_model="numpy")
def orthonormalize(rows: Floats, kept: int, last: int) -> int:
    """Make rows[kept:last] orthonormal to each other and to the ``kept`` before them, in place, by Gram-Schmidt, again
    where a row became short. A row of which nothing new is left is dropped. Returns how many are kept now, in front.
    """
    n = rows.shape[1]
    part, x = np.empty(last), np.empty(n)
    for row in range(kept, last):
        x[:] = rows[row]
        before = dot(x, x, n)
        after, left = before, before
        for _ in range(3):
            dots(rows, kept, x, part)
            take(rows, kept, part, x)
            left = after
            after = dot(x, x, n)
            if after > _LONG * left:
                break
        if after > before * LEAST_NEW * LEAST_NEW:
            scale = 1.0 / np.sqrt(after)
            for i in range(n):
                rows[kept, i] = x[i] * scale
            kept += 1
    return kept


@numba.njit(cache=True, error_model="numpy")
def project(rows: Floats, moved: Floats, first: int, last: int, matrix: Floats) -> None:
    """matrix[i, j] = rows[i] . moved[j - first] for j from ``first`` to ``last`` and i up to j; and its mirror."""
    row = np.empty(last)
    for j in range(first, last):
        dots(rows, j + 1, moved[j - first], row)
        for i in range(j + 1):
            matrix[i, j] = row[i]
            matrix[j, i] = row[i]
