"""Packing of right operands into panels, the layout that the micro-kernel reads.

B (K, N) is cut into panels of PANEL columns, as many as one micro-kernel multiplies. A panel is contiguous and k is its
slower index, so that the micro-kernel streams it from beginning to end:

    B, rows in memory                        packed [panel][k][column]

    k=0  │ 0 … P-1 │ P … 2P-1 │ …            panel 0   k=0: 0 … P-1    k=1: 0 … P-1     …
    k=1  │ 0 … P-1 │ P … 2P-1 │ …      ->    panel 1   k=0: P … 2P-1   k=1: P … 2P-1    …
     …                                        …        zeros after the last column

For bfloat16 an element is a pair of two consecutive k (see `element_types`), and k counts pairs.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import types

from weft.backends.kernels.jit.compile import external, inlined, overload
from weft.backends.kernels.jit.cpu_features import host_tiling
from weft.backends.kernels.jit.pointers import offset, pointer_to, prefetch_read, stack_floats
from weft.backends.kernels.matmul.element_types import GROUP_VALUES, packed_depth, packed_depth_in, zero_padded
from weft.backends.kernels.matmul.simd_packing import (
    TILE_DEPTH,
    TILE_SIDE,
    TILE_SIZE,
    clear_vector,
    copy_masked,
    copy_vector,
    pack_row,
    pack_two_rows,
    transpose_contiguous_tile,
    transpose_tile,
)

_tiling = host_tiling()
assert _tiling is not None, "the kernels are loaded only where host_tiling() knows the processor"
PANEL = _tiling.columns
"""Columns of a panel."""

PANELS_AT_ONCE = 4
"""Panels that are filled side by side, so that each row of B is read in runs of several cache lines."""


def padded(columns: int) -> int:
    """The number of columns rounded up to whole panels."""
    return -(-columns // PANEL) * PANEL


@cache
def panel_shape(K: int, N: int, dtype: Any) -> tuple[int, int, int]:
    """The shape (panels, k, PANEL) of a packed right operand (K, N)."""
    return padded(N) // PANEL, packed_depth(K, dtype), PANEL


def pack_rhs(b: Any, b_stride: Any, K: Any, N: Any, panels: Any) -> None:
    """Pack B (K, N) with contiguous rows at address b, b_stride elements apart."""


def pack_rhs_transposed(b: Any, b_stride: Any, K: Any, N: Any, panels: Any) -> None:
    """Pack B (K, N) whose transpose (N, K) is at address b, with contiguous rows b_stride elements apart."""


def rhs_from_panels(B: Any, buffer: Any) -> Any:
    """A matrix in panels of float32 as panels of the buffer's element type: B itself, or pairs made in the buffer."""


@inlined
def panels_in(buffer: Any, K: Any, N: Any) -> Any:
    """The beginning of a buffer as the panels of a right operand (K, N)."""
    count, depth = (N + PANEL - 1) // PANEL, packed_depth_in(K, buffer)
    return buffer[: count * depth * PANEL].reshape((count, depth, PANEL))


@inlined
def _store_transposed(tile: Any, depth: Any, destination: Any) -> None:
    """Store the first `depth` columns of a contiguous tile as rows of a panel."""
    transpose_contiguous_tile(tile)
    for k in range(depth):
        copy_vector(offset(tile, k * TILE_SIDE), offset(destination, k * PANEL))


def _pack_floats(b, b_stride, K, N, panels, panel_stride):  # type: ignore[no-untyped-def]
    whole = N // PANEL
    for first in range(0, whole, PANELS_AT_ONCE):
        last = min(whole, first + PANELS_AT_ONCE)
        for k in range(K):
            for i in range(first, last):
                row, destination = offset(b, k * b_stride + i * PANEL), offset(panels, i * panel_stride + k * PANEL)
                for n in range(0, PANEL, TILE_SIDE):
                    copy_vector(offset(row, n), offset(destination, n))
    if whole * PANEL < N:
        for k in range(K):
            row, destination = offset(b, k * b_stride + whole * PANEL), offset(panels, whole * panel_stride + k * PANEL)
            for n in range(0, PANEL, TILE_SIDE):
                copy_masked(offset(row, n), offset(destination, n), N - whole * PANEL - n)


