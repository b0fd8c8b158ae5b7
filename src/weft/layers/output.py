"""The output layer: scores for every token of the vocabulary, and what the targets cost, a slice of rows at a time.

    scores = h W + b              nats = -ln softmax(scores)[target]

For N·T rows and V tokens the scores are the largest array of a language model by far. Here they never exist at once:
each slice of rows is scored, its loss taken, and its gradient carried back to dW, db and dh before the next slice.
h (N, T, H), W (H, V), b (V,), targets (N, T).
"""

from __future__ import annotations

from collections.abc import Iterator

from weft.backends import Array, Backend, OutputKernel
from weft.errors import InputError
from weft.layers.layer import Layer, check_shape
from weft.layers.softmax import NOTHING, Loss, checked_labels, counted

SLICE_BYTES = 16 * 2**20
"""Default size of a slice of scores, in bytes: large enough for the product, small enough for the caches to help."""


class SlicedOutput:
    """The output layer in slices of `rows` rows: the definition that a fused kernel must equal."""

    def __init__(self, backend: Backend, rows: int | None) -> None:
        self.backend, self.xp, self.rows = backend, backend.xp, rows

    def loss(
        self, h: Array, t: Array, W: Array, b: Array, ignore_label: int, dW: Array, db: Array
    ) -> tuple[Array, Array]:
        tokens = max(counted(t, ignore_label), 1)
        nats, dh = [], self.xp.zeros_like(h)
        dW[...] = 0
        db[...] = 0
        for rows in self._slices(h, W):
            slice_nats, dscores = self.backend.softmax_loss(h[rows] @ W + b, t[rows], ignore_label)
            nats.append(slice_nats)
            dscores /= tokens
            dh[rows] = dscores @ W.T
            dW += h[rows].T @ dscores
            db += self.xp.sum(dscores, axis=0)
        return self.xp.concat(nats, axis=0), dh

    def target_nats(self, h: Array, t: Array, W: Array, b: Array, ignore_label: int) -> Array:
        slices = self._slices(h, W)
        nats = [self.backend.target_nats(h[rows] @ W + b, t[rows], ignore_label) for rows in slices]
        return self.xp.concat(nats, axis=0)

    def _slices(self, h: Array, W: Array) -> Iterator[slice]:
        rows = self.rows or max(1, SLICE_BYTES // (W.shape[1] * W.dtype.itemsize))
        for first in range(0, h.shape[0], rows):
            yield slice(first, first + rows)


class TimeOutputWithLoss(Layer):
    """`TimeAffine` and `TimeSoftmaxWithLoss` in one, in slices of `rows` rows (by default about 16 MB of scores).

    `forward(hs (N, T, H), ts (N, T)) -> mean nats` over the targets that are not `ignore_label`, with the sum and the
    count in `loss`, and those of every target in `nats` (N, T). Since a slice's scores are gone when the next one
    comes, `forward` takes the gradient of the mean as well: `grads` is set by it, and `backward() -> dhs (N, T, H)`
    only hands on the rest. `params` is [W, b].
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
        h, t = self._flat(hs, ts)
        W, b = self.params
        dW, db = self.grads
        nats, dh = self._kernel().loss(h, t, W, b, self.ignore_label, dW, db)
        self._dhs = self.xp.reshape(dh, hs.shape)
        self.nats = self.xp.reshape(nats, hs.shape[:2])
        self.loss = Loss(float(self.xp.sum(nats, dtype=self.xp.float64)), counted(t, self.ignore_label))
        return self.loss.nats / max(self.loss.tokens, 1)

    def backward(self) -> Array:
        return self._dhs

    def log_probabilities(self, hs: Array, ts: Array) -> Array:
        """ln p(target) in nats (N, T), zero where the target is `ignore_label`; nothing is kept."""
        h, t = self._flat(hs, ts)
        W, b = self.params
        return self.xp.reshape(-self._kernel().target_nats(h, t, W, b, self.ignore_label), ts.shape)

    def scores(self, h: Array) -> Array:
        """h W + b for rows (R, H) -> (R, V); nothing is kept."""
        W, b = self.params
        return h @ W + b

    def _flat(self, hs: Array, ts: Array) -> tuple[Array, Array]:
        W, _b = self.params
        check_shape("hs", hs, ("N", "T", W.shape[0]))
        ts = checked_labels(self.xp, ts, (*hs.shape[:2], W.shape[1]), self.ignore_label)
        return self.xp.reshape(hs, (-1, hs.shape[-1])), self.xp.reshape(ts, (-1,))

    def _kernel(self) -> OutputKernel:
        return self.backend.output_kernel(self.params[0].dtype) or SlicedOutput(self.backend, self.rows)
