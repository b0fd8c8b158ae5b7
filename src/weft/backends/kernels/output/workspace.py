"""Room for the sweeps of the output layer on panels: how a share's is cut up, the same in all steps of one shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.jit.compile import inlined
from weft.backends.kernels.jit.dtypes import FLOATS
from weft.backends.kernels.matmul.element_types import row_stride
from weft.backends.kernels.matmul.pack_lhs import lhs_buffer_size
from weft.backends.kernels.matmul.pack_rhs import PANEL, padded, panel_shape
from weft.backends.kernels.matmul.simd_packing import TILE_SIDE
from weft.backends.kernels.threads.workspace import MAX_SHAPES, buffer

Floats = NDArray[np.float32]

H_ROWS, W_PANELS, H_COLUMNS, H_PANELS, X_WORDS, END_OF_WORDS = range(6)
"""Words: of h as a left factor; of W as a right one; of f h by its columns and as a right one; of dx as either."""
SCORES, SUMS, BIASES, SCALED_H, END_OF_NUMBERS = range(6, 11)
"""Numbers: the scores, of all columns or of a block; sums of exponentials (R, PANEL); a block's biases; f h."""

BASE, TOTAL, TARGET, FACTOR, RECORDS = range(5)
"""Records of a row in a share: base and Σ e, see `panel_scores`; the score of its target; f, see `output_panels`."""

LARGE_VOCABULARY = 4096
"""From so many tokens on threads share out the vocabulary, however many rows there are."""
NEAR_SCORES, NARROWEST, WIDEST = 204_800, 160, 288
"""Scores of a block, which have to stay near, and its columns: with more of them dh is added to less often."""


@inlined
def room_at(room: Any, places: Any, what: Any) -> Any:
    """That part of a share's room."""
    return room[places[what] : places[what + 1]]


@inlined
def rows_at(room: Any, places: Any, what: Any, count: Any, size: Any) -> Any:
    """The same as so many rows of a size."""
    return room[places[what] : places[what] + count * size].reshape((count, size))


@dataclass(frozen=True, eq=False)
class OutputWorkspace:
    """by_rows: whether a share is some rows, not some columns; width: columns of a block, whole panels; places: where
    the parts of a share's words and numbers begin."""

    by_rows: bool
    width: int
    places: NDArray[np.int64]
    rows: int
    chunks: int
    kind: np.dtype[Any]

    def all(self) -> tuple[NDArray[Any], Floats, Floats]:
        """Room for each share's words (shares, …) and numbers (shares, …), for the records (RECORDS, shares, R)."""
        return (
            self._held("words", (self.chunks, int(self.places[END_OF_WORDS])), self.kind),
            self._held("numbers", (self.chunks, int(self.places[END_OF_NUMBERS])), FLOATS),
            self._held("records", (RECORDS, self.chunks, self.rows), FLOATS),
        )

    def _held(self, name: str, shape: tuple[int, ...], kind: np.dtype[Any]) -> NDArray[Any]:
        return buffer(f"output {name}", math.prod(shape), kind).reshape(shape)


@lru_cache(MAX_SHAPES)
def output_workspace(R: int, H: int, V: int, chunks: int, kind: np.dtype[Any], keep: bool) -> OutputWorkspace:
    """Room for h (R, H) and W (H, V); keep: for all scores, not for those of a block only."""
    width = max(NARROWEST, min(NEAR_SCORES // max(R, 1) // PANEL * PANEL, WIDEST))
    by_rows = V < R and V < LARGE_VOCABULARY
    rows, columns = (-(-R // chunks), padded(V)) if by_rows else (R, padded(-(-V // chunks)))
    pairs_only = 0 if kind == FLOATS else 1
    words = [
        pairs_only * lhs_buffer_size(R, H, kind),
        max(math.prod(panel_shape(H, width, kind)), math.prod(panel_shape(width, H, kind))),
        lhs_buffer_size(H, R, kind),
        math.prod(panel_shape(R, H, kind)),
        pairs_only * max(lhs_buffer_size(R, width, kind), math.prod(panel_shape(R, width, kind))),
    ]
    numbers = [rows * (columns if keep else min(width, columns)), R * PANEL, width, R * int(row_stride(H))]
    return OutputWorkspace(by_rows, width, np.array([*_starts(words), *_starts(numbers)]), R, chunks, kind)


def _starts(sizes: Sequence[int]) -> list[int]:
    """Where parts of these sizes begin, one after the other on cache lines, and where the last one ends."""
    starts = [0]
    for size in sizes:
        starts.append(starts[-1] + -(-size // TILE_SIDE) * TILE_SIDE)
    return starts
