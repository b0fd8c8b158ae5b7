"""Kernels recorded as they are called, with their arguments, to be carried out again in one call.

Between the kernels of a small model Python takes as long as they do. Where they are called again and again with the
same arrays, of which only the contents differ, Python can be left out: what was recorded is a list of jobs (see
`together`), and one more job goes through them. Every thread goes through all of them, one after the other, and waits
only where a kernel does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.jit.atomics import LINE, call
from weft.backends.kernels.jit.compile import compiled
from weft.backends.kernels.threads.parallel import (
    DONE,
    FAILED,
    FUNCTION,
    LOST,
    OPENING,
    SHARES,
    Together,
    become_job,
    failure,
    job_size,
)
from weft.backends.kernels.threads.thread_pool import CONTROL, LATER, carry_out
from weft.backends.kernels.threads.workspace import aligned

Call = tuple[Any, int, bool, tuple[Any, ...]]
"""A kernel, in how many shares and whether it is brief, and its arguments; see `Together.run`."""


@compiled
def carry_out_all(number: Any, tasks: Any, control: Any, jobs: Any) -> None:
    """Carry out jobs whose words are the rows of `jobs`."""
    if number == OPENING:
        become_job(tasks, control, (jobs,))
        tasks[LOST] = carry_out(control, tasks.ctypes.data)
        return
    for job in jobs:
        call(job[FUNCTION], job.ctypes.data, number)


@compiled
def unclaim_all(jobs: Any) -> None:
    """Let nobody have claimed any share."""
    for job in jobs:
        job[FAILED] = 0
        job[DONE:] = 0


@compiled
def any_failed(jobs: Any) -> Any:
    """Whether a thread has failed in one of the jobs."""
    failed = False
    for job in jobs:
        failed |= job[FAILED] != 0
    return failed


class Recording:
    """Kernels that were called, one after the other, and what they were called with."""

    def __init__(self, together: Together, calls: list[Call]) -> None:
        self.together, self.calls = together, calls
        self.shares = max(shares for _kernel, shares, _brief, _arguments in calls)
        self.brief = all(brief for _kernel, _shares, brief, _arguments in calls)
        control = self._control = aligned(CONTROL, np.int64)
        control[:] = 0
        control[LATER] = 1
        size = -(-job_size(self.shares) // LINE) * LINE
        self.jobs: NDArray[np.int64] = aligned(len(calls) * size, np.int64).reshape(len(calls), size)
        for job, (kernel, shares, _brief, arguments) in zip(self.jobs, calls, strict=True):
            job[SHARES] = shares
            kernel(OPENING, job, control, *arguments)

    def carry_out(self) -> None:
        """All of it once more, with what the arrays hold now. Raises MemoryError where a thread fails."""
        unclaim_all(self.jobs)
        self.together.run(carry_out_all, self.shares, self.brief, self.jobs)
        if any_failed(self.jobs):
            raise failure("a recording")


class Recorder(Together):
    """Has kernels carried out, and records them until it is told to stop."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self._calls: list[Call] | None = []

    def run(self, kernel: Any, shares: int, brief: bool, *arguments: Any) -> None:
        super().run(kernel, shares, brief, *arguments)
        if self._calls is not None:
            self._calls.append((kernel, shares, brief, arguments))

    def taken(self) -> Recording:
        """What was recorded since this was asked last."""
        calls, self._calls = self._calls or [], []
        return Recording(Together(self.threads), calls)

    def stop(self) -> None:
        """Record nothing more."""
        self._calls = None
