"""Streaming on the kernels: a model's weights packed once, and steps that are one call each."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.jit.atomics import LINE, call_pointer
from weft.backends.kernels.jit.compile import jit
from weft.backends.kernels.streaming.packed_model import Layout
from weft.backends.kernels.streaming.plan import CHUNKS
from weft.backends.kernels.streaming.step import (
    CONSTANTS,
    DONE,
    FUNCTION,
    IDS,
    LOST,
    OWN,
    OWN_ROW,
    PHASES,
    PLAN,
    ROOM,
    ROWS,
    SCORES,
    SCORES_ROW,
    THREADS,
    TURN,
    WEIGHTS,
    part_in,
)  # fmt: skip
from weft.backends.kernels.threads.thread_pool import run_job, thread_pool
from weft.backends.kernels.threads.workspace import aligned, aligned_floats
from weft.errors import InputError

Floats = NDArray[np.float32]

SHORT_WORK = 200_000_000
"""Multiply-adds of a step that take less than a helper that lost its core is waited for. In a longer one the last chunk
takes as long, and is no reason to go on alone."""


@jit
def run_step(
    control: Any, job: Any, ids: Any, vocabulary: Any, before: Any, after: Any, scores: Any, room: Any, states_row: Any
) -> Any:
    """One step of all streams; False if an id is none. Before and after: the state (parts, N, H)."""
    parts, N, H = before.shape
    for n in range(N):
        if ids[n] < 0 or ids[n] >= vocabulary:
            return False
    for part in range(parts):
        for n in range(N):
            row = room[(part * N + n) * states_row : (part * N + n + 1) * states_row]
            row[:H] = before[part, n]
            row[H:] = 0
    job[IDS], job[ROOM], job[SCORES], job[ROWS] = ids.ctypes.data, room.ctypes.data, scores.ctypes.data, N
    job[TURN] += 1
    job[LOST] = 0
    for phase in range(job[PHASES]):
        job[DONE + LINE * phase] = 0
    if job[THREADS] > 1:
        if run_job(control, job.ctypes.data):
            job[LOST] = 1
    else:
        call_pointer(job[FUNCTION], job.ctypes.data, 0)
    for part in range(parts):
        for n in range(N):
            start = ((parts + part) * N + n) * states_row
            after[part, n] = room[start : start + H]
    return True


class StreamingEngine:
    """The weights of a model of V tokens and H hidden units, packed for streaming on `threads` threads.

    kind: see `weft.backends.quantization`. layers: W_x, W_h and b of each. output: W (H, V), None where it is the
    embedding's transpose. `step` may be called by several threads at once; one of them then has the helpers.
    """

    def __init__(
        self, kind: str, cell: str, embedding: Floats, layers: Sequence[tuple[Floats, Floats, Floats]],
        output: Floats | None, bias: Floats, threads: int,
    ) -> None:  # fmt: skip
        self.threads = threads
        self.vocabulary = len(bias)
        self.layout = Layout(kind, cell, embedding, layers, output, bias)
        self._function = part_in(self.layout.weights.dtype.name)
        self._own = threading.local()

    def step(self, ids: NDArray[np.int64], before: Floats) -> tuple[Floats, Floats]:
        """ids (N,) and the parts of the state (parts, N, H) -> scores (N, V), and the state after; contiguous arrays.

        Raises InputError for an id outside [0, V).
        """
        layout = self.layout
        scores, after = aligned_floats(len(ids), layout.scores_row), np.empty_like(before)
        job, room = self._job_and_room(len(ids))
        helpers = thread_pool(self.threads)
        helped = helpers.acquire(patient=len(ids) * layout.weights.size >= SHORT_WORK)
        try:
            job[THREADS] = self.threads if helped else 1
            known = run_step(helpers.control, job, ids, self.vocabulary, before, after, scores, room, layout.units_row)
        finally:
            if helped:
                helpers.release(bool(job[LOST]))
        if not known:
            wrong = ids[(ids < 0) | (ids >= self.vocabulary)]
            raise InputError(f"token ids must lie in [0, {self.vocabulary}), got {wrong[0]}")
        return scores[:, : self.vocabulary], after

    def _job_and_room(self, N: int) -> tuple[NDArray[np.int64], Floats]:
        own: dict[str, Any] = self._own.__dict__
        if "job" not in own:
            own["job"], own["room"] = self._new_job(), aligned(0, np.float32)
        layout = self.layout
        size = N * (layout.room_row + self.threads * layout.own_row)
        if own["room"].size < size:
            own["room"] = aligned(size, np.float32)
        return own["job"], own["room"]

    def _new_job(self) -> NDArray[np.int64]:
        layout = self.layout
        phases = len(layout.plan)
        job: NDArray[np.int64] = aligned(DONE + LINE * phases + int(layout.plan[:, CHUNKS].sum()), np.int64)
        job[:] = 0
        addresses = {PLAN: layout.plan, WEIGHTS: layout.weights, CONSTANTS: layout.constants}
        for word, array in addresses.items():
            job[word] = array.ctypes.data
        job[FUNCTION], job[PHASES] = self._function.address, phases
        job[SCORES_ROW], job[OWN], job[OWN_ROW] = layout.scores_row, layout.room_row, layout.own_row
        return job
