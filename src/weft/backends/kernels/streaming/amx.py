"""Products of many rows with streamed int8 weights in AMX tiles.

A packed element of a panel is four k of one column. 16 of these along k and 16 columns are 1,024 contiguous bytes: one
tile. The rows of A, one int32 of four bytes for each packed element, are the tiles that it is multiplied with, once for
the high and once for the low bytes (see `activation_packing`):

                    B0        B1               eight tile registers: four hold integer sums,
                 ┌───────┬───────┐             two A, two B
       A high    │  high │  high │
                 ├───────┼───────┤             A has zeros after its last element, so that what
       A low     │  low  │  low  │             follows a panel in memory does not matter
                 └───────┴───────┘

Integers are added exactly, and the result is computed from the sums as in `micro_kernel`. So a row has the same bits
whichever other rows are multiplied with it.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from weft.backends.kernels.jit.compile import inlined, intrinsic
from weft.backends.kernels.jit.pointers import offset
from weft.backends.kernels.matmul.amx_micro_kernel import (
    configure_tiles,
    each_tile_of_k,
    instruction,
    release_tiles,
)
from weft.backends.kernels.matmul.simd_packing import TILE_SIDE, TILE_SIZE
from weft.backends.kernels.streaming.micro_kernel import Int8Vnni

BYTE, INDEX, LANE = ir.IntType(8), ir.IntType(64), ir.IntType(32)
TILE_BYTES, ROW_BYTES = 1024, INDEX(64)
HIGH_REGISTER, LOW_REGISTER, WEIGHTS_REGISTER = range(4, 7)
"""The first registers of the operands. Registers 0 and 1 hold sums of high bytes, 2 and 3 of low ones."""


def _sums_of(panels: int) -> Any:
    """An intrinsic (a, a_stride, b, b_stride, K, sums): the integer sums of 1 or 2 panels over K tiles of k.

    sums: four contiguous tiles: high bytes of the first and of the second panel, low bytes of both.
    """

    @intrinsic
    def kernel(typing: Any, a: Any, a_stride: Any, b: Any, b_stride: Any, K: Any, sums: Any) -> Any:
        index, ints = types.intp, types.CPointer(types.int32)
        signature = types.void(a, index, b, index, index, ints)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            a, a_stride, b, b_stride, K, sums = args
            row_bytes = builder.mul(a_stride, INDEX(4))
            halves = (INDEX(0), builder.lshr(a_stride, INDEX(1)))
            registers = [(half, p, BYTE(2 * half + p)) for half in (0, 1) for p in range(panels)]

            def pointer(start: Any, *offsets: Any) -> Any:
                for elements in offsets:
                    start = builder.gep(start, [elements])
                return builder.bitcast(start, BYTE.as_pointer())

            for _half, _p, register in registers:
                instruction(builder, "tilezero", register)
            with each_tile_of_k(builder, K) as k:
                for p in range(panels):
                    start = pointer(b, builder.mul(b_stride, INDEX(p)), builder.mul(k, INDEX(TILE_BYTES)))
                    instruction(builder, "tileloadd64", BYTE(WEIGHTS_REGISTER + p), start, ROW_BYTES)
                for register, half in zip((HIGH_REGISTER, LOW_REGISTER), halves, strict=True):
                    start = pointer(a, half, builder.mul(k, INDEX(TILE_SIDE)))
                    instruction(builder, "tileloadd64", BYTE(register), start, row_bytes)
                for half, p, register in registers:
                    instruction(builder, "tdpbusd", register, BYTE(HIGH_REGISTER + half), BYTE(WEIGHTS_REGISTER + p))
            for half, p, register in registers:
                tile = pointer(sums, INDEX((2 * half + p) * TILE_SIZE))
                instruction(builder, "tilestored64", register, tile, ROW_BYTES)
            return context.get_dummy_value()

        return signature, generate

    return kernel


_two_panels, _one_panel = _sums_of(2), _sums_of(1)


@intrinsic
def _store_row(typing: Any, high: Any, low: Any, a_scale: Any, scale: Any, sums: Any, start: Any, c: Any) -> Any:
    """c (16,) = start + the product of one row with one panel, from its integer sums."""
    floats, ints = types.CPointer(types.float32), types.CPointer(types.int32)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        high, low, a_scale, scale, sums, start, c = args
        weights = Int8Vnni(builder, TILE_SIDE)
        totals = [weights.load(address, weights.element) for address in (high, low)]
        product = weights.result(totals, a_scale, scale, sums)
        value = builder.fadd(weights.load(start, weights.floats), product)
        builder.store(value, builder.bitcast(c, weights.floats.as_pointer())).align = 4
        return context.get_dummy_value()

    return types.void(ints, ints, floats, floats, floats, floats, floats), generate


@intrinsic
def _stack_tiles(typing: Any) -> Any:
    """The address of stack memory for four tiles, aligned to a cache line."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        memory = cgutils.alloca_once(builder, ir.ArrayType(LANE, 4 * TILE_SIZE))
        memory.align = 64
        return builder.bitcast(memory, LANE.as_pointer())

    return types.CPointer(types.int32)(), generate


@inlined
def add_product_in_tiles(x: Any, N: Any, w: Any, count: Any, start: Any, c: Any) -> None:
    """`skinny_gemm.add_product` for activations of 16 bits in bytes."""
    tiles, k_tiles = _stack_tiles(), x.stride // (2 * TILE_SIDE)
    for first in range(0, N, TILE_SIDE):
        rows = min(TILE_SIDE, N - first)
        configure_tiles(rows, rows)
        for p in range(0, count, 2):
            panels, a, b = min(2, count - p), offset(x.address, first * x.stride), offset(w.address, p * w.stride)
            if panels == 2:
                _two_panels(a, x.stride, b, w.stride, k_tiles, tiles)
            else:
                _one_panel(a, x.stride, b, w.stride, k_tiles, tiles)
            for panel in range(panels):
                column = (p + panel) * TILE_SIDE
                scale, sums = offset(w.scales, column), offset(w.sums, column)
                for r in range(rows):
                    high, row = offset(tiles, panel * TILE_SIZE + r * TILE_SIDE), first + r
                    _store_row(
                        high, offset(high, 2 * TILE_SIZE), offset(x.scales, row), scale, sums,
                        offset(start.address, row * start.stride + column), offset(c.address, row * c.stride + column),
                    )  # fmt: skip
    release_tiles()
