"""Modes of a small symmetric matrix, and a few columns turned into them: deterministic, whatever library is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

from thecal.body.transport.kernels.basis import dot

if TYPE_CHECKING:
    from thecal.body.transport.kernels.types import Floats

_MOST_TURNS = 60
_NOTHING = 1e-100  # beside the greatest entry


@numba.njit(cache=True, error_model="numpy")
def tridiagonal(matrix: Floats, columns: Floats) -> tuple[Floats, Floats]:
    """Reduce a symmetric matrix (k, k) to a diagonal and what stands beside it, by reflections that also turn
    ``columns`` (k, m). Both arguments are overwritten.
    """
    k, m = columns.shape
    u, p, sums = np.empty(k), np.empty(k), np.empty(m)
    beside = np.zeros(k)
    for i in range(k - 1, 1, -1):
        for j in range(i):
            u[j] = matrix[i, j]
        norm = np.sqrt(dot(u, u, i))
        rest = 0.0
        for j in range(i - 1):
            rest += abs(u[j])
        if rest == 0.0:
            beside[i] = u[i - 1]
            continue
        alpha = -norm if u[i - 1] > 0 else norm
        beside[i] = alpha
        u[i - 1] -= alpha
        h = norm * norm + norm * abs(matrix[i, i - 1])
        shared = 0.0
        for a in range(i):
            p[a] = dot(matrix[a], u, i) / h
            shared += p[a] * u[a]
        shared /= 2 * h
        for a in range(i):
            p[a] -= shared * u[a]
        for a in range(i):
            row = matrix[a]
            ua, pa = u[a], p[a]
            for j in range(i):
                row[j] -= ua * p[j] + pa * u[j]
        sums[:] = 0.0
        for a in range(i):
            row = columns[a]
            ua = u[a] / h
            for c in range(m):
                sums[c] += ua * row[c]
        for a in range(i):
            row = columns[a]
            ua = u[a]
            for c in range(m):
                row[c] -= ua * sums[c]
    if k > 1:
        beside[1] = matrix[1, 0]
    diagonal = np.empty(k)
    for i in range(k):
        diagonal[i] = matrix[i, i]
    return diagonal, beside


@numba.njit(cache=True, error_model="numpy")
def modes(matrix: Floats, columns: Floats) -> tuple[Floats, bool]:
    """Eigenvalues (k,) of a symmetric matrix, in no order; ``columns`` (k, m) become vectors.T @ columns. False where
    the turns did not come to an end. Both arguments are overwritten.
    """
    d, e = tridiagonal(matrix, columns)
    k, m = columns.shape
    for i in range(1, k):
        e[i - 1] = e[i]
    e[k - 1] = 0.0
    least = _NOTHING * (np.max(np.abs(d)) + np.max(np.abs(e)))
    for low in range(k):
        turns = 0
        while True:
            end = low
            while end < k - 1:
                near = abs(d[end]) + abs(d[end + 1])
                if abs(e[end]) + near == near or abs(e[end]) < least:
                    break
                end += 1
            if end == low:
                break
            turns += 1
            if turns > _MOST_TURNS:
                return d, False
            g = (d[low + 1] - d[low]) / (2.0 * e[low])
            r = np.hypot(g, 1.0)
            g = d[end] - d[low] + e[low] / (g + (r if g >= 0 else -r))
            s = c = 1.0
            p = 0.0
            i = end - 1
            while i >= low:
                f, b = s * e[i], c * e[i]
                r = np.hypot(f, g)
                e[i + 1] = r
                s, c = f / r, g / r
                g = d[i + 1] - p
                r = (d[i] - g) * s + 2.0 * c * b
                p = s * r
                d[i + 1] = g + p
                g = c * r - b
                first, second = columns[i], columns[i + 1]
                for q in range(m):
                    f = second[q]
                    second[q] = s * first[q] + c * f
                    first[q] = c * first[q] - s * f
                i -= 1
            d[low] -= p
            e[low] = g
            e[end] = 0.0
    return d, True
