"""Compiled sweeps of the rational stepping engine: one shifted system of a forest for each pole, all poles at once.

A row of ``f`` or ``g`` holds one pool at every pole: shape (pools, 2, LANES), real parts and then imaginary parts. The
first half of the lanes belongs to the approximation that is kept, the second to the one that checks it. Each small
operation on rows is written twice: in numpy, which is what it means, and as vector instructions, which is what runs:
the loop over lanes is too short for the compiler to find them by itself.
"""

# ruff: noqa: PLR1730 - one signature in numpy, for the compiler, and as instructions; a
# comparison is faster there than max, which looks for what is not a number

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

HALF = 8
LANES = 2 * HALF

_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_PAIR = ir.VectorType(ir.DoubleType(), 2)
_NUMBER = ir.IntType(32)
_FUSED = ("contract",)  # a product and a sum in one rounding


def invert(g: FloatArray, i: int, parent: int, up: float, down: float) -> None:
    """Row i holds what stays of its pool when children are gone: it becomes 1 / (row + up), and the parent gains
    down * row / (row + up). Nothing is subtracted, so that no digit of a small loss is lost beside a fast exchange.
    """
    stays, im = g[i, 0].copy(), g[i, 1].copy()
    re = stays + up
    share = 1.0 / (re * re + im * im)
    g[i, 0], g[i, 1] = re * share, -im * share
    g[parent, 0] += down * (stays * g[i, 0] - im * g[i, 1])
    g[parent, 1] += down * (stays * g[i, 1] + im * g[i, 0])


def climb(
    f: FloatArray,
    g: FloatArray,
    i: int,
    right: tuple[FloatArray, float, FloatArray],
    given: tuple[IntArray, FloatArray, int, int, float],
) -> None:
    """Row i of ``f`` becomes row i of ``g`` times its right-hand side: its own amounts x[i] (kept, check) and its dose,
    each times its coefficients, and what pools below give: rows ``source[first:last]``, each times its rate and h.
    """
    x, dose, c = right
    source, rate, first, last, h = given
    amount = np.repeat(x[i], HALF)
    side = c[0] * amount + c[1] * dose
    for k in range(first, last):
        side += h * rate[k] * f[source[k]]
    f[i, 0] = g[i, 0] * side[0] - g[i, 1] * side[1]
    f[i, 1] = g[i, 0] * side[1] + g[i, 1] * side[0]


def descend(f: FloatArray, g: FloatArray, i: int, parent: int, rate: float) -> None:
    """Add to row i what its parent gives it: ``rate`` times its row of ``g`` times the row of the parent."""
    re, im = rate * f[parent, 0], rate * f[parent, 1]
    f[i, 0] += g[i, 0] * re - g[i, 1] * im
    f[i, 1] += g[i, 0] * im + g[i, 1] * re


def finish(f: FloatArray, i: int, x: FloatArray, far: FloatArray) -> None:
    """The new amounts x[i] (kept, check): the sum over lanes, and ``far`` times the old ones."""
    x[i] = far * x[i] + f[i, 0].reshape(2, HALF).sum(axis=1)


class _Rows:
    """Builds vector instructions on rows of the arrays that an operation was called with."""

    def __init__(self, context: Any, builder: Any, signature: Any, values: Any) -> None:
        self.context, self.builder, self.kinds, self.values = context, builder, signature.args, values

    def data(self, which: int) -> Any:
        return self.context.make_array(self.kinds[which])(self.context, self.builder, self.values[which]).data

    def places(self, which: int, row: Any) -> tuple[Any, Any]:
        b = self.builder
        at = b.mul(row, ir.Constant(row.type, 2 * LANES))
        data = self.data(which)
        return tuple(
            b.bitcast(b.gep(data, [b.add(at, ir.Constant(row.type, part))]), _VECTOR.as_pointer())
            for part in (0, LANES)
        )

    def load(self, which: int, row: Any) -> tuple[Any, Any]:
        re, im = self.places(which, row)
        return self.builder.load(re, align=8), self.builder.load(im, align=8)

    def store(self, which: int, row: Any, value: tuple[Any, Any]) -> None:
        for part, place in zip(value, self.places(which, row), strict=True):
            self.builder.store(part, place, align=8)

    def spread(self, number: Any) -> Any:
        nothing = ir.Constant(_VECTOR, ir.Undefined)
        one = self.builder.insert_element(nothing, number, ir.Constant(_NUMBER, 0))
        return self.builder.shuffle_vector(one, nothing, _order([0] * LANES))

    def pair(self, which: int, row: Any) -> Any:
        b = self.builder
        return b.bitcast(b.gep(self.data(which), [b.mul(row, ir.Constant(row.type, 2))]), _PAIR.as_pointer())

    def spread_pair(self, which: int, row: Any) -> Any:
        pair = self.builder.load(self.pair(which, row), align=8)
        return self.builder.shuffle_vector(pair, ir.Constant(_PAIR, ir.Undefined), _order([0] * HALF + [1] * HALF))

    def mul(self, a: Any, b: Any) -> Any:
        return self.builder.fmul(a, b, flags=_FUSED)

    def add(self, a: Any, b: Any) -> Any:
        return self.builder.fadd(a, b, flags=_FUSED)

    def sub(self, a: Any, b: Any) -> Any:
        return self.builder.fsub(a, b, flags=_FUSED)

    def times(self, a: tuple[Any, Any], b: tuple[Any, Any]) -> tuple[Any, Any]:
        return (
            self.sub(self.mul(a[0], b[0]), self.mul(a[1], b[1])),
            self.add(self.mul(a[0], b[1]), self.mul(a[1], b[0])),
        )

    def more(self, value: tuple[Any, Any], rate: Any, of: tuple[Any, Any]) -> tuple[Any, Any]:
        return self.add(value[0], self.mul(rate, of[0])), self.add(value[1], self.mul(rate, of[1]))


