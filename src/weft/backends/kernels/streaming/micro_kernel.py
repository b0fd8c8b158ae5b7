"""The micro-kernel of streaming: a few rows times panels of weights, each weight read once and widened in a register.

    C[r, n]  =  start[r, n] + scale[n] · sum_k A[r, k] · B[k, n]          r < rows, n < panels · width

A panel is one vector wide: `width` columns of B with all their k. It is a row of cells of `width` x 32 bits, one for
every k in float32, for two k in bfloat16 and for four in int8, so that it is read straight through in every kind:

    float32     │    B[k]     │   B[k+1]    │ …          as it is
    bfloat16    │  k+1 ·  k   │  k+3 · k+2  │ …          one shift or mask: a float32 is its upper half, then zeros
    int8        │k+3·k+2·k+1·k│k+7·k+6· … ·k+4│ …        two shifts and a conversion; or two or four k at once

For one row, the weights' way from memory is the limit: several panels are read side by side, into accumulators of their
own, so that no addition waits for the one before. With more rows, every widened weight serves all of them. The terms of
a sum are added in the order of k whatever the number of rows and panels: a row has the same bits in any company.

Processors with dot products of bytes (VNNI) multiply four int8 at once. The other factor is a byte as well, so A comes
as 16 bits in two bytes, A = a_scale[r] · (256 high + low - 2¹⁵), where the sum over k of the last term is known before:
`sums[n]` = sum_k B[k, n]. Other processors with AVX2 or AVX-512 multiply numbers of 16 bits and add two products in one
instruction: A[r, k] and A[r, k+2] meet the lower bytes of both halves of a cell, A[r, k+1] and A[r, k+3] the upper
ones, each widened by a shift or two. Whole numbers are added exactly.
"""

from __future__ import annotations

from itertools import product
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from weft.backends.kernels.jit.compile import intrinsic
from weft.backends.kernels.jit.cpu_features import has_vnni
from weft.backends.kernels.jit.pointers import opaque, prefetch
from weft.backends.kernels.matmul.micro_kernel import PREFETCH_DISTANCE, ROWS_PER_POINTER, NoUnroll

ACCUMULATORS = {16: 24, 8: 12, 4: 24}
"""Vector registers that sums may take, by the vectors' width."""

INDEX, FLOAT, LANE = ir.IntType(64), ir.FloatType(), ir.IntType(32)


class Kind:
    """How a kernel works on vectors of `width` lanes.

    depth: multipliers of A for a cell; sums: for a row and a panel; in_a_cell: numbers that a cell holds for a column.
    """

    depth = 1
    sums = 1
    in_a_cell = 1

    def __init__(self, builder: Any, width: int) -> None:
        self.builder, self.width = builder, width
        self.floats, self.cell = ir.VectorType(FLOAT, width), ir.VectorType(LANE, width)
        self.total = self.floats

    def add(self, sums: list[Any], j: int, x: Any, weights: Any) -> None:
        """Add to a row's sums of one panel, with multiplier and weights number j of a cell."""
        kind = ir.FunctionType(self.floats, [self.floats] * 3)
        multiply_add = cgutils.get_or_insert_function(self.builder.module, kind, f"llvm.fma.v{self.width}f32")
        sums[0] = self.builder.call(multiply_add, [x, weights, sums[0]])

    def multiplier_at(self, k: Any, j: int, a_row: Any) -> Any:
        """Where in a row of A, whose length is given, multiplier j for cell k is."""
        return self.builder.add(self.builder.mul(k, INDEX(self.depth)), INDEX(j))

    def widened(self, place: Any, j: int) -> Any:
        """The weights number j of the cell at `place`."""
        return self.load(place, self.floats)

    def value(self, sums: list[Any], a_scale: Any, scale: Any, column_sum: Any) -> Any:
        """The product that a row's sums stand for; addresses of what it needs."""
        return sums[0]

    def all(self, value: int) -> Any:
        return ir.Constant(self.cell, [value] * self.width)

    def spread(self, value: Any) -> Any:
        undefined = ir.Constant(ir.VectorType(value.type, self.width), ir.Undefined)
        single = self.builder.insert_element(undefined, value, LANE(0))
        return self.builder.shuffle_vector(single, undefined, self.all(0))

    def load(self, place: Any, kind: Any) -> Any:
        value = self.builder.load(self.builder.bitcast(place, kind.as_pointer()))
        value.align = 4
        return value


class BFloat16(Kind):
    depth = in_a_cell = 2

    def widened(self, place: Any, j: int) -> Any:
        b, cell = self.builder, self.load(place, self.cell)
        return b.bitcast(b.and_(cell, self.all(0xFFFF0000)) if j else b.shl(cell, self.all(16)), self.floats)


