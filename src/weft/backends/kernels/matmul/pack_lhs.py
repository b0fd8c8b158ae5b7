"""Left operands as the micro-kernel reads them: an `Lhs`, read in place or packed into rows.

The micro-kernel broadcasts single elements A[m, k], so float32 need no packing: they are read in place, whether A is
stored by rows or in panels (columns in groups of PANEL). Only a transpose with long rows is packed, because each k is
then on another page. For bfloat16, A is rounded and packed into rows of pairs:

    packed[m]     (k0, k1) (k2, k3) …  zeros up to a multiple of 16 pairs      rows `row_stride` elements apart
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import types

from weft.backends.kernels.jit.compile import external, inlined, overload
from weft.backends.kernels.jit.pointers import offset, pointer_to, prefetch_read, prefetch_write, stack_floats
from weft.backends.kernels.matmul.element_types import packed_depth, row_stride, zero_padded
from weft.backends.kernels.matmul.operands import UNGROUPED, Lhs, lhs_of_rows
from weft.backends.kernels.matmul.pack_rhs import PANEL
from weft.backends.kernels.matmul.simd_packing import (
    TILE_DEPTH,
    TILE_SIDE,
    TILE_SIZE,
    clear_vector,
    copy_masked,
    pack_row,
    pack_two_rows,
    transpose_tile,
)

MAX_IN_PLACE_STRIDE = 64
"""Row stride in elements up to which a transpose is read down its columns about as fast as along its rows."""


@cache
def lhs_buffer_size(M: int, K: int, dtype: Any) -> int:
    """Elements of the buffer that packing a left operand (M, K) takes, transposed or not."""
    return -(-M // TILE_SIDE) * TILE_SIDE * packed_row_stride(K, dtype)


def packed_row_stride(K: int, dtype: Any) -> int:
    """Elements from one packed row of K values to the next."""
    return int(row_stride(packed_depth(K, dtype)))


def pack_lhs(a: Any, a_stride: Any, M: Any, K: Any, buffer: Any) -> Any:
    """The `Lhs` of A (M, K) with contiguous rows at address a, a_stride elements apart.

    buffer: for packed rows, where they are needed; its element type is that of the product.
    """


def pack_lhs_transposed(a: Any, a_stride: Any, M: Any, K: Any, buffer: Any) -> Any:
    """The `Lhs` of A (M, K) whose transpose (K, M) is at address a, with contiguous rows a_stride elements apart."""


def lhs_from_panels(A: Any, K: Any, buffer: Any) -> Any:
    """The `Lhs` of A (M, K) in panels of float32 (count, M, PANEL)."""


@overload(pack_lhs)
def _pack_lhs(a: Any, a_stride: Any, M: Any, K: Any, buffer: Any) -> Any:
    def in_place(a: Any, a_stride: Any, M: Any, K: Any, buffer: Any) -> Any:
        return lhs_of_rows(a, a_stride)

    return in_place if buffer.dtype == types.float32 else _pairs_of_rows


@overload(pack_lhs_transposed)
def _pack_lhs_transposed(a: Any, a_stride: Any, M: Any, K: Any, buffer: Any) -> Any:
    return _floats_of_columns if buffer.dtype == types.float32 else _pairs_of_columns


@overload(lhs_from_panels)
def _lhs_from_panels(A: Any, K: Any, buffer: Any) -> Any:
    def in_place(A: Any, K: Any, buffer: Any) -> Any:
        return Lhs(pointer_to(A, 0), PANEL, 1, PANEL, A.shape[1] * PANEL)

    return in_place if buffer.dtype == types.float32 else _pairs_of_panels


def _pairs_of_panels(A: Any, K: Any, buffer: Any) -> Any:
    """A panel's columns fill whole vectors of pairs: bfloat16 is used only where PANEL is TILE_DEPTH."""
    M, stride = A.shape[1], row_stride((K + 1) // 2)
    for i in range((K + PANEL - 1) // PANEL):
        columns, destination = min(PANEL, K - i * PANEL), pointer_to(buffer, i * PANEL // 2)
        pack_row_pairs(pointer_to(A, i * M * PANEL), PANEL, M, columns, destination, stride)
    return lhs_of_rows(pointer_to(buffer, 0), stride)


def _pairs_of_rows(a: Any, a_stride: Any, M: Any, K: Any, buffer: Any) -> Any:
    stride = row_stride((K + 1) // 2)
    pack_row_pairs(a, a_stride, M, K, pointer_to(buffer, 0), stride)
    return lhs_of_rows(pointer_to(buffer, 0), stride)


@inlined
def pack_row_pairs(a: Any, a_stride: Any, M: Any, K: Any, packed: Any, stride: Any) -> None:
    """Pack the rows of A (M, K) into rows of pairs, `stride` elements apart, with zeros up to 16 pairs."""
    scratch = np.zeros(TILE_DEPTH, np.float32)
    whole = K // TILE_DEPTH * TILE_DEPTH
    for m in range(M):
        row, destination = offset(a, m * a_stride), offset(packed, m * stride)
        for k in range(0, whole, TILE_DEPTH):
            pack_row(offset(row, k), offset(destination, k // 2))
        if whole < K:
            pack_row(zero_padded(offset(row, whole), K - whole, scratch), offset(destination, whole // 2))


def _pairs_of_columns(a: Any, a_stride: Any, M: Any, K: Any, buffer: Any) -> Any:
    _transpose_pairs_external(a, a_stride, M, K, pointer_to(buffer, 0))
    return lhs_of_rows(pointer_to(buffer, 0), row_stride((K + 1) // 2))


def _floats_of_columns(a: Any, a_stride: Any, M: Any, K: Any, buffer: Any) -> Any:
    """In place if the rows of the transpose are short; else transposed: a TLB miss for every k costs more than that."""
    if a_stride <= MAX_IN_PLACE_STRIDE:
        return Lhs(a, 1, a_stride, UNGROUPED, 0)
    _transpose_floats_external(a, a_stride, M, K, pointer_to(buffer, 0))
    return lhs_of_rows(pointer_to(buffer, 0), row_stride(K))


def _transpose_floats(a, a_stride, M, K, packed):  # type: ignore[no-untyped-def]
    stride, tile = row_stride(K), stack_floats()
    for k in range(0, K, TILE_SIDE):
        for m in range(0, M, TILE_SIDE):
            start, destination = offset(a, k * a_stride + m), offset(packed, m * stride + k)
            for row in range(TILE_SIDE):  # the next k: every row is on another page
                prefetch_read(offset(start, (TILE_SIDE + row) * a_stride))
                prefetch_write(offset(destination, row * stride + TILE_SIDE))
            if k + TILE_SIDE <= K and m + TILE_SIDE <= M:
                transpose_tile(start, a_stride, destination, stride)
                continue
            for row in range(TILE_SIDE):
                count = M - m if k + row < K else 0
                copy_masked(offset(start, row * a_stride), offset(tile, row * TILE_SIDE), count)
            transpose_tile(tile, TILE_SIDE, destination, stride)


def _transpose_pairs(a, a_stride, M, K, packed):  # type: ignore[no-untyped-def]
    """Tiles of 16 pairs and 16 rows. k is the outer loop, so that the transpose is read sequentially."""
    stride = row_stride((K + 1) // 2)
    first_scratch, second_scratch = np.zeros(TILE_SIDE, np.float32), np.zeros(TILE_SIDE, np.float32)
    tile = np.empty(TILE_SIZE, np.int32)
    for k in range(0, K, TILE_DEPTH):
        for m in range(0, M, TILE_SIDE):
            for pair in range(TILE_SIDE):
                row, destination = k + 2 * pair, pointer_to(tile, pair * TILE_SIDE)
                if row >= K:
                    clear_vector(destination)
                    continue
                first = zero_padded(offset(a, row * a_stride + m), M - m, first_scratch)
                second_count = M - m if row + 1 < K else 0
                second = zero_padded(offset(a, (row + 1) * a_stride + m), second_count, second_scratch)
                pack_two_rows(first, second, destination)
            transpose_tile(pointer_to(tile, 0), TILE_SIDE, offset(packed, m * stride + k // 2), stride)


def _signature(element: Any) -> Any:
    return types.void(types.CPointer(types.float32), *[types.intp] * 3, types.CPointer(element))


_transpose_floats_external = external("weft_transpose_lhs_floats", _transpose_floats, _signature(types.float32))
_transpose_pairs_external = external(
    "weft_transpose_lhs_pairs", _transpose_pairs, _signature(types.int32), deferred=True
)
