"""Embedding dropout: whole rows of the embedding, and so whole words, are dropped.

    x = m[id] * W[id],  m[v] = 0 with probability ratio, else 1 / (1 - ratio)          dW[id] += m[id] * dx

One number for each token type v and block: a word is dropped wherever it occurs in the block, or nowhere (Gal &
Ghahramani 2016; Merity, Keskar & Socher 2018). Only for the types that occur is a number drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weft.backends import Array, backend_of, random_generator
from weft.layers.dropout import check_ratio
from weft.layers.layer import Layer

if TYPE_CHECKING:
    import numpy as np


class EmbeddingDropout(Layer):
    """What follows an embedding: `forward(xs (N, T, D), ids (N, T)) -> ys (N, T, D)`; `backward(dys) -> dxs`.

    xs are the rows of W for the ids. `rng` is a `numpy.random.Generator`; without one the layer makes its own.
    """

    def __init__(self, ratio: float, rng: np.random.Generator | None = None) -> None:
        super().__init__()
        check_ratio(ratio)
        self.ratio = ratio
        self.rng = rng
        self.mask: Array = None

    def forward(self, xs: Array, ids: Array) -> Array:
        if self.ratio == 0:
            return xs
        self.rng = self.rng or random_generator()
        backend = backend_of(xs)
        xp = backend.xp
        types, place = xp.unique_inverse(xp.reshape(ids, (-1,)))
        of_types = backend.keep_mask(types.shape, self.ratio, self.rng, xs.dtype)
        self.mask = xp.reshape(xp.take(of_types, xp.reshape(place, (-1,)), axis=0), (*ids.shape, 1))
        return xs * self.mask

    def backward(self, dys: Array) -> Array:
        return dys if self.ratio == 0 else dys * self.mask
