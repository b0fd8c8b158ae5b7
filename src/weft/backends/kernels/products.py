"""Matrix products as this processor does them best.

    precision     without matrix tiles                           with them
    float32       panels of float32                              three bfloat16 terms a number, six products: the same
                                                                 rounding, twice as fast; small ones by the library
    bfloat16      panels of bfloat16 pairs                       one term a number

Sums are float32 everywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.compiling import compile_what_was_left, compiled
from weft.backends.kernels.held_memory import held
from weft.backends.kernels.left_factor import left_room
from weft.backends.kernels.packed_product import multiply_rows, pack_share, right_room
from weft.backends.kernels.panels import PANEL, panel_shape
from weft.backends.kernels.sharing import Segments, Table
from weft.backends.kernels.tile_packing import DEPTH, SIDE
from weft.backends.kernels.tile_product import multiply_into
from weft.backends.kernels.tiles import Tiles, pack_right, tile_count
from weft.backends.kernels.words import FLOATS, PAIRS

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

    def step_factor(self, B: Floats, columns: Table, rows: Table) -> NDArray[Any]:
        """Some columns of B (K, N), group by group, as the right factor of the products within a time loop.

        rows: the segments of all workers (see `Segments`), which say where the left factor has each row's column.
        """
        factor = self.empty_step_factor(columns, rows)
        self.fill_step_factor(factor, B, columns, rows, 0, 1)
        return factor

    @abstractmethod
    def empty_step_factor(self, columns: Table, rows: Table) -> NDArray[Any]:
        """Room for it."""

    @abstractmethod
    def fill_step_factor(
        self, factor: NDArray[Any], B: Floats, columns: Table, rows: Table, part: int, parts: int
    ) -> None:
        """Fill that one of so many parts of it; each has some of the columns of every group."""

    @abstractmethod
    def step_room(self, streams: int, segments: Segments) -> NDArray[Any]:
        """Room for two left factors of a time loop, of one step and of the next."""

    @abstractmethod
    def write(self, left: Factor, right: Factor, out: Floats) -> None:
        """out (M, N) = left · right; the rows of `out` are contiguous."""


class PanelProducts(Products):
    """Panels of words: float32 numbers, read in the order in which they lie, or pairs of bfloat16 numbers."""

    kind: ClassVar[np.dtype[Any]] = FLOATS

    def shares_units(self, H: int, gates: int, streams: int, workers: int) -> bool:
        return streams < workers

    def empty_step_factor(self, columns: Table, rows: Table) -> NDArray[Any]:
        first, last = rows[:, 0].min(), (rows[:, 0] + rows[:, 1]).max()
        return np.empty((len(columns), *panel_shape(last - first, int(columns[0, 1]), self.kind)), self.kind)

    def fill_step_factor(
        self, factor: NDArray[Any], B: Floats, columns: Table, rows: Table, part: int, parts: int
    ) -> None:
        first, last = rows[:, 0].min(), (rows[:, 0] + rows[:, 1]).max()
        for group, (column, width) in enumerate(columns.tolist()):
            own, some = share_of(factor.shape[1], PANEL, column, width, part, parts)
            into_panels(B[first:last, some], factor[group, own])

    def step_room(self, streams: int, segments: Segments) -> NDArray[Any]:
        return np.empty((2, 0, 0), self.kind)

    def write(self, left: Factor, right: Factor, out: Floats) -> None:
        A, B = left.array, right.array
        M, K = A.shape
        multiply_matrices(
            A if by_rows(A) else A.T, not by_rows(A), B if by_rows(B) else B.T, not by_rows(B), out,
            held("left factor", left_room(M, K, self.kind), self.kind),
            held("right factor", right_room(K, self.kind), self.kind),
        )  # fmt: skip


class PairProducts(PanelProducts):
    """Panels of pairs; each worker makes pairs of its own columns of a step's left factor."""

    kind = PAIRS

    def __init__(self) -> None:
        compile_what_was_left()

    def empty_step_factor(self, columns: Table, rows: Table) -> NDArray[Any]:
        _first, count, tile = rows[-1].tolist()
        return np.zeros((len(columns), *panel_shape(tile * DEPTH + count, int(columns[0, 1]), PAIRS)), PAIRS)

    def fill_step_factor(
        self, factor: NDArray[Any], B: Floats, columns: Table, rows: Table, part: int, parts: int
    ) -> None:
        for group, (column, width) in enumerate(columns.tolist()):
            own, some = share_of(factor.shape[1], PANEL, column, width, part, parts)
            for first, count, tile in rows.tolist():
                into_panels(B[first : first + count, some], factor[group, own, tile * SIDE :])

    def step_room(self, streams: int, segments: Segments) -> NDArray[Any]:
        return np.empty((2, streams, segments.k_tiles * SIDE), PAIRS)


