"""Affine map of every row of x.

    y = x W + b          dx = dy Wᵀ          dW = xᵀ dy          db = sum over rows of dy

x (N, D), W (D, M), b (M,), y (N, M).
"""

from __future__ import annotations

from weft.backends import Array
from weft.layers.layer import Layer, check_shape


class Affine(Layer):
    """`forward(x (N, D)) -> y (N, M)`; `backward(dy (N, M)) -> dx (N, D)`. `params` is [W, b].

    Raises InputError for arrays of other shapes.
    """

    def __init__(self, W: Array, b: Array) -> None:
        check_shape("W of an affine map", W, ("D", "M"))
        check_shape("b of an affine map", b, (W.shape[1],))
        super().__init__(W, b)

    def forward(self, x: Array) -> Array:
        W, b = self.params
        check_shape("x", x, ("N", W.shape[0]))
        self.x = x
        return x @ W + b

    def backward(self, dy: Array) -> Array:
        W, _b = self.params
        dW, db = self.grads
        dx = dy @ W.T
        dW[...] = self.x.T @ dy
        db[...] = self.xp.sum(dy, axis=0)
        return dx


class TimeAffine(Affine):
    """`Affine` for a block: `forward(xs (N, T, D)) -> ys (N, T, M)`; `backward(dys (N, T, M)) -> dxs (N, T, D)`."""

    def forward(self, xs: Array) -> Array:
        D, M = self.params[0].shape
        check_shape("xs", xs, ("N", "T", D))
        N, T, _D = xs.shape
        return self.xp.reshape(super().forward(self.xp.reshape(xs, (N * T, D))), (N, T, M))

    def backward(self, dys: Array) -> Array:
        N, T, M = dys.shape
        return self.xp.reshape(super().backward(self.xp.reshape(dys, (N * T, M))), (N, T, self.params[0].shape[0]))
