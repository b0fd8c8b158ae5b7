"""The full output layer: a score for every token of the vocabulary, softmax and loss.

    scores = h W + b              nats = -ln softmax(scores)[target]

    dscores = (softmax(scores) - onehot(target)) / count          dW = hᵀ dscores          db = Σ dscores
    dh = dscores Wᵀ

h (N, T, H), W (H, V), b (V,), targets (N, T). The scores of a block are never stored all at once: see
`weft.layers.output.sliced` and, fused, `weft.backends.kernels.output`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from weft.backends import Array
from weft.layers.layer import check_shape
from weft.layers.output.base import OutputLayer, register_output
from weft.layers.output.settings import OutputSettings
from weft.layers.softmax import counted
from weft.layers.sparse_gradient import RowGradient

if TYPE_CHECKING:
    import numpy as np


@register_output
class TimeOutputWithLoss(OutputLayer):
    """`TimeAffine` and `TimeSoftmaxWithLoss` in one. `params` is [W, b]. See `OutputLayer`.

    Without a fused kernel it works on slices of `rows` rows of hidden states, by default about 16 MB of scores.
    """

    kind = "full"

    def __init__(self, W: Array, b: Array, rows: int | None = None, ignore_label: int = -1) -> None:
        super().__init__(W, b, rows=rows, ignore_label=ignore_label)
        check_shape("W of an output layer", W, ("H", "V"))
        check_shape("b of an output layer", b, (W.shape[1],))
        self.vocab_size = W.shape[1]

    @classmethod
    def initial_parameters(
        cls, rng: np.random.Generator, H: int, V: int, settings: OutputSettings
    ) -> list[np.ndarray[Any, Any]]:
        W = rng.normal(0, H**-0.5, (H, V))
        return [W, 0 * W[0]]

    @classmethod
    def tied_parameters(cls, E: Array) -> list[Array]:
        return [E.T, 0 * E[:, 0]]

    @classmethod
    def of(
        cls,
        params: Sequence[Array],
        settings: OutputSettings,
        rng: np.random.Generator,
        order: Array | None,
        rows: int | None,
    ) -> TimeOutputWithLoss:
        W, b = params
        return cls(W, b, rows)

    def named(self, values: Iterable[Array]) -> dict[str, Array]:
        return dict(zip(("W", "b"), values, strict=True))

    def forward(self, hs: Array, ts: Array) -> float:
        W, b = self.params
        dW, db = self.grads
        h, t = self._flattened(hs, ts, W.shape[0])
        tokens = counted(self.xp, t, self.ignore_label)
        nats, dh = self._kernel().loss(h, t, W, b, self.ignore_label, dW, db, tokens)
        return self._store(nats, tokens, dh, hs.shape)

    def log_probabilities(self, hs: Array, ts: Array) -> Array:
        W, b = self.params
        h, t = self._flattened(hs, ts, W.shape[0])
        return self._negated(self._kernel().target_nats(h, t, W, b, self.ignore_label), hs.shape[:2])

    def scores(self, h: Array) -> Array:
        """h W + b (R, V) for hidden states h (R, H)."""
        W, b = self.params
        return h @ W + b

    @property
    def affine(self) -> tuple[Array, Array]:
        W, b = self.params
        return W, b

    def tied_gradient(self, dE: RowGradient) -> Array | RowGradient:
        whole = self.grads[0].T
        self.backend.add_rows(whole, dE.rows, dE.values)
        return whole

    def scores_size(self, rows: int) -> int:
        return rows * self.vocab_size
