"""The output layer on panels: each sweep one kernel, which all threads carry out together; see `output_kernel`.

A share of a sweep is some columns of the scores, so that dW is written once, or some rows where the vocabulary is
small.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels import output_panels
from weft.backends.kernels.activations import exp
from weft.backends.kernels.compiling import compiled
from weft.backends.kernels.crew import carry_out
from weft.backends.kernels.held_memory import held
from weft.backends.kernels.output_kernel import KEPT_BYTES, LARGE_VOCABULARY, NO_TOKENS
from weft.backends.kernels.output_sweeps import BELOW_ALL
from weft.backends.kernels.panel_passes import columns_of, streams_of
from weft.backends.kernels.panels import left_room, panel_shape
from weft.backends.kernels.tile_packing import SIDE
from weft.backends.kernels.together import (
    LOST,
    OPENING,
    SHARES,
    Together,
    all_done,
    become_job,
    first_share,
    next_share,
)

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

NEAR_SCORES, NARROWEST, WIDEST = 204_800, 160, 288
"""Scores of a block, which have to stay near, and its columns: with more of them dh is added to less often."""
SHARED_WORK = 400_000
"""Multiply-adds of a product from which on it pays to share them."""
BRIEF_WORK = 10_000_000
"""Multiply-adds of a product that take less than waiting for a helper that lost its core."""


@compiled
def part_of_scores(by_rows: Any, R: Any, V: Any, share: Any, shares: Any) -> Any:
    """The first row of a share and the one after its last, and the same for its columns."""
    if by_rows:
        first, last = streams_of(R, share, shares)
        return first, last, 0, V
    start, stop = columns_of(V, share, shares)
    return 0, R, start, stop


@compiled
def scores_of(scores: Any, keep: Any, first: Any, last: Any, start: Any, stop: Any, V: Any, share: Any) -> Any:
    """Room for a share's scores: for all of them where they are to be kept, else for those of a block."""
    if keep:
        place = first * V + (last - first) * start  # by rows start is 0, by columns first is
        return scores.reshape(-1)[place : place + (last - first) * (stop - start)]
    return scores[share]


@compiled
def output_first(
    number: Any, tasks: Any, control: Any, by_rows: Any, h: Any, W: Any, transposed: Any, b: Any, t: Any, left_out: Any,
    ignore_label: Any, width: Any, scores: Any, keep: Any, highest: Any, left_words: Any, right_words: Any,
    largest: Any, total: Any, target: Any, nats: Any, log_sum: Any,
) -> None:  # fmt: skip
    """The nats (R,) and ln Σ exp x_v (R,) of every row. largest, total, target (shares, R): records, see
    `take_scores`; highest (shares, blocks, R): see `take_exponentials`; scores, left_words, right_words (shares, …):
    room."""
    if number == OPENING:
        become_job(
            tasks, control,
            (by_rows, h, W, transposed, b, t, left_out, ignore_label, width, scores, keep, highest, left_words,
             right_words, largest, total, target, nats, log_sum),
        )  # fmt: skip
        tasks[LOST] = carry_out(control, tasks.ctypes.data)
        return
    shares, R, V = tasks[SHARES], len(h), len(b)
    share = first_share(tasks, 0, number)
    while share >= 0:
        first, last, start, stop = part_of_scores(by_rows, R, V, share, shares)
        own = slice(first, last)
        for r in range(R):
            largest[share, r], total[share, r], target[share, r] = BELOW_ALL, 0, 0
        output_panels.first_sweep(
            h[own], W, transposed, b, t[own], left_out[own], start, stop, width,
            scores_of(scores, keep, first, last, start, stop, V, share), keep, highest[share, :, own],
            left_words[share], right_words[share], largest[share, own], total[share, own], target[share, own],
        )  # fmt: skip
        share = next_share(tasks, 0, number)
    all_done(tasks, 0)
    share = first_share(tasks, 1, number)
    while share >= 0:
        for r in range(*streams_of(R, share, shares)):
            highest, sum_r, target_r = largest[0, r], np.float32(0), np.float32(0)
            for part in range(shares):
                highest = max(highest, largest[part, r])
            for part in range(shares):
                sum_r += total[part, r] * exp(largest[part, r] - highest)
                target_r += target[part, r]
            log_sum[r] = highest + np.log(sum_r)
            nats[r] = 0 if t[r] == ignore_label else log_sum[r] - target_r
        share = next_share(tasks, 1, number)
    all_done(tasks, 1)