def _pack_pairs(b, b_stride, K, N, panels, panel_stride):  # type: ignore[no-untyped-def]
    whole = N // PANEL
    zeros = np.zeros(N, np.float32)
    first_scratch, second_scratch = np.zeros(TILE_SIDE, np.float32), np.zeros(TILE_SIDE, np.float32)
    for start in range(0, whole, PANELS_AT_ONCE):
        stop = min(whole, start + PANELS_AT_ONCE)
        for k in range(0, K, 2):
            first = offset(b, k * b_stride)
            second = offset(first, b_stride) if k + 1 < K else pointer_to(zeros, 0)
            for i in range(start, stop):
                destination = offset(panels, i * panel_stride + k // 2 * PANEL)
                for n in range(0, PANEL, TILE_SIDE):
                    columns = i * PANEL + n
                    pack_two_rows(offset(first, columns), offset(second, columns), offset(destination, n))
    if whole * PANEL < N:
        for k in range(0, K, 2):
            first = offset(b, k * b_stride)
            second = offset(first, b_stride) if k + 1 < K else pointer_to(zeros, 0)
            destination = offset(panels, whole * panel_stride + k // 2 * PANEL)
            for n in range(whole * PANEL, (whole + 1) * PANEL, TILE_SIDE):
                first_row = zero_padded(offset(first, n), N - n, first_scratch)
                second_row = zero_padded(offset(second, n), N - n, second_scratch)
                pack_two_rows(first_row, second_row, offset(destination, n - whole * PANEL))
    packed, padded_depth = (K + 1) // 2, (K + GROUP_VALUES - 1) // GROUP_VALUES * GROUP_VALUES // 2
    for k in range(packed * PANEL, padded_depth * PANEL, TILE_SIDE):
        for i in range((N + PANEL - 1) // PANEL):
            clear_vector(offset(panels, i * panel_stride + k))


def _pack_transposed_floats(b, b_stride, K, N, panels, panel_stride):  # type: ignore[no-untyped-def]
    tile = stack_floats()
    for i in range((N + PANEL - 1) // PANEL):
        for column in range(i * PANEL, (i + 1) * PANEL, TILE_SIDE):
            for k in range(0, K, TILE_SIDE):
                depth = min(TILE_SIDE, K - k)
                destination = offset(panels, i * panel_stride + k * PANEL + column - i * PANEL)
                for n in range(TILE_SIDE):  # every row is on another page, where the hardware does not prefetch
                    prefetch_read(offset(b, (column + TILE_SIDE + n) * b_stride + k))
                if depth == TILE_SIDE and column + TILE_SIDE <= N:
                    transpose_tile(offset(b, column * b_stride + k), b_stride, destination, PANEL)
                    continue
                for n in range(TILE_SIDE):
                    count = depth if column + n < N else 0
                    copy_masked(offset(b, (column + n) * b_stride + k), offset(tile, n * TILE_SIDE), count)
                _store_transposed(tile, depth, destination)


def _pack_transposed_pairs(b, b_stride, K, N, panels, panel_stride):  # type: ignore[no-untyped-def]
    tile, scratch = np.zeros(TILE_SIZE, np.int32), np.zeros(TILE_DEPTH, np.float32)
    zeros = np.zeros(TILE_DEPTH, np.float32)
    start = pointer_to(tile, 0)
    for i in range((N + PANEL - 1) // PANEL):
        for column in range(i * PANEL, (i + 1) * PANEL, TILE_SIDE):
            for k in range(0, K, TILE_DEPTH):
                depth = min(TILE_DEPTH, K - k)
                for n in range(TILE_SIDE):  # every row is on another page, where the hardware does not prefetch
                    prefetch_read(offset(b, (column + TILE_SIDE + n) * b_stride + k))
                for n in range(TILE_SIDE):
                    row = offset(b, (column + n) * b_stride + k) if column + n < N else pointer_to(zeros, 0)
                    pack_row(zero_padded(row, depth, scratch), offset(start, n * TILE_SIDE))
                destination = offset(panels, i * panel_stride + k // 2 * PANEL + column - i * PANEL)
                pairs = min(TILE_SIDE, (depth + GROUP_VALUES - 1) // GROUP_VALUES * GROUP_VALUES // 2)
                _store_transposed(start, pairs, destination)


def _signature(element: Any) -> Any:
    return types.void(types.CPointer(types.float32), *[types.intp] * 3, types.CPointer(element), types.intp)


_floats = external("weft_pack_rhs_floats", _pack_floats, _signature(types.float32))
_floats_transposed = external("weft_pack_rhs_transposed_floats", _pack_transposed_floats, _signature(types.float32))
_pairs = external("weft_pack_rhs_pairs", _pack_pairs, _signature(types.int32), deferred=True)
_pairs_transposed = external(
    "weft_pack_rhs_transposed_pairs", _pack_transposed_pairs, _signature(types.int32), deferred=True
)


def _by_element_type(floats: Any, pairs: Any) -> Any:
    """An overload that calls one of two external functions, by the element type of the panels."""

    def choose(b: Any, b_stride: Any, K: Any, N: Any, panels: Any) -> Any:
        function = floats if panels.dtype == types.float32 else pairs

        def call(b: Any, b_stride: Any, K: Any, N: Any, panels: Any) -> None:
            function(b, b_stride, K, N, pointer_to(panels, 0), panels.strides[0] // 4)

        return call

    return choose


overload(pack_rhs)(_by_element_type(_floats, _pairs))
overload(pack_rhs_transposed)(_by_element_type(_floats_transposed, _pairs_transposed))


@overload(rhs_from_panels)
def _rhs_from_panels(B: Any, buffer: Any) -> Any:
    def in_place(B: Any, buffer: Any) -> Any:
        return B

    def pairs(B: Any, buffer: Any) -> Any:
        count, K, _columns = B.shape
        panels = panels_in(buffer, K, count * PANEL)
        for i in range(count):
            pack_rhs(pointer_to(B, i * K * PANEL), PANEL, K, PANEL, panels[i : i + 1])
        return panels

    return in_place if buffer.dtype == types.float32 else pairs
