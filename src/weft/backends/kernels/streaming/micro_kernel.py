"""The micro-kernel of streaming: a few rows times panels of weights, each weight loaded once and widened in a register.

    C[r, n]  =  start[r, n] + scale[n] · sum_k A[r, k] · B[k, n]          r < rows, n < panels · width

A panel is one vector wide: `width` columns of B with all their k. It is a sequence of packed elements, `width` x 32
bits for one k in float32, for two k in bfloat16 and for four in int8, and is read sequentially in every format:

    float32     │    B[k]     │   B[k+1]    │ …          as it is
    bfloat16    │  k+1 ·  k   │  k+3 · k+2  │ …          one shift or mask: a float32 is its upper half, then zeros
    int8        │k+3·k+2·k+1·k│k+7·k+6· … ·k+4│ …        two shifts and a conversion; or two or four k at once

For one row, the memory bandwidth for the weights is the limit: several panels are read side by side into separate
accumulators, so that no addition waits for the one before. With more rows, every widened weight is used for all of
them. The terms of a sum are added in the order of k for any number of rows and panels, so that a row has the same bits
whichever other rows are multiplied with it.

Processors with VNNI multiply four int8 at once with four unsigned bytes. So A has 16 bits in two bytes,
A = a_scale[r] · (256 high + low - 2¹⁵), and the sum over k of the last term is known in advance: `sums[n]` = sum_k
B[k, n]. Other processors with AVX2 or AVX-512 multiply 16-bit integers and add two products in one instruction:
A[r, k] and A[r, k+2] are multiplied with the lower bytes of both halves of a packed element, A[r, k+1] and A[r, k+3]
with the upper bytes, each widened by a shift or two. Integers are added exactly.
"""

from __future__ import annotations

from itertools import product
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils

from weft.backends.kernels.jit.compile import intrinsic
from weft.backends.kernels.jit.cpu_features import has_vnni
from weft.backends.kernels.jit.pointers import opaque, prefetch
from weft.backends.kernels.jit.structs import struct_fields
from weft.backends.kernels.matmul.micro_kernel import PREFETCH_DISTANCE, ROWS_PER_POINTER, NoUnroll
from weft.backends.kernels.streaming.operands import Activations, Rows, WeightPanels

ACCUMULATORS = {16: 24, 8: 12, 4: 24}
"""Vector registers available as accumulators, by the width of the vectors."""

INDEX, FLOAT, LANE = ir.IntType(64), ir.FloatType(), ir.IntType(32)


class Float32:
    """How a kernel multiplies float32 weights, in vectors of `width` lanes; subclasses do the same for other formats.

    multipliers: elements of A that a packed element is multiplied with; accumulators: for one row and one panel;
    values: weights of a column in a packed element.
    """

    multipliers = 1
    accumulators = 1
    values = 1

    def __init__(self, builder: Any, width: int) -> None:
        self.builder, self.width = builder, width
        self.floats, self.element = ir.VectorType(FLOAT, width), ir.VectorType(LANE, width)
        self.total = self.floats

    def multiply_add(self, sums: list[Any], j: int, x: Any, weights: Any) -> None:
        """Add x · weights to the sums of one row and one panel, for multiplier j of a packed element."""
        kind = ir.FunctionType(self.floats, [self.floats] * 3)
        fma = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.fma.v{self.width}f32")
        sums[0] = self.builder.call(fma, [x, weights, sums[0]])

    def multiplier_offset(self, k: Any, j: int, a_stride: Any) -> Any:
        """The offset of multiplier j for packed element k in a row of A; a_stride: the length of that row."""
        return self.builder.add(self.builder.mul(k, INDEX(self.multipliers)), INDEX(j))

    def weights(self, address: Any, j: int) -> Any:
        """The widened weights for multiplier j of the packed element at an address."""
        return self.load(address, self.floats)

    def result(self, sums: list[Any], a_scale: Any, scale: Any, column_sum: Any) -> Any:
        """The product from its sums; the scales and the column's sum are given by their addresses."""
        return sums[0]

    def constant(self, value: int) -> Any:
        return ir.Constant(self.element, [value] * self.width)

    def broadcast(self, value: Any) -> Any:
        undefined = ir.Constant(ir.VectorType(value.type, self.width), ir.Undefined)
        single = self.builder.insert_element(undefined, value, LANE(0))
        return self.builder.shuffle_vector(single, undefined, self.constant(0))

    def load(self, address: Any, vector: Any) -> Any:
        value = self.builder.load(self.builder.bitcast(address, vector.as_pointer()))
        value.align = 4
        return value


