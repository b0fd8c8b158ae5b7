"""Helpers for work of microseconds: threads that wait awake for a moment, and never keep anybody waiting.

Handing a task to a sleeping thread costs tens of microseconds, as much as a whole step of a small model. So a job is
cut into chunks that whoever is there takes one after another (see `stream_step`); a helper that comes late finds fewer
left, one that does not come none. After a job, helpers look out for the next one for a moment before they sleep.

The control words: TURN is odd while a job is open; JOB, its address; BUSY, how many helpers are at it; AWAKE, how many
look out; WANTED, whether a job is about to come, for which they stay awake longer; LATER, whether jobs are only made,
to be carried out another time. A job's words begin with the address of a function (job, number) that takes part in it.
"""

from __future__ import annotations

import os
import threading
import time
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.jit.atomics import LINE, add, call, pause, read, wait_for, words_at, write
from weft.backends.kernels.jit.compile import compiled, within_kernels
from weft.backends.kernels.jit.pointers import pointer_to, shift
from weft.backends.kernels.threads.workspace import aligned

TURN, JOB, BUSY, AWAKE, WANTED, LATER, CONTROL = (LINE * n for n in range(7))
LOOK_OUT_SECONDS = 600e-6
MOST_LOOK_OUTS = 1000
"""How many times so long a job is looked out for that is about to come: it never does if its caller was interrupted."""

FEWEST_ALONE, MOST_ALONE = 4, 2000
"""How many jobs are done alone after one in which a helper was waited for long; more each time it happens again."""


@compiled
def look_out(control: Any, number: Any, most: Any) -> None:
    """Take part in every job that comes, as helper `number`, until none has come for `most` looks and none is wanted,
    or for MOST_LOOK_OUTS times as many."""
    words = pointer_to(control, 0)
    add(shift(words, AWAKE), 1)
    last = looks = look_outs = 0
    while True:
        if looks >= most:
            look_outs += 1
            add(shift(words, AWAKE), -1)
            if read(shift(words, WANTED)) == 0 or look_outs == MOST_LOOK_OUTS:
                return
            add(shift(words, AWAKE), 1)
            looks = 0
        turn = read(shift(words, TURN))
        if turn % 2 == 0 or turn == last:
            pause()
            looks += 1
            continue
        add(shift(words, BUSY), 1)
        if read(shift(words, TURN)) == turn:  # it is open still, and will not be closed as long as BUSY is not 0
            job = read(shift(words, JOB))
            call(words_at(job)[0], job, number)
        add(shift(words, BUSY), -1)
        last, looks, look_outs = turn, 0, 0


@compiled
def want(control: Any) -> Any:
    """Say that a job is about to come; how many look out for it, and stay awake longer than they would."""
    words = pointer_to(control, 0)
    write(shift(words, WANTED), 1)
    return read(shift(words, AWAKE))


@within_kernels
def carry_out(control: Any, job: Any) -> Any:
    """Open a job to helpers, take part in it, and return when nobody touches it any more; whether that took long."""
    words = pointer_to(control, 0)
    if read(shift(words, LATER)):
        return False
    write(shift(words, JOB), job)
    add(shift(words, TURN), 1)
    call(words_at(job)[0], job, 0)
    add(shift(words, TURN), 1)
    return wait_for(shift(words, BUSY), 0)


class Crew:
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

    def engage(self, patient: bool = False) -> bool:
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
        self.control[WANTED] = 0
        lost = lost and not self._patient
        self._penalty = min(2 * self._penalty + FEWEST_ALONE, MOST_ALONE) if lost else max(self._penalty - 1, 0)
        self._alone = self._penalty if lost else 0
        self._free.release()

    def _wake(self) -> None:
        """Send for the helpers that sleep."""
        if want(self.control) == self.count - 1:
            return
        if not self._started:
            self._start()
        for lock in self._sleeping:
            if lock.locked():
                lock.release()

    def _start(self) -> None:
        self._started = True
        most = _looks(LOOK_OUT_SECONDS)
        for number, lock in enumerate(self._sleeping, start=1):
            lock.acquire()
            arguments = (self.control, lock, number, most)
            threading.Thread(target=_help, args=arguments, name=f"weft-helper-{number}", daemon=True).start()


def _help(control: NDArray[np.int64], sleeping: threading.Lock, number: int, most: int) -> None:
    while True:
        sleeping.acquire()
        look_out(control, number, most)


def _looks(seconds: float) -> int:
    """How many looks take about so long."""
    nothing, some = np.zeros(CONTROL, np.int64), 2000
    look_out(nothing, 0, 1)
    began = time.perf_counter()
    look_out(nothing, 0, some)
    return int(seconds * some / (time.perf_counter() - began))


def crew(count: int) -> Crew:
    """The crew of this process of so many threads; one that was forked has helpers of its own."""
    return _crew(count, os.getpid())


@cache
def _crew(count: int, process: int) -> Crew:
    return Crew(count)
