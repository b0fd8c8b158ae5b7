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
limit. B is packed into panels, [panel][k][columns], so that k reads it straight through.

The instructions are written for LLVM through Numba's `@intrinsic`: no compiler is needed on the machine.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from weft.backends.kernels.compiling import intrinsic

INDEX, FLOAT = ir.IntType(64), ir.FloatType()
LANE = ir.IntType(32)


def micro_kernel(rows: int, vectors: int, width: int) -> Any:
    """An intrinsic (a, a_row, a_k, b, b_k, K, c, c_row): C += A B for `rows` rows and `vectors` vectors of columns.

    a, b, c: pointers to float32; a_row, a_k: distance of A's rows and of its k; b_k: of B's k; c_row: of C's rows, all
    in elements. K >= 1.
    """
    vector = ir.VectorType(FLOAT, width)

    @intrinsic
    def kernel(typing: Any, a: Any, a_row: Any, a_k: Any, b: Any, b_k: Any, K: Any, c: Any, c_row: Any) -> Any:
        pointer = types.CPointer(types.float32)
        index = types.intp
        signature = types.void(pointer, index, index, pointer, index, index, pointer, index)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            a, a_row, a_k, b, b_k, K, c, c_row = args
            multiply_add = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.v{width}f32"
            )

            def place(r: int, n: int) -> Any:
                offset = builder.add(builder.mul(INDEX(r), c_row), INDEX(n * width))
                return builder.bitcast(builder.gep(c, [offset]), vector.as_pointer())

            def load(pointer: Any) -> Any:
                value = builder.load(pointer)
                value.align = 4
                return value

            first = [[load(place(r, n)) for n in range(vectors)] for r in range(rows)]
            before = builder.block
            loop = builder.function.append_basic_block("k")
            done = builder.function.append_basic_block("done")
            builder.branch(loop)
            builder.position_at_end(loop)
            k = builder.phi(INDEX)
            k.add_incoming(INDEX(0), before)
            sums = [[builder.phi(vector) for _ in range(vectors)] for _ in range(rows)]
            for r in range(rows):
                for n in range(vectors):
                    sums[r][n].add_incoming(first[r][n], before)
            b_start = builder.gep(b, [builder.mul(k, b_k)])
            a_start = builder.gep(a, [builder.mul(k, a_k)])
            weights = [
                load(builder.bitcast(builder.gep(b_start, [INDEX(n * width)]), vector.as_pointer()))
                for n in range(vectors)
            ]
            undefined = ir.Constant(vector, ir.Undefined)
            everywhere = ir.Constant(ir.VectorType(LANE, width), [0] * width)
            new = []
            for r in range(rows):
                x = builder.load(builder.gep(a_start, [builder.mul(INDEX(r), a_row)]))
                x = builder.insert_element(undefined, x, LANE(0))
                x = builder.shuffle_vector(x, undefined, everywhere)
                new.append([builder.call(multiply_add, [x, weights[n], sums[r][n]]) for n in range(vectors)])
            following = builder.add(k, INDEX(1))
            k.add_incoming(following, loop)
            for r in range(rows):
                for n in range(vectors):
                    sums[r][n].add_incoming(new[r][n], loop)
            builder.cbranch(builder.icmp_signed("<", following, K), loop, done)
            builder.position_at_end(done)
            for r in range(rows):
                for n in range(vectors):
                    builder.store(new[r][n], place(r, n)).align = 4
            return context.get_dummy_value()

        return signature, generate

    return kernel


@intrinsic
def pointer_to(typing: Any, array: Any, offset: Any) -> Any:
    """The address of element `offset` of an array's data."""
    signature = types.CPointer(array.dtype)(array, types.intp)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.gep(data, [args[1]])

    return signature, generate


@intrinsic
def shift(typing: Any, pointer: Any, elements: Any) -> Any:
    """The address `elements` elements on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.gep(args[0], [args[1]])

    return pointer(pointer, types.intp), generate