class BFloat16(Float32):
    """bfloat16 weights, widened to float32."""

    multipliers = values = 2

    def weights(self, address: Any, j: int) -> Any:
        b, element = self.builder, self.load(address, self.element)
        widened = b.and_(element, self.constant(0xFFFF0000)) if j else b.shl(element, self.constant(16))
        return b.bitcast(widened, self.floats)


class Int8(Float32):
    """int8 weights, converted to float32, for processors without integer dot products."""

    multipliers = values = 4

    def weights(self, address: Any, j: int) -> Any:
        b, element = self.builder, self.load(address, self.element)
        return b.sitofp(b.ashr(b.shl(element, self.constant(24 - 8 * j)), self.constant(24)), self.floats)

    def result(self, sums: list[Any], a_scale: Any, scale: Any, column_sum: Any) -> Any:
        return self.builder.fmul(sums[0], self.load(scale, self.floats))


class Int8Exact(Float32):
    """int8 weights, 16-bit activations and integer sums. Each half of a row of A has an int32 per packed element."""

    multipliers, values = 2, 4

    def __init__(self, builder: Any, width: int) -> None:
        super().__init__(builder, width)
        self.total = self.element

    def multiplier_offset(self, k: Any, j: int, a_stride: Any) -> Any:
        half = self.builder.lshr(a_stride, INDEX(1))
        # Without `opaque` LLVM keeps a pointer for either half of every row, more than there are registers.
        return opaque(self.builder, self.builder.add(k, half)) if j else k

    def scaled(self, value: Any, a_scale: Any, scale: Any) -> Any:
        b = self.builder
        return b.fmul(value, b.fmul(self.broadcast(b.load(a_scale)), self.load(scale, self.floats)))


class Int8Vnni(Int8Exact):
    """Products of four bytes at once: one accumulator for the high bytes of A, one for the low bytes."""

    accumulators = 2

    def weights(self, address: Any, j: int) -> Any:
        return self.load(address, self.element)

    def multiply_add(self, sums: list[Any], j: int, x: Any, weights: Any) -> None:
        kind, name = ir.FunctionType(self.element, [self.element] * 3), f"llvm.x86.avx512.vpdpbusd.{32 * self.width}"
        dot = cgutils.get_or_insert_function(self.builder.module, kind, name)
        sums[j] = self.builder.call(dot, [sums[j], x, weights])

    def result(self, sums: list[Any], a_scale: Any, scale: Any, column_sum: Any) -> Any:
        b, (high, low) = self.builder, sums
        high = b.sub(high, b.mul(self.load(column_sum, self.element), self.constant(128)))
        high = b.fmul(b.sitofp(high, self.floats), ir.Constant(self.floats, [256.0] * self.width))
        return self.scaled(b.fadd(high, b.sitofp(low, self.floats)), a_scale, scale)


class Int8Int16(Int8Exact):
    """Products of two 16-bit integers at once."""

    def __init__(self, builder: Any, width: int) -> None:
        super().__init__(builder, width)
        self.halves = ir.VectorType(ir.IntType(16), 2 * width)

    def weights(self, address: Any, j: int) -> Any:
        b, eight = self.builder, ir.Constant(self.halves, [8] * 2 * self.width)
        halves = self.load(address, self.halves)
        return b.ashr(halves if j else b.shl(halves, eight), eight)

    def multiply_add(self, sums: list[Any], j: int, x: Any, weights: Any) -> None:
        kind = ir.FunctionType(self.element, [self.halves] * 2)
        name = "llvm.x86.avx512.pmaddw.d.512" if self.width == 16 else "llvm.x86.avx2.pmadd.wd"
        products = cgutils.get_or_insert_function(self.builder.module, kind, name)
        pairs = self.builder.bitcast(x, self.halves)
        sums[0] = self.builder.add(sums[0], self.builder.call(products, [pairs, weights]))

    def result(self, sums: list[Any], a_scale: Any, scale: Any, column_sum: Any) -> Any:
        return self.scaled(self.builder.sitofp(sums[0], self.floats), a_scale, scale)


def _format_of(a: Any, b: Any) -> type[Float32]:
    """The format of weights of pointer type b, multiplied with activations of pointer type a."""
    if b.dtype == types.int8:
        return Int8 if a.dtype == types.float32 else Int8Vnni if has_vnni() else Int8Int16
    return BFloat16 if b.dtype == types.uint16 else Float32


class _Operands(NamedTuple):
    """The operands of a call, whose fields are LLVM values."""

    x: Activations
    w: WeightPanels
    start: Rows
    c: Rows


