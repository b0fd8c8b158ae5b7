"""A spinning thread pool for jobs of microseconds.

Waking a blocked thread takes tens of microseconds, as long as a whole step of a small model. So workers spin for
600 µs after a job before they block. A job is divided into chunks, and any thread claims any chunk that is still free:
a worker that arrives late finds fewer of them and never delays the caller.

The control array holds int64 words, each in a cache line of its own:

EPOCH      odd while a job is open
JOB        the address of the job; its first word is the address of a function (job, worker) that runs free chunks
BUSY       number of workers that run the job
SPINNING   number of workers that spin
ANNOUNCED  nonzero while a job is about to be published, for which workers keep spinning
DEFERRED   nonzero if jobs are only stored, to be run later
"""

from __future__ import annotations

import os
import threading
import time
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.jit.atomics import (
    LINE,
    atomic_add,
    atomic_load,
    atomic_store,
    call_pointer,
    pause,
    spin_until,
    words_at,
)
from weft.backends.kernels.jit.compile import inlined, jit
from weft.backends.kernels.jit.pointers import offset, pointer_to
from weft.backends.kernels.threads.workspace import aligned

EPOCH, JOB, BUSY, SPINNING, ANNOUNCED, DEFERRED, CONTROL = (LINE * n for n in range(7))
SPIN_SECONDS = 600e-6
MAX_SPIN_PERIODS = 1000
"""Periods of SPIN_SECONDS after which a worker blocks although a job is announced: its caller was interrupted."""

MIN_SOLO_JOBS, MAX_SOLO_JOBS = 4, 2000
"""Jobs that run on the calling thread alone after a stall: the minimum, and the maximum after repeated stalls."""


@jit
def spin_for_jobs(control: Any, worker: Any, max_spins: Any) -> None:
    """Run free chunks of every job that is published, until none has been for `max_spins` spins and none is announced.

    A worker also returns after MAX_SPIN_PERIODS times `max_spins` spins without a job.
    """
    words = pointer_to(control, 0)
    atomic_add(offset(words, SPINNING), 1)
    last = spins = periods = 0
    while True:
        if spins >= max_spins:
            periods += 1
            atomic_add(offset(words, SPINNING), -1)
            if atomic_load(offset(words, ANNOUNCED)) == 0 or periods == MAX_SPIN_PERIODS:
                return
            atomic_add(offset(words, SPINNING), 1)
            spins = 0
        epoch = atomic_load(offset(words, EPOCH))
        if epoch % 2 == 0 or epoch == last:
            pause()
            spins += 1
            continue
        atomic_add(offset(words, BUSY), 1)
        if atomic_load(offset(words, EPOCH)) == epoch:  # still open, and the caller waits while BUSY is not 0
            job = atomic_load(offset(words, JOB))
            call_pointer(words_at(job)[0], job, worker)
        atomic_add(offset(words, BUSY), -1)
        last, spins, periods = epoch, 0, 0


@jit
def announce_job(control: Any) -> Any:
    """Make spinning workers keep spinning for the next job; returns their number."""
    words = pointer_to(control, 0)
    atomic_store(offset(words, ANNOUNCED), 1)
    return atomic_load(offset(words, SPINNING))


@inlined
def run_job(control: Any, job: Any) -> Any:
    """Publish a job, run chunks of it as worker 0, and wait until no worker uses it; returns True after a stall."""
    words = pointer_to(control, 0)
    if atomic_load(offset(words, DEFERRED)):
        return False
    atomic_store(offset(words, JOB), job)
    atomic_add(offset(words, EPOCH), 1)
    call_pointer(words_at(job)[0], job, 0)
    atomic_add(offset(words, EPOCH), 1)
    return spin_until(offset(words, BUSY), 0)


class ThreadPool:
    """`count` threads for one job at a time: the caller's, and `count` - 1 workers, which the first job starts.

    A stall is a wait for a worker that lost its core in the middle of a chunk, as happens where other processes use the
    cores. It takes about a hundred times as long as the chunk. After a stall the next jobs run on the calling thread
    alone, and more of them after every further stall.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.control: NDArray[np.int64] = aligned(CONTROL, np.int64)
        self.control[:] = 0
        self._lock = threading.Lock()
        self._blocked = [threading.Lock() for _ in range(count - 1)]
        self._started = False
        self._solo_jobs = self._penalty = 0
        self._short = True

    def acquire(self, short: bool = True) -> bool:
        """Acquire the workers for one job, until `release`; returns False if the job has to run on one thread.

        short: the job takes less time than a stall. A stall in a longer job does not make the next jobs run alone.
        """
        if self.count == 1 or not self._lock.acquire(blocking=False):
            return False
        if self._solo_jobs and short:
            self._solo_jobs -= 1
            self._lock.release()
            return False
        self._short = short
        self._wake()
        return True

    def release(self, lost: bool) -> None:
        """End the job; lost: a worker lost its core and the job was stalled."""
        self.control[ANNOUNCED] = 0
        lost = lost and self._short
        self._penalty = min(2 * self._penalty + MIN_SOLO_JOBS, MAX_SOLO_JOBS) if lost else max(self._penalty - 1, 0)
        self._solo_jobs = self._penalty if lost else 0
        self._lock.release()

    def _wake(self) -> None:
        """Unblock the workers that do not spin."""
        if announce_job(self.control) == self.count - 1:
            return
        if not self._started:
            self._start()
        for lock in self._blocked:
            if lock.locked():
                lock.release()

    def _start(self) -> None:
        self._started = True
        max_spins = _spins_in(SPIN_SECONDS)
        for worker, lock in enumerate(self._blocked, start=1):
            lock.acquire()
            arguments = (self.control, lock, worker, max_spins)
            threading.Thread(target=_work, args=arguments, name=f"weft-worker-{worker}", daemon=True).start()


def _work(control: NDArray[np.int64], blocked: threading.Lock, worker: int, max_spins: int) -> None:
    while True:
        blocked.acquire()
        spin_for_jobs(control, worker, max_spins)


def _spins_in(seconds: float) -> int:
    """The number of spins that take about this long."""
    unused, trial = np.zeros(CONTROL, np.int64), 2000
    spin_for_jobs(unused, 0, 1)  # compiles it
    began = time.perf_counter()
    spin_for_jobs(unused, 0, trial)
    return int(seconds * trial / (time.perf_counter() - began))


def thread_pool(count: int) -> ThreadPool:
    """The thread pool of this process with `count` threads; a forked process has pools of its own."""
    return _thread_pool(count, os.getpid())


@cache
def _thread_pool(count: int, process: int) -> ThreadPool:
    return ThreadPool(count)
