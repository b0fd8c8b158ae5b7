"""Kernels recorded as they are called, with their arguments, to be carried out again in one call.

Between the kernels of a small model Python takes as long as they do. Where they are called again and again with the
same arrays, of which only the contents differ, Python can be left out: what was recorded is a list of jobs (see
`runner`), and one more job goes through them. Every thread goes through all of them, one after the other, and waits
only where a kernel does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.jit.atomics import LINE, call_pointer
from weft.backends.kernels.jit.compile import jit
from weft.backends.kernels.threads.parallel import (
    CHUNKS,
    DONE,
    FAILED,
    FUNCTION,
    PUBLISH,
    WORKER_LOST,
    ParallelRunner,
    failure,
    job_size,
    publish_job,
)
from weft.backends.kernels.threads.thread_pool import CONTROL, DEFERRED, run_job
from weft.backends.kernels.threads.workspace import aligned

Call = tuple[Any, int, bool, tuple[Any, ...]]
"""A kernel, in how many shares and whether it is brief, and its arguments; see `ParallelRunner.run`."""


@jit
def run_captured_jobs(number: Any, tasks: Any, control: Any, jobs: Any) -> None:
    """Carry out jobs whose words are the rows of `jobs`."""
    if number == PUBLISH:
        publish_job(tasks, control, (jobs,))
        tasks[WORKER_LOST] = run_job(control, tasks.ctypes.data)
        return
    for job in jobs:
        call_pointer(job[FUNCTION], job.ctypes.data, number)


@jit
def reset_chunks(jobs: Any) -> None:
    """Let nobody have claimed any share."""
    for job in jobs:
        job[FAILED] = 0
        job[DONE:] = 0


@jit
def any_failed(jobs: Any) -> Any:
    """Whether a thread has failed in one of the jobs."""
    failed = False
    for job in jobs:
        failed |= job[FAILED] != 0
    return failed


class CapturedKernels:
    """Kernels that were called, one after the other, and what they were called with."""

    def __init__(self, runner: ParallelRunner, calls: list[Call]) -> None:
        self.runner, self.calls = runner, calls
        self.chunks = max(chunks for _kernel, chunks, _brief, _arguments in calls)
        self.short = all(short for _kernel, _shares, short, _arguments in calls)
        control = self._control = aligned(CONTROL, np.int64)
        control[:] = 0
        control[DEFERRED] = 1
        size = -(-job_size(self.chunks) // LINE) * LINE
        self.jobs: NDArray[np.int64] = aligned(len(calls) * size, np.int64).reshape(len(calls), size)
        for job, (kernel, chunks, _brief, arguments) in zip(self.jobs, calls, strict=True):
            job[CHUNKS] = chunks
            kernel(PUBLISH, job, control, *arguments)

    def replay(self) -> None:
        """All of it once more, with what the arrays hold now. Raises MemoryError where a thread fails."""
        reset_chunks(self.jobs)
        self.runner.run(run_captured_jobs, self.chunks, self.short, self.jobs)
        if any_failed(self.jobs):
            raise failure("a recording")


class CapturingRunner(ParallelRunner):
    """Has kernels carried out, and records them until it is told to stop."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._calls: list[Call] | None = []

    def run(self, kernel: Any, chunks: int, short: bool, *arguments: Any) -> None:
        super().run(kernel, chunks, short, *arguments)
        if self._calls is not None:
            self._calls.append((kernel, chunks, short, arguments))

    def captured(self) -> CapturedKernels:
        """What was recorded since this was asked last."""
        calls, self._calls = self._calls or [], []
        return CapturedKernels(ParallelRunner(self.threads), calls)

    def stop(self) -> None:
        """Record nothing more."""
        self._calls = None