@compiled
def output_second(
    number: Any, tasks: Any, control: Any, by_rows: Any, h: Any, W: Any, transposed: Any, b: Any, t: Any, left_out: Any,
    width: Any, scores: Any, keep: Any, highest: Any, left_words: Any, x_words: Any, right_words: Any, h_words: Any,
    block_dW: Any, log_sum: Any, scale: Any, dW: Any, db: Any, dWs: Any, dbs: Any, dhs: Any,
) -> None:  # fmt: skip
    """dW and db are overwritten; dhs[0] (shares, R, H) becomes dh. dWs and dbs: room for what the shares but the first
    give by rows; all others (shares, …): room."""
    if number == OPENING:
        become_job(
            tasks, control,
            (by_rows, h, W, transposed, b, t, left_out, width, scores, keep, highest, left_words, x_words, right_words,
             h_words, block_dW, log_sum, scale, dW, db, dWs, dbs, dhs),
        )  # fmt: skip
        tasks[LOST] = carry_out(control, tasks.ctypes.data)
        return
    shares, R, V = tasks[SHARES], len(h), len(b)
    share = first_share(tasks, 0, number)
    while share >= 0:
        first, last, start, stop = part_of_scores(by_rows, R, V, share, shares)
        own, dh = slice(first, last), dhs[0] if by_rows else dhs[share]
        for r in range(first, last):
            for j in range(dh.shape[1]):
                dh[r, j] = 0
        apart = by_rows and share > 0
        output_panels.second_sweep(
            h[own], W, transposed, b, t[own], left_out[own], start, stop, width,
            scores_of(scores, keep, first, last, start, stop, V, share), keep, highest[share, :, own],
            left_words[share], x_words[share], right_words[share], h_words[share], block_dW[share],
            log_sum[own], scale[own], dWs[share - 1] if apart else dW, dbs[share - 1] if apart else db, dh[own],
        )  # fmt: skip
        share = next_share(tasks, 0, number)
    all_done(tasks, 0)
    share = first_share(tasks, 1, number)
    while share >= 0:
        if by_rows:
            for row in range(*streams_of(len(dW), share, shares)):
                for part in range(shares - 1):
                    for j in range(dW.shape[1]):
                        dW[row, j] += dWs[part, row, j]
            first, last = streams_of(V, share, shares)
            for part in range(shares - 1):
                for j in range(first, last):
                    db[j] += dbs[part, j]
        else:
            for r in range(*streams_of(R, share, shares)):
                for part in range(1, shares):
                    for j in range(dhs.shape[2]):
                        dhs[0, r, j] += dhs[part, r, j]
        share = next_share(tasks, 1, number)
    all_done(tasks, 1)


class PanelOutput:
    """An `OutputKernel` for float32: h (R, H), targets t (R,), W (H, V) in either memory order, b (V,)."""

    def __init__(self, together: Together, kind: np.dtype[Any]) -> None:
        self.together, self.kind = together, kind

    def target_nats(self, h: Floats, t: Integers, W: Floats, b: Floats, ignore_label: int) -> Floats:
        """-ln p(target) for every row (R,), zero where the target is `ignore_label`."""
        return Sweeps(self, h, t, NO_TOKENS, W, b, keep=False).first(ignore_label)[0]

    def loss(
        self, h: Floats, t: Integers, W: Floats, b: Floats, ignore_label: int, dW: Floats, db: Floats, tokens: int
    ) -> tuple[Floats, Floats]:
        """Nats of every row (R,) and dh (R, H), the gradient of their sum / `tokens`; dW and db are overwritten."""
        sweeps = Sweeps(self, h, t, NO_TOKENS, W, b, keep=True)
        nats, log_sum = sweeps.first(ignore_label)
        scale = (t != ignore_label).astype(np.float32) / np.float32(max(tokens, 1))
        return nats, sweeps.second(log_sum, scale, dW, db)

    def log_sums(
        self, h: Floats, left_out: Integers, beside: Floats, W: Floats, b: Floats, scale: Floats, dW: Floats, db: Floats
    ) -> tuple[Floats, Floats]:
        """ln(exp beside + Σ_v exp x_v) of every row, over all v but the one left out, and dh; see `OutputKernel`."""
        sweeps = Sweeps(self, h, np.full(len(h), -1), left_out, W, b, keep=True)
        log_sum: Floats = np.logaddexp(sweeps.first(-1)[1], beside)
        return log_sum, sweeps.second(log_sum, scale, dW, db)


