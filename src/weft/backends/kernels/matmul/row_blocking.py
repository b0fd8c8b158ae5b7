"""How the rows of a product are cut into blocks for which a micro-kernel is compiled.

A core starts two fused multiply-adds a cycle and has the result of each after four. For each k, a block of h rows and
v vectors has h · v multiply-adds. None of them can start before the sum that it adds to is complete, so one k takes

    max(h · v / 2, 4) cycles

With two vectors a block of one row therefore takes as long as a block of four: seven rows are cut into four and three,
not into six and one. On cores that start one multiply-add a cycle the same blocks are as good as any others.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FMA_PER_CYCLE, FMA_LATENCY = 2, 4
BLOCK_OVERHEAD = 0.3
"""Cycles per k that a block costs in addition to its multiply-adds, for a K of about a hundred."""

MAX_ROWS = 40
"""Number of remaining rows from which on the largest block is next."""


def block_cycles(rows: int, vectors: int) -> float:
    """Cycles per k of a block of `rows` rows and `vectors` vectors."""
    return max(rows * vectors / FMA_PER_CYCLE, FMA_LATENCY) + BLOCK_OVERHEAD


def next_row_blocks(row_blocks: Sequence[int], vectors: int) -> NDArray[np.int64]:
    """The rows of the next block by the number of remaining rows, 0 to MAX_ROWS.

    row_blocks: the numbers of rows that micro-kernels are compiled for; 1 must be one of them.
    """
    chosen, fewest = [0], [0.0]
    for remaining in range(1, MAX_ROWS + 1):
        cycles = {
            rows: block_cycles(rows, vectors) + fewest[remaining - rows] for rows in row_blocks if rows <= remaining
        }
        best = min(cycles, key=lambda rows: (round(cycles[rows], 6), -rows))
        chosen.append(best)
        fewest.append(cycles[best])
    chosen[MAX_ROWS] = max(row_blocks)
    return np.array(chosen)
