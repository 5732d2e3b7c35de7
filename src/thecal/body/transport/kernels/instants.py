"""Joining what is given with when somebody looks, in one pass over both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

if TYPE_CHECKING:
    from thecal.body.transport.kernels.types import Floats, Ints


@numba.njit(cache=True, error_model="numpy")
def joined(given: Floats, asked: Floats) -> tuple[Floats, Ints, Ints]:
    """All different instants of two ascending rows; for each the number in ``given`` that holds at it, times two, and
    one more where it lies just there; for each of ``asked`` its place among them.
    """
    t_s, held = np.empty(given.size + asked.size), np.empty(given.size + asked.size, dtype=np.int64)
    read = np.empty(asked.size, dtype=np.int64)
    count = now = row = 0
    while now < given.size or row < asked.size:
        gives = now < given.size and (row == asked.size or given[now] <= asked[row])
        at = given[now] if gives else asked[row]
        now += gives
        while row < asked.size and asked[row] == at:
            read[row] = count
            row += 1
        t_s[count], held[count] = at, 2 * (now - 1) + gives
        count += 1
    return t_s[:count].copy(), held[:count].copy(), read


@numba.njit(cache=True, error_model="numpy")
def lengths(step: Floats) -> tuple[Floats, Ints]:
    """The different lengths of step, ascending, and which of them each step has; found by hashing their bits."""
    room = 16
    while room < 2 * step.size:
        room *= 2
    table = np.full(room, -1, dtype=np.int64)
    bits = step.view(np.int64)
    found, which = np.empty(step.size), np.empty(step.size, dtype=np.int64)
    count = 0
    for i in range(step.size):
        mixed = bits[i] ^ (bits[i] >> 31)
        place = ((mixed * 0x9E3779B1) >> 16) & (room - 1)
        while table[place] >= 0 and found[table[place]] != step[i]:
            place = (place + 1) & (room - 1)
        if table[place] < 0:
            table[place] = count
            found[count] = step[i]
            count += 1
        which[i] = table[place]
    order = np.argsort(found[:count])
    rank = np.empty(count, dtype=np.int64)
    for i in range(count):
        rank[order[i]] = i
    for i in range(step.size):
        which[i] = rank[which[i]]
    return found[:count][order], which


@numba.njit(cache=True, error_model="numpy")
def spread(held: Ints, rate: Floats, mass: Floats, rate_then: Floats, mass_then: Floats) -> None:
    """Write rates (inputs, instants - 1) and masses (inputs, instants) of a dosing to the instants of ``joined``."""
    for q in range(rate.shape[0]):
        for i in range(held.size):
            number, there = held[i] >> 1, held[i] & 1
            mass_then[q, i] = mass[q, number] if there else 0.0
            if i < held.size - 1:
                rate_then[q, i] = rate[q, number]
