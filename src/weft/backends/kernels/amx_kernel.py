"""The micro-kernel on matrix tiles: a product of bfloat16 tiles in the tile registers of the processor (AMX).

    C (rows x 16 a tile) += A (rows x 32) B (32 x 16)      float32 sums of bfloat16 products, one instruction a tile

                          B0        B1               eight tile registers: four hold sums, two A, two B
                       ┌───────┬───────┐
                  A0   │ C00   │ C01   │             every tile that is loaded is used twice, so that the
                       ├───────┼───────┤             multiplication, not the loading, is the limit
                  A1   │ C10   │ C11   │
                       └───────┴───────┘

With three terms a number (see `tiles`) the products of terms i and j with i + j <= 4 are added, six of nine: what is
left out is below the last bit of a float32. They are taken in an order in which only one factor changes from one to the
next, and the first is loaded once.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from weft.backends.kernels.compiling import compiled, intrinsic
from weft.backends.kernels.tile_packing import CELLS, SIDE

BYTE, SHORT, INDEX, FLOAT = ir.IntType(8), ir.IntType(16), ir.IntType(64), ir.FloatType()
ADDRESS = BYTE.as_pointer()
ROW_BYTES = INDEX(64)

ORDERS = {1: ((0, 0),), 3: ((2, 0), (1, 0), (1, 1), (0, 1), (0, 0), (0, 2))}
"""Terms a number -> the terms of A and B to be multiplied, one after the other."""

LEFT, RIGHT = 4, 6  # the first registers of A and of B; 0 to 3 hold the sums


def _instruction(builder: Any, name: str, *arguments: Any) -> None:
    kind = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.{name}"), arguments)


def tile_kernel(rows: int, columns: int, terms: int) -> Any:
    """An intrinsic (a, a_next, b, b_next, K, c, c_row, c_next, fresh) for `rows` x `columns` tiles, each 1 or 2.

    C += A B, or C = A B where fresh. a, b: addresses of tiles, the k tiles and terms of one row (column) tile side by
    side; a_next, b_next: distance of the next row (column) tile, in cells; K: number of k tiles. c: address of float32;
    c_row, c_next: distance of its rows, and of the next row tile's first row, in elements.
    """

    @intrinsic
    def kernel(
        typing: Any, a: Any, a_next: Any, b: Any, b_next: Any, K: Any, c: Any, c_row: Any, c_next: Any, fresh: Any
    ) -> Any:
        index = types.intp
        signature = types.void(a, index, b, index, index, c, index, index, types.boolean)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            a, a_next, b, b_next, K, c, c_row, c_next, fresh = args
            c_bytes = builder.mul(c_row, INDEX(4))
            sums = [(i, j, BYTE(2 * i + j)) for i in range(rows) for j in range(columns)]

            def place(i: int, j: int) -> Any:
                return builder.bitcast(
                    builder.gep(c, [builder.add(builder.mul(c_next, INDEX(i)), INDEX(j * SIDE))]), ADDRESS
                )

            def load(register: int, start: Any, distance: Any, number: int, term: int) -> None:
                offset = builder.add(builder.mul(distance, INDEX(number)), INDEX(term * CELLS))
                address = builder.bitcast(builder.gep(start, [offset]), ADDRESS)
                _instruction(builder, "tileloadd64", BYTE(register + number), address, ROW_BYTES)

            with builder.if_else(fresh) as (new, old):
                with new:
                    for _i, _j, register in sums:
                        _instruction(builder, "tilezero", register)
                with old:
                    for i, j, register in sums:
                        _instruction(builder, "tileloadd64", register, place(i, j), c_bytes)
            before = builder.block
            loop, done = (builder.function.append_basic_block(name) for name in ("k", "done"))
            builder.branch(loop)
            builder.position_at_end(loop)
            k = builder.phi(INDEX)
            k.add_incoming(INDEX(0), before)
            offset = builder.mul(k, INDEX(terms * CELLS))
            a_start, b_start = builder.gep(a, [offset]), builder.gep(b, [offset])
            held = (-1, -1)
            for a_term, b_term in ORDERS[terms]:
                if a_term != held[0]:
                    for i in range(rows):
                        load(LEFT, a_start, a_next, i, a_term)
                if b_term != held[1]:
                    for j in range(columns):
                        load(RIGHT, b_start, b_next, j, b_term)
                held = (a_term, b_term)
                for i, j, register in sums:
                    _instruction(builder, "tdpbf16ps", register, BYTE(LEFT + i), BYTE(RIGHT + j))
            following = builder.add(k, INDEX(1))
            k.add_incoming(following, builder.block)
            builder.cbranch(builder.icmp_signed("<", following, K), loop, done)
            builder.position_at_end(done)
            for i, j, register in sums:
                _instruction(builder, "tilestored64", register, place(i, j), c_bytes)
            return context.get_dummy_value()

        return signature, generate

    return kernel


@intrinsic
def begin_tiles(typing: Any, height: Any) -> Any:
    """Set the tile registers up: sums and tiles of A with `height` rows, tiles of B with 16, all 64 bytes wide."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        size = 64
        table = cgutils.alloca_once(builder, ir.ArrayType(BYTE, size))
        cgutils.memset(builder, table, INDEX(size), 0)
        start = builder.bitcast(table, ADDRESS)
        height = builder.trunc(args[0], BYTE)

        def put(offset: int, value: Any) -> None:
            builder.store(value, builder.gep(start, [INDEX(offset)]))

        put(0, BYTE(1))  # the only palette there is
        for register in range(8):
            put(16 + 2 * register, BYTE(64))  # bytes a row, 16 bits each
            put(48 + register, BYTE(16) if register >= RIGHT else height)
        _instruction(builder, "ldtilecfg", start)
        return context.get_dummy_value()

    return types.void(types.intp), generate


@intrinsic
def end_tiles(typing: Any) -> Any:
    """Give the tile registers back, so that the system need not save them."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _instruction(builder, "tilerelease")
        return context.get_dummy_value()

    return types.void(), generate


_one_11, _one_12, _one_21, _one_22 = (tile_kernel(rows, columns, 1) for rows in (1, 2) for columns in (1, 2))
_three_11, _three_12, _three_21, _three_22 = (tile_kernel(rows, columns, 3) for rows in (1, 2) for columns in (1, 2))


@compiled
def amx_block(
    terms: Any, height: Any, rows: Any, columns: Any, a: Any, a_next: Any, b: Any, b_next: Any, K: Any, c: Any,
    c_row: Any, fresh: Any,
) -> None:  # fmt: skip
    """One block of `rows` x `columns` tiles of C, see `tile_kernel`; row tiles have `height` rows."""
    c_next = height * c_row
    if terms == 3:
        if rows == 2 and columns == 2:
            _three_22(a, a_next, b, b_next, K, c, c_row, c_next, fresh)
        elif rows == 2:
            _three_21(a, a_next, b, b_next, K, c, c_row, c_next, fresh)
        elif columns == 2:
            _three_12(a, a_next, b, b_next, K, c, c_row, c_next, fresh)
        else:
            _three_11(a, a_next, b, b_next, K, c, c_row, c_next, fresh)
    elif rows == 2 and columns == 2:
        _one_22(a, a_next, b, b_next, K, c, c_row, c_next, fresh)
    elif rows == 2:
        _one_21(a, a_next, b, b_next, K, c, c_row, c_next, fresh)
    elif columns == 2:
        _one_12(a, a_next, b, b_next, K, c, c_row, c_next, fresh)
    else:
        _one_11(a, a_next, b, b_next, K, c, c_row, c_next, fresh)
