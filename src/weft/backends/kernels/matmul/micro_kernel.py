"""The micro-kernel: a small matrix product that lives in the vector registers.

    C[r, n]  =  C[r, n] + sum_k A[r, k] · B[k, n]          r < rows, n < vectors · width

            one vector register = `width` float32 lanes

                 B[k]  ┌────────w0────────┬────────w1────────┐   loaded once for all rows
                       └──────────────────┴──────────────────┘
        A[0,k] ×       ┌──────acc 0,0─────┬──────acc 0,1─────┐
        A[1,k] ×       ├──────acc 1,0─────┼──────acc 1,1─────┤   rows x vectors accumulators,
          …            │        …         │        …         │   never leave the registers
        A[r,k] ×       └──────────────────┴──────────────────┘   while k runs

For each k: load `vectors` vectors of B, spread each A[r, k] over a vector, and do rows x vectors fused multiply-adds.
With 10 x 2 accumulators of 16 lanes that is 320 multiply-adds for 12 loads, so that arithmetic, not memory, is the
limit. B is packed into panels, [panel][k][columns], so that k reads it straight through, and is asked for some k ahead
of its turn. In A, groups of k may lie apart: an outer loop goes from one to the next.

Or every lane holds a pair of bfloat16 numbers, two neighbouring k: then one instruction (AVX512-BF16) multiplies both
pairs and adds both products to a float32 lane, twice the work, and k counts pairs. All else is the same.

The instructions are written for LLVM through Numba's `@intrinsic`: no compiler is needed on the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from weft.backends.kernels.jit.compile import intrinsic
from weft.backends.kernels.jit.pointers import LINE, opaque, prefetch

INDEX, FLOAT = ir.IntType(64), ir.FloatType()
LANE = ir.IntType(32)


NEAR_ROWS = 3
"""Rows of A that are reached from one address: an instruction adds once, twice or four times the distance of rows."""


AHEAD = 16
"""How many k before its turn B is brought near: the second cache takes longer than some processors see ahead."""


class BFloat(ir.Type):  # type: ignore[misc]
    """LLVM's bfloat16, which llvmlite has no name for."""

    def __str__(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BFloat)

    def __hash__(self) -> int:
        return hash("bfloat")


class LoopAsWritten(ir.MDValue):  # type: ignore[misc]
    """Says of a loop that LLVM is not to unroll it.

    It would keep an address for every row and every k of a turn, more than there are registers.
    """

    def __init__(self, module: Any) -> None:
        super().__init__(module, [module.add_metadata(["llvm.loop.unroll.disable"])], name=str(len(module.metadata)))

    def descr(self, buf: Any) -> None:
        buf += (f"distinct !{{ {', '.join(part.get_reference() for part in (self, *self.operands))} }}\n",)


def micro_kernel(heights: Sequence[int], vectors: int, width: int) -> Any:
    """An intrinsic (rows, a, a_row, a_k, group, next_group, b, b_k, K, c, c_row, fresh): C += A B, or C = A B where
    `fresh`.

    `rows` rows of C, one of `heights`, and `vectors` vectors of columns. a, b: pointers to float32, or to int32,
    which are pairs of bfloat16; c: to float32; a_row, a_k: distance of A's rows and of its k; next_group: from one
    group of so many k to the next; b_k: of B's k; c_row: of C's rows, all in elements. K >= 1.
    """

    @intrinsic
    def kernel(
        typing: Any, rows: Any, a: Any, a_row: Any, a_k: Any, group: Any, next_group: Any, b: Any, b_k: Any, K: Any,
        c: Any, c_row: Any, fresh: Any,
    ) -> Any:  # fmt: skip
        index, in_pairs = types.intp, b.dtype != types.float32
        signature = types.void(index, a, index, index, index, index, b, index, index, c, index, types.boolean)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            rows, *factors = args
            end = builder.function.append_basic_block("end")
            cases = builder.switch(rows, end)
            for number in heights:
                case = builder.function.append_basic_block(f"rows{number}")
                cases.add_case(INDEX(number), case)
                builder.position_at_end(case)
                _product(builder, number, vectors, width, in_pairs, *factors)
                builder.branch(end)
            builder.position_at_end(end)
            return context.get_dummy_value()

        return signature, generate

    return kernel


