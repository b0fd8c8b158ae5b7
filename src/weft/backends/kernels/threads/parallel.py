"""Parallel kernels: one compiled call that several threads execute, divided into phases, and phases into chunks.

A phase has at most as many chunks as there are threads. A thread claims any chunk that is still free, first the one
with the index of its worker, then the others. When no chunk is free, the thread spins until those in progress are
done, and starts the next phase. A thread that arrives late therefore delays no other, a thread that never arrives is
not needed, and the result of a chunk does not depend on the thread that computes it.

    @parallel
    def scale(chunk, chunks, x, factor):            # one phase: this body once for every chunk
        ...

    output = parallel_kernel("output", SWEEP, Phase(sweep), Phase(merge), Phase(loop, rounds))

A phase may have several rounds, for a time loop in which every chunk needs the results of all chunks of the previous
step: every round runs all chunks again, after all chunks of the previous round are done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.jit.compile import full_vectors, inlined, jit, source_key
from weft.backends.kernels.threads.job import (
    CHUNKS,
    DONE,
    FAILED,
    MAX_PHASES,
    PUBLISH,
    RUN_ALONE,
    WORKER_LOST,
    empty_job,
    first_chunk,
    next_chunk,
    store_call,
    stored_arguments,
)
from weft.backends.kernels.threads.thread_pool import run_job, thread_pool


class Phase(NamedTuple):
    """A phase of a parallel kernel: `body(chunk, chunks, *arguments)` for every chunk.

    With `rounds(chunks, *arguments) -> int` the phase has this number of rounds, possibly zero, and the body is
    `body(chunk, chunks, round, *arguments)`.
    """

    body: Callable[..., None]
    rounds: Callable[..., int] | None = None


def parallel(body: Callable[..., None]) -> Any:
    """A parallel kernel of one phase."""
    return parallel_kernel(body.__name__, None, Phase(body))


def parallel_kernel(name: str, arguments: tuple[str, ...] | None, *phases: Phase) -> Any:
    """A kernel of at most MAX_PHASES phases for `ParallelRunner.run`.

    name: in the compile cache. arguments: None, or the names of the arguments; the bodies then have a single
    argument, a `StructPointer` to fields of these names.
    """
    runners = []
    for phase in phases:
        body = inlined(phase.body)
        if phase.rounds is None:
            runners.append(_from_template(_phase, name, body=body))
        else:
            runners.append(_from_template(_phase_of_rounds, name, body=body, rounds=inlined(phase.rounds)))
    key = source_key(*(function for phase in phases for function in phase if function is not None))
    return kernel_of(name + key, arguments, *runners)


def kernel_of(name: str, arguments: tuple[str, ...] | None, *runners: Callable[..., None]) -> Any:
    """A kernel in which every worker calls each of at most MAX_PHASES `runner(worker, job, phase, arguments)` in order.

    It can be published to the thread pool; `name` and `arguments` are as in `parallel_kernel`.
    """
    assert 0 < len(runners) <= MAX_PHASES
    phases: dict[str, Any] = {f"phase_{index}": _no_phase for index in range(MAX_PHASES)}
    phases |= {f"phase_{index}": inlined(runner) for index, runner in enumerate(runners)}
    return jit(_from_template(_kernel, name, stored=stored_arguments(arguments), **phases))


def _from_template(template: Any, name: str, **names: Any) -> FunctionType:
    """A copy of the function `template` in which the global `names` have these values."""
    function = FunctionType(template.__code__, {**template.__globals__, **names}, name)
    function.__qualname__ = name
    return function


# Templates, in which `_from_template` defines these names.
_UNDEFINED: Any = None
body = rounds = stored = _UNDEFINED
phase_0 = phase_1 = phase_2 = phase_3 = phase_4 = phase_5 = _UNDEFINED


def _kernel(worker, job, control, arguments):  # type: ignore[no-untyped-def]
    full_vectors()
    if worker < 0:
        store_call(job, control, arguments)
        if worker == PUBLISH:
            job[WORKER_LOST] = run_job(control, job.ctypes.data)
            return
        worker = 0
    passed = stored(job, arguments)
    phase_0(worker, job, 0, passed)
    phase_1(worker, job, 1, passed)
    phase_2(worker, job, 2, passed)
    phase_3(worker, job, 3, passed)
    phase_4(worker, job, 4, passed)
    phase_5(worker, job, 5, passed)


def _phase(worker, job, phase, arguments):  # type: ignore[no-untyped-def]
    chunks = job[CHUNKS]
    chunk = first_chunk(job, phase, worker, 0)
    while chunk >= 0:
        body(chunk, chunks, *arguments)
        chunk = next_chunk(job, phase, worker, 0)


def _phase_of_rounds(worker, job, phase, arguments):  # type: ignore[no-untyped-def]
    chunks = job[CHUNKS]
    for round in range(rounds(chunks, *arguments)):
        chunk = first_chunk(job, phase, worker, round)
        while chunk >= 0:
            body(chunk, chunks, round, *arguments)
            chunk = next_chunk(job, phase, worker, round)


@inlined
def _no_phase(worker, job, phase, arguments):  # type: ignore[no-untyped-def]
    pass


class ParallelRunner:
    """Runs parallel kernels on `threads` threads, the caller's included."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._thread_local = threading.local()

    def run(self, kernel: Any, chunks: int, short: bool, *arguments: Any) -> None:
        """Run a parallel kernel in `chunks` chunks, at most as many as there are threads.

        short: the job takes less time than a stall, see `ThreadPool`. Raises MemoryError if a body raises an exception
        on any of several threads. On the calling thread alone the exception passes through.
        """
        job, pool = self._job(chunks), thread_pool(self.threads)
        if chunks == 1 or not pool.acquire(short):
            kernel(RUN_ALONE, job, pool.control, arguments)
            return
        try:
            kernel(PUBLISH, job, pool.control, arguments)
        finally:
            pool.release(bool(job[WORKER_LOST]))
        if job[FAILED]:
            raise failure(f"the kernel {kernel.__name__}")

    def _job(self, chunks: int) -> NDArray[np.int64]:
        """This thread's job with this number of chunks, none of them claimed or done."""
        job: NDArray[np.int64]
        try:
            job, counters = self._thread_local.jobs[chunks]
        except (AttributeError, KeyError):
            job, counters = self._new_job(chunks)
        job[FAILED] = 0
        counters.fill(0)
        return job

    def _new_job(self, chunks: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """A job that this thread reuses, and the view of its counters of the chunks claimed and done."""
        job = empty_job(chunks)
        jobs: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]]
        jobs = self._thread_local.__dict__.setdefault("jobs", {})
        jobs[chunks] = job, job[DONE:]
        return jobs[chunks]


def failure(what: str) -> MemoryError:
    """The error for a thread in which `what` raised an exception."""
    return MemoryError(f"a thread of {what} failed: there may be too little memory")
