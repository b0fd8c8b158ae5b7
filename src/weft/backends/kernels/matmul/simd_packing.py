"""Vector instructions for packing: float32 rounded to bfloat16 pairs, vectors copied, 16 x 16 tiles transposed.

An element has 32 bits: a float32, or a pair of bfloat16 values of two consecutive k, the lower k in the lower half. A
float32 is rounded to the nearest bfloat16, ties to even. Denormal numbers become zero, as they do in the products.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from weft.backends.kernels.jit.compile import inlined, intrinsic

TILE_SIDE, TILE_DEPTH, TILE_SIZE = 16, 32, 256
"""Elements in a row of a tile, which is also a vector; bfloat16 values in that row; elements in a tile."""

LANE, INDEX = ir.IntType(32), ir.IntType(64)
ELEMENTS, FLOATS = ir.VectorType(LANE, TILE_SIDE), ir.VectorType(ir.FloatType(), TILE_SIDE)
HALVES = ir.VectorType(ir.IntType(16), TILE_DEPTH)


class BFloat(ir.Type):  # type: ignore[misc]
    """LLVM's bfloat type, which llvmlite does not have."""

    def __str__(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BFloat)

    def __hash__(self) -> int:
        return hash("bfloat")


def _broadcast(value: int) -> Any:
    return ir.Constant(ELEMENTS, [value] * TILE_SIDE)


def _load(builder: Any, address: Any, offset: int, vector: Any) -> Any:
    value = builder.load(builder.bitcast(builder.gep(address, [INDEX(offset)]), vector.as_pointer()))
    value.align = 4
    return value


def _shuffle(builder: Any, first: Any, second: Any, order: list[int]) -> Any:
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(LANE, len(order)), order))


def _rounded(builder: Any, low: Any, high: Any) -> Any:
    """Two vectors of float32 rounded to bfloat16: 16 values of `low`, then 16 of `high`."""
    name = "llvm.x86.avx512bf16.cvtne2ps2bf16.512"
    kind = ir.FunctionType(ir.VectorType(BFloat(), TILE_DEPTH), [FLOATS, FLOATS])
    return builder.bitcast(
        builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [high, low]), HALVES
    )


def _store(builder: Any, value: Any, address: Any) -> None:
    builder.store(value, builder.bitcast(address, value.type.as_pointer())).align = 4


@intrinsic
def pack_two_rows(typing: Any, first: Any, second: Any, destination: Any) -> Any:
    """16 float32 of row k and 16 of row k + 1 -> 16 pairs, one for each column."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        first, second, destination = args
        halves = _rounded(builder, *(_load(builder, row, 0, FLOATS) for row in (first, second)))
        order = [half + column for column in range(TILE_SIDE) for half in (0, TILE_SIDE)]
        _store(builder, _shuffle(builder, halves, halves, order), destination)
        return context.get_dummy_value()

    return types.void(first, second, destination), generate


@intrinsic
def pack_row(typing: Any, row: Any, destination: Any) -> Any:
    """32 float32 of consecutive k -> 16 pairs."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        row, destination = args
        halves = (_load(builder, row, offset, FLOATS) for offset in (0, TILE_SIDE))
        _store(builder, _rounded(builder, *halves), destination)
        return context.get_dummy_value()

    return types.void(row, destination), generate


@intrinsic
def clear_vector(typing: Any, destination: Any) -> Any:
    """Store 16 elements of zero."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _store(builder, _broadcast(0), args[0])
        return context.get_dummy_value()

    return types.void(destination), generate


@intrinsic
def copy_vector(typing: Any, source: Any, destination: Any) -> Any:
    """Copy 16 contiguous elements."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _store(builder, _load(builder, args[0], 0, ELEMENTS), args[1])
        return context.get_dummy_value()

    return types.void(source, destination), generate


@intrinsic
def copy_masked(typing: Any, source: Any, destination: Any, count: Any) -> Any:
    """Copy the first `count` of 16 elements and store zeros for the rest, which are not read."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, destination, count = args
        wide = ir.VectorType(INDEX, TILE_SIDE)
        counts = builder.insert_element(ir.Constant(wide, ir.Undefined), count, LANE(0))
        counts = builder.shuffle_vector(counts, ir.Constant(wide, ir.Undefined), _broadcast(0))
        mask = builder.icmp_signed("<", ir.Constant(wide, list(range(TILE_SIDE))), counts)
        kind = ir.FunctionType(ELEMENTS, [ELEMENTS.as_pointer(), LANE, mask.type, ELEMENTS])
        load = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.load.v{TILE_SIDE}i32.p0")
        elements = builder.call(load, [builder.bitcast(source, ELEMENTS.as_pointer()), LANE(4), mask, _broadcast(0)])
        _store(builder, elements, destination)
        return context.get_dummy_value()

    return types.void(source, destination, types.intp), generate


@intrinsic
def transpose_tile(typing: Any, tile: Any, stride: Any, destination: Any, destination_stride: Any) -> Any:
    """Store the transpose of 16 x 16 elements; the strides are those of rows. The destination may be the tile itself.

    In registers: blocks of 8 x 8 change places, then blocks of 4, 2 and 1.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, stride, destination, destination_stride = args

        def row_at(start: Any, r: int, stride: Any) -> Any:
            return builder.gep(start, [builder.mul(INDEX(r), stride)])

        rows = [_load(builder, row_at(tile, r, stride), 0, ELEMENTS) for r in range(TILE_SIDE)]
        for block in (8, 4, 2, 1):
            upper_order = [TILE_SIDE + c - block if c & block else c for c in range(TILE_SIDE)]
            lower_order = [TILE_SIDE + c if c & block else c + block for c in range(TILE_SIDE)]
            for r in range(TILE_SIDE):
                if not r & block:
                    upper, lower = rows[r], rows[r + block]
                    rows[r] = _shuffle(builder, upper, lower, upper_order)
                    rows[r + block] = _shuffle(builder, upper, lower, lower_order)
        for r, row in enumerate(rows):
            _store(builder, row, row_at(destination, r, destination_stride))
        return context.get_dummy_value()

    return types.void(tile, types.intp, destination, types.intp), generate


@inlined
def transpose_contiguous_tile(tile: Any) -> None:
    """Transpose 16 x 16 contiguous elements in place."""
    transpose_tile(tile, TILE_SIDE, tile, TILE_SIDE)
