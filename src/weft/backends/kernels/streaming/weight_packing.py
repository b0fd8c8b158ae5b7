"""Weights packed for streaming: panels of WIDTH columns, all matrices in one array.

    W (K, N)  ->  [panel][k][column]           a packed element is 32 bits: one float32, two bfloat16 or four int8
                                               of consecutive k

One large array is given huge pages by the operating system, which saves TLB misses.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.streaming.plan import WIDTH
from weft.backends.kernels.threads.workspace import aligned

Floats = NDArray[np.float32]
FORMATS: dict[str, tuple[Any, int]] = {"float32": (np.float32, 1), "bfloat16": (np.uint16, 2), "int8": (np.int8, 4)}
"""The array type of weights in each format, and the number of them in a packed element of 32 bits."""

LINE_BYTES, TILE_BYTES = 64, 1024


class WeightPacker:
    """Collects matrices and constants; `finish` makes one array of each. Offsets are those in these arrays."""

    def __init__(self, weight_format: str) -> None:
        self.dtype, self.values_per_element = FORMATS[weight_format]
        self._weights: list[tuple[int, NDArray[Any]]] = []
        self._constants: list[Floats] = []
        self._size = self._constants_size = 0

    def add_constants(self, values: NDArray[Any]) -> int:
        """Add values (M,), float32 or int32, with zeros up to a whole panel. Returns their offset."""
        padded = np.zeros(-(-len(values) // WIDTH) * WIDTH, values.dtype)
        padded[: len(values)] = values
        self._constants.append(padded.view(np.float32))
        self._constants_size += len(padded)
        return self._constants_size - len(padded)

    def add_matrix(self, weights: NDArray[Any], scales: Floats) -> list[int]:
        """Add weights (K, N) as panels, with the scales (N,) of the columns. Returns the matrix fields of the plan."""
        K, N = weights.shape
        values, depth, panels = self.values_per_element, -(-K // self.values_per_element), -(-N // WIDTH)
        padded = np.zeros((depth * values, panels * WIDTH), self.dtype)
        padded[:K, :N] = weights
        # One cache line between panels: panels that are read side by side then use different cache sets.
        stride = depth * values * WIDTH + LINE_BYTES // padded.itemsize
        packed = np.zeros((panels, stride), self.dtype)
        split = padded.reshape(depth, values, panels, WIDTH).transpose(2, 0, 3, 1)
        packed[:, : depth * values * WIDTH] = split.reshape(panels, -1)
        sums = weights.sum(axis=0, dtype=np.int32) if self.dtype == np.int8 else np.zeros(1, np.int32)
        return [self._add(packed), stride, depth, self.add_constants(scales), self.add_constants(sums)]

    def add_rows(self, weights: NDArray[Any], scales: Floats) -> list[int]:
        """Add weights (V, D) row by row, with the scales (V,) of the rows. Returns the matrix fields of the plan."""
        return [self._add(weights), weights.shape[1], 0, self.add_constants(scales), 0]

    def finish(self) -> tuple[NDArray[Any], Floats]:
        """The weights, with a tile of zeros at the end, since a tile may read past a panel, and the constants."""
        weights = aligned(self._size + TILE_BYTES // np.dtype(self.dtype).itemsize, self.dtype)
        weights[self._size :] = 0
        for start, part in self._weights:
            weights[start : start + part.size] = part.reshape(-1)
        return weights, np.concatenate(self._constants)

    def _add(self, weights: NDArray[Any]) -> int:
        start = self._size
        self._weights.append((start, weights))
        line = LINE_BYTES // weights.itemsize
        self._size += -(-weights.size // line) * line
        return start
