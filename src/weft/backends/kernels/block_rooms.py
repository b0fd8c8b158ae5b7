"""Room for the passes of a block on panels: how it is cut up, the same for all blocks of one shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.held_memory import MOST_SHAPES, held
from weft.backends.kernels.left_factor import left_room, words_distance
from weft.backends.kernels.packed_product import right_room
from weft.backends.kernels.panels import panel_shape
from weft.backends.kernels.word_packing import SIDE
from weft.backends.kernels.words import FLOATS, row_distance

Loop = tuple[NDArray[Any], ...]
Room = tuple[tuple[Loop, ...], NDArray[Any], NDArray[Any]]
"""What the products of a time loop need, and every share's words for left and for right factors."""

SMALL_WEIGHTS = 40_000
"""Weights of a layer up to which every share packs them for itself, which takes less time than waiting for others."""


class BlockRooms:
    """Room for blocks of N streams, T steps, D inputs and H units in so many shares, and words of one kind.

    factors: the gates (first, count) of `gates` whose columns of W_h are packed together. To be had by `block_rooms`.
    """

    def __init__(
        self, shares: int, kind: np.dtype[Any], gates: int, factors: Sequence[tuple[int, int]],
        N: int, T: int, D: int, H: int,
    ) -> None:  # fmt: skip
        self.shares, self.kind, self.factors = shares, kind, factors
        self.N, self.T, self.D, self.H = N, T, D, H
        self.width = gates * H
        self.copies = shares if (D + H) * self.width <= SMALL_WEIGHTS else 1
        """How many times W_h is packed."""
        self.inputs, self.gates = int(row_distance(D)), int(row_distance(self.width))
        """From one row of x, and of the gates, to the next."""

    def forward(self) -> Room:
        """Room for the pass forward."""
        H = self.H
        loops = [
            self._loop(index, (H, count * H), (first * H, count * H), (0, H))
            for index, (first, count) in enumerate(self.factors)
        ]
        left, right = left_room(self.T * self.N, self.D, self.kind), right_room(self.D, self.kind)
        return tuple(loops), self._words("left", left), self._words("right", right)

    def backward(self) -> Room:
        """Room for the pass backward."""
        H, R = self.H, self.T * self.N
        loops = [
            self._loop(index, (count * H, H), (0, H), (first * H, count * H))
            for index, (first, count) in enumerate(self.factors)
        ]
        left = max(left_room(*shape, self.kind) for shape in ((self.D, R), (H, R), (R, self.width)))
        right = right_room(max(R, self.width), self.kind)
        return tuple(loops), self._words("left", left), self._words("right", right)

    def _words(self, name: str, words: int) -> NDArray[Any]:
        """Room of so many words for each share."""
        words = -(-words // SIDE) * SIDE
        return held(f"block {name}", self.shares * words, self.kind).reshape(self.shares, words)

    def _loop(self, index: int, factor: tuple[int, int], columns: tuple[int, int], segment: tuple[int, int]) -> Loop:
        """What one product of a time loop needs: room for its right factor (K, N), which columns of C it is added to,
        which columns of the left factor it has, and room for two of these."""
        shape = (self.copies, *panel_shape(*factor, self.kind))
        words = 0 if self.kind == FLOATS else words_distance(factor[0], self.kind)
        streams = -(-self.N // self.shares)
        steps = held(f"block steps {index}", self.shares * 2 * streams * words, self.kind)
        return (
            held(f"block Wh {index}", math.prod(shape), self.kind).reshape(shape),
            _table(*columns),
            _table(*segment, 0),
            steps.reshape(self.shares, 2, streams, words),
        )


block_rooms = lru_cache(MOST_SHAPES)(BlockRooms)
"""The same object for the same arguments."""


def _table(*row: int) -> NDArray[np.int64]:
    """The table with this row."""
    return np.array([row], np.int64)
