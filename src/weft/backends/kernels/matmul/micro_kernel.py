"""The micro-kernel: a matrix product whose tile of C stays in vector registers.

    C[r, n]  =  C[r, n] + sum_k A[r, k] · B[k, n]          r < rows, n < vectors · width

            one vector register = `width` float32 lanes

                 B[k]  ┌────────w0────────┬────────w1────────┐   loaded once for all rows
                       └──────────────────┴──────────────────┘
        A[0,k] ×       ┌──────acc 0,0─────┬──────acc 0,1─────┐
        A[1,k] ×       ├──────acc 1,0─────┼──────acc 1,1─────┤   rows x vectors accumulators,
          …            │        …         │        …         │   in registers for all k
        A[r,k] ×       └──────────────────┴──────────────────┘

Register blocking: the tile of C is the set of accumulators, one element of A is broadcast to a vector, and a panel of B
is streamed. For each k the kernel loads `vectors` vectors of B, broadcasts each A[r, k], and issues rows x vectors
fused multiply-adds. With 10 x 2 accumulators of 16 lanes that is 320 multiply-adds for 12 loads, so that arithmetic and
not memory is the limit. B is packed into panels (see `pack_rhs`), read sequentially and prefetched some k ahead. The k
of A may be stored in groups with gaps between them (see `operands.Lhs`): an outer loop goes over the groups.

In bfloat16 every lane holds two values of consecutive k: one instruction (AVX512-BF16) multiplies both and adds both
products to a float32 lane, which doubles the rate. k then counts pairs; all else is the same.

The code is LLVM IR, emitted through Numba's `@intrinsic`: no compiler has to be installed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from weft.backends.kernels.jit.compile import intrinsic
from weft.backends.kernels.jit.pointers import LINE, opaque, prefetch
from weft.backends.kernels.jit.structs import struct_fields
from weft.backends.kernels.matmul.operands import Lhs, lhs_type
from weft.backends.kernels.matmul.simd_packing import BFloat

INDEX, FLOAT = ir.IntType(64), ir.FloatType()
LANE = ir.IntType(32)

ROWS_PER_POINTER = 3
"""Rows of A addressed from one pointer: an instruction can add the row stride once, twice or four times."""

PREFETCH_DISTANCE = 16
"""How many k ahead B is prefetched: some hardware prefetchers do not cover the latency of the L2 cache."""


class NoUnroll(ir.MDValue):  # type: ignore[misc]
    """Loop metadata that disables unrolling.

    An unrolled loop keeps a pointer for every row and every unrolled k, more than there are registers.
    """

    def __init__(self, module: Any) -> None:
        super().__init__(module, [module.add_metadata(["llvm.loop.unroll.disable"])], name=str(len(module.metadata)))

    def descr(self, buf: Any) -> None:
        buf += (f"distinct !{{ {', '.join(part.get_reference() for part in (self, *self.operands))} }}\n",)


@dataclass(frozen=True)
class _Product:
    """The LLVM values of a call: A, B with its stride between k, K, C with its row stride, whether C is added to."""

    lhs: Lhs
    b: Any
    b_stride: Any
    K: Any
    c: Any
    c_stride: Any
    accumulate: Any


def micro_kernel(row_blocks: Sequence[int], vectors: int, width: int) -> Any:
    """An intrinsic (rows, lhs, b, b_stride, K, c, c_stride, accumulate): C += A B, or C = A B if not `accumulate`.

    rows: rows of C, one of `row_blocks`; C has vectors · width columns. lhs: an `Lhs` of float32 or of int32, which are
    pairs of bfloat16; b: the address of B[0], of the same type, b_stride elements from one k to the next; K >= 1; c:
    the address of C as float32, c_stride elements from one row to the next.
    """

    @intrinsic
    def kernel(
        typing: Any, rows: Any, lhs: Any, b: Any, b_stride: Any, K: Any, c: Any, c_stride: Any, accumulate: Any
    ) -> Any:
        index, in_pairs = types.intp, b.dtype != types.float32
        signature = types.void(index, lhs, b, index, index, c, index, types.boolean)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            rows, lhs_value, *others = args
            values = Lhs(*struct_fields(context, builder, lhs_value, lhs, lhs_type(b).types))
            product = _Product(values, *others)
            end = builder.function.append_basic_block("end")
            cases = builder.switch(rows, end)
            for number in row_blocks:
                case = builder.function.append_basic_block(f"rows{number}")
                cases.add_case(INDEX(number), case)
                builder.position_at_end(case)
                _emit(builder, number, vectors, width, in_pairs, product)
                builder.branch(end)
            builder.position_at_end(end)
            return context.get_dummy_value()

        return signature, generate

    return kernel


def _emit(builder: Any, rows: int, vectors: int, width: int, in_pairs: bool, product: _Product) -> None:
    """The instructions of the picture above, for a fixed number of rows."""
    lhs, b, K, c = product.lhs, product.b, product.K, product.c
    vector = ir.VectorType(FLOAT, width)
    lanes = ir.VectorType(LANE, width) if in_pairs else vector
    multiply_add = _multiply_add(builder, vector, ir.VectorType(BFloat(), 2 * width) if in_pairs else None)

    def c_at(r: int, n: int) -> Any:
        offset = builder.add(builder.mul(INDEX(r), product.c_stride), INDEX(n * width))
        return builder.bitcast(builder.gep(c, [offset]), vector.as_pointer())

    def load(pointer: Any) -> Any:
        value = builder.load(pointer)
        value.align = 4
        return value

    before = builder.block
    groups, loop, group_end, finished, add, overwrite, done = (
        builder.function.append_basic_block(name)
        for name in ("groups", "k", "group_end", "finished", "add", "overwrite", "done")
    )
    builder.branch(groups)
    builder.position_at_end(groups)
    start, a_start = builder.phi(INDEX), builder.phi(lhs.address.type)
    start.add_incoming(INDEX(0), before)
    a_start.add_incoming(lhs.address, before)
    sums = [[builder.phi(vector) for _ in range(vectors)] for _ in range(rows)]
    remaining = builder.sub(K, start)
    count = builder.select(builder.icmp_signed("<", remaining, lhs.group), remaining, lhs.group)
    b_start = builder.gep(b, [builder.mul(start, product.b_stride)])
    zeros = ir.Constant(vector, [0.0] * width)
    # Without `opaque` LLVM computes the pointer of a row from that of the row before: a chain of dependent additions.
    pointers = [
        opaque(builder, builder.gep(a_start, [builder.mul(INDEX(r), lhs.row_stride)]))
        for r in range(0, rows, ROWS_PER_POINTER)
    ]
    builder.branch(loop)
    builder.position_at_end(loop)
    k = builder.phi(INDEX)
    k.add_incoming(INDEX(0), groups)
    inner = [[builder.phi(vector) for _ in range(vectors)] for _ in range(rows)]
    b_k = builder.gep(b_start, [builder.mul(k, product.b_stride)])
    a_offset = builder.mul(k, lhs.k_stride)
    a_k = [builder.gep(pointer, [a_offset]) for pointer in pointers]
    weights = [load(builder.bitcast(builder.gep(b_k, [INDEX(n * width)]), lanes.as_pointer())) for n in range(vectors)]
    b_ahead = builder.gep(b_k, [builder.mul(INDEX(PREFETCH_DISTANCE), product.b_stride)])
    for n in range(0, vectors * width, LINE):
        prefetch(builder, builder.gep(b_ahead, [INDEX(n)]), to_write=False)
    undefined = ir.Constant(lanes, ir.Undefined)
    first_lane = ir.Constant(ir.VectorType(LANE, width), [0] * width)
    after = []
    for r in range(rows):
        row = builder.mul(INDEX(r % ROWS_PER_POINTER), lhs.row_stride)
        x = builder.load(builder.gep(a_k[r // ROWS_PER_POINTER], [row]))
        x = builder.insert_element(undefined, x, LANE(0))
        x = builder.shuffle_vector(x, undefined, first_lane)
        after.append([multiply_add(x, weights[n], inner[r][n]) for n in range(vectors)])
    following = builder.add(k, INDEX(1))
    k.add_incoming(following, loop)
    again = builder.cbranch(builder.icmp_signed("<", following, count), loop, group_end)
    again.set_metadata("llvm.loop", NoUnroll(builder.module))
    builder.position_at_end(group_end)
    next_start = builder.add(start, lhs.group)
    start.add_incoming(next_start, group_end)
    a_start.add_incoming(builder.gep(a_start, [lhs.group_stride]), group_end)
    for r in range(rows):
        for n in range(vectors):
            sums[r][n].add_incoming(zeros, before)
            sums[r][n].add_incoming(after[r][n], group_end)
            inner[r][n].add_incoming(sums[r][n], groups)
            inner[r][n].add_incoming(after[r][n], loop)
    builder.cbranch(builder.icmp_signed("<", next_start, K), groups, finished)
    builder.position_at_end(finished)
    builder.cbranch(product.accumulate, add, overwrite)
    for block in (overwrite, add):
        builder.position_at_end(block)
        for r in range(rows):
            for n in range(vectors):
                # C is added last: its cache misses overlap with the multiply-adds.
                total = builder.fadd(after[r][n], load(c_at(r, n))) if block is add else after[r][n]
                builder.store(total, c_at(r, n)).align = 4
        builder.branch(done)
    builder.position_at_end(done)


def _multiply_add(builder: Any, vector: Any, pairs: Any) -> Callable[[Any, Any, Any], Any]:
    """(x, y, sum) -> sum + x y in each lane; pairs: the bfloat16 vector type of x and y, None for float32."""
    width = vector.count
    if pairs is None:
        kind = ir.FunctionType(vector, [vector] * 3)
        fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{width}f32")
        return lambda x, y, total: builder.call(fma, [x, y, total])
    kind = ir.FunctionType(vector, [vector, pairs, pairs])
    dot = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.avx512bf16.dpbf16ps.{32 * width}")
    return lambda x, y, total: builder.call(dot, [total, builder.bitcast(x, pairs), builder.bitcast(y, pairs)])
