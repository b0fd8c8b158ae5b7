"""C = A B or C += A B with B packed into panels: the loops around the micro-kernel.

    blocks of rows of A, MC rows with MC · K <= LHS_BLOCK elements          fit the L2 cache
        panels of B, PANEL columns each                                     read once per block of rows
            blocks of k, KC elements each                                   the panel's part of the block fits L2
                row blocks, at most MR rows each (see `row_blocking`)
                    the micro-kernel                                        C tile in registers

A panel is read sequentially, so the L2 cache keeps up with the micro-kernel. Row blocks are as tall as there are
accumulators; the remaining rows are cut into smaller ones. Every row of a tile of C is on another page, so its lines
are prefetched before the tile is computed. The last columns, if they do not fill a panel, are computed in a small
buffer, by a micro-kernel of one vector or of half a vector if that is wide enough. The product of few rows within a
time loop takes the same path, with few blocks. Pairs of bfloat16 use AMX tiles where the processor has them (see
`amx_gemm`).
"""

from __future__ import annotations

from typing import Any

from numba import types

from weft.backends.kernels.jit.compile import inlined, overload
from weft.backends.kernels.jit.cpu_features import has_amx, host_tiling
from weft.backends.kernels.jit.pointers import LINE, offset, pointer_to, prefetch_write, stack_floats
from weft.backends.kernels.jit.structs import external_with_structs
from weft.backends.kernels.matmul.amx_gemm import amx_gemm
from weft.backends.kernels.matmul.element_types import packed_depth_in
from weft.backends.kernels.matmul.micro_kernel import micro_kernel
from weft.backends.kernels.matmul.operands import (
    DESTINATION,
    FLOAT_POINTER,
    PAIR_POINTER,
    Panels,
    lhs_at,
    lhs_type,
    panels_type,
)
from weft.backends.kernels.matmul.pack_rhs import PANEL
from weft.backends.kernels.matmul.row_blocking import next_row_blocks

_tiling = host_tiling()
assert _tiling is not None, "the kernels are loaded only where host_tiling() knows the processor"
MR, VECTORS, WIDTH = _tiling.rows, _tiling.vectors, _tiling.width
KC = 1024
"""Packed elements in a block of k."""
LHS_BLOCK = 120_000
"""Elements in a block of rows of A, which is read again for every panel."""

ROW_BLOCKS, NARROW_ROW_BLOCKS = sorted({MR, min(8, MR), 5, 4, 3, 2, 1}), [8, 5, 3, 2, 1]
"""Numbers of rows that micro-kernels are compiled for, of a whole panel and of at most one vector. Each takes time."""

_panel_kernel = micro_kernel(ROW_BLOCKS, VECTORS, WIDTH)
_vector_kernel = micro_kernel(NARROW_ROW_BLOCKS, 1, WIDTH)
_half_vector_kernel = micro_kernel(NARROW_ROW_BLOCKS, 1, WIDTH // 2)

_panel_rows, _narrow_rows = next_row_blocks(ROW_BLOCKS, VECTORS), next_row_blocks(NARROW_ROW_BLOCKS, 1)


@inlined
def block_start(size: Any, number: Any, count: Any, multiple: Any) -> Any:
    """The start of block `number` of `count`, a multiple of `multiple`; for number == count the end, `size`.

    So neither groups of k (see `operands.Lhs`) nor row blocks are cut. Both ends are special cases because a division
    takes up to 90 cycles and there is one block as a rule.
    """
    if number == 0:
        return 0
    return size if number == count else size * number // count // multiple * multiple


@inlined
def next_rows(remaining: Any, table: Any) -> Any:
    """Rows of the next row block; table: of `next_row_blocks`."""
    return table[min(remaining, len(table) - 1)]


def _packed_gemm(lhs, panels, c, M, K, N, accumulate):  # type: ignore[no-untyped-def]
    buffer = stack_floats()
    k_blocks, m_blocks = (K + KC - 1) // KC, (M * K + LHS_BLOCK - 1) // LHS_BLOCK
    for m_block in range(m_blocks):
        m_end = block_start(M, m_block + 1, m_blocks, MR)
        for i in range((N + PANEL - 1) // PANEL):
            columns = min(PANEL, N - i * PANEL)
            direct, table = columns == PANEL, _panel_rows if columns > WIDTH else _narrow_rows
            for k_block in range(k_blocks):
                k = block_start(K, k_block, k_blocks, PANEL)
                depth, add = block_start(K, k_block + 1, k_blocks, PANEL) - k, accumulate or k_block > 0
                b = offset(panels.address, i * panels.stride + k * PANEL)
                a_k = lhs.address
                if k > 0:
                    a_k = offset(a_k, k // lhs.group * lhs.group_stride + k % lhs.group * lhs.k_stride)
                r = block_start(M, m_block, m_blocks, MR)
                while r < m_end:
                    rows, a = next_rows(m_end - r, table), lhs_at(lhs, offset(a_k, r * lhs.row_stride))
                    c_start = offset(c.address, r * c.row_stride + i * c.panel_stride)
                    for row in range(rows):
                        for n in range(0, PANEL, LINE):
                            prefetch_write(offset(c_start, row * c.row_stride + n))
                    target, target_stride = (c_start, c.row_stride) if direct else (buffer, PANEL)
                    target_add = add and direct
                    if columns > WIDTH:
                        _panel_kernel(rows, a, b, PANEL, depth, target, target_stride, target_add)
                    elif columns > WIDTH // 2:
                        _vector_kernel(rows, a, b, PANEL, depth, target, target_stride, target_add)
                    else:
                        _half_vector_kernel(rows, a, b, PANEL, depth, target, target_stride, target_add)
                    if not direct:
                        for row in range(rows):
                            for n in range(columns):
                                before = c_start[row * c.row_stride + n] if add else 0
                                c_start[row * c.row_stride + n] = before + buffer[row * PANEL + n]
                    r += rows


def _packed_gemm_amx(lhs, panels, c, M, K, N, accumulate):  # type: ignore[no-untyped-def]
    amx_gemm(lhs, panels, c, M, K, N, accumulate)


def _signature(pointer: Any) -> Any:
    size = types.intp
    return types.void(lhs_type(pointer), panels_type(pointer), DESTINATION, size, size, size, types.boolean)


_floats = external_with_structs("weft_packed_gemm_floats", _packed_gemm, _signature(FLOAT_POINTER))
_pairs = external_with_structs(
    "weft_packed_gemm_pairs", _packed_gemm_amx if has_amx() else _packed_gemm, _signature(PAIR_POINTER), deferred=True
)


def packed_gemm(lhs: Any, M: Any, K: Any, panels: Any, N: Any, c: Any, accumulate: Any) -> None:
    """C (M, N) += A B, or C = A B if not `accumulate`.

    lhs: the `Lhs` of A (M, K); panels: the array (count, k, PANEL) of B (K, N); c: the `Destination`. K >= 1.
    """


@overload(packed_gemm)
def _by_element_type(lhs: Any, M: Any, K: Any, panels: Any, N: Any, c: Any, accumulate: Any) -> Any:
    function = _floats if panels.dtype == types.float32 else _pairs

    def call(lhs: Any, M: Any, K: Any, panels: Any, N: Any, c: Any, accumulate: Any) -> None:
        rhs = Panels(pointer_to(panels, 0), panels.shape[1] * PANEL)
        function(lhs, rhs, c, M, packed_depth_in(K, panels), N, accumulate)

    return call
