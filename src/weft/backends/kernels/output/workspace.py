"""Workspace of the sweeps of the output layer: the same buffers for every call of one shape."""

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

H_ROWS, W_PANELS, H_COLUMNS, H_PANELS, X_PACKED, END_OF_PACKED = range(6)
"""Packed operands: h as a left operand; W as a right one; f h by columns, and as a right one; dx as either."""
SCORES, SUMS, BIASES, SCALED_H, END_OF_SCRATCH = range(6, 11)
"""float32 scratch: the scores of all columns or of a block; sums of exponentials (R, PANEL); a block's biases; f h."""

BASE, TOTAL, TARGET, TARGET_EXP, FACTOR, RECORDS = range(6)
"""Records of a row in a chunk: base and Σ e, see `exponentials`; x and e of its target; f, see `sweeps`."""

LARGE_VOCABULARY = 4096
"""Vocabulary size from which on a chunk is some columns, whatever the number of rows."""
NEAR_SCORES, NARROWEST, WIDEST = 204_800, 160, 288
"""Largest number of scores of a block that stays in the cache, and the limits of its number of columns."""


@inlined
def buffer_at(buffer: Any, starts: Any, part: Any) -> Any:
    """One part of a chunk's buffer, for example H_ROWS."""
    return buffer[starts[part] : starts[part + 1]]


@inlined
def rows_at(buffer: Any, starts: Any, part: Any, count: Any, size: Any) -> Any:
    """The beginning of a part of a chunk's buffer as an array (count, size)."""
    return buffer[starts[part] : starts[part] + count * size].reshape((count, size))


@dataclass(frozen=True, eq=False)
class OutputWorkspace:
    """Buffers for the sweeps over one shape, made by `output_workspace`.

    by_rows: True if a chunk is some rows, not some columns; width: columns of a block, whole panels; starts: where the
    parts of a chunk's packed operands and of its scratch begin; dtype: of the packed operands.
    """

    by_rows: bool
    width: int
    starts: NDArray[np.int64]
    rows: int
    chunks: int
    dtype: np.dtype[Any]

    def all(self) -> tuple[NDArray[Any], Floats, Floats]:
        """Packed operands (chunks, …), scratch (chunks, …) and records (RECORDS, chunks, R)."""
        return (
            self._buffer("packed", (self.chunks, int(self.starts[END_OF_PACKED])), self.dtype),
            self._buffer("scratch", (self.chunks, int(self.starts[END_OF_SCRATCH])), FLOATS),
            self._buffer("records", (RECORDS, self.chunks, self.rows), FLOATS),
        )

    def _buffer(self, role: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
        return buffer(f"output {role}", math.prod(shape), dtype).reshape(shape)


@lru_cache(MAX_SHAPES)
def output_workspace(R: int, H: int, V: int, chunks: int, dtype: np.dtype[Any], keep: bool) -> OutputWorkspace:
    """The workspace for h (R, H) and W (H, V); keep: has space for all scores, not only for those of a block."""
    width = max(NARROWEST, min(NEAR_SCORES // max(R, 1) // PANEL * PANEL, WIDEST))
    by_rows = V < R and V < LARGE_VOCABULARY
    rows, columns = (-(-R // chunks), padded(V)) if by_rows else (R, padded(-(-V // chunks)))
    pairs_only = 0 if dtype == FLOATS else 1
    packed = [
        pairs_only * lhs_buffer_size(R, H, dtype),
        max(math.prod(panel_shape(H, width, dtype)), math.prod(panel_shape(width, H, dtype))),
        lhs_buffer_size(H, R, dtype),
        math.prod(panel_shape(R, H, dtype)),
        pairs_only * max(lhs_buffer_size(R, width, dtype), math.prod(panel_shape(R, width, dtype))),
    ]
    scratch = [rows * (columns if keep else min(width, columns)), R * PANEL, width, R * int(row_stride(H))]
    return OutputWorkspace(by_rows, width, np.array([*_starts(packed), *_starts(scratch)]), R, chunks, dtype)


def _starts(sizes: Sequence[int]) -> list[int]:
    """Where consecutive parts of these sizes begin, each on a cache line, and where the last one ends."""
    starts = [0]
    for size in sizes:
        starts.append(starts[-1] + -(-size // TILE_SIDE) * TILE_SIDE)
    return starts
