"""Captured kernels: the calls of a pass with their arguments, replayed in one call.

In a pass of a small model the Python code between the kernels takes as long as the kernels. A pass that calls the same
kernels with the same arrays, whose contents alone change, needs no Python code: the captured jobs (see `job`) become
the argument of one more job, in which every worker runs all of them in order and waits only where a kernel waits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.jit.atomics import LINE, call_pointer
from weft.backends.kernels.jit.compile import jit
from weft.backends.kernels.threads.job import CHUNKS, DONE, FAILED, FUNCTION, PUBLISH, job_size
from weft.backends.kernels.threads.parallel import ParallelRunner, failure, kernel_of
from weft.backends.kernels.threads.thread_pool import CONTROL, DEFERRED
from weft.backends.kernels.threads.workspace import aligned

Call = tuple[Any, int, bool, tuple[Any, ...]]
"""A kernel, its number of chunks, whether it is short, and its arguments; see `ParallelRunner.run`."""


def _run_jobs(worker: Any, job: Any, phase: Any, arguments: Any) -> None:
    """Run the captured jobs, which are the rows of the only argument; every worker visits each of them."""
    (captured,) = arguments
    for captured_job in captured:
        call_pointer(captured_job[FUNCTION], captured_job.ctypes.data, worker)


run_captured_jobs = kernel_of("run_captured_jobs", None, _run_jobs)


@jit
def reset_chunks(jobs: Any) -> None:
    """Reset every job: no failure, and no chunk claimed or done."""
    for job in jobs:
        job[FAILED] = 0
        job[DONE:] = 0


@jit
def any_failed(jobs: Any) -> Any:
    """True if a thread has failed in one of the jobs."""
    failed = False
    for job in jobs:
        failed |= job[FAILED] != 0
    return failed


class CapturedKernels:
    """A sequence of parallel kernels with the arguments they were called with, to be replayed in one call."""

    def __init__(self, runner: ParallelRunner, calls: list[Call]) -> None:
        self.runner, self.calls = runner, calls
        self.chunks = max(chunks for _kernel, chunks, _short, _arguments in calls)
        self.short = all(short for _kernel, _chunks, short, _arguments in calls)
        control = self._control = aligned(CONTROL, np.int64)
        control[:] = 0
        control[DEFERRED] = 1
        size = -(-job_size(self.chunks) // LINE) * LINE
        self.jobs: NDArray[np.int64] = aligned(len(calls) * size, np.int64).reshape(len(calls), size)
        for job, (kernel, chunks, _short, arguments) in zip(self.jobs, calls, strict=True):
            job[CHUNKS] = chunks
            kernel(PUBLISH, job, control, arguments)

    def replay(self) -> None:
        """Replay the captured kernels on the current contents of the captured arrays.

        Raises MemoryError where a thread fails.
        """
        reset_chunks(self.jobs)
        self.runner.run(run_captured_jobs, self.chunks, self.short, self.jobs)
        if any_failed(self.jobs):
            raise failure("the captured kernels")


class CapturingRunner(ParallelRunner):
    """Runs parallel kernels and captures each call, until `stop`."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._calls: list[Call] | None = []

    def run(self, kernel: Any, chunks: int, short: bool, *arguments: Any) -> None:
        super().run(kernel, chunks, short, *arguments)
        if self._calls is not None:
            self._calls.append((kernel, chunks, short, arguments))

    def captured(self) -> CapturedKernels:
        """The kernels captured since the last call of this method."""
        calls, self._calls = self._calls or [], []
        return CapturedKernels(ParallelRunner(self.threads), calls)

    def stop(self) -> None:
        """Capture nothing more."""
        self._calls = None
