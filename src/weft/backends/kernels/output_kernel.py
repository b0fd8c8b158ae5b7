"""Scores, softmax, loss and their gradients in one sweep over the vocabulary.

    x = h W + b        nats = ln Σ_v exp x_v - x_target        dx = (softmax(x) - onehot(target)) · scale
    dW = hᵀ dx         db = Σ dx                               dh = dx Wᵀ

The vocabulary is cut into groups of columns. First sweep: for every group the scores, of which a row's largest and the
sum of exponentials are taken while they are in the cache (kept up to date from group to group: when a larger score
comes, the sum so far is scaled down). Second sweep: dx of a group from its scores, and at once its share of dW, db and
dh. Between the sweeps the scores stay in memory where they fit KEPT_BYTES, and else are computed once more: the largest
array of a language model then never exists. Workers take groups of their own, or rows where the vocabulary is small.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.output_sweeps import GROUP, first_sweep, second_sweep
from weft.backends.kernels.product import packed, padded
from weft.backends.workers import Workers, split

Floats = NDArray[np.float32]

KEPT_BYTES = 64 * 2**20
"""Scores up to this size are kept from the first sweep for the second."""

SMALL_WORK = 1_000_000


@dataclass
class Part:
    """The rows and groups of one worker, and what it found in the first sweep."""

    rows: slice
    groups: slice
    largest: Floats
    total: Floats
    target: Floats
    dh: Floats = field(default_factory=lambda: np.empty(0, np.float32))


class FusedOutput:
    """The fused output layer for float32: h (R, H), targets t (R,), W (H, V) in either memory order, b (V,)."""

    def __init__(self, workers: Workers) -> None:
        self.workers = workers

    def target_nats(self, h: Floats, t: NDArray[Any], W: Floats, b: Floats, ignore_label: int) -> Floats:
        """-ln p(target) for every row (R,), zero where the target is `ignore_label`."""
        nats, _log_sum, _parts, _scores = self._first_sweep(h, t, W, b, ignore_label, keep=False)
        return nats

    def loss(
        self, h: Floats, t: NDArray[Any], W: Floats, b: Floats, ignore_label: int, dW: Floats, db: Floats
    ) -> tuple[Floats, Floats]:
        """Nats of every row (R,) and dh (R, H); dW and db are overwritten. Gradients are of the mean of the counted."""
        R, H = h.shape
        V = b.shape[0]
        keep = R * _groups(V) * GROUP * 4 <= KEPT_BYTES
        nats, log_sum, parts, scores = self._first_sweep(h, t, W, b, ignore_label, keep)
        counted = t != ignore_label
        scale = counted.astype(np.float32) / np.float32(max(int(counted.sum()), 1))
        base, v_stride, h_stride = _flat(W)
        shared = len({part.rows.start for part in parts}) == 1
        gradients = [(dW, db) if shared or not n else (np.empty_like(dW), np.empty_like(db)) for n in range(len(parts))]

        def work(part: Part, dW: Floats, db: Floats) -> Callable[[], None]:
            def run() -> None:
                rows, groups = part.rows, part.groups
                part.dh = np.zeros((rows.stop - rows.start, padded(H)), np.float32)
                second_sweep(
                    *(h[rows], packed(h[rows]), t[rows], base, v_stride, h_stride, b, groups.start, groups.stop),
                    *(scores[rows], keep, log_sum[rows], scale[rows], part.dh, _flat(dW)[0], db),
                )

            return run

        self.workers.run([work(part, *own) for part, own in zip(parts, gradients, strict=True)])
        if not shared:
            for more_dW, more_db in gradients[1:]:
                dW += more_dW
                db += more_db
            return nats, np.concatenate([part.dh for part in parts])[:, :H]
        dh = parts[0].dh
        for part in parts[1:]:
            dh += part.dh
        return nats, dh[:, :H]

    def _first_sweep(
        self, h: Floats, t: NDArray[Any], W: Floats, b: Floats, ignore_label: int, keep: bool
    ) -> tuple[Floats, Floats, list[Part], Floats]:
        R, H = h.shape
        V = b.shape[0]
        groups = _groups(V)
        base, v_stride, h_stride = _flat(W)
        parts = self._parts(R, H, V)
        scores = np.empty((R, groups * GROUP if keep else 0), np.float32)

        def work(part: Part) -> Callable[[], None]:
            rows = part.rows
            return lambda: first_sweep(
                *(h[rows], t[rows], base, v_stride, h_stride, b, part.groups.start, part.groups.stop),
                *(scores[rows], keep, part.largest, part.total, part.target),
            )

        self.workers.run([work(part) for part in parts])
        if parts[0].rows == parts[-1].rows:
            largest = np.max([part.largest for part in parts], axis=0)
            total = sum(part.total * np.exp(part.largest - largest) for part in parts)
            target = sum(part.target for part in parts)
        else:
            largest, total, target = (
                np.concatenate([getattr(part, name) for part in parts]) for name in ("largest", "total", "target")
            )
        log_sum: Floats = largest + np.log(total)
        nats: Floats = log_sum - target
        nats[t == ignore_label] = 0
        return nats, log_sum, parts, scores

    def _parts(self, R: int, H: int, V: int) -> list[Part]:
        groups, count = _groups(V), 1 if R * H * V < SMALL_WORK else self.workers.count
        if groups >= 4 * count:
            shares = [(slice(0, R), share) for share in split(groups, count)]
        else:
            shares = [(share, slice(0, groups)) for share in split(R, count)]
        return [
            Part(rows, own, *(np.empty(rows.stop - rows.start, np.float32) for _ in range(3))) for rows, own in shares
        ]


def _groups(V: int) -> int:
    return -(-V // GROUP)


def _flat(W: Floats) -> tuple[Floats, int, int]:
    """The memory of W (H, V) as one dimension, and in it the distances of neighbouring v and neighbouring h."""
    H, V = W.shape
    if W.flags.c_contiguous:
        return W.reshape(-1), 1, V
    if W.T.flags.c_contiguous:
        return W.T.reshape(-1), H, 1
    return np.ascontiguousarray(W).reshape(-1), 1, V
