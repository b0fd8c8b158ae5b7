"""The output layer: scores for every token of the vocabulary, and what the targets cost, a slice of rows at a time.

    scores = h W + b              nats = -ln softmax(scores)[target]

For N·T rows and V tokens the scores are the largest array of a language model by far. Here they never exist at once:
each slice of rows is scored, its loss taken, and its gradient carried back to dW, db and dh before the next slice.
h (N, T, H), W (H, V), b (V,), targets (N, T).
"""

from __future__ import annotations

from collections.abc import Iterator

from weft.backends import Array
from weft.errors import InputError
from weft.layers.layer import Layer, check_shape
from weft.layers.softmax import NOTHING, Loss, checked_labels, counted

SLICE_BYTES = 16 * 2**20
"""Default size of a slice of scores, in bytes: large enough for the product, small enough for the caches to help."""


class TimeOutputWithLoss(Layer):
    """`TimeAffine` and `TimeSoftmaxWithLoss` in one, in slices of `rows` rows (by default about 16 MB of scores).

    `forward(hs (N, T, H), ts (N, T)) -> mean nats` over the targets that are not `ignore_label`, with the sum and the
    count in `loss`. Since a slice's scores are gone when the next one comes, `forward` takes the gradient of the mean
    as well: `grads` is set by it, and `backward() -> dhs (N, T, H)` only hands on the rest. `params` is [W, b].
    """

    def __init__(self, W: Array, b: Array, rows: int | None = None, ignore_label: int = -1) -> None:
        super().__init__(W, b)
        check_shape("W of an output layer", W, ("H", "V"))
        check_shape("b of an output layer", b, (W.shape[1],))
        if rows is not None and rows < 1:
            raise InputError(f"an output layer works on slices of at least 1 row, got {rows}")
        self.rows = rows
        self.ignore_label = ignore_label
        self.loss = NOTHING

    def forward(self, hs: Array, ts: Array) -> float:
        W, _b = self.params
        dW, db = self.grads
        h, t = self._flat(hs, ts)
        tokens = counted(t, self.ignore_label)
        nats, dh = 0.0, self.xp.zeros_like(h)
        dW[...] = 0
        db[...] = 0
        for rows in self._slices(h):
            slice_nats, dscores = self.backend.softmax_loss(self.scores(h[rows]), t[rows], self.ignore_label)
            nats += float(self.xp.sum(slice_nats))
            dscores /= max(tokens, 1)
            dh[rows] = dscores @ W.T
            dW += h[rows].T @ dscores
            db += self.xp.sum(dscores, axis=0)
        self._dhs = self.xp.reshape(dh, hs.shape)
        self.loss = Loss(nats, tokens)
        return nats / max(tokens, 1)

    def backward(self) -> Array:
        return self._dhs

    def log_probabilities(self, hs: Array, ts: Array) -> Array:
        """ln p(target) in nats (N, T), zero where the target is `ignore_label`; nothing is kept."""
        h, t = self._flat(hs, ts)
        nats = [self.backend.target_nats(self.scores(h[rows]), t[rows], self.ignore_label) for rows in self._slices(h)]
        return self.xp.reshape(-self.xp.concat(nats, axis=0), ts.shape)

    def scores(self, h: Array) -> Array:
        """h W + b for rows (R, H) -> (R, V); nothing is kept."""
        W, b = self.params
        return h @ W + b

    def _flat(self, hs: Array, ts: Array) -> tuple[Array, Array]:
        W, _b = self.params
        check_shape("hs", hs, ("N", "T", W.shape[0]))
        ts = checked_labels(self.xp, ts, (*hs.shape[:2], W.shape[1]), self.ignore_label)
        return self.xp.reshape(hs, (-1, hs.shape[-1])), self.xp.reshape(ts, (-1,))

    def _slices(self, h: Array) -> Iterator[slice]:
        W, _b = self.params
        rows = self.rows or max(1, SLICE_BYTES // (W.shape[1] * W.dtype.itemsize))
        for first in range(0, h.shape[0], rows):
            yield slice(first, first + rows)
