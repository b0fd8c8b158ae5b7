"""Matrix products as this processor does them best: in float32 by the linear algebra library, or in bfloat16 tiles.

    precision     without matrix tiles                                   with them
    float32       large products by the library, those of a time step    three bfloat16 terms a number, six products:
                  by the micro-kernel                                    the same rounding, twice as fast
    bfloat16      —                                                      one term a number

Sums are float32 everywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.product import packed, packed_transposed
from weft.backends.kernels.sharing import Segments, Table
from weft.backends.kernels.tile_product import multiply_into
from weft.backends.kernels.tiles import Tiles, pack_right, tile_count

Floats = NDArray[np.float32]

WORTH_TILES = {1: 24, 3: 64}
"""Terms -> M·N / (M + N) of a product (M, K)(K, N) from which on tiles save more than putting the factors into them
costs."""

CACHED_BYTES = 1_500_000
"""Recurrent weights up to this size stay in a core's second cache from step to step."""


class Factor:
    """A left factor (M, K) or a right factor (K, N). `role` names the place where its tiles are kept until the next
    factor of that role in the same thread."""

    def __init__(self, array: Floats, role: str) -> None:
        self.array, self.role = array, role
        self.tiles: Tiles | None = None


class Products(ABC):
    """How matrices are multiplied."""

    @abstractmethod
    def shares_units(self, H: int, gates: int, streams: int, workers: int) -> bool:
        """Whether workers had better share hidden units than streams; see `sharing`."""

    @abstractmethod
    def step_factor(self, B: Floats, columns: Table, rows: Table) -> NDArray[Any]:
        """Some columns of B (K, N), group by group, as the right factor of the products within a time loop.

        rows: the segments of all workers (see `Segments`), which say where the left factor has each row's column.
        """

    @abstractmethod
    def step_room(self, streams: int, segments: Segments) -> NDArray[Any]:
        """Room for two left factors of a time loop, of one step and of the next."""

    @abstractmethod
    def write(self, left: Factor, right: Factor, out: Floats) -> None:
        """out (M, N) = left · right; the rows of `out` are contiguous."""

    @abstractmethod
    def add(self, left: Factor, right: Factor, out: Floats) -> None:
        """out (M, N) += left · right; the rows of `out` are contiguous."""


class FloatProducts(Products):
    """float32 by the linear algebra library and the micro-kernel."""

    def shares_units(self, H: int, gates: int, streams: int, workers: int) -> bool:
        return False  # a panel of one worker's columns would reach into its neighbour's

    def step_factor(self, B: Floats, columns: Table, rows: Table) -> NDArray[Any]:
        ((column, width),) = columns
        ((row, count, _tile),) = rows
        B = B[row : row + count, column : column + width]
        panels = packed(B) if B.strides[1] == B.itemsize else packed_transposed(np.ascontiguousarray(B.T))
        return panels[np.newaxis]

    def step_room(self, streams: int, segments: Segments) -> NDArray[Any]:
        return np.empty((2, 0, 0, 1, 0), np.int32)

    def write(self, left: Factor, right: Factor, out: Floats) -> None:
        np.matmul(left.array, right.array, out=out)

    def add(self, left: Factor, right: Factor, out: Floats) -> None:
        out += left.array @ right.array


class TileProducts(FloatProducts):
    """Tiles of `terms` bfloat16 terms a number; small products as in float32."""

    def __init__(self, terms: int) -> None:
        self.terms = terms

    def shares_units(self, H: int, gates: int, streams: int, workers: int) -> bool:
        return workers > 1 and (gates * H * H * 2 * self.terms > CACHED_BYTES or streams < workers)

    def step_factor(self, B: Floats, columns: Table, rows: Table) -> NDArray[Any]:
        k_tiles = sum(tile_count(0, count)[1] for _first, count, _tile in rows.tolist())
        tiles = tile_count(int(columns[0, 1]), 0)[0]
        cells = Tiles(self.terms).empty_cells((len(columns), tiles, k_tiles))
        for group, (column, width) in enumerate(columns.tolist()):
            for first, count, tile in rows.tolist():
                block = cells[group][:, tile : tile + tile_count(0, count)[1]]
                pack_right(B[first : first + count, column : column + width], block)
        return cells

    def step_room(self, streams: int, segments: Segments) -> NDArray[Any]:
        return Tiles(self.terms).empty_cells((2, tile_count(streams, 0)[0], segments.k_tiles))

    def write(self, left: Factor, right: Factor, out: Floats) -> None:
        if self._is_small(left, right):
            super().write(left, right, out)
        else:
            self._multiply(left, right, out, True)

    def add(self, left: Factor, right: Factor, out: Floats) -> None:
        if self._is_small(left, right):
            super().add(left, right, out)
        else:
            self._multiply(left, right, out, False)

    def _multiply(self, left: Factor, right: Factor, out: Floats, fresh: bool) -> None:
        a = left.tiles = left.tiles or Tiles(self.terms, left.role + " left").set_left(left.array)
        b = right.tiles = right.tiles or Tiles(self.terms, right.role + " right").set_right(right.array)
        multiply_into(a.cells, a.height, a.rows, b.cells, b.rows, out, fresh)

    def _is_small(self, left: Factor, right: Factor) -> bool:
        M, N = left.array.shape[0], right.array.shape[1]
        return bool(WORTH_TILES[self.terms] * (M + N) > M * N)
