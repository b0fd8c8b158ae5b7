"""Packing in vector registers: float32 numbers into the cells of `tiles`, and tiles transposed.

A cell is two bfloat16 numbers, the lower k in the lower half. The bfloat16 nearest to x is the upper half of its bits
after half of that half's last place was added; what is left, x minus it, is exact and gives the next term.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from weft.backends.kernels.compiling import intrinsic, within_kernels

SIDE, DEPTH, CELLS = 16, 32, 256
"""Rows or columns of a tile, its k, and its cells."""

LANE, INDEX = ir.IntType(32), ir.IntType(64)
BITS, NUMBERS = ir.VectorType(LANE, SIDE), ir.VectorType(ir.FloatType(), SIDE)


def _all(value: int) -> Any:
    return ir.Constant(BITS, [value] * SIDE)


def _load(builder: Any, address: Any, offset: int, kind: Any) -> Any:
    vector = builder.load(builder.bitcast(builder.gep(address, [INDEX(offset)]), kind.as_pointer()))
    vector.align = 4
    return vector


def _shuffled(builder: Any, first: Any, second: Any, order: list[int]) -> Any:
    return builder.shuffle_vector(first, second, ir.Constant(BITS, order))


def _store_terms(builder: Any, first: Any, second: Any, cells: Any, terms: Any) -> None:
    """Cells of the first term of both vectors and, unless `terms` is 1, two more, each CELLS after the one before."""

    def store(number: int, first: Any, second: Any) -> tuple[Any, Any]:
        rounded = []
        for x in (first, second):
            bits = builder.add(builder.bitcast(x, BITS), _all(0x8000))
            rounded.append(builder.and_(bits, _all(0xFFFF0000)))
        pair = builder.or_(builder.lshr(rounded[0], _all(16)), rounded[1])
        place = builder.bitcast(builder.gep(cells, [INDEX(number * CELLS)]), BITS.as_pointer())
        builder.store(pair, place).align = 4
        left = [
            builder.fsub(x, builder.bitcast(bits, NUMBERS)) for x, bits in zip((first, second), rounded, strict=True)
        ]
        return left[0], left[1]

    rest = store(0, first, second)
    with builder.if_then(builder.icmp_signed(">", terms, INDEX(1))):
        rest = store(1, *rest)
        store(2, *rest)


@intrinsic
def pack_pair(typing: Any, first: Any, second: Any, cells: Any, terms: Any) -> Any:
    """16 columns of two neighbouring k, each k a row of float32, into 16 cells a term."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        first, second, cells, terms = args
        rows = [_load(builder, row, 0, NUMBERS) for row in (first, second)]
        _store_terms(builder, rows[0], rows[1], cells, terms)
        return context.get_dummy_value()

    return types.void(first, second, cells, types.intp), generate


@intrinsic
def pack_row(typing: Any, row: Any, cells: Any, terms: Any) -> Any:
    """32 neighbouring k of a row of float32 into 16 cells a term."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        row, cells, terms = args
        halves = [_load(builder, row, offset, NUMBERS) for offset in (0, SIDE)]
        even, odd = (_shuffled(builder, halves[0], halves[1], list(range(start, DEPTH, 2))) for start in (0, 1))
        _store_terms(builder, even, odd, cells, terms)
        return context.get_dummy_value()

    return types.void(row, cells, types.intp), generate


@intrinsic
def copy_vector(typing: Any, source: Any, place: Any) -> Any:
    """16 neighbouring words from one address to another."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        words = _load(builder, args[0], 0, BITS)
        builder.store(words, builder.bitcast(args[1], BITS.as_pointer())).align = 4
        return context.get_dummy_value()

    return types.void(source, place), generate


@intrinsic
def copy_some(typing: Any, source: Any, place: Any, count: Any) -> Any:
    """The same with zeros in place of all words but the first `count`, which alone are read."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, place, count = args
        wide = ir.VectorType(INDEX, SIDE)
        counts = builder.insert_element(ir.Constant(wide, ir.Undefined), count, LANE(0))
        counts = builder.shuffle_vector(counts, ir.Constant(wide, ir.Undefined), _all(0))
        mask = builder.icmp_signed("<", ir.Constant(wide, list(range(SIDE))), counts)
        kind = ir.FunctionType(BITS, [BITS.as_pointer(), LANE, mask.type, BITS])
        load = cgutils.get_or_insert_function(builder.module, kind, f"llvm.masked.load.v{SIDE}i32.p0")
        words = builder.call(load, [builder.bitcast(source, BITS.as_pointer()), LANE(4), mask, _all(0)])
        builder.store(words, builder.bitcast(place, BITS.as_pointer())).align = 4
        return context.get_dummy_value()

    return types.void(source, place, types.intp), generate


@intrinsic
def turn_tile(typing: Any, tile: Any, distance: Any, place: Any, place_distance: Any) -> Any:
    """The transpose of 16 x 16 words, whose rows lie so far apart, to a place, which may be the same: blocks of 8
    change places, then blocks of 4, 2 and 1."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        tile, distance, place, place_distance = args

        def row_at(start: Any, r: int, distance: Any) -> Any:
            return builder.gep(start, [builder.mul(INDEX(r), distance)])

        rows = [_load(builder, row_at(tile, r, distance), 0, BITS) for r in range(SIDE)]
        for block in (8, 4, 2, 1):
            kept = [SIDE + c - block if c & block else c for c in range(SIDE)]
            moved = [SIDE + c if c & block else c + block for c in range(SIDE)]
            for r in range(SIDE):
                if not r & block:
                    upper, lower = rows[r], rows[r + block]
                    rows[r] = _shuffled(builder, upper, lower, kept)
                    rows[r + block] = _shuffled(builder, upper, lower, moved)
        for r, row in enumerate(rows):
            target = builder.bitcast(row_at(place, r, place_distance), BITS.as_pointer())
            builder.store(row, target).align = 4
        return context.get_dummy_value()

    return types.void(tile, types.intp, place, types.intp), generate


@within_kernels
def transpose_tile(tile: Any) -> None:
    """Transpose 16 x 16 words, one after the other, in place."""
    turn_tile(tile, SIDE, tile, SIDE)
