"""The fused output layer: scores, softmax, loss and their gradients in two sweeps over the vocabulary.

    x = h W + b        nats = ln Σ_v exp x_v - x_target        dx = (softmax(x) - onehot(target)) · scale
    dW = hᵀ dx         db = Σ dx                               dh = dx Wᵀ

The scores are computed in blocks of the vocabulary that stay in the caches. First sweep: the scores of a block become
exponentials; only their sums are kept if all of them exceed KEPT_BYTES. Second sweep: dx of a block from its
exponentials, in place, and at once its part of dW, db and dh. The largest array of a language model, (N·T, V),
therefore need not exist. `sweeps` has the computation of one chunk.

Each sweep is one parallel kernel. A chunk is some columns of the scores, so that dW is written once, or some rows if
the vocabulary is small.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.jit.compile import inlined
from weft.backends.kernels.jit.vector_math import exp
from weft.backends.kernels.matmul.partition import column_range, stream_range
from weft.backends.kernels.output.exponentials import BELOW_ALL, ZERO
from weft.backends.kernels.output.sweeps import SweepChunk, first_sweep, second_sweep
from weft.backends.kernels.output.workspace import BASE, TARGET, TARGET_EXP, TOTAL, output_workspace
from weft.backends.kernels.threads.parallel import ParallelRunner, Phase, parallel_kernel
from weft.backends.kernels.threads.workspace import cached_views

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

NO_TOKENS = np.empty(0, np.int64)
HALF = np.float32(0.5)
KEPT_BYTES = 64 * 2**20
"""Exponentials up to this size are kept from the first sweep for the second, which otherwise computes them again."""
SHARED_WORK = 400_000
"""Multiply-adds of a product above which several threads are faster than one."""
SHORT_WORK = 10_000_000
"""Multiply-adds of a product below which a job takes less time than a stall, see `ThreadPool`."""


SWEEP = (
    "by_rows", "h", "W", "transposed", "b", "t", "excluded", "width", "keep", "packed", "scratch", "starts", "records",
    "log_sum",
)  # fmt: skip
"""Arguments of both sweeps, over R rows and V columns.

by_rows, width, packed, scratch, starts, records: see `workspace.OutputWorkspace`; h, W, transposed, b, t, excluded,
keep: see `sweeps.SweepChunk`; log_sum (R,) = ln Σ exp x, which the first sweep computes.
"""
FIRST = (*SWEEP, "ignore_label", "nats")
"""nats (R,) are overwritten."""
SECOND = (*SWEEP, "scale", "dW", "db", "dWs", "dbs", "dhs")
"""scale (R,): factor of every row's gradient; dW, db and dhs[0] = dh are overwritten. dWs, dbs: scratch for the parts
of all chunks but the first if chunks are rows; dhs (chunks, R, H): the parts of all chunks if they are columns
"""


@inlined
def rows_of(p: Any, chunk: Any, chunks: Any) -> Any:
    """The rows of a chunk, as a slice."""
    R = len(p.h)
    first, last = stream_range(R, chunk, chunks)
    return slice(first, last) if p.by_rows else slice(0, R)


@inlined
def sweep_chunk(p: Any, chunk: Any, chunks: Any) -> Any:
    """One chunk's views: some rows and all columns, or all rows and some columns."""
    rows, V = rows_of(p, chunk, chunks), len(p.b)
    first, last = column_range(V, chunk, chunks)
    start, stop = (0, V) if p.by_rows else (first, last)
    return SweepChunk(
        p.h[rows], p.W, p.transposed, p.b, p.t[rows], p.excluded[rows], start, stop, p.width, p.keep, p.packed[chunk],
        p.scratch[chunk], p.starts, p.records[:, chunk, rows],
    )  # fmt: skip


def sweep_first(chunk: Any, chunks: Any, p: Any) -> None:
    """Record base, Σ e, and x and e of the target of every row over the chunk's columns."""
    records = p.records
    for r in range(len(p.h)):  # rows of other chunks contribute nothing here
        records[BASE, chunk, r] = BELOW_ALL
        records[TOTAL, chunk, r] = records[TARGET, chunk, r] = records[TARGET_EXP, chunk, r] = 0
    first_sweep(sweep_chunk(p, chunk, chunks))


@inlined
def target_nats(sum_r: Any, log_sum: Any, below: Any, target_exp: Any) -> Any:
    """-ln p(target), at least 0, from Σ e, its logarithm, base - x of the target, and e of the target.

    Of a likely target e is a large part of the sum: the logarithm of their ratio is exact where the difference of two
    large scores is not, and it is at least 0 as the sum is at least e. Of an unlikely target e may have underflowed.
    """
    if target_exp > HALF * sum_r:
        return np.log(sum_r / target_exp)
    nats = log_sum + below
    return ZERO if nats < ZERO else nats  # scores so large that their rounding error exceeds ln 2; NaN stays NaN


def merge_records(chunk: Any, chunks: Any, p: Any) -> None:
    """Compute nats and log_sum of some rows from the records of all chunks."""
    records = p.records
    for r in range(*stream_range(len(p.h), chunk, chunks)):
        highest, sum_r, target_r, target_exp_r = BELOW_ALL, ZERO, ZERO, ZERO
        for part in range(chunks):
            highest = max(highest, records[BASE, part, r])
        for part in range(chunks):
            lowered = exp(records[BASE, part, r] - highest)
            sum_r += records[TOTAL, part, r] * lowered
            target_r += records[TARGET, part, r]
            target_exp_r += records[TARGET_EXP, part, r] * lowered
        log_sum = np.log(sum_r)
        p.log_sum[r] = highest + log_sum
        p.nats[r] = ZERO if p.t[r] == p.ignore_label else target_nats(sum_r, log_sum, highest - target_r, target_exp_r)