def _product(
    builder: Any, rows: int, vectors: int, width: int, in_pairs: bool,
    a: Any, a_row: Any, a_k: Any, group: Any, next_group: Any, b: Any, b_k: Any, K: Any, c: Any, c_row: Any, fresh: Any,
) -> None:  # fmt: skip
    """The instructions of the picture above, for a fixed number of rows."""
    vector = ir.VectorType(FLOAT, width)
    lanes = ir.VectorType(LANE, width) if in_pairs else vector
    multiply_add = _multiply_add(builder, vector, ir.VectorType(BFloat(), 2 * width) if in_pairs else None)

    def place(r: int, n: int) -> Any:
        offset = builder.add(builder.mul(INDEX(r), c_row), INDEX(n * width))
        return builder.bitcast(builder.gep(c, [offset]), vector.as_pointer())

    def load(pointer: Any) -> Any:
        value = builder.load(pointer)
        value.align = 4
        return value

    before = builder.block
    groups, loop, group_end, finished, old, new, done = (
        builder.function.append_basic_block(name)
        for name in ("groups", "k", "group_end", "finished", "old", "new", "done")
    )
    builder.branch(groups)
    builder.position_at_end(groups)
    start, a_start = builder.phi(INDEX), builder.phi(a.type)
    start.add_incoming(INDEX(0), before)
    a_start.add_incoming(a, before)
    sums = [[builder.phi(vector) for _ in range(vectors)] for _ in range(rows)]
    rest = builder.sub(K, start)
    own = builder.select(builder.icmp_signed("<", rest, group), rest, group)
    b_start = builder.gep(b, [builder.mul(start, b_k)])
    zeros = ir.Constant(vector, [0.0] * width)
    # Otherwise LLVM makes the address of a row from that of the row before, and each waits for the last.
    firsts = [opaque(builder, builder.gep(a_start, [builder.mul(INDEX(r), a_row)])) for r in range(0, rows, NEAR_ROWS)]
    builder.branch(loop)
    builder.position_at_end(loop)
    k = builder.phi(INDEX)
    k.add_incoming(INDEX(0), groups)
    inner = [[builder.phi(vector) for _ in range(vectors)] for _ in range(rows)]
    b_k_start = builder.gep(b_start, [builder.mul(k, b_k)])
    a_k = builder.mul(k, a_k)
    a_k_starts = [builder.gep(first, [a_k]) for first in firsts]
    weights = [
        load(builder.bitcast(builder.gep(b_k_start, [INDEX(n * width)]), lanes.as_pointer())) for n in range(vectors)
    ]
    b_ahead = builder.gep(b_k_start, [builder.mul(INDEX(AHEAD), b_k)])
    for n in range(0, vectors * width, LINE):
        prefetch(builder, builder.gep(b_ahead, [INDEX(n)]), to_write=False)
    undefined = ir.Constant(lanes, ir.Undefined)
    everywhere = ir.Constant(ir.VectorType(LANE, width), [0] * width)
    after = []
    for r in range(rows):
        x = builder.load(builder.gep(a_k_starts[r // NEAR_ROWS], [builder.mul(INDEX(r % NEAR_ROWS), a_row)]))
        x = builder.insert_element(undefined, x, LANE(0))
        x = builder.shuffle_vector(x, undefined, everywhere)
        after.append([multiply_add(x, weights[n], inner[r][n]) for n in range(vectors)])
    following = builder.add(k, INDEX(1))
    k.add_incoming(following, loop)
    again = builder.cbranch(builder.icmp_signed("<", following, own), loop, group_end)
    again.set_metadata("llvm.loop", LoopAsWritten(builder.module))
    builder.position_at_end(group_end)
    next_start = builder.add(start, group)
    start.add_incoming(next_start, group_end)
    a_start.add_incoming(builder.gep(a_start, [next_group]), group_end)
    for r in range(rows):
        for n in range(vectors):
            sums[r][n].add_incoming(zeros, before)
            sums[r][n].add_incoming(after[r][n], group_end)
            inner[r][n].add_incoming(sums[r][n], groups)
            inner[r][n].add_incoming(after[r][n], loop)
    builder.cbranch(builder.icmp_signed("<", next_start, K), groups, finished)
    builder.position_at_end(finished)
    builder.cbranch(fresh, new, old)
    for block in (new, old):
        builder.position_at_end(block)
        for r in range(rows):
            for n in range(vectors):
                # C is added last: while it is fetched, the processor is still busy with the sums.
                total = after[r][n] if block is new else builder.fadd(after[r][n], load(place(r, n)))
                builder.store(total, place(r, n)).align = 4
        builder.branch(done)
    builder.position_at_end(done)


def _multiply_add(builder: Any, vector: Any, pairs: Any) -> Callable[[Any, Any, Any], Any]:
    """(x, y, sum) -> sum + x y, lane by lane; `pairs`: the type to read x and y as, or None where they are float32."""
    width = vector.count
    if pairs is None:
        kind = ir.FunctionType(vector, [vector] * 3)
        fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{width}f32")
        return lambda x, y, total: builder.call(fma, [x, y, total])
    kind = ir.FunctionType(vector, [vector, pairs, pairs])
    dot = cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.avx512bf16.dpbf16ps.{32 * width}")
    return lambda x, y, total: builder.call(dot, [total, builder.bitcast(x, pairs), builder.bitcast(y, pairs)])
