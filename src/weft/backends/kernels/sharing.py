"""How the workers share the work of a block: streams, each worker on its own, or hidden units, all in step.

As a rule every worker takes some of the streams through the whole block. Where there are fewer streams than workers,
the workers take the same streams and some of the hidden units each, with all gates of these: a core then reads its
share of the weights at every step instead of all. They meet once a step, since each needs the whole h (backward, the
whole da) of the step before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.word_packing import DEPTH, SIDE
from weft.backends.workers import split

Table = NDArray[np.int64]


@dataclass(frozen=True)
class Units:
    """The hidden units of one worker: `count` from `first` on, of H."""

    first: int
    count: int
    H: int

    def columns(self, gates: Sequence[int]) -> Table:
        """Where the units stand in rows of neighbouring gates, each H wide: a row (first column, count) a group."""
        if self.count == self.H:
            return np.array([(gates[0] * self.H, len(gates) * self.H)], np.int64)
        return np.array([(gate * self.H + self.first, self.count) for gate in gates], np.int64)


@dataclass(frozen=True)
class Segments:
    """The columns of a left factor that each worker fills: tables with rows (first column, count, first k tile)."""

    of: list[Table]
    k_tiles: int

    @property
    def all(self) -> Table:
        """The segments of all workers."""
        return np.concatenate(self.of)


def segments(units: Sequence[Units], gates: Sequence[int]) -> Segments:
    """The segments of rows of neighbouring gates, in the order in which their k tiles are laid out."""
    tables, tile = [], 0
    for own in units:
        rows = []
        for first, count in own.columns(gates):
            rows.append((first, count, tile))
            tile += -(-int(count) // DEPTH)
        tables.append(np.array(rows, np.int64))
    return Segments(tables, tile)


def shared_units(H: int, workers: int) -> list[Units]:
    """H units in at most `workers` shares, cut at whole tiles so that little of the last one is wasted."""
    return [
        Units(tiles.start * SIDE, min(tiles.stop * SIDE, H) - tiles.start * SIDE, H)
        for tiles in split(-(-H // SIDE), workers)
    ]
