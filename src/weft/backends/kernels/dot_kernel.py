"""The micro-kernel on bfloat16 pairs: sums of products of two neighbouring k in one vector instruction (AVX512-BF16).

    C[r, n] += A[r, 2p] B[2p, n] + A[r, 2p + 1] B[2p + 1, n]          for all pairs p of a k tile

What `amx_kernel` does in tile registers, on the same tiles, for processors that have the instruction and no tiles: a
pair of A is spread over a vector, and multiplied with the pairs of 16 columns of B; `rows` x 2 vectors accumulate.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from weft.backends.kernels.compiling import compiled, intrinsic
from weft.backends.kernels.micro_kernel import shift
from weft.backends.kernels.tile_packing import CELLS, SIDE

LANE, INDEX = ir.IntType(32), ir.IntType(64)
SUMS, CELL_VECTOR = ir.VectorType(ir.FloatType(), SIDE), ir.VectorType(LANE, SIDE)


class BFloat(ir.Type):  # type: ignore[misc]
    """LLVM's bfloat16, which llvmlite has no name for."""

    def __str__(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BFloat)

    def __hash__(self) -> int:
        return hash("bfloat")


PAIRS = ir.VectorType(BFloat(), 2 * SIDE)
MANY = 8


def dot_rows(rows: int, columns: int) -> Any:
    """An intrinsic (a, b, b_next, K, c, c_row, fresh): `rows` rows of a row tile times `columns` column tiles.

    C += A B, or C = A B where fresh; a, b: addresses of cells of the first k tile, one term a number; b_next: distance
    of the next column tile, in cells; K: number of k tiles; c, c_row: address of float32, and distance of its rows.
    """

    @intrinsic
    def kernel(typing: Any, a: Any, b: Any, b_next: Any, K: Any, c: Any, c_row: Any, fresh: Any) -> Any:
        index = types.intp
        signature = types.void(a, b, index, index, c, index, types.boolean)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            a, b, b_next, K, c, c_row, fresh = args
            dot = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(SUMS, [SUMS, PAIRS, PAIRS]), "llvm.x86.avx512bf16.dpbf16ps.512"
            )
            everywhere = ir.Constant(CELL_VECTOR, [0] * SIDE)
            undefined = ir.Constant(CELL_VECTOR, ir.Undefined)

            def place(r: int, j: int) -> Any:
                offset = builder.add(builder.mul(c_row, INDEX(r)), INDEX(j * SIDE))
                return builder.bitcast(builder.gep(c, [offset]), SUMS.as_pointer())

            def load(pointer: Any) -> Any:
                value = builder.load(pointer)
                value.align = 4
                return value

            sums = [[cgutils.alloca_once(builder, SUMS) for _ in range(columns)] for _ in range(rows)]
            with builder.if_else(fresh) as (new, old):
                with new:
                    for row in sums:
                        for one in row:
                            builder.store(ir.Constant(SUMS, [0.0] * SIDE), one)
                with old:
                    for r, row in enumerate(sums):
                        for j, one in enumerate(row):
                            builder.store(load(place(r, j)), one)
            with cgutils.for_range(builder, K) as tiles, cgutils.for_range(builder, INDEX(SIDE)) as pairs:
                at = builder.mul(tiles.index, INDEX(CELLS))
                b_at = builder.add(at, builder.mul(pairs.index, INDEX(SIDE)))
                weights = []
                for j in range(columns):
                    start = builder.gep(b, [builder.add(b_at, builder.mul(b_next, INDEX(j)))])
                    weights.append(builder.bitcast(load(builder.bitcast(start, CELL_VECTOR.as_pointer())), PAIRS))
                a_at = builder.gep(a, [builder.add(at, pairs.index)])
                for r in range(rows):
                    x = builder.load(builder.gep(a_at, [INDEX(r * SIDE)]))
                    x = builder.shuffle_vector(builder.insert_element(undefined, x, LANE(0)), undefined, everywhere)
                    x = builder.bitcast(x, PAIRS)
                    for j in range(columns):
                        builder.store(builder.call(dot, [builder.load(sums[r][j]), x, weights[j]]), sums[r][j])
            for r in range(rows):
                for j in range(columns):
                    builder.store(builder.load(sums[r][j]), place(r, j)).align = 4
            return context.get_dummy_value()

        return signature, generate

    return kernel


_many_2, _many_1, _one_2, _one_1 = dot_rows(MANY, 2), dot_rows(MANY, 1), dot_rows(1, 2), dot_rows(1, 1)


@compiled
def dot_block(
    terms: Any, height: Any, rows: Any, columns: Any, a: Any, a_next: Any, b: Any, b_next: Any, K: Any, c: Any,
    c_row: Any, fresh: Any,
) -> None:  # fmt: skip
    """As `amx_kernel.amx_block`, for one term a number."""
    for i in range(rows):
        r = 0
        while r < height:
            many = r + MANY <= height
            a_start = shift(a, i * a_next + r * SIDE)
            c_start = shift(c, (i * height + r) * c_row)
            if many and columns == 2:
                _many_2(a_start, b, b_next, K, c_start, c_row, fresh)
            elif many:
                _many_1(a_start, b, b_next, K, c_start, c_row, fresh)
            elif columns == 2:
                _one_2(a_start, b, b_next, K, c_start, c_row, fresh)
            else:
                _one_1(a_start, b, b_next, K, c_start, c_row, fresh)
            r += MANY if many else 1
