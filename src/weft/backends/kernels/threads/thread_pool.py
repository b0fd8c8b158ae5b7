"""Helpers for work of microseconds: threads that wait awake for a moment, and never keep anybody waiting.

Handing a task to a sleeping thread costs tens of microseconds, as much as a whole step of a small model. So a job is
cut into chunks that whoever is there takes one after another (see `stream_step`); a helper that comes late finds fewer
left, one that does not come none. After a job, helpers look out for the next one for a moment before they sleep.

The control words: EPOCH is odd while a job is open; JOB is its address; BUSY, the number of workers that run it; AWAKE,
the number of workers that spin; ANNOUNCED, non-zero while a job is about to come, for which they spin longer; DEFERRED,
non-zero if jobs are only published, to be run later. A job's words begin with the address of a function (job, number)
that takes part in it.
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

EPOCH, JOB, BUSY, AWAKE, ANNOUNCED, DEFERRED, CONTROL = (LINE * n for n in range(7))
SPIN_SECONDS = 600e-6
MAX_SPINS = 1000
"""How many times so long a job is looked out for that is about to come: it never does if its caller was interrupted."""

MIN_SOLO_JOBS, MAX_SOLO_JOBS = 4, 2000
"""How many jobs are done alone after one in which a helper was waited for long; more each time it happens again."""


@jit
def spin_for_jobs(control: Any, number: Any, most: Any) -> None:
    """Take part in every job that comes, as helper `number`, until none has come for `most` looks and none is wanted,
    or for MAX_SPINS times as many."""
    words = pointer_to(control, 0)
    atomic_add(offset(words, AWAKE), 1)
    last = looks = look_outs = 0
    while True:
        if looks >= most:
            look_outs += 1
            atomic_add(offset(words, AWAKE), -1)
            if atomic_load(offset(words, ANNOUNCED)) == 0 or look_outs == MAX_SPINS:
                return
            atomic_add(offset(words, AWAKE), 1)
            looks = 0
        turn = atomic_load(offset(words, EPOCH))
        if turn % 2 == 0 or turn == last:
            pause()
            looks += 1
            continue
        atomic_add(offset(words, BUSY), 1)
        if (
            atomic_load(offset(words, EPOCH)) == turn
        ):  # it is open still, and will not be closed as long as BUSY is not 0
            job = atomic_load(offset(words, JOB))
            call_pointer(words_at(job)[0], job, number)
        atomic_add(offset(words, BUSY), -1)
        last, looks, look_outs = turn, 0, 0


@jit
def announce_job(control: Any) -> Any:
    """Say that a job is about to come; how many look out for it, and stay awake longer than they would."""
    words = pointer_to(control, 0)
    atomic_store(offset(words, ANNOUNCED), 1)
    return atomic_load(offset(words, AWAKE))


@inlined
def run_job(control: Any, job: Any) -> Any:
    """Open a job to helpers, take part in it, and return when nobody touches it any more; whether that took long."""
    words = pointer_to(control, 0)
    if atomic_load(offset(words, DEFERRED)):
        return False
    atomic_store(offset(words, JOB), job)
    atomic_add(offset(words, EPOCH), 1)
    call_pointer(words_at(job)[0], job, 0)
    atomic_add(offset(words, EPOCH), 1)
    return spin_until(offset(words, BUSY), 0)


class ThreadPool:
    """`count` threads, the caller's included, for one job at a time.

    Where the cores are wanted by others, a helper that loses its own in the middle of a chunk is waited for, a hundred
    times longer than the chunk takes. After that has happened the next jobs are done alone.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.control: NDArray[np.int64] = aligned(CONTROL, np.int64)
        self.control[:] = 0
        self._free = threading.Lock()
        self._sleeping = [threading.Lock() for _ in range(count - 1)]
        self._started = False
        self._alone = self._penalty = 0
        self._patient = False

    def acquire(self, patient: bool = False) -> bool:
        """Whether the caller has the helpers, until it calls `release`; patient: the job takes as long as a helper that
        loses its core is waited for, so that such a wait is no reason to do the next jobs alone."""
        if self.count == 1 or not self._free.acquire(blocking=False):
            return False
        if self._alone and not patient:
            self._alone -= 1
            self._free.release()
            return False
        self._patient = patient
        self._wake()
        return True

    def release(self, lost: bool) -> None:
        """The job is done; lost: a helper was waited for long."""
        self.control[ANNOUNCED] = 0
        lost = lost and not self._patient
        self._penalty = min(2 * self._penalty + MIN_SOLO_JOBS, MAX_SOLO_JOBS) if lost else max(self._penalty - 1, 0)
        self._alone = self._penalty if lost else 0
        self._free.release()

    def _wake(self) -> None:
        """Send for the helpers that sleep."""
        if announce_job(self.control) == self.count - 1:
            return
        if not self._started:
            self._start()
        for lock in self._sleeping:
            if lock.locked():
                lock.release()

    def _start(self) -> None:
        self._started = True
        most = _looks(SPIN_SECONDS)
        for number, lock in enumerate(self._sleeping, start=1):
            lock.acquire()
            arguments = (self.control, lock, number, most)
            threading.Thread(target=_help, args=arguments, name=f"weft-helper-{number}", daemon=True).start()


def _help(control: NDArray[np.int64], sleeping: threading.Lock, number: int, most: int) -> None:
    while True:
        sleeping.acquire()
        spin_for_jobs(control, number, most)


def _looks(seconds: float) -> int:
    """How many looks take about so long."""
    nothing, some = np.zeros(CONTROL, np.int64), 2000
    spin_for_jobs(nothing, 0, 1)
    began = time.perf_counter()
    spin_for_jobs(nothing, 0, some)
    return int(seconds * some / (time.perf_counter() - began))


def thread_pool(count: int) -> ThreadPool:
    """The crew of this process of so many threads; one that was forked has helpers of its own."""
    return _thread_pool(count, os.getpid())


@cache
def _thread_pool(count: int, process: int) -> ThreadPool:
    return ThreadPool(count)
