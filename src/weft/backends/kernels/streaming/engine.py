"""Streaming inference: the weights of a model packed once, and one compiled call per step.

A step reads one token id for each of N streams:

    run_step (here)                copies the state into the activations and publishes a job to the thread pool
        for each phase (`step`)    all threads, chunk by chunk
            embedding              x = W[id]                                                  `embedding`
            layer, each            a = b + x W_x + h_{t-1} W_h; the cell's update             `skinny_gemm`, `cells`
            output                 scores = b + h W                                           `skinny_gemm`
    run_step                       copies the state after the step out of the activations

The phases are the rows of a plan (`plan`), which `packed_model` builds together with the packed weights
(`weight_packing`). The products read activations as `activation_packing` leaves them, in `micro_kernel` or, with AMX
tiles, in `amx`. A cell is one registration (`cell`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.jit.atomics import LINE, call_pointer
from weft.backends.kernels.jit.compile import jit
from weft.backends.kernels.streaming.cell import StreamingCell
from weft.backends.kernels.streaming.packed_model import PackedModel
from weft.backends.kernels.streaming.plan import CHUNKS
from weft.backends.kernels.streaming.step import (
    ACTIVATIONS,
    CONSTANTS,
    DONE,
    FUNCTION,
    IDS,
    JOB_STATE_STRIDE,
    PACKED,
    PACKED_STRIDE,
    PHASES,
    PLAN,
    ROUND,
    SCORES,
    SCORES_STRIDE,
    STREAMS,
    THREADS,
    VOCABULARY,
    WEIGHTS,
    WORKER_LOST,
    step_function,
)
from weft.backends.kernels.threads.thread_pool import run_job, thread_pool
from weft.backends.kernels.threads.workspace import aligned, aligned_floats
from weft.errors import InputError

Floats = NDArray[np.float32]

SHORT_WORK = 200_000_000
"""Multiply-adds up to which a step takes less time than the wait for a worker that lost its core.

In a longer step the last chunk takes as long as that wait, which is then no reason to run the next steps alone.
"""


@jit
def run_step(control: Any, job: Any, ids: Any, before: Any, after: Any, scores: Any, activations: Any) -> Any:
    """One step of all streams; returns False for an id outside the vocabulary. before, after: states (parts, N, H)."""
    parts, N, H = before.shape
    stride = job[JOB_STATE_STRIDE]
    for n in range(N):
        if ids[n] < 0 or ids[n] >= job[VOCABULARY]:
            return False
    for part in range(parts):
        for n in range(N):
            row = activations[(part * N + n) * stride : (part * N + n + 1) * stride]
            row[:H] = before[part, n]
            row[H:] = 0
    job[IDS], job[ACTIVATIONS], job[SCORES] = ids.ctypes.data, activations.ctypes.data, scores.ctypes.data
    job[STREAMS] = N
    job[ROUND] += 1
    job[WORKER_LOST] = 0
    for phase in range(job[PHASES]):
        job[DONE + LINE * phase] = 0
    if job[THREADS] > 1:
        if run_job(control, job.ctypes.data):
            job[WORKER_LOST] = 1
    else:
        call_pointer(job[FUNCTION], job.ctypes.data, 0)
    for part in range(parts):
        for n in range(N):
            start = ((parts + part) * N + n) * stride
            after[part, n] = activations[start : start + H]
    return True


class StreamingEngine:
    """The weights of a model with V tokens and H hidden units, packed for streaming on `threads` threads.

    weight_format: "float32", "bfloat16" or "int8" (see `weft.backends.quantization`). embedding: W (V, D). layers: W_x,
    W_h and b of each layer of `cell`. output: W (H, V), or None if it is the transpose of the embedding; bias (V,).
    `step` may be called from several threads at once, one of which then has the workers of the thread pool.
    """

    def __init__(
        self, weight_format: str, cell: StreamingCell, embedding: Floats,
        layers: Sequence[tuple[Floats, Floats, Floats]], output: Floats | None, bias: Floats, threads: int,
    ) -> None:  # fmt: skip
        self.threads = threads
        self.vocabulary = len(bias)
        self.packed = PackedModel(weight_format, cell, embedding, layers, output, bias)
        self._function = step_function(weight_format)
        self._thread_local = threading.local()

    def step(self, ids: NDArray[np.int64], before: Floats) -> tuple[Floats, Floats]:
        """ids (N,) and the state (parts, N, H), contiguous -> scores (N, V) and the state after the step.

        Raises InputError for an id outside [0, V).
        """
        packed = self.packed
        scores, after = aligned_floats(len(ids), packed.scores_stride), np.empty_like(before)
        job, activations = self._job_and_activations(len(ids))
        pool = thread_pool(self.threads)
        acquired = pool.acquire(short=len(ids) * packed.weights.size < SHORT_WORK)
        try:
            job[THREADS] = self.threads if acquired else 1
            known = run_step(pool.control, job, ids, before, after, scores, activations)
        finally:
            if acquired:
                pool.release(bool(job[WORKER_LOST]))
        if not known:
            wrong = ids[(ids < 0) | (ids >= self.vocabulary)]
            raise InputError(f"token ids must lie in [0, {self.vocabulary}), got {wrong[0]}")
        return scores[:, : self.vocabulary], after

    def _job_and_activations(self, N: int) -> tuple[NDArray[np.int64], Floats]:
        """The job and the activations of the calling thread, large enough for N streams."""
        local: dict[str, Any] = self._thread_local.__dict__
        if "job" not in local:
            local["job"], local["activations"] = self._new_job(), aligned(0, np.float32)
        size = N * (self.packed.activations_per_stream + self.threads * self.packed.packed_per_stream)
        if local["activations"].size < size:
            local["activations"] = aligned(size, np.float32)
        return local["job"], local["activations"]

    def _new_job(self) -> NDArray[np.int64]:
        packed = self.packed
        phases = len(packed.plan)
        job: NDArray[np.int64] = aligned(DONE + LINE * phases + int(packed.plan[:, CHUNKS].sum()), np.int64)
        job[:] = 0
        for word, array in ((PLAN, packed.plan), (WEIGHTS, packed.weights), (CONSTANTS, packed.constants)):
            job[word] = array.ctypes.data
        job[FUNCTION], job[PHASES], job[VOCABULARY] = self._function.address, phases, self.vocabulary
        job[JOB_STATE_STRIDE], job[SCORES_STRIDE] = packed.state_stride, packed.scores_stride
        job[PACKED], job[PACKED_STRIDE] = packed.activations_per_stream, packed.packed_per_stream
        return job
