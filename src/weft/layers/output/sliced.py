"""Affine map, softmax and loss in one, on one slice of rows at a time; fused kernels must give the same numbers.

    scores = h W + b              nats = -ln softmax(scores)[target]

h (R, H), W (H, V), b (V,), targets t (R,). For R = N·T rows and V tokens the scores are by far the largest array of a
language model. They are never stored all at once: the loss and the gradients dW, db and dh of each slice of rows are
computed before the scores of the next slice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from weft.backends import Array, Backend

SLICE_BYTES = 16 * 2**20
"""Default size of a slice of scores in bytes: large enough for an efficient product, small enough for the caches."""


class SlicedOutput:
    """An `OutputKernel` in slices of `rows` rows, by default about 16 MB of scores."""

    def __init__(self, backend: Backend, rows: int | None) -> None:
        self.backend, self.xp, self.rows = backend, backend.xp, rows

    def loss(
        self, h: Array, t: Array, W: Array, b: Array, ignore_label: int, dW: Array, db: Array, tokens: int
    ) -> tuple[Array, Array]:
        nats, dh = [b[:0]], self.xp.zeros_like(h)
        dW[...] = 0
        db[...] = 0
        for rows in slices(h.shape[0], W.shape[1] * W.dtype.itemsize, self.rows):
            slice_nats, dscores = self.backend.softmax_loss(h[rows] @ W + b, t[rows], ignore_label)
            nats.append(slice_nats)
            dscores /= max(tokens, 1)
            dh[rows] = dscores @ W.T
            dW += h[rows].T @ dscores
            db += self.xp.sum(dscores, axis=0)
        return self.xp.concat(nats, axis=0), dh

    def target_nats(self, h: Array, t: Array, W: Array, b: Array, ignore_label: int) -> Array:
        parts = slices(h.shape[0], W.shape[1] * W.dtype.itemsize, self.rows)
        nats = [b[:0], *(self.backend.target_nats(h[rows] @ W + b, t[rows], ignore_label) for rows in parts)]
        return self.xp.concat(nats, axis=0)

    def log_sums(
        self, h: Array, excluded: Array, extra_logit: Array, W: Array, b: Array, scale: Array, dW: Array, db: Array
    ) -> tuple[Array, Array]:
        xp = self.xp
        log_sum, dh = xp.zeros_like(extra_logit), xp.zeros_like(h)
        columns, minus_infinity = xp.arange(W.shape[1])[None, :], xp.asarray(-math.inf, dtype=b.dtype)
        dW[...] = 0
        db[...] = 0
        for rows in slices(h.shape[0], W.shape[1] * W.dtype.itemsize, self.rows):
            x = xp.where(columns == excluded[rows, None], minus_infinity, h[rows] @ W + b)
            scores = xp.concat((extra_logit[rows, None], x), axis=1)
            nats, dx = self.backend.softmax_loss(scores, xp.zeros_like(excluded[rows]), ignore_label=-1)
            log_sum[rows] = nats + extra_logit[rows]
            dx = dx[:, 1:] * scale[rows, None]
            dh[rows] = dx @ W.T
            dW += h[rows].T @ dx
            db += xp.sum(dx, axis=0)
        return log_sum, dh


def slices(count: int, bytes_of_row: int, rows: int | None = None) -> Iterator[slice]:
    """Slices of `rows` rows, by default of about SLICE_BYTES, that cover `count` rows of `bytes_of_row` each."""
    size = rows or max(1, SLICE_BYTES // max(1, bytes_of_row))
    for first in range(0, count, size):
        yield slice(first, first + size)
