"""The micro-kernel on matrix tiles: a product of bfloat16 numbers in the tile registers of the processor (AMX).

    C (rows x 16 a tile) += A (rows x 32) B (32 x 16)      float32 sums of bfloat16 products, one instruction a tile

                          B0        B1               eight tile registers: four hold sums, two A, two B
                       ┌───────┬───────┐
                  A0   │ C00   │ C01   │             every tile that is loaded is used twice, so that the
                       ├───────┼───────┤             multiplication, not the loading, is the limit
                  A1   │ C10   │ C11   │
                       └───────┴───────┘

A tile of A is 16 words, pairs of neighbouring k, of up to 16 rows; one of B is 16 pairs of 16 columns, half of what a
panel (see `panels`) has for these k. The tiles of one row of tiles may have fewer rows than those of the other, so that
any number of rows up to 32 fills them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from weft.backends.kernels.jit.compile import intrinsic
from weft.backends.kernels.matmul.pack_rhs import PANEL
from weft.backends.kernels.matmul.simd_packing import SIDE

BYTE, INDEX = ir.IntType(8), ir.IntType(64)
ADDRESS = BYTE.as_pointer()
WORD_BYTES, LINE_BYTES, REGISTERS = 4, 64, 8
LEFT, RIGHT = 4, 6  # the first registers of A and of B; 0 to 3 hold the sums


def instruction(builder: Any, name: str, *arguments: Any) -> None:
    """Call an instruction of the processor by the name that LLVM has for it."""
    kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.{name}"), arguments)


@contextmanager
def each_tile_of_k(builder: Any, K: Any) -> Iterator[Any]:
    """Instructions that are carried out for every k from 0 to K - 1; K >= 1."""
    before = builder.block
    loop, done = (builder.function.append_basic_block(name) for name in ("k", "done"))
    builder.branch(loop)
    builder.position_at_end(loop)
    k = builder.phi(INDEX)
    k.add_incoming(INDEX(0), before)
    yield k
    following = builder.add(k, INDEX(1))
    k.add_incoming(following, builder.block)
    builder.cbranch(builder.icmp_signed("<", following, K), loop, done)
    builder.position_at_end(done)


def amx_micro_kernel(rows: int, columns: int) -> Any:
    """An intrinsic (a, a_row, a_next, b, K, c, c_row, c_next, fresh) for `rows` x `columns` tiles, each 1 or 2.

    C += A B, or C = A B where fresh. a: address of pairs, a_row words from one row to the next, a_next to the second
    row of tiles; b: address within a panel; K: number of k tiles; c: address of float32, c_row and c_next as for A.
    """

    @intrinsic
    def kernel(
        typing: Any, a: Any, a_row: Any, a_next: Any, b: Any, K: Any, c: Any, c_row: Any, c_next: Any, fresh: Any
    ) -> Any:
        index = types.intp
        signature = types.void(a, index, index, b, index, c, index, index, types.boolean)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            a, a_row, a_next, b, K, c, c_row, c_next, fresh = args
            a_bytes, c_bytes = (builder.mul(row, INDEX(WORD_BYTES)) for row in (a_row, c_row))
            b_bytes = INDEX(PANEL * WORD_BYTES)
            sums = [(i, j, BYTE(2 * i + j)) for i in range(rows) for j in range(columns)]

            def place(start: Any, *distances: Any) -> Any:
                for distance in distances:
                    start = builder.gep(start, [distance])
                return builder.bitcast(start, ADDRESS)

            def place_of_sums(i: int, j: int) -> Any:
                return place(c, builder.mul(c_next, INDEX(i)), INDEX(j * SIDE))

            with builder.if_else(fresh) as (new, old):
                with new:
                    for _i, _j, register in sums:
                        instruction(builder, "tilezero", register)
                with old:
                    for i, j, register in sums:
                        instruction(builder, "tileloadd64", register, place_of_sums(i, j), c_bytes)
            with each_tile_of_k(builder, K) as k:
                a_start = builder.gep(a, [builder.mul(k, INDEX(SIDE))])
                b_start = builder.gep(b, [builder.mul(k, INDEX(SIDE * PANEL))])
                for j in range(columns):
                    instruction(builder, "tileloadd64", BYTE(RIGHT + j), place(b_start, INDEX(j * SIDE)), b_bytes)
                for i in range(rows):
                    start = place(a_start, builder.mul(a_next, INDEX(i)))
                    instruction(builder, "tileloadd64", BYTE(LEFT + i), start, a_bytes)
                for i, j, register in sums:
                    instruction(builder, "tdpbf16ps", register, BYTE(LEFT + i), BYTE(RIGHT + j))
            for i, j, register in sums:
                instruction(builder, "tilestored64", register, place_of_sums(i, j), c_bytes)
            return context.get_dummy_value()

        return signature, generate

    return kernel


@intrinsic
def begin_tiles(typing: Any, first: Any, second: Any) -> Any:
    """Set the tile registers up: sums and A of the one row of tiles with `first` rows, of the other with `second`, at
    least 1; B with 16 pairs; all 64 bytes wide."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        table = cgutils.alloca_once(builder, ir.ArrayType(BYTE, LINE_BYTES))
        cgutils.memset(builder, table, INDEX(LINE_BYTES), 0)
        start = builder.bitcast(table, ADDRESS)
        first, second = (builder.trunc(height, BYTE) for height in args)
        heights = [first, first, second, second, first, second, BYTE(SIDE), BYTE(SIDE)]

        def put(offset: int, value: Any) -> None:
            builder.store(value, builder.gep(start, [INDEX(offset)]))

        put(0, BYTE(1))  # the only palette there is
        for register in range(REGISTERS):
            put(16 + 2 * register, BYTE(LINE_BYTES))  # bytes a row, 16 bits each
            put(48 + register, heights[register])
        instruction(builder, "ldtilecfg", start)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), generate


@intrinsic
def end_tiles(typing: Any) -> Any:
    """Give the tile registers back, so that the system need not save them."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        instruction(builder, "tilerelease")
        return context.get_dummy_value()

    return types.void(), generate
