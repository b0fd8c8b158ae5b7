"""Dropout: while training, each activation is set to zero with probability `ratio`, the others are scaled up.

    y = x * m,  m = 0 with probability ratio, else 1 / (1 - ratio)          dx = dy * m

so that the mean of y is x (Srivastava et al. 2014, in its inverted form).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weft.backends import Array, backend_of, random_generator
from weft.errors import InputError
from weft.layers.layer import Layer

if TYPE_CHECKING:
    import numpy as np


class TimeDropout(Layer):
    """`forward(xs) -> ys` and `backward(dys) -> dxs`, of any shape; with `train_flg` False, x passes as it is.

    `rng` is a `numpy.random.Generator`; without one the layer makes its own, seeded by the system.
    """

    def __init__(self, ratio: float = 0.5, rng: np.random.Generator | None = None) -> None:
        super().__init__()
        check_ratio(ratio)
        self.ratio = ratio
        self.train_flg = True
        self.rng = rng
        self.mask: Array = None

    def forward(self, xs: Array) -> Array:
        if not self.train_flg or self.ratio == 0:
            self.mask = None
            return xs
        self.rng = self.rng or random_generator()
        self.mask = backend_of(xs).keep_mask(self.mask_shape(xs), self.ratio, self.rng, xs.dtype)
        return xs * self.mask

    def mask_shape(self, xs: Array) -> tuple[int, ...]:
        """What is drawn for `xs`: a number for each activation."""
        return tuple(xs.shape)

    def backward(self, dys: Array) -> Array:
        return dys if self.mask is None else dys * self.mask


def check_ratio(ratio: float) -> None:
    """Raise InputError unless some share, but not all, can be dropped."""
    if not 0 <= ratio < 1:
        raise InputError(f"dropout ratio must lie in [0, 1), got {ratio!r}")
