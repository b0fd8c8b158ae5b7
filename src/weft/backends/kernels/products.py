"""Matrix products as this processor does them best, of panels of words (see `words`).

    precision     without matrix tiles        with them
    float32       vectors of float32          the same
    bfloat16      vectors of pairs            tiles of pairs

Sums are float32 everywhere.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.compiling import compile_what_was_left, compiled
from weft.backends.kernels.held_memory import aligned, held
from weft.backends.kernels.left_factor import left_room, words_distance
from weft.backends.kernels.packed_product import multiply_rows, pack_share, right_room
from weft.backends.kernels.panels import PANEL, panel_shape
from weft.backends.kernels.sharing import Segments, Table
from weft.backends.kernels.word_packing import DEPTH, SIDE
from weft.backends.kernels.words import FLOATS, PAIRS

Floats = NDArray[np.float32]


class PanelProducts:
    """Words are float32 numbers, read in the order in which they lie."""

    kind: ClassVar[np.dtype[Any]] = FLOATS

    def shares_units(self, streams: int, workers: int) -> bool:
        """Whether workers had better share hidden units than streams; see `sharing`."""
        return streams < workers

    def step_factor(self, B: Floats, columns: Table, rows: Table) -> NDArray[Any]:
        """Some columns of B (K, N), group by group, as the right factor of the products within a time loop.

        rows: the segments of all workers (see `Segments`), which say where the left factor has each row's column.
        """
        factor = self.empty_step_factor(columns, rows)
        self.fill_step_factor(factor, B, columns, rows, 0, 1)
        return factor

    def empty_step_factor(self, columns: Table, rows: Table) -> NDArray[Any]:
        """Room for it."""
        first, last = rows[:, 0].min(), (rows[:, 0] + rows[:, 1]).max()
        return np.empty((len(columns), *panel_shape(last - first, int(columns[0, 1]), self.kind)), self.kind)

    def fill_step_factor(
        self, factor: NDArray[Any], B: Floats, columns: Table, rows: Table, part: int, parts: int
    ) -> None:
        """Fill that one of so many parts of it; each has some of the columns of every group."""
        first, last = rows[:, 0].min(), (rows[:, 0] + rows[:, 1]).max()
        for group, (column, width) in enumerate(columns.tolist()):
            own, some = share_of(factor.shape[1], column, width, part, parts)
            into_panels(B[first:last, some], factor[group, own])

    def step_room(self, streams: int, segments: Segments) -> NDArray[Any]:
        """Room for two left factors of a time loop, of one step and of the next."""
        return np.empty((2, 0, 0), self.kind)

    def write(self, A: Floats, B: Floats, out: Floats) -> None:
        """out (M, N) = A B; one axis of each factor is contiguous, and the rows of `out`."""
        M, K = A.shape
        multiply_matrices(
            A if by_rows(A) else A.T, not by_rows(A), B if by_rows(B) else B.T, not by_rows(B), out,
            held("left factor", left_room(M, K, self.kind), self.kind),
            held("right factor", right_room(K, self.kind), self.kind),
        )  # fmt: skip


class PairProducts(PanelProducts):
    """Words are pairs of bfloat16 numbers; each worker makes pairs of its own columns of a step's left factor."""

    kind = PAIRS

    def __init__(self) -> None:
        compile_what_was_left()

    def empty_step_factor(self, columns: Table, rows: Table) -> NDArray[Any]:
        _first, count, tile = rows[-1].tolist()
        shape = (len(columns), *panel_shape(tile * DEPTH + count, int(columns[0, 1]), PAIRS))
        factor = aligned(int(np.prod(shape)), PAIRS).reshape(shape)
        factor.fill(0)
        return factor

    def fill_step_factor(
        self, factor: NDArray[Any], B: Floats, columns: Table, rows: Table, part: int, parts: int
    ) -> None:
        for group, (column, width) in enumerate(columns.tolist()):
            own, some = share_of(factor.shape[1], column, width, part, parts)
            for first, count, tile in rows.tolist():
                into_panels(B[first : first + count, some], factor[group, own, tile * SIDE :])

    def step_room(self, streams: int, segments: Segments) -> NDArray[Any]:
        shape = (2, streams, words_distance(segments.k_tiles * DEPTH, PAIRS))
        return aligned(int(np.prod(shape)), PAIRS).reshape(shape)


def share_of(panels: int, column: int, width: int, part: int, parts: int) -> tuple[slice, slice]:
    """Which of so many panels are that one of so many parts, and their columns of B, where `width` columns from
    `column` on lie in these panels."""
    first, last = panels * part // parts, panels * (part + 1) // parts
    return slice(first, last), slice(column + min(first * PANEL, width), column + min(last * PANEL, width))


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