class Int8(Kind):
    depth = in_a_cell = 4

    def widened(self, place: Any, j: int) -> Any:
        b, cell = self.builder, self.load(place, self.cell)
        return b.sitofp(b.ashr(b.shl(cell, self.all(24 - 8 * j)), self.all(24)), self.floats)

    def value(self, sums: list[Any], a_scale: Any, scale: Any, column_sum: Any) -> Any:
        return self.builder.fmul(sums[0], self.load(scale, self.floats))


class Int8Exactly(Kind):
    """A comes in 16 bits, two words for each cell, which stand in the two halves of a row; sums are whole numbers."""

    depth, in_a_cell = 2, 4

    def __init__(self, builder: Any, width: int) -> None:
        super().__init__(builder, width)
        self.total = self.cell

    def multiplier_at(self, k: Any, j: int, a_row: Any) -> Any:
        half = self.builder.lshr(a_row, INDEX(1))
        # Otherwise LLVM keeps an address for either half of every row, more than there are registers.
        return opaque(self.builder, self.builder.add(k, half)) if j else k

    def scaled(self, value: Any, a_scale: Any, scale: Any) -> Any:
        b = self.builder
        return b.fmul(value, b.fmul(self.spread(b.load(a_scale)), self.load(scale, self.floats)))


class Int8Dots(Int8Exactly):
    sums = 2  # those with the high bytes of four k, and those with the low ones

    def widened(self, place: Any, j: int) -> Any:
        return self.load(place, self.cell)

    def add(self, sums: list[Any], j: int, x: Any, weights: Any) -> None:
        kind, name = ir.FunctionType(self.cell, [self.cell] * 3), f"llvm.x86.avx512.vpdpbusd.{32 * self.width}"
        dot = cgutils.get_or_insert_function(self.builder.module, kind, name)
        sums[j] = self.builder.call(dot, [sums[j], x, weights])

    def value(self, sums: list[Any], a_scale: Any, scale: Any, column_sum: Any) -> Any:
        b, (high, low) = self.builder, sums
        high = b.sub(high, b.mul(self.load(column_sum, self.cell), self.all(128)))
        high = b.fmul(b.sitofp(high, self.floats), ir.Constant(self.floats, [256.0] * self.width))
        return self.scaled(b.fadd(high, b.sitofp(low, self.floats)), a_scale, scale)


class Int8Words(Int8Exactly):
    def __init__(self, builder: Any, width: int) -> None:
        super().__init__(builder, width)
        self.halves = ir.VectorType(ir.IntType(16), 2 * width)

    def widened(self, place: Any, j: int) -> Any:
        b, eight = self.builder, ir.Constant(self.halves, [8] * 2 * self.width)
        halves = self.load(place, self.halves)
        return b.ashr(halves if j else b.shl(halves, eight), eight)

    def add(self, sums: list[Any], j: int, x: Any, weights: Any) -> None:
        kind = ir.FunctionType(self.cell, [self.halves] * 2)
        name = "llvm.x86.avx512.pmaddw.d.512" if self.width == 16 else "llvm.x86.avx2.pmadd.wd"
        products = cgutils.get_or_insert_function(self.builder.module, kind, name)
        pairs = self.builder.bitcast(x, self.halves)
        sums[0] = self.builder.add(sums[0], self.builder.call(products, [pairs, weights]))

    def value(self, sums: list[Any], a_scale: Any, scale: Any, column_sum: Any) -> Any:
        return self.scaled(self.builder.sitofp(sums[0], self.floats), a_scale, scale)


def _kind(a: Any, b: Any) -> type[Kind]:
    if b.dtype == types.int8:
        return Int8 if a.dtype == types.float32 else Int8Dots if has_vnni() else Int8Words
    return BFloat16 if b.dtype == types.uint16 else Kind


