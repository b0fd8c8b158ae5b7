"""Embedding: the row of a matrix for each token id.

    x = W[id]                       dW[id] += dx, for every occurrence of id

W (V, D): one row per token type. The gradient of all other rows is zero.
"""

from __future__ import annotations

from typing import Any

from weft.backends import Array, token_ids
from weft.errors import InputError
from weft.layers.layer import Layer, check_shape
from weft.layers.sparse_gradient import RowGradient


class Embedding(Layer):
    """`forward(ids (N,)) -> x (N, D)`; `backward(dx (N, D)) -> None`, since ids have no gradient. `params` is [W].

    Raises InputError for arrays of other shapes, and for ids that are not integers in [0, V).
    """

    def __init__(self, W: Array) -> None:
        check_shape("W of an embedding", W, ("V", "D"))
        super().__init__(W)

    def forward(self, ids: Array) -> Array:
        ids = token_ids(self.backend, ids)
        check_shape("ids", ids, ("N",))
        self.ids = ids
        return self.rows(ids)

    def backward(self, dx: Array) -> None:
        (dW,) = self.grads
        check_shape("dx", dx, (self.ids.shape[0], dW.shape[1]))
        dW[...] = 0
        self.backend.add_rows(dW, self.ids, dx)

    def rows(self, ids: Array) -> Array:
        """W[ids] (…, D) for ids of any shape; raises InputError for ids that are not integers in [0, V)."""
        ids = token_ids(self.backend, ids)
        return self._rows(self.xp.reshape(ids, (-1,)), ids.shape)

    def _rows(self, ids: Array, shape: tuple[int, ...]) -> Array:
        """W[ids] for ids (K,), reshaped to (*shape, D)."""
        (W,) = self.params
        self._check(ids)
        return self.xp.reshape(self.backend.take_rows(W, ids), (*shape, W.shape[1]))

    def _check(self, ids: Array) -> None:
        (W,) = self.params
        if 0 in ids.shape:
            return
        lowest, highest = self.backend.bounds(ids)
        if lowest < 0 or highest >= W.shape[0]:
            raise InputError(f"token ids must lie in [0, {W.shape[0]}), got {lowest if lowest < 0 else highest}")


class TimeEmbedding(Embedding):
    """`Embedding` for a block: `forward(ids (N, T)) -> xs (N, T, D)`; `backward(dxs (N, T, D)) -> None`."""

    def forward(self, ids: Array) -> Array:
        ids = token_ids(self.backend, ids)
        check_shape("ids", ids, ("N", "T"))
        self.ids = self.xp.reshape(ids, (-1,))
        return self._rows(self.ids, ids.shape)

    def backward(self, dxs: Array) -> None:
        super().backward(self.xp.reshape(dxs, (-1, dxs.shape[-1])))


class TimeRowEmbedding(TimeEmbedding):
    """`TimeEmbedding` whose gradient `grads[0]` is a `RowGradient`, so that no gradient of V rows is allocated."""

    def __init__(self, W: Array) -> None:
        super().__init__(W)
        no_rows = self.xp.asarray([], dtype=self.xp.int64)
        self.grads: list[Any] = [RowGradient(tuple(W.shape), no_rows, W[:0])]

    def backward(self, dxs: Array) -> None:
        (W,) = self.params
        rows, sums = self.backend.sum_rows(self.ids, self.xp.reshape(dxs, (-1, W.shape[1])))
        self.grads[0] = RowGradient(tuple(W.shape), rows, sums)
