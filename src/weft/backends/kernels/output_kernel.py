"""Scores, softmax, loss and their gradients in two sweeps over the vocabulary.

    x = h W + b        nats = ln Σ_v exp x_v - x_target        dx = (softmax(x) - onehot(target)) · scale
    dW = hᵀ dx         db = Σ dx                               dh = dx Wᵀ

The scores are cut into blocks of rows and of the vocabulary that stay in the caches. First sweep: the scores of every
block, of which a row's largest and the sum of exponentials are kept up to date (when a larger score comes, the sum so
far is scaled down). Second sweep: dx of a block from its scores, in place, and at once its share of dW, db and dh.
Between the sweeps the scores stay in memory where they fit KEPT_BYTES, and else are computed once more: the largest
array of a language model then never exists. (On panels what stays are the exponentials.) Workers take columns of their
own, so that dW is written once, or rows where the vocabulary is small. `FusedOutput` is that on matrix tiles; on panels
it is `panel_output`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from weft.backends.kernels.held_memory import held
from weft.backends.kernels.output_part import Floats, Integers, Part
from weft.backends.workers import Workers, split

KEPT_BYTES = 64 * 2**20
"""Scores up to this size are kept from the first sweep for the second."""

LARGE_VOCABULARY = 4096
"""From so many tokens on workers share out the vocabulary, however many rows there are."""

SMALL_WORK = 10_000_000
"""Multiply-adds of a product below which handing half of it to another thread costs more than it saves."""

NO_TOKENS = np.empty(0, np.int64)


def _kept(size: int) -> Floats | None:
    """Room for so many scores from one sweep to the next, or None where there are too many."""
    return held("output scores", size, np.float32) if size * 4 <= KEPT_BYTES else None


class FusedOutput:
    """The fused output layer for float32: h (R, H), targets t (R,), W (H, V) in either memory order, b (V,)."""

    def __init__(self, workers: Workers, part: type[Part], small_part: type[Part]) -> None:
        self.workers, self.part, self.small_part = workers, part, small_part

    def target_nats(self, h: Floats, t: Integers, W: Floats, b: Floats, ignore_label: int) -> Floats:
        """-ln p(target) for every row (R,), zero where the target is `ignore_label`."""
        return self._first_sweep(self._parts(h, t, NO_TOKENS, W, b, None)[0], t, ignore_label)[0]

    def loss(
        self, h: Floats, t: Integers, W: Floats, b: Floats, ignore_label: int, dW: Floats, db: Floats, tokens: int
    ) -> tuple[Floats, Floats]:
        """Nats of every row (R,) and dh (R, H), the gradient of their sum / `tokens`; dW and db are overwritten."""
        parts, rows = self._parts(h, t, NO_TOKENS, W, b, _kept(len(t) * W.shape[1]))
        nats, log_sum = self._first_sweep(parts, t, ignore_label)
        scale = (t != ignore_label).astype(np.float32) / np.float32(max(tokens, 1))
        return nats, self._second_sweep(parts, rows, log_sum, scale, dW, db)

    def log_sums(
        self, h: Floats, left_out: Integers, beside: Floats, W: Floats, b: Floats, scale: Floats, dW: Floats, db: Floats
    ) -> tuple[Floats, Floats]:
        """ln(exp beside + Σ_v exp x_v) of every row, over all v but the one left out, and dh; see `OutputKernel`."""
        nothing = np.full(len(h), -1)
        parts, rows = self._parts(h, nothing, left_out, W, b, _kept(len(h) * W.shape[1]))
        with np.errstate(divide="ignore"):  # the sample can be empty
            log_sum = np.logaddexp(self._first_sweep(parts, nothing, -1)[1], beside)
        return log_sum, self._second_sweep(parts, rows, log_sum, scale, dW, db)

    def _second_sweep(
        self, parts: list[Part], rows: list[slice], log_sum: Floats, scale: Floats, dW: Floats, db: Floats
    ) -> Floats:
        """dh; dW and db are overwritten."""
        by_rows = parts[0].columns == parts[-1].columns
        grads = [(np.empty_like(dW), np.empty_like(db)) if by_rows and n else (dW, db) for n in range(len(parts))]
        dhs = [np.zeros_like(part.h) for part in parts]

        def work(part: Part, rows: slice, dW: Floats, db: Floats, dh: Floats) -> Callable[[], None]:
            return lambda: part.second_sweep(log_sum[rows], scale[rows], dW, db, dh)

        shares = zip(parts, rows, grads, dhs, strict=True)
        self.workers.run([work(part, own, *grad, dh) for part, own, grad, dh in shares])
        if by_rows:
            for more_dW, more_db in grads[1:]:
                dW += more_dW
                db += more_db
            return np.concatenate(dhs) if len(dhs) > 1 else dhs[0]
        for more_dh in dhs[1:]:
            dhs[0] += more_dh
        return dhs[0]

    def _first_sweep(self, parts: list[Part], t: Integers, ignore_label: int) -> tuple[Floats, Floats]:
        """The nats of every row, and the logarithm of the sum of its exponentials."""
        self.workers.run([part.first_sweep for part in parts])
        if len(parts) == 1:
            largest, total, target = parts[0].largest, parts[0].total, parts[0].target
        elif parts[0].columns == parts[-1].columns:
            largest, total, target = (
                np.concatenate([getattr(part, name) for part in parts]) for name in ("largest", "total", "target")
            )
        else:
            largest = np.max([part.largest for part in parts], axis=0)
            total = np.sum([part.total * np.exp(part.largest - largest) for part in parts], axis=0)
            target = np.sum([part.target for part in parts], axis=0)
        log_sum: Floats = largest + np.log(total)
        nats: Floats = log_sum - target
        nats[t == ignore_label] = 0
        return nats, log_sum

    def _parts(
        self, h: Floats, t: Integers, left_out: Integers, W: Floats, b: Floats, kept: Floats | None
    ) -> tuple[list[Part], list[slice]]:
        """Every worker's part, and which rows it has: columns are shared out, or rows if the vocabulary is small."""
        (R, H), V = h.shape, W.shape[1]
        h, t, left_out = np.ascontiguousarray(h), np.ascontiguousarray(t), np.ascontiguousarray(left_out)
        if not (W.flags.c_contiguous or W.flags.f_contiguous):
            W = W.copy(order="K")  # as `zeros_like` lays out its gradient
        count = 1 if R * H * V < SMALL_WORK else self.workers.count
        by_columns = V >= R or V >= LARGE_VOCABULARY
        kind = self.part if self.part.fewest_rows <= R else self.small_part
        parts, all_rows = [], []
        for share in split(V if by_columns else R, count):
            rows, columns = (slice(0, R), share) if by_columns else (share, slice(0, V))
            own, size = None, (rows.stop - rows.start) * (columns.stop - columns.start)
            if kept is not None:
                own, kept = kept[:size], kept[size:]
            parts.append(kind(h[rows], t[rows], left_out[rows], W, b, columns, own))
            all_rows.append(rows)
        return parts, all_rows