class LibraryProducts(PanelProducts):
    """float32 by the linear algebra library, and by panels within the time loop."""

    def write(self, left: Factor, right: Factor, out: Floats) -> None:
        np.matmul(left.array, right.array, out=out)


class TileProducts(LibraryProducts):
    """Tiles of `terms` bfloat16 terms a number; small products as in float32."""

    def __init__(self, terms: int) -> None:
        self.terms = terms

    def shares_units(self, H: int, gates: int, streams: int, workers: int) -> bool:
        return workers > 1 and (gates * H * H * 2 * self.terms > CACHED_BYTES or streams < workers)

    def empty_step_factor(self, columns: Table, rows: Table) -> NDArray[Any]:
        k_tiles = sum(tile_count(0, count)[1] for _first, count, _tile in rows.tolist())
        tiles = tile_count(int(columns[0, 1]), 0)[0]
        return Tiles(self.terms).empty_cells((len(columns), tiles, k_tiles))

    def fill_step_factor(
        self, factor: NDArray[Any], B: Floats, columns: Table, rows: Table, part: int, parts: int
    ) -> None:
        for group, (column, width) in enumerate(columns.tolist()):
            own, some = share_of(factor.shape[1], SIDE, column, width, part, parts)
            for first, count, tile in rows.tolist():
                block = factor[group, own, tile : tile + tile_count(0, count)[1]]
                pack_right(B[first : first + count, some], block)

    def step_room(self, streams: int, segments: Segments) -> NDArray[Any]:
        return Tiles(self.terms).empty_cells((2, tile_count(streams, 0)[0], segments.k_tiles))

    def write(self, left: Factor, right: Factor, out: Floats) -> None:
        if self._is_small(left, right):
            super().write(left, right, out)
            return
        a = left.tiles = left.tiles or Tiles(self.terms, left.role + " left").set_left(left.array)
        b = right.tiles = right.tiles or Tiles(self.terms, right.role + " right").set_right(right.array)
        multiply_into(a.cells, a.height, a.rows, b.cells, b.rows, out)

    def _is_small(self, left: Factor, right: Factor) -> bool:
        M, N = left.array.shape[0], right.array.shape[1]
        return bool(WORTH_TILES[self.terms] * (M + N) > M * N)


def share_of(pieces: int, size: int, column: int, width: int, part: int, parts: int) -> tuple[slice, slice]:
    """Which of `pieces` panels or tiles of `size` columns are that one of so many parts, and their columns of B, where
    `width` columns from `column` on lie in these pieces."""
    first, last = pieces * part // parts, pieces * (part + 1) // parts
    return slice(first, last), slice(column + min(first * size, width), column + min(last * size, width))


def by_rows(matrix: Floats) -> bool:
    """Whether rows are what is contiguous in a matrix; else columns are."""
    return bool(matrix.strides[1] == matrix.itemsize)


def into_panels(B: Floats, factor: NDArray[Any]) -> None:
    """Fill the panels of B (K, N), of which one axis is contiguous."""
    pack_share(B if by_rows(B) else B.T, not by_rows(B), factor, 0, 1)


@compiled
def multiply_matrices(
    A: Any, A_transposed: Any, B: Any, B_transposed: Any, C: Any, left_words: Any, right_words: Any
) -> None:  # fmt: skip
    """C = A B; see `multiply_rows`."""
    K = A.shape[0] if A_transposed else A.shape[1]
    multiply_rows(A, A_transposed, K, B, B_transposed, C, True, left_words, right_words)