class Sweeps:
    """The two sweeps over the scores h W + b; keep: whether the second follows."""

    def __init__(
        self, output: PanelOutput, h: Floats, t: Integers, left_out: Integers, W: Floats, b: Floats, keep: bool
    ) -> None:
        self.together, self.kind = output.together, output.kind
        if not (W.flags.c_contiguous or W.flags.f_contiguous):
            W = W.copy(order="K")  # as `zeros_like` lays out its gradient
        self.h, self.t, self.left_out = map(np.ascontiguousarray, (h, t, left_out))
        self.transposed = not W.flags.c_contiguous
        self.W, self.b = W.T if self.transposed else W, b
        (R, H), V = h.shape, len(b)
        self.shares = self.together.threads if R * H * V >= SHARED_WORK else 1
        self.brief = R * H * V < BRIEF_WORK
        # An odd number of pairs of cache lines, so that the rows of a block do not lie in the same sets.
        self.width = max(NARROWEST, min(NEAR_SCORES // max(R, 1) // 64 * 64 + 32, WIDEST))
        self.by_rows = V < R and V < LARGE_VOCABULARY
        self.keep = keep and R * V * 4 <= KEPT_BYTES
        size = -(-R * V // self.shares) if self.keep else R * min(self.width, V)
        self.scores = self._room("scores", size + 1, np.dtype(np.float32))
        blocks = -(-V // self.width) if self.keep else 1
        self.highest = self._room("highest", blocks * R, np.dtype(np.float32))[:, : blocks * R]
        self.highest = self.highest.reshape(self.shares, blocks, R)

    def first(self, ignore_label: int) -> tuple[Floats, Floats]:
        """The nats of every row, and the logarithm of the sum of its exponentials."""
        (R, H), kind = self.h.shape, self.kind
        records = self._room("records", 3 * R, np.dtype(np.float32)).reshape(-1)
        largest, total, target = records[: 3 * R * self.shares].reshape(3, self.shares, R)
        nats, log_sum = np.empty(R, np.float32), np.empty(R, np.float32)
        self.together.run(
            output_first, self.shares, self.brief,
            self.by_rows, self.h, self.W, self.transposed, self.b, self.t, self.left_out, ignore_label,
            self.width, self.scores, self.keep, self.highest,
            self._room("h", left_room(R, H, kind), kind), self._right_room(), largest, total, target, nats, log_sum,
        )  # fmt: skip
        return nats, log_sum

    def second(self, log_sum: Floats, scale: Floats, dW: Floats, db: Floats) -> Floats:
        """dh; dW and db are overwritten."""
        (R, H), kind, others = self.h.shape, self.kind, self.shares - 1 if self.by_rows else 0
        dW = dW.T if self.transposed else dW
        dhs = np.empty((1 if self.by_rows else self.shares, R, H), np.float32)
        self.together.run(
            output_second, self.shares, self.brief,
            self.by_rows, self.h, self.W, self.transposed, self.b, self.t, self.left_out, self.width, self.scores,
            self.keep, self.highest,
            self._room("h", left_room(R, H, kind), kind),
            self._room("dx", max(left_room(R, self.width, kind), left_room(self.width, R, kind)), kind),
            self._right_room(), self._room("h right", math.prod(panel_shape(R, H, kind)), kind),
            self._room("dW", self.width * H, np.dtype(np.float32)).reshape(self.shares, self.width, H),
            log_sum, scale, dW, db, np.empty((others, *dW.shape), np.float32), np.empty((others, len(db)), np.float32),
            dhs,
        )  # fmt: skip
        dh: Floats = dhs[0]
        return dh

    def _right_room(self) -> NDArray[Any]:
        H = self.h.shape[1]
        shapes = panel_shape(H, self.width, self.kind), panel_shape(self.width, H, self.kind)
        return self._room("W", max(math.prod(shape) for shape in shapes), self.kind)

    def _room(self, name: str, words: int, kind: np.dtype[Any]) -> NDArray[Any]:
        """Room of so many words for each share."""
        words = -(-words // SIDE) * SIDE
        return held(f"output {name}", self.shares * words, kind).reshape(self.shares, words)
