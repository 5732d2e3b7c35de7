"""From instant to instant: modes that grow and are given, and readings that add them up."""

from __future__ import annotations

import numba
import numpy as np

from thecal.body.transport.kernels.types import Floats, Ints
from thecal.body.transport.kernels.vectors import LANES, grow, keep, tile

_PER_LN2 = 1.4426950408889634
_LN2_HIGH = 0.6931471803691238
_LN2_LOW = 1.9082149292705877e-10
_LEAST_POWER = -700.0
BLOCK = 64

Line = tuple[Ints, Floats, Floats, Ints, Ints, Ints]  # which step, rates, masses, instants read, checked, what happens


@numba.njit(cache=True, error_model="numpy", fastmath={"contract", "nsz"})
def growth(rate: Floats, steps: Floats) -> tuple[Floats, Floats]:
    """exp(rate h), and what a supply of 1 has become after h, (steps, modes); rates up to 0 but for rounding.

    exp(x) - 1 = 2^n (exp(r) - 1) + (2^n - 1) with |r| <= ln 2 / 2: no digit is lost for short steps, and the loop
    has no call and no branch, so that it runs on vectors.
    """
    count, k = steps.size, rate.size
    grown, given = np.empty((count, k)), np.empty((count, k))
    bits = np.empty(k, dtype=np.int64)
    twos = bits.view(np.float64)
    inverse = np.empty(k)
    for j in range(k):
        inverse[j] = 1.0 / rate[j] if rate[j] != 0.0 else 0.0
    for i in range(count):
        h, a, b = steps[i], grown[i], given[i]
        for j in range(k):
            x = max(rate[j] * h, _LEAST_POWER)
            n = np.floor(x * _PER_LN2 + 0.5)
            r = (x - n * _LN2_HIGH) - n * _LN2_LOW
            q = 1.0 / 6227020800.0
            q = q * r + 1.0 / 479001600.0
            q = q * r + 1.0 / 39916800.0
            q = q * r + 1.0 / 3628800.0
            q = q * r + 1.0 / 362880.0
            q = q * r + 1.0 / 40320.0
            q = q * r + 1.0 / 5040.0
            q = q * r + 1.0 / 720.0
            q = q * r + 1.0 / 120.0
            q = q * r + 1.0 / 24.0
            q = q * r + 1.0 / 6.0
            q = q * r + 0.5
            b[j] = r + r * r * q
            bits[j] = (np.int64(n) + 1023) << 52
        for j in range(k):
            two, q = twos[j], b[j]
            a[j] = two + two * q
            b[j] = h if inverse[j] == 0.0 else (two * q + (two - 1.0)) * inverse[j]
    return grown, given


@numba.njit(cache=True, error_model="numpy")
def read_block(weights: Floats, block: Floats, count: int, y: Floats) -> None:
    """y[:, :count] = (block[:count] @ weights).T, for reads in the rows of ``block``; ``weights`` (modes, channels) and
    ``y`` (channels, reads) have their channels in eights, and as reads come in eights too, columns of ``y`` after
    ``count`` may be anything.
    """
    for row in range(0, count, LANES):
        for column in range(0, weights.shape[1], LANES):
            tile(weights, column, block, row, y)


@numba.njit(cache=True, error_model="numpy")
def flush(
    weights: tuple[Floats, Floats],
    blocks: tuple[Floats, Floats],
    y: Floats,
    reads: tuple[int, int],
    checked: Ints,
    values: Floats,
    seen: tuple[Floats, Floats],
) -> None:
    """Read what is held: ``reads`` says up to which read the first block reaches and how many it holds. Where reads are
    ``checked`` (their columns in ``values``), the second block holds the other modes. ``seen`` are the greatest
    difference so far, and the greatest value.
    """
    last, count = reads
    read_block(weights[0], blocks[0], count, y)
    for q in range(values.shape[0]):
        for t in range(count):
            values[q, last - count + t] = y[q, t]
        seen[1][q] = greatest_of(y[q], count, seen[1][q])
    if checked.size == 0:
        return
    read_block(weights[1], blocks[1], checked.size, y)
    for q in range(values.shape[0]):
        for t in range(checked.size):
            y[q, t] -= values[q, checked[t]]
        seen[0][q] = greatest_of(y[q], checked.size, seen[0][q])


@numba.njit(cache=True, error_model="numpy", fastmath={"nnan", "nsz", "reassoc"})
def greatest_of(x: Floats, count: int, so_far: float) -> float:
    """The greatest absolute value of the first ``count``; anything, if one is not a number."""
    for t in range(count):
        size = abs(x[t])
        so_far = size if size > so_far else so_far
    return so_far


@numba.njit(cache=True, error_model="numpy", fastmath={"contract", "nsz"})
def march(
    start: Floats,
    enter: Floats,
    weights: tuple[Floats, Floats],
    growths: tuple[Floats, Floats],
    line: Line,
    values: Floats,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Write the readings (channels, reads) into ``values``. Returns for each channel the greatest difference to what
    other modes read and the greatest value, how great each mode is at reads that are checked, and the modes at the end.

    ``enter`` (inputs, modes) is what one ng adds to each mode, ``weights`` how channels add up the first modes, (modes,
    channels), and the others. Reads ascend, and so do those of them that are checked. Modes come in eights. Where a
    mode is not finite at the end, what is returned of it is not a number.
    """
    which, rate, mass, read, checked, happens = line
    own, others = weights[0].shape[0], weights[1].shape[0]
    z, supply, greatest = start.copy(), np.zeros(start.size), np.zeros(start.size)
    wide = weights[0].shape[1]
    found = np.zeros(wide), np.zeros(wide)
    block, second, y = np.zeros((BLOCK, own)), np.zeros((BLOCK, others)), np.empty((wide, BLOCK))
    row = held = seen = begin = 0
    last = which.size
    for i in range(last + 1):
        if happens[i] & 1:
            for q in range(mass.shape[0]):
                for j in range(z.size):
                    z[j] += mass[q, i] * enter[q, j]
        while row < read.size and read[row] == i:
            keep(z, 0, block, held)
            if seen < checked.size and checked[seen] == row:
                keep(z, own, second, seen - begin)
                seen += 1
                for j in range(z.size):
                    size = abs(z[j])
                    greatest[j] = size if size > greatest[j] else greatest[j]
            row += 1
            held += 1
            if held == BLOCK or row == read.size:
                flush(weights, (block, second), y, (row, held), checked[begin:seen], values, found)
                held, begin = 0, seen
        if i == last:
            continue
        if happens[i] & 2:
            for j in range(z.size):
                supply[j] = rate[0, i] * enter[0, j]
            for q in range(1, mass.shape[0]):
                for j in range(z.size):
                    supply[j] += rate[q, i] * enter[q, j]
        grow(z, growths[0], growths[1], which[i], supply)
    for j in range(z.size):
        if not np.isfinite(z[j]):
            greatest[j] = np.nan
    return found[0][: values.shape[0]], found[1][: values.shape[0]], greatest, z
