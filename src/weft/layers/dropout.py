"""Dropout (Srivastava et al. 2014): in training, values are set to zero at random and the others are scaled up.

    y = x * m,  m = 0 with probability ratio, otherwise 1 / (1 - ratio)          dx = dy * m

so that the mean of y is x. The layers differ in what shares an element of the mask m:

    TimeDropout        nothing: every activation x (N, T, D) has its own              m (N, T, D)
    LockedDropout      the steps of a block (Gal & Ghahramani 2016)                   m (N, 1, D)
    EmbeddingDropout   all occurrences of a token type v in a block                   m (V,),     x_t = m[id_t] W[id_t]
    WeightDropout      streams and steps of a block: weights are dropped instead      m (H, G·H), W_h = m * V_h

Noise that is the same at every step of a block cannot be averaged out by the recurrence. Masks are drawn for every
block.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from weft.backends import Array, backend_of, random_generator
from weft.errors import InputError
from weft.layers.cell import Cell
from weft.layers.layer import Layer

if TYPE_CHECKING:
    import numpy as np


class TimeDropout(Layer):
    """`forward(xs) -> ys` and `backward(dys) -> dxs`, for any shape; with `train_flg` False, ys is xs.

    `rng` is a `numpy.random.Generator`; without one the layer creates its own, seeded by the system. Raises InputError
    for a ratio outside [0, 1).
    """

    def __init__(self, ratio: float = 0.5, rng: np.random.Generator | None = None) -> None:
        super().__init__()
        check_ratio(ratio)
        self.ratio = ratio
        self.train_flg = True
        self.rng = rng
        self.mask: Array = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.ratio})"

    def forward(self, xs: Array) -> Array:
        if not self.train_flg or self.ratio == 0:
            self.mask = None
            return xs
        self.rng = self.rng or random_generator()
        self.mask = backend_of(xs).keep_mask(self.mask_shape(xs), self.ratio, self.rng, xs.dtype)
        return xs * self.mask

    def backward(self, dys: Array) -> Array:
        return dys if self.mask is None else dys * self.mask

    def mask_shape(self, xs: Array) -> tuple[int, ...]:
        """The shape of the mask for `xs`: one element per activation."""
        return tuple(xs.shape)


class LockedDropout(TimeDropout):
    """`TimeDropout` with one mask (N, 1, D) for all steps of a block `xs (N, T, D)`, also called variational."""

    def mask_shape(self, xs: Array) -> tuple[int, ...]:
        N, _T, D = xs.shape
        return N, 1, D


class EmbeddingDropout(Layer):
    """Drops whole rows of an embedding (Gal & Ghahramani 2016; Merity, Keskar & Socher 2018).

    `forward(xs (N, T, D), ids (N, T)) -> ys (N, T, D)`, where xs are the embedding's rows for the ids;
    `backward(dys) -> dxs`. Mask elements are drawn only for token types that occur in the block. `rng` and errors: as
    `TimeDropout`.
    """

    def __init__(self, ratio: float, rng: np.random.Generator | None = None) -> None:
        super().__init__()
        check_ratio(ratio)
        self.ratio = ratio
        self.rng = rng
        self.mask: Array = None

    def __repr__(self) -> str:
        return f"EmbeddingDropout({self.ratio})"

    def forward(self, xs: Array, ids: Array) -> Array:
        if self.ratio == 0:
            return xs
        self.rng = self.rng or random_generator()
        backend = backend_of(xs)
        xp = backend.xp
        types, places = xp.unique_inverse(xp.reshape(ids, (-1,)))
        of_types = backend.keep_mask(types.shape, self.ratio, self.rng, xs.dtype)
        self.mask = xp.reshape(xp.take(of_types, xp.reshape(places, (-1,)), axis=0), (*ids.shape, 1))
        return xs * self.mask

    def backward(self, dys: Array) -> Array:
        return dys if self.ratio == 0 else dys * self.mask


class WeightDropout:
    """Drops recurrent weights (DropConnect, Wan et al. 2013; Merity, Keskar & Socher 2018).

        W_h = m * V_h          dV_h = m * dW_h

    V_h are the trained weights and W_h those that a block is computed with, so the time loop and fused kernels are as
    without dropout. A `TimeRecurrent` calls `forward(cell) -> cell` before a block and `backward(dWh)` after it. `rng`
    and errors: as `TimeDropout`.
    """

    def __init__(self, ratio: float, rng: np.random.Generator | None = None) -> None:
        check_ratio(ratio)
        self.ratio = ratio
        self.rng = rng
        self.mask: Array = None

    def __repr__(self) -> str:
        return f"WeightDropout({self.ratio})"

    def forward(self, cell: Cell) -> Cell:
        """A copy of `cell` with W_h in place of V_h that writes its gradients into the arrays of `cell`."""
        Wx, Vh, *others = cell.params
        self.rng = self.rng or random_generator()
        self.mask = cell.backend.keep_mask(Vh.shape, self.ratio, self.rng, Vh.dtype)
        dropped = copy.copy(cell)
        dropped.params = [Wx, Vh * self.mask, *others]
        return dropped

    def backward(self, dWh: Array) -> None:
        """Turn dW_h into dV_h in place."""
        dWh *= self.mask


def check_ratio(ratio: float) -> None:
    """Raise InputError for a ratio outside [0, 1)."""
    if not 0 <= ratio < 1:
        raise InputError(f"dropout ratio must lie in [0, 1), got {ratio!r}")
