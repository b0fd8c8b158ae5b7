"""Products of many rows with streamed int8 weights in matrix tiles (AMX).

A cell of a panel is four k of 16 columns, 64 bytes; so 16 cells are a tile as they lie, and A's rows, a word of four
bytes for each cell, are the tiles to multiply it with. The high and the low bytes of A (see `stream_factor`) are two:

                    B0        B1               of eight tile registers, four hold whole sums,
                 ┌───────┬───────┐             two A and two B
       A high    │  high │  high │
                 ├───────┼───────┤             Behind the last cell A has zeros, so that it does not
       A low     │  low  │  low  │             matter what follows a panel.
                 └───────┴───────┘

Whole numbers are added exactly, and what becomes of the sums is what `stream_micro_kernel` makes of them: a row has the
same bits in any company.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from weft.backends.kernels.jit.compile import inlined, intrinsic
from weft.backends.kernels.jit.pointers import offset
from weft.backends.kernels.matmul.amx_micro_kernel import configure_tiles, each_tile_of_k, instruction, release_tiles
from weft.backends.kernels.matmul.simd_packing import TILE_SIDE, TILE_SIZE
from weft.backends.kernels.streaming.micro_kernel import Int8Dots

BYTE, INDEX, LANE = ir.IntType(8), ir.IntType(64), ir.IntType(32)
TILE_BYTES, ROW_BYTES = 1024, INDEX(64)
HIGH, LOW, WEIGHTS = range(4, 7)
"""The first registers of what is multiplied; 0 and 1 hold sums of high bytes, 2 and 3 of low ones."""


def _sums_of(panels: int) -> Any:
    """An intrinsic (a, a_row, b, distance, K, sums): the sums of 1 or 2 panels over K tiles of k, as squares of words:
    high bytes of the first and of the second panel, low bytes of both."""

    @intrinsic
    def kernel(typing: Any, a: Any, a_row: Any, b: Any, distance: Any, K: Any, sums: Any) -> Any:
        index, ints = types.intp, types.CPointer(types.int32)
        signature = types.void(a, index, b, index, index, ints)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            a, a_row, b, distance, K, sums = args
            row_bytes = builder.mul(a_row, INDEX(4))
            halves = (INDEX(0), builder.lshr(a_row, INDEX(1)))
            registers = [(half, p, BYTE(2 * half + p)) for half in (0, 1) for p in range(panels)]

            def place(start: Any, *distances: Any) -> Any:
                for step in distances:
                    start = builder.gep(start, [step])
                return builder.bitcast(start, BYTE.as_pointer())

            for _half, _p, register in registers:
                instruction(builder, "tilezero", register)
            with each_tile_of_k(builder, K) as k:
                for p in range(panels):
                    start = place(b, builder.mul(distance, INDEX(p)), builder.mul(k, INDEX(TILE_BYTES)))
                    instruction(builder, "tileloadd64", BYTE(WEIGHTS + p), start, ROW_BYTES)
                for half, offset in zip((HIGH, LOW), halves, strict=True):
                    start = place(a, offset, builder.mul(k, INDEX(TILE_SIDE)))
                    instruction(builder, "tileloadd64", BYTE(half), start, row_bytes)
                for half, p, register in registers:
                    instruction(builder, "tdpbusd", register, BYTE(HIGH + half), BYTE(WEIGHTS + p))
            for half, p, register in registers:
                square = place(sums, INDEX((2 * half + p) * TILE_SIZE))
                instruction(builder, "tilestored64", register, square, ROW_BYTES)
            return context.get_dummy_value()

        return signature, generate

    return kernel


_two_panels, _one_panel = _sums_of(2), _sums_of(1)


@intrinsic
def _finish(typing: Any, high: Any, low: Any, a_scale: Any, scale: Any, sums: Any, start: Any, c: Any) -> Any:
    """c (16,) = start + the product that a row's sums of one panel stand for."""
    floats, ints = types.CPointer(types.float32), types.CPointer(types.int32)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        high, low, a_scale, scale, sums, start, c = args
        kind = Int8Dots(builder, TILE_SIDE)
        totals = [kind.load(words, kind.cell) for words in (high, low)]
        value = builder.fadd(kind.load(start, kind.floats), kind.value(totals, a_scale, scale, sums))
        builder.store(value, builder.bitcast(c, kind.floats.as_pointer())).align = 4
        return context.get_dummy_value()

    return types.void(ints, ints, floats, floats, floats, floats, floats), generate


@intrinsic
def _room(typing: Any) -> Any:
    """The address of room for four squares of words, on a cache line."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        room = cgutils.alloca_once(builder, ir.ArrayType(LANE, 4 * TILE_SIZE))
        room.align = 64
        return builder.bitcast(room, LANE.as_pointer())

    return types.CPointer(types.int32)(), generate


@inlined
def add_product_in_tiles(
    a: Any, a_row: Any, a_scale: Any, rows: Any, b: Any, distance: Any, scale: Any, sums: Any, count: Any,
    start: Any, start_row: Any, c: Any, c_row: Any,
) -> None:  # fmt: skip
    """`stream_product.add_product` for A in bytes; b, scale, sums: those of the first panel."""
    room, k_tiles = _room(), a_row // (2 * TILE_SIDE)
    for first in range(0, rows, TILE_SIDE):
        some = min(TILE_SIDE, rows - first)
        configure_tiles(some, some)
        for p in range(0, count, 2):
            panels, w = min(2, count - p), offset(b, p * distance)
            if panels == 2:
                _two_panels(offset(a, first * a_row), a_row, w, distance, k_tiles, room)
            else:
                _one_panel(offset(a, first * a_row), a_row, w, distance, k_tiles, room)
            for panel in range(panels):
                column = (p + panel) * TILE_SIDE
                for r in range(some):
                    words, row = offset(room, panel * TILE_SIZE + r * TILE_SIDE), first + r
                    _finish(
                        words, offset(words, 2 * TILE_SIZE), offset(a_scale, row), offset(scale, column),
                        offset(sums, column), offset(start, row * start_row + column), offset(c, row * c_row + column),
                    )  # fmt: skip
    release_tiles()
