"""Training on a sample of the vocabulary: the denominator of the softmax is estimated by importance sampling.

The exact loss ln Σ_v exp x_v - x_target is a sum over all V tokens for every target. Here one sample S is drawn for a
block: token v is in it with probability π_v, independently of the others. A row's own target is always added:

    x_v = h w_v + b_v                       Z = Σ_v exp x_v
    Ẑ = exp x_t + Σ_{v in S, v ≠ t} exp(x_v - ln π_v)                    E Ẑ = Z
    nats = ln Ẑ - x_t

(Bengio & Senécal 2008; Jean et al. 2015, whose samples are drawn with replacement.) Subtracting ln π_v corrects for the
probability of being drawn. Since ln is concave, the mean of ln Ẑ is below ln Z: the reported training loss is too low,
the more so the smaller the sample. The backward pass is that of the softmax of 1 + |S| scores, the target's first:

    dx = (softmax([x_t, x_v - ln π_v …]) - onehot(0)) / count
    dh = dx_0 w_t + Σ_v dx_v w_v            dw_v = Σ_rows dx_v h            dw_t += dx_0 h            db alike

The gradient of W is nonzero in the rows of S and of the targets only.

π_v = min(1, c q_v) with Σ π_v = K samples, and q_v ∝ ln((r + 2) / (r + 1)) for the token of frequency rank r = 0, 1, …,
roughly Zipf's law. The most frequent tokens are in every sample. With K = V all tokens are, and the loss is exact.

h (N, T, H), W (V, H) with one row per token, b (V,), targets (N, T). Scores and log-probabilities are those of the full
output layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from weft.backends import Array, random_generator
from weft.errors import InputError
from weft.layers.layer import check_shape
from weft.layers.output.base import OutputLayer, register_output
from weft.layers.output.frequency import checked_order
from weft.layers.output.full import TimeOutputWithLoss
from weft.layers.output.settings import OutputSettings
from weft.layers.softmax import counted
from weft.layers.sparse_gradient import RowGradient

if TYPE_CHECKING:
    import numpy as np


@register_output
class TimeSampledOutputWithLoss(OutputLayer):
    """`params` is [W (V, H), b (V,)]; the gradient of W is a `RowGradient`. See `OutputLayer`.

    samples: K, about how many tokens are drawn for a block. rng: a `numpy.random.Generator`; without one the layer
    creates its own. order (V,): the ids in order of falling frequency; None: 0, 1, 2, … Raises InputError for arrays of
    other shapes and for fewer samples than 1.
    """

    kind = "sampled"
    by_rows = True
    exact = False

    def __init__(
        self,
        W: Array,
        b: Array,
        samples: int,
        rng: np.random.Generator | None = None,
        order: Array | None = None,
        rows: int | None = None,
        ignore_label: int = -1,
    ) -> None:
        check_shape("W of a sampled output layer", W, ("V", "H"))
        check_shape("b of an output layer", b, (W.shape[0],))
        super().__init__(b, rows=rows, ignore_label=ignore_label)  # without W, for whose gradient no array is allocated
        if samples < 1:
            raise InputError(f"a sampled output layer draws at least 1 token, got {samples}")
        self.params = [W, b]
        no_rows = self.xp.asarray([], dtype=self.xp.int64)
        self.grads: list[Any] = [RowGradient(tuple(W.shape), no_rows, W[:0]), *self.grads]
        self.vocab_size, self.samples, self.rng = W.shape[0], samples, rng
        self.order = order if order is None else checked_order(order, self.vocab_size)
        self.inclusion = self._inclusion_probabilities()

    @classmethod
    def initial_parameters(
        cls, rng: np.random.Generator, H: int, V: int, settings: OutputSettings
    ) -> list[np.ndarray[Any, Any]]:
        W = rng.normal(0, H**-0.5, (V, H))
        return [W, 0 * W[:, 0]]

    @classmethod
    def tied_parameters(cls, E: Array) -> list[Array]:
        return [E, 0 * E[:, 0]]

    @classmethod
    def of(
        cls,
        params: Sequence[Array],
        settings: OutputSettings,
        rng: np.random.Generator,
        order: Array | None,
        rows: int | None,
    ) -> TimeSampledOutputWithLoss:
        W, b = params
        return cls(W, b, settings.samples, rng, order, rows)

    def named(self, values: Iterable[Array]) -> dict[str, Array]:
        return dict(zip(("W", "b"), values, strict=True))

    def forward(self, hs: Array, ts: Array) -> float:
        xp = self.xp
        W, b = self.params
        h, t = self._flattened(hs, ts, W.shape[1])
        tokens = counted(self.xp, t, self.ignore_label)
        ids, log_inclusion = self._draw()
        sampled_W, corrected = xp.take(W, ids, axis=0), xp.take(b, ids, axis=0) - xp.astype(log_inclusion, b.dtype)
        targets = xp.where(t == self.ignore_label, 0, t)
        target_W = xp.take(W, targets, axis=0)
        target_x = xp.sum(h * target_W, axis=1) + xp.take(b, targets, axis=0)
        place = xp.full((self.vocab_size,), -1)
        place[ids] = xp.arange(ids.shape[0])
        scale = xp.astype(t != self.ignore_label, b.dtype) / max(tokens, 1)
        dsampled_W, dsampled_b = xp.zeros_like(sampled_W), xp.zeros_like(corrected)
        log_sum, dh = self._kernel().log_sums(
            h, xp.take(place, targets, axis=0), target_x, sampled_W.T, corrected, scale, dsampled_W.T, dsampled_b
        )
        nats = xp.where(t == self.ignore_label, xp.asarray(0, dtype=b.dtype), log_sum - target_x)
        dtarget_x = (xp.exp(target_x - log_sum) - 1) * scale
        dh += dtarget_x[:, None] * target_W
        used = xp.concat((ids, targets))
        rows, dW = self.backend.sum_rows(used, xp.concat((dsampled_W, dtarget_x[:, None] * h), axis=0))
        _rows, db = self.backend.sum_rows(used, xp.concat((dsampled_b, dtarget_x), axis=0)[:, None])
        self.grads[0] = RowGradient(tuple(W.shape), rows, dW)
        self.grads[1][...] = 0
        self.grads[1][rows] = db[:, 0]
        return self._store(nats, tokens, dh, hs.shape)

    def log_probabilities(self, hs: Array, ts: Array) -> Array:
        W, b = self.params
        h, t = self._flattened(hs, ts, W.shape[1])
        return self._negated(self._kernel().target_nats(h, t, W.T, b, self.ignore_label), hs.shape[:2])

    def scores(self, h: Array) -> Array:
        """h Wᵀ + b (R, V) for hidden states h (R, H)."""
        W, b = self.params
        return h @ W.T + b

    def exactly(self) -> TimeOutputWithLoss:
        W, b = self.params
        return TimeOutputWithLoss(W.T, b, self.rows)

    @property
    def affine(self) -> tuple[Array, Array]:
        W, b = self.params
        return W.T, b

    def tied_gradient(self, dE: RowGradient) -> Array | RowGradient:
        return dE.plus(self.grads[0])

    def scores_size(self, rows: int) -> int:
        return rows * min(self.samples, self.vocab_size)

    def _draw(self) -> tuple[Array, Array]:
        """The ids (S,) of a sample, and ln π (S,) of each."""
        self.rng = self.rng or random_generator()
        drawn = self.backend.asarray(self.rng.random(self.vocab_size)) < self.inclusion
        (ranks,) = self.xp.nonzero(drawn)
        ids = ranks if self.order is None else self.xp.take(self.order, ranks, axis=0)
        return ids, self.xp.log(self.xp.take(self.inclusion, ranks, axis=0))

    def _inclusion_probabilities(self) -> Array:
        """π (V,) by frequency rank; the sum is K.

        If the m most frequent tokens have π = 1, c = (K - m) / Σ_{r ≥ m} q_r, where the sum is ln((V + 1) / (m + 1)).
        m is the smallest number for which c q_m ≤ 1.
        """
        xp, K, V = self.xp, self.samples, self.vocab_size
        ranks = xp.arange(V, dtype=xp.float64)
        if K >= V:
            return xp.ones_like(ranks)
        q = xp.log1p(1 / (ranks + 1))
        c = (K - ranks) / xp.log((V + 1) / (ranks + 1))
        m = int(xp.argmax(xp.astype(c * q <= 1, xp.int64)))
        return xp.where(ranks < m, 1.0, c[m] * q)
