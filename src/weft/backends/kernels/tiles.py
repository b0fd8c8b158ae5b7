"""Matrices as bfloat16 tiles, the form in which products of bfloat16 numbers are fast.

A bfloat16 number is the upper half of a float32: 8 bits of precision, the same range. Three of them hold a float32,
x = x₁ + x₂ + x₃ with x₁ the bfloat16 nearest to x and x₂ the one nearest to what is left, so that a product of float32
numbers is a sum of products of bfloat16 numbers, which processors with matrix tiles do many times faster than float32
ones (Henry, Tang & Heinecke 2019). One term a number is the precision "bfloat16", three terms are "float32".

The product C = A B works on tiles of 32 bit a cell, each cell a pair of neighbouring k:

    A in tiles of 16 rows x 16 pairs          B in tiles of 16 pairs x 16 columns

        row 0   (k0 k1) (k2 k3) … (k30 k31)       pair 0    (k0 k1) of column 0, (k0 k1) of column 1, …
        row 1   …                                 pair 1    (k2 k3) of column 0, …

One is the other transposed, cell by cell. Both lie as [row or column tile][k tile][term][16][16] cells, filled up with
zeros; a tile is 1 KB and begins on a cache line.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import carray
from numpy.typing import NDArray

from weft.backends.kernels.compiling import compiled
from weft.backends.kernels.held_memory import aligned, held
from weft.backends.kernels.micro_kernel import pointer_to, shift
from weft.backends.kernels.tile_packing import CELLS, DEPTH, SIDE, pack_pair, pack_row, transpose_tile

Cells = NDArray[np.int32]


def tile_count(rows: int, K: int, height: int = SIDE) -> tuple[int, int]:
    """Row (or column) tiles and k tiles of a matrix."""
    return -(-rows // height), -(-K // DEPTH)


class Tiles:
    """One matrix in tiles.

    role: this thread's memory for that role is used (see `held`), so that the tiles are there until the next matrix of
    the role; without one the tiles have memory of their own. `cells` is (tiles, k tiles, terms, 256); `rows` rows of
    the matrix are spread evenly over the tiles, `height` on each, so that little is wasted on a last short tile.
    """

    def __init__(self, terms: int, role: str | None = None) -> None:
        self.terms, self.role = terms, role
        self.rows = self.height = 0
        self.cells: Cells = np.empty((0, 0, terms, CELLS), np.int32)

    def set_left(self, A: NDArray[np.float32]) -> Tiles:
        """Hold A (M, K), of which one axis is contiguous, as the left factor."""
        M, K = A.shape
        self._make_room(M, K, -(-M // tile_count(M, K)[0]))
        if A.strides[1] == A.itemsize:
            pack_rows(A, self.height, self.cells, False)
        else:
            pack_columns(A.T, self.height, self.cells, True)
        return self

    def set_right(self, B: NDArray[np.float32]) -> Tiles:
        """Hold B (K, N), of which one axis is contiguous, as the right factor."""
        K, N = B.shape
        self._make_room(N, K, SIDE)
        pack_right(B, self.cells)
        return self

    def empty_cells(self, shape: tuple[int, ...]) -> Cells:
        """Tiles of this kind without content, and without a matrix they belong to: (*shape, terms, 256)."""
        full = (*shape, self.terms, CELLS)
        return aligned(math.prod(full), np.int32).reshape(full)

    def _make_room(self, rows: int, K: int, height: int) -> None:
        tiles, k_tiles = tile_count(rows, K, height)
        size = tiles * k_tiles * self.terms * CELLS
        room = aligned(size, np.int32) if self.role is None else held(self.role, size, np.int32)
        self.rows, self.height = rows, height
        self.cells = room.reshape(tiles, k_tiles, self.terms, CELLS)


def pack_right(B: NDArray[np.float32], cells: Cells) -> None:
    """The tiles of a right factor B (K, N), of which one axis is contiguous."""
    if B.strides[1] == B.itemsize:
        pack_columns(B, SIDE, cells, False)
    else:
        pack_rows(B.T, SIDE, cells, True)


@compiled
def pack_rows(A: Any, height: Any, cells: Any, turned: Any) -> None:
    """A (M, K), its rows contiguous: tiles of `height` rows and 16 pairs, or these transposed."""
    pack_rows_at(pointer_to(A, 0), A.strides[0] // 4, A.shape[0], A.shape[1], height, cells, turned)


@compiled
def pack_rows_at(a: Any, a_row: Any, M: Any, K: Any, height: Any, cells: Any, turned: Any) -> None:
    """The same for a matrix given by its address and the distance of its rows."""
    tiles, k_tiles, terms, _cells = cells.shape
    tile_distance, k_distance = cells.strides[0] // 4, cells.strides[1] // 4
    edge = np.zeros(DEPTH, np.float32)
    for tile in range(tiles):
        for kt in range(k_tiles):
            k_count = min(DEPTH, K - kt * DEPTH)
            start = tile * tile_distance + kt * k_distance
            for r in range(height):
                m = tile * height + r
                row = shift(a, m * a_row + kt * DEPTH)
                if m >= M or k_count < DEPTH:
                    row = copy_to_edge(row, k_count if m < M else 0, edge)
                pack_row(row, pointer_to(cells, start + r * SIDE), terms)
            if turned:
                for term in range(terms):
                    transpose_tile(pointer_to(cells, start + term * CELLS))


@compiled
def pack_columns(B: Any, width: Any, cells: Any, turned: Any) -> None:
    """B (K, N), its rows contiguous: tiles of 16 pairs and `width` columns, or these transposed."""
    pack_columns_at(pointer_to(B, 0), B.strides[0] // 4, B.shape[0], B.shape[1], width, cells, turned)


@compiled
def pack_columns_at(b: Any, b_row: Any, K: Any, N: Any, width: Any, cells: Any, turned: Any) -> None:
    """The same for a matrix given by its address and the distance of its rows."""
    tiles, k_tiles, terms, _cells = cells.shape
    tile_distance, k_distance = cells.strides[0] // 4, cells.strides[1] // 4
    first_edge, second_edge = np.zeros(SIDE, np.float32), np.zeros(SIDE, np.float32)
    for tile in range(tiles):
        count = min(width, N - tile * width)
        for kt in range(k_tiles):
            start = tile * tile_distance + kt * k_distance
            for p in range(SIDE):
                k = kt * DEPTH + 2 * p
                first = shift(b, k * b_row + tile * width)
                second = shift(first, b_row)
                if count < SIDE or k + 1 >= K:
                    first = copy_to_edge(first, count if k < K else 0, first_edge)
                    second = copy_to_edge(second, count if k + 1 < K else 0, second_edge)
                pack_pair(first, second, pointer_to(cells, start + p * SIDE), terms)
            if turned:
                for term in range(terms):
                    transpose_tile(pointer_to(cells, start + term * CELLS))


@compiled
def copy_to_edge(source: Any, count: Any, edge: Any) -> Any:
    """The address of `edge`, which is `count` elements of the source and zeros after them."""
    if count > 0:
        edge[:count] = carray(source, count)
    edge[count:] = 0
    return pointer_to(edge, 0)