def few_rows_kernel(rows: int, panels: int, width: int) -> Any:
    """An intrinsic (a, a_row, a_scale, b, distance, cells, scale, sums, start, start_row, c, c_row).

    For `rows` rows and `panels` panels; all arguments but the sizes are addresses, and what b points to (float32,
    uint16, int8) says how the weights are kept. All distances are in elements. A panel has at least one cell, and `a`
    whole cells in every row. scale and sums are read for int8 alone; the sums are whole numbers.
    """

    @intrinsic
    def kernel(
        typing: Any, a: Any, a_row: Any, a_scale: Any, b: Any, distance: Any, cells: Any, scale: Any, sums: Any,
        start: Any, start_row: Any, c: Any, c_row: Any,
    ) -> Any:  # fmt: skip
        kind, floats, index = _kind(a, b), types.CPointer(types.float32), types.intp
        signature = types.void(a, index, floats, b, index, index, floats, floats, floats, index, floats, index)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            a, a_row, a_scale, b, distance, cells, scale, sums, start, start_row, c, c_row = args
            v = kind(builder, width)
            height, breadth = rows, panels
            while height * breadth * v.sums > ACCUMULATORS[width]:
                height, breadth = (-(-height // 2), breadth) if height > breadth else (height, -(-breadth // 2))
            for r, p in product(range(0, rows, height), range(0, panels, breadth)):
                these, those = range(r, min(r + height, rows)), range(p, min(p + breadth, panels))
                _loop(builder, v, these, those, a, a_row, a_scale, b, distance, cells, scale, sums,
                      start, start_row, c, c_row)  # fmt: skip
            return context.get_dummy_value()

        return signature, generate

    return kernel


def _loop(
    builder: Any, v: Kind, rows: range, panels: range, a: Any, a_row: Any, a_scale: Any, b: Any, distance: Any,
    cells: Any, scale: Any, sums: Any, start: Any, start_row: Any, c: Any, c_row: Any,
) -> None:  # fmt: skip
    """As many rows and panels as have accumulators, in one loop over k."""
    width = v.width

    def at(array: Any, row: Any, r: int, column: Any) -> Any:
        return builder.gep(array, [builder.add(builder.mul(INDEX(r), row), column)])

    many = len(rows) > 2  # otherwise the weights' way from memory is the limit, which processors see ahead of
    firsts = {r: opaque(builder, at(a, a_row, r, INDEX(0))) for r in rows[::ROWS_PER_POINTER]}
    before = builder.block
    loop, done = (builder.function.append_basic_block(name) for name in ("k", "done"))
    builder.branch(loop)
    builder.position_at_end(loop)
    k = builder.phi(INDEX)
    k.add_incoming(INDEX(0), before)
    totals = {place: [builder.phi(v.total) for _ in range(v.sums)] for place in product(rows, panels)}
    new = {place: list(total) for place, total in totals.items()}
    cell = builder.gep(b, [builder.mul(k, INDEX(width * v.in_a_cell))])

    columns = [v.multiplier_at(k, j, a_row) for j in range(v.depth)]

    def multiplier(r: int, j: int) -> Any:
        ahead = (r - rows[0]) % ROWS_PER_POINTER
        return v.spread(builder.load(at(firsts[r - ahead], a_row, ahead, columns[j])))

    def weights(p: int, j: int) -> Any:
        return v.widened(builder.gep(cell, [builder.mul(distance, INDEX(p))]), j)

    if many:
        for p in panels:
            offset = builder.add(builder.mul(distance, INDEX(p)), INDEX(PREFETCH_DISTANCE * width * v.in_a_cell))
            prefetch(builder, builder.gep(cell, [offset]), to_write=False)
    # The fewer of the two wait in registers for the others, one after another: there are just enough.
    if len(rows) > len(panels):
        for j in range(v.depth):
            waiting = {p: weights(p, j) for p in panels}
            for r in rows:
                x = multiplier(r, j)
                for p in panels:
                    v.add(new[r, p], j, x, waiting[p])
    else:
        multipliers = {(r, j): multiplier(r, j) for r, j in product(rows, range(v.depth))}
        for p, j in product(panels, range(v.depth)):
            w = weights(p, j)
            for r in rows:
                v.add(new[r, p], j, multipliers[r, j], w)
    following = builder.add(k, INDEX(1))
    k.add_incoming(following, loop)
    for place, phis in totals.items():
        for total, value in zip(phis, new[place], strict=True):
            total.add_incoming(ir.Constant(v.total, None), before)
            total.add_incoming(value, loop)
    again = builder.cbranch(builder.icmp_signed("<", following, cells), loop, done)
    if many:
        again.set_metadata("llvm.loop", NoUnroll(builder.module))
    builder.position_at_end(done)
    for r, p in product(rows, panels):
        column = INDEX(p * width)
        factors = (builder.gep(a_scale, [INDEX(r)]), *(builder.gep(row, [column]) for row in (scale, sums)))
        begin = v.load(at(start, start_row, r, column), v.floats)
        end = builder.bitcast(at(c, c_row, r, column), v.floats.as_pointer())
        builder.store(builder.fadd(begin, v.value(new[r, p], *factors)), end).align = 4
