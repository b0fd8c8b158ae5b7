"""Embedding: a token id picks a row of the matrix W.

    x = W[id]                       dW[id] += dx, for every occurrence of id

W (V, D): one row a token type. The gradient of rows that were not picked is zero.
"""

from __future__ import annotations

import math
from typing import Any

from weft.backends import Array, DeduplicatedInputs
from weft.errors import InputError
from weft.layers.layer import Layer, check_shape
from weft.layers.sparse_gradient import RowGradient

MOST_DISTINCT, FEWEST_IDS = 0.75, 200
"""Share of different ids in a block up to which working with these alone is faster, and how many ids are worth it."""
IDS_A_ROW = 4
"""From so many ids for each row of W on, nobody looks which of them differ: all rows are worked with."""


class Embedding(Layer):
    """Rows of W for token ids.

    `forward(ids (N,)) -> x (N, D)`; `backward(dx (N, D)) -> None`, since ids have no gradient. `params` is [W].
    """

    def __init__(self, W: Array) -> None:
        check_shape("W of an embedding", W, ("V", "D"))
        super().__init__(W)

    def forward(self, ids: Array) -> Array:
        check_shape("ids", ids, ("N",))
        self.ids = ids
        return self.rows(ids)

    def backward(self, dx: Array) -> None:
        (dW,) = self.grads
        check_shape("dx", dx, (self.ids.shape[0], dW.shape[1]))
        dW[...] = 0
        self.backend.add_rows(dW, self.ids, dx)

    def rows(self, ids: Array) -> Array:
        """The embeddings of ids of any shape; raises InputError for an id outside [0, V)."""
        return self._rows(self.xp.reshape(ids, (-1,)), ids.shape)

    def _rows(self, ids: Array, shape: tuple[int, ...]) -> Array:
        """The embeddings of ids (K,), in another shape."""
        (W,) = self.params
        self._check(ids)
        return self.xp.reshape(self.backend.take_rows(W, ids), (*shape, W.shape[1]))

    def _check(self, ids: Array) -> None:
        (W,) = self.params
        lowest, highest = self.backend.bounds(ids)
        if lowest < 0 or highest >= W.shape[0]:
            raise InputError(f"token ids must lie in [0, {W.shape[0]}), got {lowest if lowest < 0 else highest}")


class TimeEmbedding(Embedding):
    """The same for a block: `forward(ids (N, T)) -> xs (N, T, D)`; `backward(dxs (N, T, D)) -> None`."""

    def forward(self, ids: Array) -> Array:
        check_shape("ids", ids, ("N", "T"))
        self.ids = self.xp.reshape(ids, (-1,))
        return self._rows(self.ids, ids.shape)

    def backward(self, dxs: Array) -> None:
        super().backward(self.xp.reshape(dxs, (-1, dxs.shape[-1])))


class TimeRowEmbedding(TimeEmbedding):
    """`TimeEmbedding` whose gradient, `grads[0]`, is a `RowGradient`: a matrix of V rows is never made for it."""

    def __init__(self, W: Array) -> None:
        super().__init__(W)
        none = self.xp.asarray([], dtype=self.xp.int64)
        self._different: Array | None = None
        self._all: Array | None = None
        self.grads: list[Any] = [RowGradient(tuple(W.shape), none, W[:0])]

    def may_repeat(self, ids: Array) -> bool:
        """Whether a block is so large that looking for ids that repeat is worth it."""
        return int(math.prod(ids.shape)) >= FEWEST_IDS

    def has_few_rows(self, ids: Array) -> bool:
        """Whether all of W are as good as those of its rows that a block reads."""
        return bool(IDS_A_ROW * self.params[0].shape[0] <= math.prod(ids.shape))

    def forward_rows(self, ids: Array) -> Array | DeduplicatedInputs:
        """`forward`, as `DeduplicatedInputs` if ids repeat often; `backward` then takes the gradient of the values."""
        check_shape("ids", ids, ("N", "T"))
        (W,) = self.params
        self._check(ids)
        if self.has_few_rows(ids):
            if self._all is None:
                self._all = self.xp.arange(W.shape[0])
            self._different = self._all
            return DeduplicatedInputs(W, ids)
        different, places = self.backend.unique(ids, W.shape[0])
        if different.shape[0] > MOST_DISTINCT * ids.shape[0] * ids.shape[1]:
            return self.forward(ids)
        self._different = different
        return DeduplicatedInputs(self.xp.take(W, different, axis=0), places)

    def forward(self, ids: Array) -> Array:
        self._different = None
        return super().forward(ids)

    @property
    def last_read(self) -> tuple[Array | None, Array | None]:
        """What `backward` will need to know of the ids."""
        return (self.ids, None) if self._different is None else (None, self._different)

    def take_again(self, read: tuple[Array | None, Array | None]) -> None:
        """Let `last_read` be this again."""
        self.ids, self._different = read

    def backward(self, dxs: Array) -> None:
        (W,) = self.params
        if self._different is not None:
            self.grads[0] = RowGradient(tuple(W.shape), self._different, dxs)
            return
        rows, sums = self.backend.sum_rows(self.ids, self.xp.reshape(dxs, (-1, W.shape[1])))
        self.grads[0] = RowGradient(tuple(W.shape), rows, sums)
