"""Parallel kernels: one compiled call that several threads execute, cut into phases, and phases into chunks.

A phase is cut into as many chunks as there are threads, and any thread claims any chunk that is still free: first the
one of its own number, then the others. When no chunk is free, a thread spins until those that run have finished, and
goes on to the next phase. A thread that arrives late therefore delays no other, one that never arrives is not needed,
and the result of a chunk does not depend on the thread that computes it.

    @parallel
    def scale(chunk, chunks, x, factor):            # one phase: this body once for every chunk
        ...

    output = parallel_kernel("output", Sweep, Phase(sweep), Phase(merge), Phase(loop, rounds))

A phase may have several rounds, as a time loop has in which every chunk needs the results of all chunks of the step
before: in each round all chunks are executed again, after all of the round before have finished.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.jit.compile import full_vectors, inlined, jit
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

    With `rounds(chunks, *arguments) -> int` the phase has that number of rounds, none included, and the body is
    `body(chunk, chunks, round, *arguments)`.
    """

    body: Callable[..., None]
    rounds: Callable[..., int] | None = None


def parallel(body: Callable[..., None]) -> Any:
    """A parallel kernel of one phase."""
    return parallel_kernel(body.__name__, None, Phase(body))


def parallel_kernel(name: str, arguments: Any, *phases: Phase) -> Any:
    """A kernel for `ParallelRunner.run` out of its phases; `name` is that of its file in the compile cache.

    arguments: None, or a NamedTuple class: the bodies then take a `StructPointer` to its fields in place of them all.
    """
    assert 0 < len(phases) <= MAX_PHASES
    runners = {f"phase_{number}": _no_phase for number in range(MAX_PHASES)}
    for number, phase in enumerate(phases):
        template = _phase if phase.rounds is None else _phase_of_rounds
        rounds = None if phase.rounds is None else inlined(phase.rounds)
        runners[f"phase_{number}"] = _from_template(template, name, body=inlined(phase.body), rounds=rounds)
    return jit(
        _from_template(
            _kernel, name, stored=stored_arguments(None if arguments is None else arguments._fields), **runners
        )
    )


def _from_template(template: Any, name: str, **parts: Any) -> Any:
    """The function `template` with other globals; templates, whose parts differ, are inlined into the kernel."""
    function = FunctionType(template.__code__, {**template.__globals__, **parts}, name)
    function.__qualname__ = name
    return function if template is _kernel else inlined(function)


# Templates: the names in lower case that are defined nowhere here are the parts that `_from_template` puts in.


def _kernel(worker, job, control, arguments):  # type: ignore[no-untyped-def]
    full_vectors()
    if worker < 0:
        store_call(job, control, arguments)
        if worker == PUBLISH:
            job[WORKER_LOST] = run_job(control, job.ctypes.data)
            return
        worker = 0
    given = stored(job, arguments)  # type: ignore[name-defined]  # noqa: F821
    phase_0(worker, job, 0, given)  # type: ignore[name-defined]  # noqa: F821
    phase_1(worker, job, 1, given)  # type: ignore[name-defined]  # noqa: F821
    phase_2(worker, job, 2, given)  # type: ignore[name-defined]  # noqa: F821
    phase_3(worker, job, 3, given)  # type: ignore[name-defined]  # noqa: F821
    phase_4(worker, job, 4, given)  # type: ignore[name-defined]  # noqa: F821
    phase_5(worker, job, 5, given)  # type: ignore[name-defined]  # noqa: F821


def _phase(worker, job, number, arguments):  # type: ignore[no-untyped-def]
    chunks = job[CHUNKS]
    chunk = first_chunk(job, number, worker, 0)
    while chunk >= 0:
        body(chunk, chunks, *arguments)  # type: ignore[name-defined]  # noqa: F821
        chunk = next_chunk(job, number, worker, 0)


def _phase_of_rounds(worker, job, number, arguments):  # type: ignore[no-untyped-def]
    chunks = job[CHUNKS]
    for round in range(rounds(chunks, *arguments)):  # type: ignore[name-defined]  # noqa: F821
        chunk = first_chunk(job, number, worker, round)
        while chunk >= 0:
            body(chunk, chunks, round, *arguments)  # type: ignore[name-defined]  # noqa: F821
            chunk = next_chunk(job, number, worker, round)


@inlined
def _no_phase(worker, job, number, arguments):  # type: ignore[no-untyped-def]
    pass


class ParallelRunner:
    """Runs parallel kernels on `threads` threads, the caller's included."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._own = threading.local()

    def run(self, kernel: Any, chunks: int, short: bool, *arguments: Any) -> None:
        """Run a parallel kernel in `chunks` chunks: 1, or one a thread.

        short: the job takes less time than a worker that has lost its core is waited for. Raises MemoryError where a
        thread fails.
        """
        job, pool = self._job(chunks), thread_pool(self.threads)
        if chunks == 1 or not pool.acquire(patient=not short):
            kernel(RUN_ALONE, job, pool.control, arguments)
            return
        try:
            kernel(PUBLISH, job, pool.control, arguments)
        finally:
            pool.release(bool(job[WORKER_LOST]))
        if job[FAILED]:
            raise failure(f"the kernel {kernel.__name__}")

    def _job(self, chunks: int) -> NDArray[np.int64]:
        """The words of this thread's job in that number of chunks, none of which is claimed."""
        words: NDArray[np.int64]
        try:
            words, claims = self._own.jobs[chunks]
        except (AttributeError, KeyError):
            words, claims = self._new_job(chunks)
        words[FAILED] = 0
        claims.fill(0)
        return words

    def _new_job(self, chunks: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The words of a job that this thread uses again, and those of them that count the chunks claimed and done."""
        words = empty_job(chunks)
        jobs: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]] = self._own.__dict__.setdefault("jobs", {})
        jobs[chunks] = words, words[DONE:]
        return jobs[chunks]


def failure(what: str) -> MemoryError:
    """The error for a thread that failed."""
    return MemoryError(f"a thread of {what} failed: there may be too little memory")
