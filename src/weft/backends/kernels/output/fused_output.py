"""Scores, softmax, loss and their gradients in two sweeps over the vocabulary.

    x = h W + b        nats = ln Σ_v exp x_v - x_target        dx = (softmax(x) - onehot(target)) · scale
    dW = hᵀ dx         db = Σ dx                               dh = dx Wᵀ

The scores are cut into blocks of the vocabulary that stay in the caches. First sweep: the scores of every block become
exponentials, whose sum is all that is kept of them where they do not fit KEPT_BYTES. Second sweep: dx of a block from
its exponentials, in place, and at once its share of dW, db and dh. So the largest array of a language model need not
exist. How the factors of softmax are left out of the blocks: `sweeps`.

Each sweep is one kernel, which all threads carry out together. A share of it is some columns of the scores, so that dW
is written once, or some rows where the vocabulary is small.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.jit.compile import inlined, jit
from weft.backends.kernels.jit.outlined import link
from weft.backends.kernels.jit.vector_math import exp
from weft.backends.kernels.matmul.partition import column_range, stream_range
from weft.backends.kernels.output import sweeps
from weft.backends.kernels.output.exponentials import BELOW_ALL
from weft.backends.kernels.output.workspace import BASE, TARGET, TOTAL, output_workspace
from weft.backends.kernels.threads.parallel import (
    CHUNKS,
    PUBLISH,
    WORKER_LOST,
    ParallelRunner,
    first_chunk,
    next_chunk,
    publish_job,
)
from weft.backends.kernels.threads.thread_pool import run_job
from weft.backends.kernels.threads.workspace import cached_views

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

NO_TOKENS = np.empty(0, np.int64)
KEPT_BYTES = 64 * 2**20
"""Exponentials up to this size are kept from the first sweep for the second, which else computes them once more."""
SHARED_WORK = 400_000
"""Multiply-adds of a product from which on it pays to share them."""
SHORT_WORK = 10_000_000
"""Multiply-adds of a product that take less than waiting for a helper that lost its core."""


@inlined
def part_of_scores(by_rows: Any, R: Any, V: Any, chunk: Any, chunks: Any) -> Any:
    """The first row of a share and the one after its last, and the same for its columns."""
    if by_rows:
        first, last = stream_range(R, chunk, chunks)
        return first, last, 0, V
    start, stop = column_range(V, chunk, chunks)
    return 0, R, start, stop


@jit
def output_first(
    number: Any, tasks: Any, control: Any, by_rows: Any, h: Any, W: Any, transposed: Any, b: Any, t: Any, excluded: Any,
    ignore_label: Any, width: Any, keep: Any, words: Any, numbers: Any, places: Any, records: Any, nats: Any,
    log_sum: Any,
) -> None:  # fmt: skip
    """The nats (R,) and ln Σ exp x_v (R,) of every row. words, numbers (shares, …), places: see `output_rooms`; records
    (RECORDS, shares, R): see `output_rooms`."""
    if number == PUBLISH:
        publish_job(
            tasks, control,
            (by_rows, h, W, transposed, b, t, excluded, ignore_label, width, keep, words, numbers, places, records,
             nats, log_sum),
        )  # fmt: skip
        tasks[WORKER_LOST] = run_job(control, tasks.ctypes.data)
        return
    chunks, R, V = tasks[CHUNKS], len(h), len(b)
    chunk = first_chunk(tasks, 0, number)
    while chunk >= 0:
        first, last, start, stop = part_of_scores(by_rows, R, V, chunk, chunks)
        own = slice(first, last)
        for r in range(R):  # a row that other shares have counts for nothing here
            records[BASE, chunk, r] = BELOW_ALL
            records[TOTAL, chunk, r] = records[TARGET, chunk, r] = 0
        sweeps.first_sweep(
            h[own], W, transposed, b, t[own], excluded[own], start, stop, width, keep, words[chunk], numbers[chunk],
            places, records[:, chunk, own],
        )  # fmt: skip
        chunk = next_chunk(tasks, 0, number)
    chunk = first_chunk(tasks, 1, number)
    while chunk >= 0:
        for r in range(*stream_range(R, chunk, chunks)):
            highest, sum_r, target_r = BELOW_ALL, np.float32(0), np.float32(0)
            for part in range(chunks):
                highest = max(highest, records[BASE, part, r])
            for part in range(chunks):
                sum_r += records[TOTAL, part, r] * exp(records[BASE, part, r] - highest)
                target_r += records[TARGET, part, r]
            log_sum[r] = highest + np.log(sum_r)
            nats[r] = 0 if t[r] == ignore_label else log_sum[r] - target_r
        chunk = next_chunk(tasks, 1, number)


@jit
def output_second(
    number: Any, tasks: Any, control: Any, by_rows: Any, h: Any, W: Any, transposed: Any, b: Any, t: Any, excluded: Any,
    width: Any, keep: Any, words: Any, numbers: Any, places: Any, records: Any, log_sum: Any, scale: Any, dW: Any,
    db: Any, dWs: Any, dbs: Any, dhs: Any,
) -> None:  # fmt: skip
    """dW and db are overwritten; dhs[0] (shares, R, H) becomes dh. dWs and dbs: room for what the shares but the first
    give by rows."""
    if number == PUBLISH:
        publish_job(
            tasks, control,
            (by_rows, h, W, transposed, b, t, excluded, width, keep, words, numbers, places, records, log_sum, scale,
             dW, db, dWs, dbs, dhs),
        )  # fmt: skip
        tasks[WORKER_LOST] = run_job(control, tasks.ctypes.data)
        return
    chunks, R, V = tasks[CHUNKS], len(h), len(b)
    chunk = first_chunk(tasks, 0, number)
    while chunk >= 0:
        first, last, start, stop = part_of_scores(by_rows, R, V, chunk, chunks)
        own, dh, extra_logit = slice(first, last), dhs[0] if by_rows else dhs[chunk], by_rows and chunk > 0
        sweeps.second_sweep(
            h[own], W, transposed, b, t[own], excluded[own], start, stop, width, keep, words[chunk], numbers[chunk],
            places, records[:, chunk, own], log_sum[own], scale[own], dWs[chunk - 1] if extra_logit else dW,
            dbs[chunk - 1] if extra_logit else db, dh[own],
        )  # fmt: skip
        chunk = next_chunk(tasks, 0, number)
    chunk = first_chunk(tasks, 1, number)
    while chunk >= 0:
        if by_rows:
            for row in range(*stream_range(len(dW), chunk, chunks)):
                for part in range(chunks - 1):
                    for j in range(dW.shape[1]):
                        dW[row, j] += dWs[part, row, j]
            first, last = stream_range(V, chunk, chunks)
            for part in range(chunks - 1):
                for j in range(first, last):
                    db[j] += dbs[part, j]
        else:
            for r in range(*stream_range(R, chunk, chunks)):
                for part in range(1, chunks):
                    for j in range(dhs.shape[2]):
                        dhs[0, r, j] += dhs[part, r, j]
        chunk = next_chunk(tasks, 1, number)


class FusedOutput:
    """An `OutputKernel` for float32: h (R, H), targets t (R,), W (H, V) in either memory order, b (V,)."""

    def __init__(self, runner: ParallelRunner, kind: np.dtype[Any]) -> None:
        self.runner, self.kind = runner, kind

    def target_nats(self, h: Floats, t: Integers, W: Floats, b: Floats, ignore_label: int) -> Floats:
        """-ln p(target) for every row (R,), zero where the target is `ignore_label`."""
        return Sweeps(self, h, t, NO_TOKENS, W, b, keep=False).first(ignore_label)[0]

    def loss(
        self, h: Floats, t: Integers, W: Floats, b: Floats, ignore_label: int, dW: Floats, db: Floats, tokens: int
    ) -> tuple[Floats, Floats]:
        """Nats of every row (R,) and dh (R, H), the gradient of their sum / `tokens`; dW and db are overwritten."""
        sweeps = Sweeps(self, h, t, NO_TOKENS, W, b, keep=True)
        nats, log_sum = sweeps.first(ignore_label)
        scale = np.full(len(t), 1 / max(tokens, 1), np.float32)
        if tokens < len(t):
            scale[t == ignore_label] = 0
        return nats, sweeps.second(log_sum, scale, dW, db)

    def log_sums(
        self,
        h: Floats,
        excluded: Integers,
        extra_logit: Floats,
        W: Floats,
        b: Floats,
        scale: Floats,
        dW: Floats,
        db: Floats,
    ) -> tuple[Floats, Floats]:
        """ln(exp beside + Σ_v exp x_v) of every row, over all v but the one left out, and dh; see `OutputKernel`."""
        sweeps = Sweeps(self, h, np.full(len(h), -1), excluded, W, b, keep=True)
        log_sum: Floats = np.logaddexp(sweeps.first(-1)[1], extra_logit)
        return log_sum, sweeps.second(log_sum, scale, dW, db)


class Sweeps:
    """The two sweeps over the scores h W + b; keep: whether the second follows."""

    def __init__(
        self, output: FusedOutput, h: Floats, t: Integers, excluded: Integers, W: Floats, b: Floats, keep: bool
    ) -> None:
        self.runner, self.kind = output.runner, output.kind
        if not (W.flags.c_contiguous or W.flags.f_contiguous):
            W = W.copy(order="K")  # as `zeros_like` lays out its gradient
        self.h = np.ascontiguousarray(h, np.float32)
        self.t, self.excluded = (np.ascontiguousarray(tokens, np.int64) for tokens in (t, excluded))
        self.transposed = not W.flags.c_contiguous
        self.W, self.b = W.T if self.transposed else W, np.ascontiguousarray(b)
        link(sweeps.PARTS, self.kind)
        (R, H), V = h.shape, len(b)
        self.chunks = self.runner.threads if R * H * V >= SHARED_WORK else 1
        self.short = R * H * V < SHORT_WORK
        self.keep = keep and R * V * 4 <= KEPT_BYTES
        rooms = output_workspace(R, H, V, self.chunks, self.kind, self.keep)
        self.by_rows, self.width, self.places = rooms.by_rows, rooms.width, rooms.places
        self.words, self.numbers, self.records = cached_views(rooms.all)

    def first(self, ignore_label: int) -> tuple[Floats, Floats]:
        """The nats of every row, and the logarithm of the sum of its exponentials."""
        nats, log_sum = np.empty(len(self.h), np.float32), np.empty(len(self.h), np.float32)
        self.runner.run(
            output_first, self.chunks, self.short,
            self.by_rows, self.h, self.W, self.transposed, self.b, self.t, self.excluded, ignore_label, self.width,
            self.keep, self.words, self.numbers, self.places, self.records, nats, log_sum,
        )  # fmt: skip
        return nats, log_sum

    def second(self, log_sum: Floats, scale: Floats, dW: Floats, db: Floats) -> Floats:
        """dh; dW and db are overwritten."""
        others = self.chunks - 1 if self.by_rows else 0
        dW = dW.T if self.transposed else dW
        dhs = np.empty((1 if self.by_rows else self.chunks, *self.h.shape), np.float32)
        self.runner.run(
            output_second, self.chunks, self.short,
            self.by_rows, self.h, self.W, self.transposed, self.b, self.t, self.excluded, self.width,
            self.keep, self.words, self.numbers, self.places, self.records, log_sum, scale, dW, db,
            np.empty((others, *dW.shape), np.float32), np.empty((others, len(db)), np.float32), dhs,
        )  # fmt: skip
        dh: Floats = dhs[0]
        return dh
