"""Adaptive softmax: frequent tokens at full cost, rare ones in clusters that few targets are in (Grave et al. 2017).

The tokens, in order of frequency, are divided into a shortlist C_0 and clusters C_1 … C_K. The head gives scores to the
tokens of the shortlist and to the clusters. Each cluster gives scores to its own tokens, from a projection of h that is
smaller for rarer tokens:

    x_0 = h W_0 + b_0                   over |C_0| + K choices          W_0 (H, |C_0| + K)
    x_k = (h P_k) W_k + b_k             over |C_k| tokens               P_k (H, H_k), W_k (H_k, |C_k|)

    P(v) = softmax(x_0)[v]                                    v in C_0
    P(v) = softmax(x_0)[|C_0| + k - 1] · softmax(x_k)[v]      v in C_k

The probabilities of all V tokens sum to exactly 1. For a target in C_k only the head and cluster k are computed.
Backward, with a the target of the head, count the number of targets in the block, and the rows of cluster k those whose
target is in C_k:

    dx_0 = (softmax(x_0) - onehot(a)) / count             dW_0 = hᵀ dx_0       db_0 = Σ dx_0       dh = dx_0 W_0ᵀ
    dx_k = (softmax(x_k) - onehot(target)) / count        dW_k = (h P_k)ᵀ dx_k                     db_k = Σ dx_k
    dp = dx_k W_kᵀ                                        dP_k = hᵀ dp         dh += dp P_kᵀ       for the rows of k

The head and each cluster are an affine map with softmax and loss, computed by the kernel of the full output layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from weft.backends import Array
from weft.errors import InputError
from weft.layers.layer import check_shape
from weft.layers.output.base import OutputLayer, register_output
from weft.layers.output.frequency import checked_cutoffs, checked_order
from weft.layers.output.settings import OutputSettings
from weft.layers.softmax import counted

if TYPE_CHECKING:
    import numpy as np

MIN_SHORTLIST = 2000
"""Tokens of the shortlist in a large vocabulary, at least: a product with fewer columns is hardly faster."""


@register_output
class TimeAdaptiveOutputWithLoss(OutputLayer):
    """`params` is [W_0, b_0, P_1, W_1, b_1, P_2, …]: the head, then every cluster. See `OutputLayer`.

    The shapes of the parameters determine the clusters. order (V,): the ids in order of falling frequency; None: 0, 1,
    2, … Raises InputError for parameters and orders of other shapes.
    """

    kind = "adaptive"
    ties = False

    def __init__(self, *params: Array, order: Array | None = None, rows: int | None = None, ignore_label: int = -1):
        super().__init__(*params, rows=rows, ignore_label=ignore_label)
        K = len(params) // 3
        if len(params) != 2 + 3 * K:
            raise InputError(
                f"an adaptive output layer has 2 parameters and 3 more for every cluster, got {len(params)}"
            )
        W, b = params[:2]
        check_shape("W of the head", W, ("H", "|C_0| + K"))
        check_shape("b of the head", b, (W.shape[1],))
        ends = [W.shape[1] - K]
        for number, (P, W_k, b_k) in enumerate(self._by_cluster(params), start=1):
            check_shape(f"P of cluster {number}", P, (W.shape[0], "H_k"))
            check_shape(f"W of cluster {number}", W_k, (P.shape[1], "|C_k|"))
            check_shape(f"b of cluster {number}", b_k, (W_k.shape[1],))
            ends.append(ends[-1] + b_k.shape[0])
        self.vocab_size = ends[-1]
        self.ends = self.xp.asarray(ends)
        self.order = order if order is None else checked_order(order, self.vocab_size)
        self._ranks = None if order is None else self.xp.argsort(order)

    @classmethod
    def initial_parameters(
        cls, rng: np.random.Generator, H: int, V: int, settings: OutputSettings
    ) -> list[np.ndarray[Any, Any]]:
        first, *ends = [*checked_cutoffs(settings.cutoffs or default_cutoffs(V), V), V]
        W = rng.normal(0, H**-0.5, (H, first + len(ends)))
        values = [W, 0 * W[0]]
        for number, (start, stop) in enumerate(pairwise((first, *ends)), start=1):
            size = max(1, H // settings.cluster_factor**number)
            P, W_k = rng.normal(0, H**-0.5, (H, size)), rng.normal(0, size**-0.5, (size, stop - start))
            values += [P, W_k, 0 * W_k[0]]
        return values

    @classmethod
    def of(
        cls,
        params: Sequence[Array],
        settings: OutputSettings,
        rng: np.random.Generator,
        order: Array | None,
        rows: int | None,
    ) -> TimeAdaptiveOutputWithLoss:
        return cls(*params, order=order, rows=rows)

    def named(self, values: Iterable[Array]) -> dict[str, Array]:
        """`head.W`, `head.b`, `cluster.1.P`, `cluster.1.W`, `cluster.1.b`, …"""
        values = list(values)
        clusters = range(1, 1 + len(values) // 3)
        names = ["head.W", "head.b", *(f"cluster.{number}.{name}" for number in clusters for name in ("P", "W", "b"))]
        return dict(zip(names, values, strict=True))

    def forward(self, hs: Array, ts: Array) -> float:
        W, b, *_clusters = self.params
        dW, db, *_dclusters = self.grads
        h, t = self._flattened(hs, ts, W.shape[0])
        kernel, tokens = self._kernel(), counted(self.xp, t, self.ignore_label)
        head_t, by_cluster = self._cluster_targets(t)
        nats, dh = kernel.loss(h, head_t, W, b, self.ignore_label, dW, db, tokens)
        clusters = zip(self._by_cluster(self.params), self._by_cluster(self.grads), by_cluster, strict=True)
        for (P, W, b), (dP, dW, db), (rows, targets) in clusters:
            if rows.shape[0] == 0:
                for gradient in (dP, dW, db):
                    gradient[...] = 0
                continue
            h_k = self.xp.take(h, rows, axis=0)
            nats_k, dp = kernel.loss(h_k @ P, targets, W, b, self.ignore_label, dW, db, tokens)
            dP[...] = h_k.T @ dp
            dh[rows] += dp @ P.T
            nats[rows] += nats_k
        return self._store(nats, tokens, dh, hs.shape)

    def log_probabilities(self, hs: Array, ts: Array) -> Array:
        W, b, *_clusters = self.params
        h, t = self._flattened(hs, ts, W.shape[0])
        kernel = self._kernel()
        head_t, by_cluster = self._cluster_targets(t)
        nats = kernel.target_nats(h, head_t, W, b, self.ignore_label)
        for (P, W, b), (rows, targets) in zip(self._by_cluster(self.params), by_cluster, strict=True):
            if rows.shape[0]:
                h_k = self.xp.take(h, rows, axis=0)
                nats[rows] += kernel.target_nats(h_k @ P, targets, W, b, self.ignore_label)
        return self._negated(nats, hs.shape[:2])

    def scores(self, h: Array) -> Array:
        """ln P(next token) by token id (R, V) for hidden states h (R, H)."""
        W, b, *_clusters = self.params
        first = int(self.ends[0])
        head = self._log_softmax(h @ W + b)
        logs = [head[:, :first]]
        for number, (P, W, b) in enumerate(self._by_cluster(self.params)):
            logs.append(self._log_softmax((h @ P) @ W + b) + head[:, first + number : first + number + 1])
        by_rank = self.xp.concat(logs, axis=1)
        return by_rank if self._ranks is None else self.xp.take(by_rank, self._ranks, axis=1)

    @property
    def affine(self) -> None:
        return None

    def scores_size(self, rows: int) -> int:
        return rows * int(max(array.shape[-1] for array in self.params))

    def _cluster_targets(self, t: Array) -> tuple[Array, list[tuple[Array, Array]]]:
        """The targets of the head (R,), and for each cluster the rows whose target is in it and the targets in it."""
        xp = self.xp
        ignored = t == self.ignore_label
        ranks = xp.where(ignored, 0, t)
        if self._ranks is not None:
            ranks = xp.take(self._ranks, ranks, axis=0)
        cluster = xp.searchsorted(self.ends, ranks, side="right")
        head_t = xp.where(cluster == 0, ranks, self.ends[0] - 1 + cluster)
        by_cluster = []
        for number in range(1, self.ends.shape[0]):
            (rows,) = xp.nonzero((cluster == number) & ~ignored)
            by_cluster.append((rows, xp.take(ranks, rows, axis=0) - self.ends[number - 1]))
        return xp.where(ignored, self.ignore_label, head_t), by_cluster

    def _log_softmax(self, x: Array) -> Array:
        shifted = x - self.xp.max(x, axis=1, keepdims=True)
        return shifted - self.xp.log(self.xp.sum(self.xp.exp(shifted), axis=1, keepdims=True))

    @staticmethod
    def _by_cluster(values: Sequence[Array]) -> Iterator[tuple[Array, Array, Array]]:
        return zip(values[2::3], values[3::3], values[4::3], strict=True)


def default_cutoffs(V: int) -> tuple[int, ...]:
    """The ranks at which the shortlist (V/64 tokens or 2,000) and the first cluster (V/8) of V tokens end."""
    first = max(V // 64, min(MIN_SHORTLIST, V // 4), 1)
    ends = [first, V // 8] if 2 * first <= V // 8 else [first]
    return tuple(end for end in ends if end < V)
