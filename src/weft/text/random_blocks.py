"""Blocks of random length (Merity, Keskar and Socher 2018), so that no token is always the first of its block.

    m = T with probability 0.95, else T / 2
    length = max(5, ⌊x⌋),  x normal with mean m and standard deviation 5

No gradient flows from the first token of a block to earlier tokens. With blocks of one length, these are the same
tokens in every pass through the text. The length of a block is a function of the seed and of the position at which the
block begins, so a saved position is enough to resume.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from weft.text.batches import Blocks
from weft.text.tokens import TokenIds

PROBABILITY_OF_FULL = 0.95
STANDARD_DEVIATION = 5.0
SHORTEST = 5


class RandomBlocks(Blocks):
    """`Blocks` of random length around `block_length`, T. Raises InputError as `Blocks` does.

    seed              seed of the lengths
    blocks_per_epoch  the number of blocks of mean length in one pass through the text
    """

    def __init__(
        self,
        ids: TokenIds | Sequence[int],
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
        mean = self._block_length if rng.random() < PROBABILITY_OF_FULL else self._block_length / 2
        return max(SHORTEST, math.floor(rng.normal(mean, STANDARD_DEVIATION)))


def mean_length(block_length: int) -> float:
    """The expected length of a block for T = `block_length`, in time steps."""
    return PROBABILITY_OF_FULL * _mean_around(block_length) + (1 - PROBABILITY_OF_FULL) * _mean_around(block_length / 2)


def _mean_around(mean: float) -> float:
    """E[max(s, ⌊x⌋)] = s + Σ_{k > s} P(x >= k) for a normal x with mean `mean`; s is the shortest length."""
    longest = math.ceil(max(mean, SHORTEST) + 10 * STANDARD_DEVIATION)
    scale = STANDARD_DEVIATION * math.sqrt(2)
    return SHORTEST + sum(math.erfc((k - mean) / scale) / 2 for k in range(SHORTEST + 1, longest))
