"""The products within a time loop: C += A B, where B was packed before the loop, as panels or as tiles.

A is h or da of a step, which several workers may fill together, each some of its columns: `put` makes tiles, or pairs
of bfloat16, of a worker's own columns, and once all have met, everybody multiplies with all of them. What B is, is
known from its type when a loop is compiled, so that the loops are written once.
"""

from __future__ import annotations

from typing import Any

from numba import types

from weft.backends.kernels.compiling import overloading, within_kernels
from weft.backends.kernels.left_factor import ALL, LeftFactor, put_pairs
from weft.backends.kernels.micro_kernel import pointer_to, shift
from weft.backends.kernels.panel_product import multiply
from weft.backends.kernels.panels import PANEL
from weft.backends.kernels.tile_packing import SIDE
from weft.backends.kernels.tile_product import multiply_tiles
from weft.backends.kernels.tiles import pack_rows_at

TILE_DIMENSIONS = 5
"""Dimensions of factors in tiles: groups of columns, tiles, k tiles, terms, cells. Panels have one less."""


@within_kernels
def even_share(M: Any, row_tiles: Any) -> Any:
    """The height of tiles over which M rows are spread evenly."""
    return (M + row_tiles - 1) // row_tiles


@within_kernels
def put_tiles(a: Any, a_row: Any, M: Any, segments: Any, room: Any) -> None:
    height = even_share(M, room.shape[0])
    for s in range(segments.shape[0]):
        first, K, tile = segments[s, 0], segments[s, 1], segments[s, 2]
        k_tiles = (K + 31) // 32
        pack_rows_at(shift(a, first), a_row, M, K, height, room[:, tile : tile + k_tiles], False)


@within_kernels
def accumulate_tiles(M: Any, B: Any, columns: Any, c: Any, c_row: Any, room: Any) -> None:
    for g in range(columns.shape[0]):
        first, N = columns[g, 0], columns[g, 1]
        multiply_tiles(room, even_share(M, room.shape[0]), M, B[g], N, shift(c, first), c_row, False)


def put(a: Any, a_row: Any, M: Any, segments: Any, B: Any, room: Any) -> None:
    """Make ready the columns of A (M rows, at address a) that `segments` names: first column, count, k tile."""


def accumulate(a: Any, a_row: Any, M: Any, B: Any, columns: Any, c: Any, c_row: Any, room: Any) -> None:
    """C += A B for every group of columns of C: each first column and count; B: one factor a group."""


@overloading(put)
def _put(a: Any, a_row: Any, M: Any, segments: Any, B: Any, room: Any) -> Any:
    if B.ndim == TILE_DIMENSIONS:

        def tiles(a: Any, a_row: Any, M: Any, segments: Any, B: Any, room: Any) -> None:
            put_tiles(a, a_row, M, segments, room)

        return tiles

    def pairs(a: Any, a_row: Any, M: Any, segments: Any, B: Any, room: Any) -> None:
        for s in range(segments.shape[0]):
            words = pointer_to(room, segments[s, 2] * SIDE)
            put_pairs(shift(a, segments[s, 0]), a_row, M, segments[s, 1], words, room.shape[1])

    def nothing(a: Any, a_row: Any, M: Any, segments: Any, B: Any, room: Any) -> None:
        pass  # panels of float32 are multiplied with A as it lies

    return nothing if B.dtype == types.float32 else pairs


@overloading(accumulate)
def _accumulate(a: Any, a_row: Any, M: Any, B: Any, columns: Any, c: Any, c_row: Any, room: Any) -> Any:
    if B.ndim == TILE_DIMENSIONS:

        def tiles(a: Any, a_row: Any, M: Any, B: Any, columns: Any, c: Any, c_row: Any, room: Any) -> None:
            accumulate_tiles(M, B, columns, c, c_row, room)

        return tiles

    def pairs(a: Any, a_row: Any, M: Any, B: Any, columns: Any, c: Any, c_row: Any, room: Any) -> None:
        left = LeftFactor(pointer_to(room, 0), room.shape[1], 1, ALL, 0)
        for g in range(columns.shape[0]):
            multiply(left, M, 2 * B.shape[2], B[g], columns[g, 1], shift(c, columns[g, 0]), c_row, PANEL, False)

    def floats(a: Any, a_row: Any, M: Any, B: Any, columns: Any, c: Any, c_row: Any, room: Any) -> None:
        left = LeftFactor(a, a_row, 1, ALL, 0)
        for g in range(columns.shape[0]):
            multiply(left, M, B.shape[2], B[g], columns[g, 1], shift(c, columns[g, 0]), c_row, PANEL, False)

    return floats if B.dtype == types.float32 else pairs
