"""Room for the passes of a block on panels: how it is cut up, the same for all blocks of one shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.jit.dtypes import FLOATS
from weft.backends.kernels.matmul.element_types import row_stride
from weft.backends.kernels.matmul.gemm import rhs_buffer_size
from weft.backends.kernels.matmul.pack_lhs import lhs_buffer_size, packed_row_stride
from weft.backends.kernels.matmul.pack_rhs import panel_shape
from weft.backends.kernels.matmul.partition import column_range
from weft.backends.kernels.matmul.simd_packing import TILE_SIDE
from weft.backends.kernels.threads.workspace import MAX_SHAPES, buffer

Loop = tuple[NDArray[Any], ...]
Room = tuple[tuple[Loop, ...], NDArray[np.int64], NDArray[Any], NDArray[Any]]
"""What the products of a time loop need, every share's hidden units (first, count), and every share's words for left
and for right factors."""

SMALL_WEIGHTS = 40_000
"""Weights of a layer up to which every share packs them for itself, which takes less time than waiting for others."""


class BlockWorkspace:
    """Room for blocks of N streams, T steps, D inputs and H units in so many shares, and words of one kind.

    factors: the gates (first, count) of `gates` whose columns of W_h are multiplied with the same. To be had by
    `block_workspace`.
    """

    def __init__(
        self, chunks: int, kind: np.dtype[Any], gates: int, factors: Sequence[tuple[int, int]],
        N: int, T: int, D: int, H: int,
    ) -> None:  # fmt: skip
        self.chunks, self.kind, self.factors = chunks, kind, factors
        self.N, self.T, self.D, self.H = N, T, D, H
        self.width = gates * H
        self.groups = chunks if chunks <= N else 1
        """Groups of streams: one for each share; or one, of whose hidden units each share has some."""
        self.copies = chunks if self.groups < chunks or (D + H) * self.width <= SMALL_WEIGHTS else 1
        """How many times W_h is packed, or parts of it are."""
        self.units = np.array([self._units(chunk) for chunk in range(chunks)], np.int64)
        self.inputs, self.gates = int(row_stride(D)), int(row_stride(self.width))
        """From one row of x, and of the gates, to the next."""

    def _units(self, chunk: int) -> tuple[int, int]:
        """The first hidden unit of a share, and how many it has: whole panels of columns."""
        if self.groups == self.chunks:
            return 0, self.H
        first, last = column_range(self.H, chunk, self.chunks)
        return first, last - first

    def forward(self) -> Room:
        """Room for the pass forward."""
        H = self.H
        loops = []
        for index, (first, count) in enumerate(self.factors):
            gates = range(first, first + count)
            columns = [[(gate * H + unit, units) for gate in gates] for unit, units in self.units.tolist()]
            if self.groups == self.chunks:
                columns = [[(first * H, count * H)]] * self.chunks
            loops.append(self._loop(index, H, columns, (0, H)))
        left, right = lhs_buffer_size(self.T * self.N, self.D, self.kind), rhs_buffer_size(self.D, self.kind)
        return tuple(loops), self.units, self._words("left", left), self._words("right", right)

    def backward(self) -> Room:
        """Room for the pass backward."""
        H, R = self.H, self.T * self.N
        columns = [[units] for units in self.units.tolist()]
        loops = [
            self._loop(index, count * H, columns, (first * H, count * H))
            for index, (first, count) in enumerate(self.factors)
        ]
        left = max(lhs_buffer_size(*shape, self.kind) for shape in ((self.D, R), (H, R), (R, self.width)))
        right = rhs_buffer_size(max(R, self.width), self.kind)
        return tuple(loops), self.units, self._words("left", left), self._words("right", right)

    def _words(self, name: str, words: int) -> NDArray[Any]:
        """Room of so many words for each share."""
        words = -(-words // TILE_SIDE) * TILE_SIDE
        return buffer(f"block {name}", self.chunks * words, self.kind).reshape(self.chunks, words)

    def _loop(self, index: int, K: int, columns: Sequence[Sequence[Sequence[int]]], source: tuple[int, int]) -> Loop:
        """What one product of a time loop needs: room for its right factors of K rows, one for every group of columns
        that a share has (first, count) of what the product is added to; these columns; which columns of what is
        multiplied there are the left factor; and room for it."""
        table = np.array(columns, np.int64)
        shape = (self.copies, table.shape[1], *panel_shape(K, int(table[..., 1].max()), self.kind))
        words = 0 if self.kind == FLOATS else packed_row_stride(K, self.kind)
        streams = -(-self.N // self.groups)
        steps = buffer(f"block steps {index}", self.chunks * streams * words, self.kind)
        return (
            buffer(f"block Wh {index}", math.prod(shape), self.kind).reshape(shape),
            table,
            np.array(source, np.int64),
            steps.reshape(self.chunks, streams, words),
        )


block_workspace = lru_cache(MAX_SHAPES)(BlockWorkspace)
"""The same object for the same arguments."""
