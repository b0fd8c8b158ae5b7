"""The micro-kernel for AMX: a product of bfloat16 values in tile registers.

    C (rows x 16 per tile) += A (rows x 32) B (32 x 16)      float32 sums of bfloat16 products, one instruction per tile

                          B0        B1               eight tile registers: four accumulate, two hold A, two hold B
                       ┌───────┬───────┐
                  A0   │ C00   │ C01   │             every tile that is loaded is used twice, so that the
                       ├───────┼───────┤             multiplication and not the loads are the limit
                  A1   │ C10   │ C11   │
                       └───────┴───────┘

A tile of A is up to 16 rows of 16 pairs of consecutive k. A tile of B is 16 pairs of k by 16 columns, half the width of
a panel (see `pack_rhs`). The two rows of tiles may have different numbers of rows: the row count of each tile register
is configured, so that any number of rows up to 32 fits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils

from weft.backends.kernels.jit.compile import intrinsic
from weft.backends.kernels.jit.structs import struct_fields
from weft.backends.kernels.matmul.pack_rhs import PANEL
from weft.backends.kernels.matmul.simd_packing import TILE_SIDE

BYTE, INDEX = ir.IntType(8), ir.IntType(64)
POINTER = BYTE.as_pointer()
ELEMENT_BYTES, LINE_BYTES, REGISTERS = 4, 64, 8
LHS_REGISTER, RHS_REGISTER = 4, 6
"""The first tile registers of A and of B; 0 to 3 accumulate."""


class TileRows(NamedTuple):
    """Two rows of tiles in memory: their address, elements from one row to the next, and to the second row of tiles."""

    address: Any
    row_stride: Any
    tile_stride: Any


def instruction(builder: Any, name: str, *arguments: Any) -> None:
    """Call an x86 instruction by its LLVM name."""
    kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.{name}"), arguments)


@contextmanager
def each_tile_of_k(builder: Any, K: Any) -> Iterator[Any]:
    """A loop whose body is emitted within the block, for k from 0 to K - 1; K >= 1."""
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
    """An intrinsic (a, b, K, c, accumulate) for `rows` x `columns` tiles, each 1 or 2.

    C += A B, or C = A B if not `accumulate`. a: `TileRows` of pairs; b: an address within a panel; K: number of tiles
    along k; c: `TileRows` of float32.
    """

    @intrinsic
    def kernel(typing: Any, a: Any, b: Any, K: Any, c: Any, accumulate: Any) -> Any:
        index = types.intp
        signature = types.void(a, b, index, c, types.boolean)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            a_value, b_start, K, c_value, accumulate = args
            a_rows = TileRows(*struct_fields(context, builder, a_value, a, (b, index, index)))
            c_pointer = types.CPointer(types.float32)
            c_rows = TileRows(*struct_fields(context, builder, c_value, c, (c_pointer, index, index)))
            a_bytes, c_bytes = (builder.mul(of.row_stride, INDEX(ELEMENT_BYTES)) for of in (a_rows, c_rows))
            b_bytes = INDEX(PANEL * ELEMENT_BYTES)
            accumulators = [(i, j, BYTE(2 * i + j)) for i in range(rows) for j in range(columns)]

            def pointer(start: Any, *offsets: Any) -> Any:
                for offset in offsets:
                    start = builder.gep(start, [offset])
                return builder.bitcast(start, POINTER)

            def c_tile(i: int, j: int) -> Any:
                return pointer(c_rows.address, builder.mul(c_rows.tile_stride, INDEX(i)), INDEX(j * TILE_SIDE))

            with builder.if_else(accumulate) as (add, overwrite):
                with add:
                    for i, j, register in accumulators:
                        instruction(builder, "tileloadd64", register, c_tile(i, j), c_bytes)
                with overwrite:
                    for _i, _j, register in accumulators:
                        instruction(builder, "tilezero", register)
            with each_tile_of_k(builder, K) as k:
                a_k = builder.gep(a_rows.address, [builder.mul(k, INDEX(TILE_SIDE))])
                b_k = builder.gep(b_start, [builder.mul(k, INDEX(TILE_SIDE * PANEL))])
                for j in range(columns):
                    instruction(
                        builder, "tileloadd64", BYTE(RHS_REGISTER + j), pointer(b_k, INDEX(j * TILE_SIDE)), b_bytes
                    )
                for i in range(rows):
                    start = pointer(a_k, builder.mul(a_rows.tile_stride, INDEX(i)))
                    instruction(builder, "tileloadd64", BYTE(LHS_REGISTER + i), start, a_bytes)
                for i, j, register in accumulators:
                    instruction(builder, "tdpbf16ps", register, BYTE(LHS_REGISTER + i), BYTE(RHS_REGISTER + j))
            for i, j, register in accumulators:
                instruction(builder, "tilestored64", register, c_tile(i, j), c_bytes)
            return context.get_dummy_value()

        return signature, generate

    return kernel


@intrinsic
def configure_tiles(typing: Any, first: Any, second: Any) -> Any:
    """Configure the tile registers, all 64 bytes wide.

    `first` rows for the accumulators and A of the first row of tiles, `second` >= 1 for those of the second; 16 for B.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        table = cgutils.alloca_once(builder, ir.ArrayType(BYTE, LINE_BYTES))
        cgutils.memset(builder, table, INDEX(LINE_BYTES), 0)
        start = builder.bitcast(table, POINTER)
        first, second = (builder.trunc(rows, BYTE) for rows in args)
        rows_of_register = [first, first, second, second, first, second, BYTE(TILE_SIDE), BYTE(TILE_SIDE)]

        def put(offset: int, value: Any) -> None:
            builder.store(value, builder.gep(start, [INDEX(offset)]))

        put(0, BYTE(1))  # palette 1, the only one defined
        for register in range(REGISTERS):
            put(16 + 2 * register, BYTE(LINE_BYTES))  # bytes per row, 16 bits each
            put(48 + register, rows_of_register[register])
        instruction(builder, "ldtilecfg", start)
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), generate


@intrinsic
def release_tiles(typing: Any) -> Any:
    """Release the tile registers, so that the operating system need not save them."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        instruction(builder, "tilerelease")
        return context.get_dummy_value()

    return types.void(), generate