def skinny_kernel(rows: int, panels: int, width: int) -> Any:
    """An intrinsic (x, w, start, c) for `rows` rows and `panels` panels.

    x: `Activations`; w: `WeightPanels`, whose pointer type (float32, uint16, int8) selects the format; start, c:
    `Rows`. A panel has at least one packed element along k, and every row of x has values for whole packed elements.
    Scales and sums are read for int8 only; the sums are int32.
    """

    @intrinsic
    def kernel(typing: Any, x: Any, w: Any, start: Any, c: Any) -> Any:
        floats, index = types.CPointer(types.float32), types.intp
        a, b = x.types[0], w.types[0]
        weight_format = _format_of(a, b)
        given = (x, w, start, c)
        classes = (Activations, WeightPanels, Rows, Rows)
        fields = ((a, index, floats), (b, index, index, floats, floats), (floats, index), (floats, index))

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            operands = _Operands(
                *(
                    structure(*struct_fields(context, builder, value, of, wanted))
                    for structure, value, of, wanted in zip(classes, args, given, fields, strict=True)
                )
            )
            weights = weight_format(builder, width)
            height, breadth = rows, panels
            while height * breadth * weights.accumulators > ACCUMULATORS[width]:
                height, breadth = (-(-height // 2), breadth) if height > breadth else (height, -(-breadth // 2))
            for r, p in product(range(0, rows, height), range(0, panels, breadth)):
                these, those = range(r, min(r + height, rows)), range(p, min(p + breadth, panels))
                _emit_loop(builder, weights, these, those, operands)
            return context.get_dummy_value()

        return types.void(*given), generate

    return kernel


def _emit_loop(builder: Any, v: Float32, rows: range, panels: range, operands: _Operands) -> None:
    """One loop over k, for as many rows and panels as there are accumulators for."""
    width, (x, w, start, c) = v.width, operands

    def at(array: Any, stride: Any, r: int, column: Any) -> Any:
        return builder.gep(array, [builder.add(builder.mul(INDEX(r), stride), column)])

    many = len(rows) > 2  # with fewer, memory bandwidth is the limit and hardware prefetchers suffice
    pointers = {r: opaque(builder, at(x.address, x.stride, r, INDEX(0))) for r in rows[::ROWS_PER_POINTER]}
    before = builder.block
    loop, done = (builder.function.append_basic_block(name) for name in ("k", "done"))
    builder.branch(loop)
    builder.position_at_end(loop)
    k = builder.phi(INDEX)
    k.add_incoming(INDEX(0), before)
    totals = {tile: [builder.phi(v.total) for _ in range(v.accumulators)] for tile in product(rows, panels)}
    new = {tile: list(total) for tile, total in totals.items()}
    element = builder.gep(w.address, [builder.mul(k, INDEX(width * v.values))])

    columns = [v.multiplier_offset(k, j, x.stride) for j in range(v.multipliers)]

    def multiplier(r: int, j: int) -> Any:
        ahead = (r - rows[0]) % ROWS_PER_POINTER
        return v.broadcast(builder.load(at(pointers[r - ahead], x.stride, ahead, columns[j])))

    def weights(p: int, j: int) -> Any:
        return v.weights(builder.gep(element, [builder.mul(w.stride, INDEX(p))]), j)

    if many:
        for p in panels:
            offset = builder.add(builder.mul(w.stride, INDEX(p)), INDEX(PREFETCH_DISTANCE * width * v.values))
            prefetch(builder, builder.gep(element, [offset]), to_write=False)
    # The smaller set of operands stays in registers while the larger one is loaded one by one: registers just suffice.
    if len(rows) > len(panels):
        for j in range(v.multipliers):
            loaded = {p: weights(p, j) for p in panels}
            for r in rows:
                a = multiplier(r, j)
                for p in panels:
                    v.multiply_add(new[r, p], j, a, loaded[p])
    else:
        multipliers = {(r, j): multiplier(r, j) for r, j in product(rows, range(v.multipliers))}
        for p, j in product(panels, range(v.multipliers)):
            b = weights(p, j)
            for r in rows:
                v.multiply_add(new[r, p], j, multipliers[r, j], b)
    following = builder.add(k, INDEX(1))
    k.add_incoming(following, loop)
    for tile, phis in totals.items():
        for total, value in zip(phis, new[tile], strict=True):
            total.add_incoming(ir.Constant(v.total, None), before)
            total.add_incoming(value, loop)
    again = builder.cbranch(builder.icmp_signed("<", following, w.depth), loop, done)
    if many:
        again.set_metadata("llvm.loop", NoUnroll(builder.module))
    builder.position_at_end(done)
    for r, p in product(rows, panels):
        column = INDEX(p * width)
        factors = (builder.gep(x.scales, [INDEX(r)]), *(builder.gep(row, [column]) for row in (w.scales, w.sums)))
        begin = v.load(at(start.address, start.stride, r, column), v.floats)
        end = builder.bitcast(at(c.address, c.stride, r, column), v.floats.as_pointer())
        builder.store(builder.fadd(begin, v.result(new[r, p], *factors)), end).align = 4
