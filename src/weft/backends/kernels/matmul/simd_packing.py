"""Rows of numbers made into words, words copied, and squares of 16 x 16 words transposed, in vector registers.

A word is a float32, or a pair of bfloat16 numbers, two neighbouring k, the lower k in the lower half. The bfloat16
nearest to x is the upper half of its bits after half of that half's last place was added; an even one of two that are
as near. Denormal numbers become zeros, as in the products.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from weft.backends.kernels.jit.compile import inlined, intrinsic
from weft.backends.kernels.matmul.micro_kernel import BFloat

SIDE, DEPTH, SQUARE = 16, 32, 256
"""Words in a vector, the numbers in as many pairs, and the words of a square."""

LANE, INDEX = ir.IntType(32), ir.IntType(64)
BITS, NUMBERS = ir.VectorType(LANE, SIDE), ir.VectorType(ir.FloatType(), SIDE)
HALVES = ir.VectorType(ir.IntType(16), DEPTH)


def _all(value: int) -> Any:
    return ir.Constant(BITS, [value] * SIDE)


def _load(builder: Any, address: Any, offset: int, kind: Any) -> Any:
    vector = builder.load(builder.bitcast(builder.gep(address, [INDEX(offset)]), kind.as_pointer()))
    vector.align = 4
    return vector


def _shuffled(builder: Any, first: Any, second: Any, order: list[int]) -> Any:
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(LANE, len(order)), order))


def _rounded(builder: Any, low: Any, high: Any) -> Any:
    """The bfloat16 numbers nearest to two vectors of float32, those of the one behind those of the other."""
    name = "llvm.x86.avx512bf16.cvtne2ps2bf16.512"
    kind = ir.FunctionType(ir.VectorType(BFloat(), DEPTH), [NUMBERS, NUMBERS])
    return builder.bitcast(
        builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [high, low]), HALVES
    )


def _store(builder: Any, words: Any, place: Any) -> None:
    builder.store(words, builder.bitcast(place, words.type.as_pointer())).align = 4


@intrinsic
def pack_pair(typing: Any, first: Any, second: Any, words: Any) -> Any:
    """16 columns of two neighbouring k, each k a row of float32, into 16 pairs."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        first, second, words = args
        halves = _rounded(builder, *(_load(builder, row, 0, NUMBERS) for row in (first, second)))
        order = [half + column for column in range(SIDE) for half in (0, SIDE)]
        _store(builder, _shuffled(builder, halves, halves, order), words)
        return context.get_dummy_value()

    return types.void(first, second, words), generate


@intrinsic
def pack_row(typing: Any, row: Any, words: Any) -> Any:
    """32 neighbouring k of a row of float32 into 16 pairs."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        row, words = args
        _store(builder, _rounded(builder, *(_load(builder, row, offset, NUMBERS) for offset in (0, SIDE))), words)
        return context.get_dummy_value()

    return types.void(row, words), generate


@intrinsic
def clear_vector(typing: Any, place: Any) -> Any:
    """16 words of zeros to an address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _store(builder, _all(0), args[0])
        return context.get_dummy_value()

    return types.void(place), generate


@intrinsic
def copy_vector(typing: Any, source: Any, place: Any) -> Any:
    """16 neighbouring words from one address to another."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        words = _load(builder, args[0], 0, BITS)
        _store(builder, words, args[1])
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
        _store(builder, words, place)
        return context.get_dummy_value()

    return types.void(source, place, types.intp), generate


@intrinsic
def transpose_tile_to(typing: Any, tile: Any, distance: Any, place: Any, place_distance: Any) -> Any:
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
            _store(builder, row, row_at(place, r, place_distance))
        return context.get_dummy_value()

    return types.void(tile, types.intp, place, types.intp), generate


@inlined
def transpose_tile(tile: Any) -> None:
    """Transpose 16 x 16 words, one after the other, in place."""
    transpose_tile_to(tile, SIDE, tile, SIDE)
