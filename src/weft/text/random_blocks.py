"""Blocks whose length varies randomly (Merity, Keskar and Socher 2018), so that no token always stands at an edge.

    m = T with probability 0.95, else T / 2
    length = max(5, ⌊x⌋),  x normal with mean m and standard deviation 5

With blocks of one length the first token of a block never sends a gradient back, and it is the same token in every pass
whose blocks fall alike. The length of a block is a function of the seed and of the position at which it begins, so a
position alone says how the blocks go on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.text.batches import Blocks

SHARE_OF_LONG = 0.95
STANDARD_DEVIATION = 5.0
SHORTEST = 5


class RandomBlocks(Blocks):
    """`Blocks` of random length around `block_length`, T; raises InputError as they do.

    blocks_per_epoch   of as many blocks as have the length of one pass on average
    """

    def __init__(
        self,
        ids: NDArray[np.integer[Any]] | Sequence[int],
        batch_size: int,
        block_length: int,
        seed: int,
        position: int = 0,
    ) -> None:
        super().__init__(ids, batch_size, block_length, position)
        self._seed = seed
        self.blocks_per_epoch = max(1, round(len(self._ids) / (batch_size * mean_length(block_length))))

    def _length_at(self, position: int) -> int:
        rng = np.random.default_rng((self._seed, position))
        mean = self._block_length if rng.random() < SHARE_OF_LONG else self._block_length / 2
        return max(SHORTEST, math.floor(rng.normal(mean, STANDARD_DEVIATION)))


def mean_length(block_length: int) -> float:
    """The expected length of a block around T = `block_length`."""
    return SHARE_OF_LONG * _mean_around(block_length) + (1 - SHARE_OF_LONG) * _mean_around(block_length / 2)


def _mean_around(mean: float) -> float:
    """E[max(s, ⌊x⌋)] = s + Σ_{k > s} P(x >= k) for a normal x, s the shortest length."""
    longest = math.ceil(max(mean, SHORTEST) + 10 * STANDARD_DEVIATION)
    scale = STANDARD_DEVIATION * math.sqrt(2)
    return SHORTEST + sum(math.erfc((k - mean) / scale) / 2 for k in range(SHORTEST + 1, longest))