_intrinsic: Any = intrinsic
_local: Any = cgutils.alloca_once_value


def _order(lanes: list[int]) -> Any:
    return ir.Constant(ir.VectorType(_NUMBER, len(lanes)), lanes)


@_intrinsic
def _invert(_typing: Any, g: Any, i: Any, parent: Any, up: Any, down: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        rows = _Rows(context, builder, signature, values)
        _, row, above, leaves, returns = values
        stays = rows.load(0, row)
        re, im = rows.add(stays[0], rows.spread(leaves)), stays[1]
        size = rows.add(rows.mul(re, re), rows.mul(im, im))
        share = builder.fdiv(rows.spread(ir.Constant(ir.DoubleType(), 1.0)), size)
        found = rows.mul(re, share), rows.mul(builder.fneg(im), share)
        rows.store(0, row, found)
        rows.store(0, above, rows.more(rows.load(0, above), rows.spread(returns), rows.times(stays, found)))
        return context.get_dummy_value()

    return types.void(g, i, parent, up, down), build


@_intrinsic
def _climb(
    _typing: Any,
    f: Any,
    g: Any,
    i: Any,
    x: Any,
    dose: Any,
    c: Any,
    source: Any,
    rate: Any,
    first: Any,
    last: Any,
    h: Any,
) -> Any:  # fmt: skip
    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        rows = _Rows(context, builder, signature, values)
        row, start, stop, step = values[2], values[8], values[9], values[10]
        zero, one = (ir.Constant(row.type, k) for k in (0, 1))
        amount, given = rows.spread_pair(3, row), rows.spread(values[4])
        own = tuple(rows.mul(part, amount) for part in rows.load(5, zero))
        side = rows.more(own, given, rows.load(5, one))
        sums = [_local(builder, part) for part in side]
        with cgutils.for_range_slice(builder, start, stop, ir.Constant(start.type, 1), start.type) as (k, _):
            factor = rows.spread(rows.mul(step, builder.load(builder.gep(rows.data(7), [k]))))
            below = rows.load(0, builder.load(builder.gep(rows.data(6), [k])))
            for place, part in zip(sums, below, strict=True):
                builder.store(rows.add(builder.load(place), rows.mul(factor, part)), place)
        rows.store(0, row, rows.times(rows.load(1, row), (builder.load(sums[0]), builder.load(sums[1]))))
        return context.get_dummy_value()

    return types.void(f, g, i, x, dose, c, source, rate, first, last, h), build


@_intrinsic
def _descend(_typing: Any, f: Any, g: Any, i: Any, parent: Any, rate: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        rows = _Rows(context, builder, signature, values)
        _, _, row, above, factor = values
        given = rows.times(rows.load(1, row), rows.load(0, above))
        rows.store(0, row, rows.more(rows.load(0, row), rows.spread(factor), given))
        return context.get_dummy_value()

    return types.void(f, g, i, parent, rate), build


@_intrinsic
def _finish(_typing: Any, f: Any, i: Any, x: Any, far: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        rows = _Rows(context, builder, signature, values)
        total, _ = rows.load(0, values[1])
        apart = HALF
        while apart > 1:
            apart //= 2
            turned = [lane // HALF * HALF + (lane + apart) % HALF for lane in range(LANES)]
            total = rows.add(total, builder.shuffle_vector(total, ir.Constant(_VECTOR, ir.Undefined), _order(turned)))
        both = builder.shuffle_vector(total, ir.Constant(_VECTOR, ir.Undefined), _order([0, HALF]))
        place = rows.pair(2, values[1])
        kept = builder.load(rows.pair(3, ir.Constant(values[1].type, 0)), align=8)
        builder.store(rows.add(both, rows.mul(kept, builder.load(place, align=8))), place, align=8)
        return context.get_dummy_value()

    return types.void(f, i, x, far), build


@overload(invert, strict=False)
def _(g: Any, i: Any, parent: Any, up: Any, down: Any) -> Any:
    return lambda g, i, parent, up, down: _invert(g, i, parent, up, down)


@overload(climb, strict=False)
def _(f: Any, g: Any, i: Any, right: Any, given: Any) -> Any:
    return lambda f, g, i, right, given: _climb(f, g, i, *right, *given)


@overload(descend, strict=False)
def _(f: Any, g: Any, i: Any, parent: Any, rate: Any) -> Any:
    return lambda f, g, i, parent, rate: _descend(f, g, i, parent, rate)


@overload(finish, strict=False)
def _(f: Any, i: Any, x: Any, far: Any) -> Any:
    return lambda f, i, x, far: _finish(f, i, x, far)


Forest = tuple[IntArray, FloatArray, FloatArray, FloatArray, IntArray, IntArray, IntArray, FloatArray]
Scheme = tuple[FloatArray, FloatArray, FloatArray]
Line = tuple[FloatArray, IntArray, IntArray, FloatArray, FloatArray]
Slots = tuple[int, IntArray, FloatArray, IntArray]
Readings = tuple[IntArray, IntArray, FloatArray]


@numba.njit(cache=True, error_model="numpy")
def factor(forest: Forest, poles: FloatArray, h: float, g: FloatArray) -> None:
    """Eliminate children into parents for every pole: ``g`` (pools, 2, LANES) becomes the reciprocal of what is left
    of each diagonal. ``h`` is the length of the step in s.
    """
    parent, up, down, loss = forest[0], forest[1], forest[2], forest[3]
    for i in range(parent.size):
        for lane in range(LANES):
            g[i, 0, lane] = poles[0, lane] + h * loss[i]
            g[i, 1, lane] = poles[1, lane]
    for i in range(parent.size):
        invert(g, i, parent[i], h * up[i], h * down[i])


@numba.njit(cache=True, error_model="numpy")
def advance(
    forest: Forest, scheme: Scheme, h: float, g: FloatArray, f: FloatArray, x: FloatArray, dose: FloatArray
) -> None:
    """One step of ``h`` s with ``dose`` (pools,) in ng/s: ``x`` (pools, 2) becomes what it is after the step."""
    parent, _up, down, _loss, stage, source_of, source, rate = forest
    _poles, c, far = scheme
    for s in range(stage.size - 1):
        first, last = stage[s], stage[s + 1]
        for i in range(first, last):
            climb(f, g, i, (x, h * dose[i], c), (source, rate, source_of[i], source_of[i + 1], h))
        for i in range(last - 1, first - 1, -1):
            if parent[i] != i:
                descend(f, g, i, parent[i], h * down[i])
            finish(f, i, x, far)


@numba.njit(cache=True, error_model="numpy")
def read(x: FloatArray, readings: Readings, row: FloatArray, seen: FloatArray) -> None:
    """Write each channel's reading of ``x`` (pools, 2) to ``row`` (channels,); ``seen`` (3, channels) follows the
    greatest difference between the two halves, the greatest value and the least.
    """
    first, pool, weight = readings
    for c in range(row.size):
        kept, check = 0.0, 0.0
        for k in range(first[c], first[c + 1]):
            kept += weight[k] * x[pool[k], 0]
            check += weight[k] * x[pool[k], 1]
        row[c] = kept
        apart = abs(kept - check)
        if apart > seen[0, c]:
            seen[0, c] = apart
        if abs(kept) > seen[1, c]:
            seen[1, c] = abs(kept)
        if kept < seen[2, c]:
            seen[2, c] = kept


@numba.njit(cache=True, error_model="numpy")
def march(
    forest: Forest,
    scheme: Scheme,
    inputs: FloatArray,
    line: Line,
    slots: Slots,
    readings: Readings,
    x: FloatArray,
    found: FloatArray,
    seen: FloatArray,
) -> None:
    """Go from instant to instant: give masses, read channels, advance with the rates.

    ``line`` is the lengths of step, of which of them each step is, the row of ``found`` (rows, channels) that each
    instant is read into or -1, masses (inputs, instants) and rates (inputs, steps). ``slots`` is into how many equal
    parts a step goes, the slot of each length, the factorizations (slots, pools, 2, LANES), and for which length each
    slot was filled, or -1: the last slot is for all lengths that have none of their own.
    """
    steps, which, row, mass, rate = line
    parts, slot, factors, ready = slots
    f = np.empty((x.shape[0], 2, LANES))
    dose = np.zeros(x.shape[0])
    for k in range(row.size):
        for p in range(inputs.shape[1]):
            if mass[p, k] != 0.0:
                for i in range(inputs.shape[0]):
                    x[i, 0] += inputs[i, p] * mass[p, k]
                    x[i, 1] += inputs[i, p] * mass[p, k]
        if row[k] >= 0:
            read(x, readings, found[row[k]], seen)
        if k == which.size:
            continue  # the last instant: nothing holds after it
        for i in range(inputs.shape[0]):
            dose[i] = 0.0
            for p in range(inputs.shape[1]):
                dose[i] += inputs[i, p] * rate[p, k]
        n = which[k]
        h = steps[n] / parts
        g = factors[slot[n]]
        if ready[slot[n]] != n:
            factor(forest, scheme[0], h, g)
            ready[slot[n]] = n
        for _ in range(parts):
            advance(forest, scheme, h, g, f, x, dose)
