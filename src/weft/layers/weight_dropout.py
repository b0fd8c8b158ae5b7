"""Weight dropout: recurrent weights are dropped, not activations (DropConnect, Wan et al. 2013).

    W_h = m * V_h,  m = 0 with probability ratio, else 1 / (1 - ratio)          dV_h = m * dW_h

V_h are the weights that are trained and W_h those that a block multiplies with. One mask (H, G·H) for all steps and
streams of a block leaves the time loop as it is, whatever runs it (Merity, Keskar & Socher 2018).
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from weft.backends import Array, random_generator
from weft.layers.cell import Cell
from weft.layers.dropout import check_ratio

if TYPE_CHECKING:
    import numpy as np


class WeightDropout:
    """What a `TimeRecurrent` asks for the cell of the next block: `forward(cell) -> cell`; `backward(dWh)` in place.

    `rng` is a `numpy.random.Generator`; without one it makes its own.
    """

    def __init__(self, ratio: float, rng: np.random.Generator | None = None) -> None:
        check_ratio(ratio)
        self.ratio = ratio
        self.rng = rng
        self.mask: Array = None

    def forward(self, cell: Cell) -> Cell:
        """A cell with W_h in place of V_h, whose gradients go into the arrays of `cell`; `cell` stays as it is."""
        Wx, Vh, *others = cell.params
        self.rng = self.rng or random_generator()
        self.mask = cell.backend.keep_mask(Vh.shape, self.ratio, self.rng, Vh.dtype)
        dropped = copy.copy(cell)
        dropped.params = [Wx, Vh * self.mask, *others]
        return dropped

    def backward(self, dWh: Array) -> None:
        dWh *= self.mask
