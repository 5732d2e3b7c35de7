"""Eight numbers at a time: the loops that are worth more than the compiler makes of them.

Each is written twice: in numpy, which is what it means, and as vector instructions, which is what runs. They add up in
one order and round in one way wherever they are compiled into. What the compiler may reorder itself, it reorders in
another way in another surrounding, and a process that compiles then gives other last bits than one that finds it done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

if TYPE_CHECKING:
    from thecal.body.transport.kernels.types import Floats

LANES = 8
_intrinsic: Any = intrinsic
_local: Any = cgutils.alloca_once_value
_declared: Any = cgutils.get_or_insert_function
_VECTOR = ir.VectorType(ir.DoubleType(), LANES)


def grow(z: Floats, grown: Floats, given: Floats, row: int, supply: Floats) -> None:
    """z = grown[row] z + given[row] supply; all as long as ``z``, a multiple of eight."""
    z[:] = grown[row] * z + given[row] * supply


def keep(z: Floats, first: int, block: Floats, row: int) -> None:
    """block[row] = z[first:], as much of it as a row of the block holds, which is a multiple of eight."""
    block[row] = z[first : first + block.shape[1]]


def tile(weights: Floats, column: int, block: Floats, row: int, y: Floats) -> None:
    """y[column:column + 8, row:row + 8] = (block[row:row + 8] @ weights[:, column:column + 8]).T; shapes (modes,
    channels), (reads, modes) and (channels, reads), with reads and channels in eights.
    """
    here, there = slice(row, row + LANES), slice(column, column + LANES)
    y[there, here] = np.dot(block[here], weights[:, there]).T


def eights(a: Floats, b: Floats, count: int) -> float:
    """a . b over the first ``count``, a multiple of eight."""
    return float(np.dot(a[:count], b[:count]))


def four_eights(rows: Floats, first: int, x: Floats, count: int, found: Floats) -> None:
    """found[k] = rows[k] . x over the first ``count``, a multiple of eight, for four rows k from ``first``."""
    found[first : first + 4] = rows[first : first + 4, :count] @ x[:count]


def less_four(rows: Floats, first: int, part: Floats, x: Floats, count: int) -> None:
    """x -= sum of part[k] rows[k] over four rows from ``first``, for the first ``count``, a multiple of eight."""
    x[:count] -= part[first : first + 4] @ rows[first : first + 4, :count]


class _Arrays:
    """Places in the arrays that an operation was called with."""

    def __init__(self, context: Any, builder: Any, signature: Any, values: Any) -> None:
        self.builder = builder
        self.arrays = [
            context.make_array(kind)(context, builder, value) if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, values, strict=True)
        ]

    def size(self, which: int, axis: int) -> Any:
        return self.builder.extract_value(self.arrays[which].shape, axis)

    def place(self, which: int, at: Any) -> Any:
        return self.builder.gep(self.arrays[which].data, [at])

    def load(self, which: int, at: Any) -> Any:
        return self.builder.load(self.builder.bitcast(self.place(which, at), _VECTOR.as_pointer()), align=8)

    def store(self, which: int, at: Any, value: Any) -> None:
        self.builder.store(value, self.builder.bitcast(self.place(which, at), _VECTOR.as_pointer()), align=8)

    def spread(self, which: int, at: Any) -> Any:
        nothing, number = ir.Constant(_VECTOR, ir.Undefined), ir.IntType(32)
        one = self.builder.insert_element(nothing, self.builder.load(self.place(which, at)), ir.Constant(number, 0))
        return self.builder.shuffle_vector(one, nothing, _order([0] * LANES))

    def more(self, a: Any, b: Any, c: Any) -> Any:
        """a b + c, in one rounding where the machine can."""
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        both = _declared(self.builder.module, kind, f"llvm.fmuladd.v{LANES}f64")
        return self.builder.call(both, [a, b, c])

    def total(self, vector: Any) -> Any:
        """The sum of the eight: of those four apart, then two, then one."""
        apart = LANES // 2
        while apart:
            turned = [(k + apart) % LANES for k in range(LANES)]
            other = self.builder.shuffle_vector(vector, ir.Constant(_VECTOR, ir.Undefined), _order(turned))
            vector, apart = self.builder.fadd(vector, other), apart // 2
        return self.builder.extract_element(vector, ir.Constant(ir.IntType(32), 0))

    def steps(self, count: Any) -> Any:
        """A loop over the first ``count``, eight at a time."""
        first, lanes = ir.Constant(count.type, 0), ir.Constant(count.type, LANES)
        return cgutils.for_range_slice(self.builder, first, count, lanes, count.type)

    def sums(self, count: int) -> list[Any]:
        """Places that start at zero."""
        return [_local(self.builder, ir.Constant(_VECTOR, [0.0] * LANES)) for _ in range(count)]


@_intrinsic
def _eights(_typing: Any, a: Any, b: Any, count: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        arrays = _Arrays(context, builder, signature, values)
        (total,) = arrays.sums(1)
        with arrays.steps(values[2]) as (at, _):
            builder.store(arrays.more(arrays.load(0, at), arrays.load(1, at), builder.load(total)), total)
        return arrays.total(builder.load(total))

    return types.float64(a, b, count), build


@_intrinsic
def _four_eights(_typing: Any, rows: Any, first: Any, x: Any, count: Any, found: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        arrays = _Arrays(context, builder, signature, values)
        places = [builder.add(values[1], ir.Constant(values[1].type, k)) for k in range(4)]
        starts, sums = [builder.mul(place, arrays.size(0, 1)) for place in places], arrays.sums(4)
        with arrays.steps(values[3]) as (at, _):
            x_part = arrays.load(2, at)
            for start, total in zip(starts, sums, strict=True):
                row = arrays.load(0, builder.add(start, at))
                builder.store(arrays.more(row, x_part, builder.load(total)), total)
        for place, total in zip(places, sums, strict=True):
            builder.store(arrays.total(builder.load(total)), arrays.place(4, place))
        return context.get_dummy_value()

    return types.void(rows, first, x, count, found), build


@_intrinsic
def _less_four(_typing: Any, rows: Any, first: Any, part: Any, x: Any, count: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        arrays = _Arrays(context, builder, signature, values)
        places = [builder.add(values[1], ir.Constant(values[1].type, k)) for k in range(4)]
        starts = [builder.mul(place, arrays.size(0, 1)) for place in places]
        parts = [builder.fneg(arrays.spread(2, place)) for place in places]
        with arrays.steps(values[4]) as (at, _):
            left = arrays.load(3, at)
            for start, share in zip(starts, parts, strict=True):
                left = arrays.more(share, arrays.load(0, builder.add(start, at)), left)
            arrays.store(3, at, left)
        return context.get_dummy_value()

    return types.void(rows, first, part, x, count), build


@_intrinsic
def _grow(_typing: Any, z: Any, grown: Any, given: Any, row: Any, supply: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        arrays = _Arrays(context, builder, signature, values)
        count = arrays.size(0, 0)
        base = builder.mul(values[3], count)
        with arrays.steps(count) as (at, _):
            there = builder.add(base, at)
            more = builder.fmul(arrays.load(2, there), arrays.load(4, at))
            arrays.store(0, at, arrays.more(arrays.load(1, there), arrays.load(0, at), more))
        return context.get_dummy_value()

    return types.void(z, grown, given, row, supply), build


@_intrinsic
def _keep(_typing: Any, z: Any, first: Any, block: Any, row: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        arrays = _Arrays(context, builder, signature, values)
        count = arrays.size(2, 1)
        base = builder.mul(values[3], count)
        with arrays.steps(count) as (at, _):
            arrays.store(2, builder.add(base, at), arrays.load(0, builder.add(values[1], at)))
        return context.get_dummy_value()

    return types.void(z, first, block, row), build


def _turned(builder: Any, rows: list[Any]) -> list[Any]:
    """Eight vectors turned as a matrix is transposed: pairs of rows swap ever greater parts."""
    part = 1
    while part < LANES:
        low = [k if k & part == 0 else k - part + LANES for k in range(LANES)]
        high = [k + part if k & part == 0 else k + LANES for k in range(LANES)]
        found = list(rows)
        for k in range(LANES):
            if k & part == 0:
                found[k] = builder.shuffle_vector(rows[k], rows[k + part], _order(low))
                found[k + part] = builder.shuffle_vector(rows[k], rows[k + part], _order(high))
        rows, part = found, 2 * part
    return rows


def _order(lanes: list[int]) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(32), LANES), lanes)


@_intrinsic
def _tile(_typing: Any, weights: Any, column: Any, block: Any, row: Any, y: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        arrays = _Arrays(context, builder, signature, values)
        modes, channels = arrays.size(0, 0), arrays.size(0, 1)
        kind = modes.type
        rows = [builder.add(values[3], ir.Constant(kind, k)) for k in range(LANES)]
        starts = [builder.mul(r, modes) for r in rows]
        sums = arrays.sums(LANES)
        with cgutils.for_range(builder, modes, intp=kind) as loop:
            weight = arrays.load(0, builder.add(builder.mul(loop.index, channels), values[1]))
            for start, total in zip(starts, sums, strict=True):
                amount = arrays.spread(2, builder.add(start, loop.index))
                builder.store(arrays.more(amount, weight, builder.load(total)), total)
        across = arrays.size(4, 1)
        for k, found in enumerate(_turned(builder, [builder.load(total) for total in sums])):
            place = builder.add(builder.mul(builder.add(values[1], ir.Constant(kind, k)), across), values[3])
            arrays.store(4, place, found)
        return context.get_dummy_value()

    return types.void(weights, column, block, row, y), build


@overload(eights, strict=False)
def _(a: Any, b: Any, count: Any) -> Any:
    return lambda a, b, count: _eights(a, b, count)


@overload(four_eights, strict=False)
def _(rows: Any, first: Any, x: Any, count: Any, found: Any) -> Any:
    return lambda rows, first, x, count, found: _four_eights(rows, first, x, count, found)


@overload(less_four, strict=False)
def _(rows: Any, first: Any, part: Any, x: Any, count: Any) -> Any:
    return lambda rows, first, part, x, count: _less_four(rows, first, part, x, count)


@overload(grow, strict=False)
def _(z: Any, grown: Any, given: Any, row: Any, supply: Any) -> Any:
    return lambda z, grown, given, row, supply: _grow(z, grown, given, row, supply)


@overload(keep, strict=False)
def _(z: Any, first: Any, block: Any, row: Any) -> Any:
    return lambda z, first, block, row: _keep(z, first, block, row)


@overload(tile, strict=False)
def _(weights: Any, column: Any, block: Any, row: Any, y: Any) -> Any:
    return lambda weights, column, block, row, y: _tile(weights, column, block, row, y)
