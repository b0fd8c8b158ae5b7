"""The recurrent weights of a block, packed by all workers together where they need the same.

Workers that share streams, not units, multiply with the same weights at every step. Each packs some of them and waits
for the others, which takes less time than packing all, and a worker's share of the memory. For small weights waiting is
what would cost more: then each worker packs its own.
"""

from __future__ import annotations

import threading
from typing import Any

from numpy.typing import NDArray

from weft.backends.kernels.meeting import Meeting
from weft.backends.kernels.products import Floats, PanelProducts
from weft.backends.kernels.sharing import Table

WORTH_SHARING = 250_000
"""Weights from which on packing all of them takes longer than packing a part and waiting."""


class RecurrentWeights:
    """W_h, or its transpose backward, in one pass through a block, for so many groups of workers."""

    def __init__(self, array: Floats, products: PanelProducts, groups: int) -> None:
        self.array, self.products, self.groups = array, products, groups
        self.meeting = Meeting(groups)
        self._lock = threading.Lock()
        self._factors: dict[tuple[bytes, bytes], NDArray[Any]] = {}

    def packed(self, group: int, columns: Table, rows: Table) -> NDArray[Any]:
        """`PanelProducts.step_factor`, which every group asks for, each by its number and with equal tables."""
        if self.groups == 1 or self.array.size < WORTH_SHARING:
            return self.products.step_factor(self.array, columns, rows)
        key = columns.tobytes(), rows.tobytes()
        with self._lock:
            if key not in self._factors:
                self._factors[key] = self.products.empty_step_factor(columns, rows)
            factor = self._factors[key]
        self.products.fill_step_factor(factor, self.array, columns, rows, group, self.groups)
        self.meeting.wait()
        self._factors.pop(key, None)  # all have it by now, and it goes when the last of them is done with it
        return factor