def sweep_second(chunk: Any, chunks: Any, p: Any) -> None:
    """Compute the chunk's part of dW, db and dh."""
    rows = rows_of(p, chunk, chunks)
    partial = p.by_rows and chunk > 0
    dW, db = (p.dWs[chunk - 1], p.dbs[chunk - 1]) if partial else (p.dW, p.db)
    dh = p.dhs[0 if p.by_rows else chunk]
    second_sweep(sweep_chunk(p, chunk, chunks), p.log_sum[rows], p.scale[rows], dW, db, dh[rows])


def add_parts(chunk: Any, chunks: Any, p: Any) -> None:
    """Add up the parts of dW and db (chunks are rows), or of dh (chunks are columns)."""
    dW, db, dWs, dbs, dhs = p.dW, p.db, p.dWs, p.dbs, p.dhs
    if p.by_rows:
        for row in range(*stream_range(len(dW), chunk, chunks)):
            for part in range(chunks - 1):
                for j in range(dW.shape[1]):
                    dW[row, j] += dWs[part, row, j]
        first, last = stream_range(len(db), chunk, chunks)
        for part in range(chunks - 1):
            for j in range(first, last):
                db[j] += dbs[part, j]
    else:
        for r in range(*stream_range(len(p.h), chunk, chunks)):
            for part in range(1, chunks):
                for j in range(dhs.shape[2]):
                    dhs[0, r, j] += dhs[part, r, j]


output_first = parallel_kernel("output_first", FIRST, Phase(sweep_first), Phase(merge_records))
output_second = parallel_kernel("output_second", SECOND, Phase(sweep_second), Phase(add_parts))


class FusedOutput:
    """An `OutputKernel` for float32: h (R, H), targets t (R,), W (H, V) in either memory order, b (V,)."""

    def __init__(self, runner: ParallelRunner, dtype: np.dtype[Any]) -> None:
        self.runner, self.dtype = runner, dtype

    def target_nats(self, h: Floats, t: Integers, W: Floats, b: Floats, ignore_label: int) -> Floats:
        """-ln p(target) for every row (R,), zero where the target is `ignore_label`."""
        nats, _log_sum = Sweeps(self, h, t, NO_TOKENS, W, b, keep=False).first(ignore_label)
        return nats

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
        """ln(exp extra_logit + Σ_v exp x_v) of every row, over all v but the excluded, and dh; see `OutputKernel`."""
        sweeps = Sweeps(self, h, np.full(len(h), -1), excluded, W, b, keep=True)
        _nats, log_sum_of_columns = sweeps.first(-1)
        log_sum: Floats = np.logaddexp(log_sum_of_columns, extra_logit)
        return log_sum, sweeps.second(log_sum, scale, dW, db)


class Sweeps:
    """The two sweeps over the scores h W + b; keep: True if the second sweep follows the first."""

    def __init__(
        self, output: FusedOutput, h: Floats, t: Integers, excluded: Integers, W: Floats, b: Floats, keep: bool
    ) -> None:
        self.runner, self.dtype = output.runner, output.dtype
        if not (W.flags.c_contiguous or W.flags.f_contiguous):
            W = W.copy(order="K")  # the layout that `zeros_like` gives its gradient
        self.h = np.ascontiguousarray(h, np.float32)
        self.t, self.excluded = (np.ascontiguousarray(tokens, np.int64) for tokens in (t, excluded))
        self.transposed = not W.flags.c_contiguous
        self.W, self.b = W.T if self.transposed else W, np.ascontiguousarray(b)
        (R, H), V = h.shape, len(b)
        self.chunks = self.runner.threads if R * H * V >= SHARED_WORK else 1
        self.short = R * H * V < SHORT_WORK
        self.keep = keep and R * V * 4 <= KEPT_BYTES
        workspace = output_workspace(R, H, V, self.chunks, self.dtype, self.keep)
        self.by_rows, self.width, self.starts = workspace.by_rows, workspace.width, workspace.starts
        self.packed, self.scratch, self.records = cached_views(workspace.all)

    def first(self, ignore_label: int) -> tuple[Floats, Floats]:
        """The first sweep: nats (R,), and log_sum (R,) = ln Σ exp x."""
        nats, log_sum = np.empty(len(self.h), np.float32), np.empty(len(self.h), np.float32)
        self.runner.run(
            output_first, self.chunks, self.short,
            self.by_rows, self.h, self.W, self.transposed, self.b, self.t, self.excluded, self.width, self.keep,
            self.packed, self.scratch, self.starts, self.records, log_sum, ignore_label, nats,
        )  # fmt: skip
        return nats, log_sum

    def second(self, log_sum: Floats, scale: Floats, dW: Floats, db: Floats) -> Floats:
        """The second sweep: dh (R, H); dW and db are overwritten."""
        others = self.chunks - 1 if self.by_rows else 0
        dW = dW.T if self.transposed else dW
        dhs = np.empty((1 if self.by_rows else self.chunks, *self.h.shape), np.float32)
        self.runner.run(
            output_second, self.chunks, self.short,
            self.by_rows, self.h, self.W, self.transposed, self.b, self.t, self.excluded, self.width,
            self.keep, self.packed, self.scratch, self.starts, self.records, log_sum, scale, dW, db,
            np.empty((others, *dW.shape), np.float32), np.empty((others, len(db)), np.float32), dhs,
        )  # fmt: skip
        dh: Floats = dhs[0]
        return dh
