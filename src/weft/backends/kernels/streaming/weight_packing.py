"""Weights as streaming reads them: packed into panels of cells, all in one array.

One array because large ones get large pages of memory, which the processor finds its way about in faster.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.streaming.skinny_gemm import WIDTH
from weft.backends.kernels.threads.workspace import aligned

Floats = NDArray[np.float32]
TYPES: dict[str, tuple[Any, int]] = {"float32": (np.float32, 1), "bfloat16": (np.uint16, 2), "int8": (np.int8, 4)}
"""What the numbers are, and how many a cell of 32 bits holds, by the kind of weights."""

LINE, TILE = 64, 1024


class Packing:
    """Matrices in one array `weights`, and what else is known of them in `constants`, both filled by `done`."""

    def __init__(self, kind: str) -> None:
        self.dtype, self.in_a_cell = TYPES[kind]
        self._weights: list[tuple[int, NDArray[Any]]] = []
        self._constants: list[Floats] = []
        self._size = self._constants_size = 0

    def constant(self, values: NDArray[Any]) -> int:
        """Keep values (M,) and zeros up to a whole panel; where they begin. Whole numbers are kept as they are."""
        room = np.zeros(-(-len(values) // WIDTH) * WIDTH, values.dtype)
        room[: len(values)] = values
        self._constants.append(room.view(np.float32))
        self._constants_size += len(room)
        return self._constants_size - len(room)

    def matrix(self, numbers: NDArray[Any], scales: Floats) -> list[int]:
        """Keep (K, N) as panels; the five words that `stream_product` knows a matrix by."""
        K, N = numbers.shape
        depth, cells, panels = self.in_a_cell, -(-K // self.in_a_cell), -(-N // WIDTH)
        padded = np.zeros((cells * depth, panels * WIDTH), self.dtype)
        padded[:K, :N] = numbers
        # A line between panels, so that those read side by side do not all fall on the same places of the cache.
        distance = cells * depth * WIDTH + LINE // padded.itemsize
        room = np.zeros((panels, distance), self.dtype)
        split = padded.reshape(cells, depth, panels, WIDTH).transpose(2, 0, 3, 1)
        room[:, : cells * depth * WIDTH] = split.reshape(panels, -1)
        sums = numbers.sum(axis=0, dtype=np.int32) if self.dtype == np.int8 else np.zeros(1, np.int32)
        return [self._keep(room), distance, cells, self.constant(scales), self.constant(sums)]

    def rows(self, numbers: NDArray[Any], scales: Floats) -> list[int]:
        """Keep (V, D) row by row, under the same words."""
        return [self._keep(numbers), numbers.shape[1], 0, self.constant(scales), 0]

    def done(self) -> tuple[NDArray[Any], Floats]:
        """The two arrays. Behind the last weights there are as many zeros as a tile reads beyond a panel."""
        weights = aligned(self._size + TILE // np.dtype(self.dtype).itemsize, self.dtype)
        weights[self._size :] = 0
        for start, part in self._weights:
            weights[start : start + part.size] = part.reshape(-1)
        return weights, np.concatenate(self._constants)

    def _keep(self, numbers: NDArray[Any]) -> int:
        start = self._size
        self._weights.append((start, numbers))
        line = LINE // numbers.itemsize
        self._size += -(-numbers.size // line) * line
        return start
