"""Kernels whose second share fails: at once, or in its third turn."""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.jit.compile import jit
from weft.backends.kernels.threads.parallel import (
    PUBLISH,
    WORKER_LOST,
    first_chunk,
    first_chunk_in,
    next_chunk,
    next_chunk_in,
    publish_job,
)
from weft.backends.kernels.threads.thread_pool import run_job


@jit
def failing(number: Any, tasks: Any, control: Any, out: Any) -> None:
    if number == PUBLISH:
        publish_job(tasks, control, (out,))
        tasks[WORKER_LOST] = run_job(control, tasks.ctypes.data)
        return
    chunk = first_chunk(tasks, 0, number)
    while chunk >= 0:
        out[chunk] = 1
        if chunk == 1:
            raise ValueError
        chunk = next_chunk(tasks, 0, number)


@jit
def failing_later(number: Any, tasks: Any, control: Any, out: Any) -> None:
    if number == PUBLISH:
        publish_job(tasks, control, (out,))
        tasks[WORKER_LOST] = run_job(control, tasks.ctypes.data)
        return
    for round in range(4):
        chunk = first_chunk_in(tasks, 0, number, round)
        while chunk >= 0:
            out[chunk] += 1
            if chunk == 1 and round == 2:
                raise ValueError
            chunk = next_chunk_in(tasks, 0, number, round)
