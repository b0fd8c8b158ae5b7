"""How the rows of a product are cut into blocks for which there is a micro-kernel.

A processor starts two multiply-adds in a cycle, and has the sum of one after four; for each k, a block of h rows and v
vectors has h · v of them, none of which can start before the sum that it adds to is there. So a k takes

    max(h · v / 2, 4) cycles

and with two vectors a block of one row takes as long as one of four: seven rows are four and three, not six and one.
Where only one is started in a cycle, the same blocks are none the worse.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

STARTED_A_CYCLE, LATENCY = 2, 4
A_CALL = 0.3
"""What a block costs beside its multiply-adds, in the same unit, for a k of about a hundred."""

MOST = 40
"""From so many rows on, the highest block comes next."""


def cycles(height: int, vectors: int) -> float:
    """What a block of such a height takes for each k."""
    return max(height * vectors / STARTED_A_CYCLE, LATENCY) + A_CALL


def next_heights(heights: Sequence[int], vectors: int) -> NDArray[np.int64]:
    """The height of the next block when so many rows are left, 0 to MOST; among them is a height of one."""
    chosen, least = [0], [0.0]
    for rows in range(1, MOST + 1):
        costs = {height: cycles(height, vectors) + least[rows - height] for height in heights if height <= rows}
        best = min(costs, key=lambda height: (round(costs[height], 6), -height))
        chosen.append(best)
        least.append(costs[best])
    chosen[MOST] = max(heights)
    return np.array(chosen)
