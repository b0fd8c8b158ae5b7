"""Worker threads for kernels that release Python's global lock.

A step's work is split into as many parts as there are workers; the calling thread takes the first part itself. Threads
wait on a lock between parts, so that nothing spins while another library's threads want the cores.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeAlias

from weft.errors import InputError

Ends: TypeAlias = "SimpleQueue[BaseException | None]"
"""Where tasks say that they have ended, and with which error."""


class Workers:
    """`count` threads, the caller's included. Raises InputError for a count below 1."""

    def __init__(self, count: int) -> None:
        if count < 1:
            raise InputError(f"threads must be at least 1, got {count}")
        self.count = count
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._tasks: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._putting = threading.Lock()
        self._started = 1

    def run(self, tasks: Sequence[Callable[[], None]]) -> None:
        """Carry out all tasks, side by side, and return when they are done; the first error is raised again.

        Of a task that broke off because another one failed, a BrokenBarrierError, only if there is no other error.
        """
        if self.count == 1 or len(tasks) == 1:
            for task in tasks:
                task()
            return
        if self._process != os.getpid():
            self._begin()  # a process that was forked has none of the threads
        self._start(min(self.count, len(tasks)))
        ends: Ends = SimpleQueue()
        with self._putting:  # tasks may wait for each other: those of two callers must not be mixed
            for task in tasks[1:]:
                self._tasks.put(partial(_carry_out, task, ends))
        own: list[BaseException] = []
        try:
            tasks[0]()
        except threading.BrokenBarrierError as broken:
            own.append(broken)
        finally:
            others = [ends.get() for _ in tasks[1:]]
        errors = own + [error for error in others if error]
        if errors:
            raise min(errors, key=lambda error: isinstance(error, threading.BrokenBarrierError))

    def _start(self, count: int) -> None:
        while self._started < count:
            threading.Thread(target=self._work, name=f"weft-worker-{self._started}", daemon=True).start()
            self._started += 1

    def _work(self) -> None:
        while True:
            self._tasks.get()()


def _carry_out(task: Callable[[], None], ends: Ends) -> None:
    error = None
    try:
        task()
    except BaseException as raised:
        error = raised
    finally:
        ends.put(error)


def available_cores() -> int:
    """Cores that this process may run on, no more than its control group has time for."""
    affinity: Any = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, math.floor(min(cores, granted_cores())))


def granted_cores(groups: Path = Path("/sys/fs/cgroup")) -> float:
    """Processor time that the control group grants, in cores; infinite where it sets no limit."""
    for files in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):
        try:
            quota, period, *_ = " ".join((groups / name).read_text("ascii") for name in files).split()
            if quota != "max" and int(quota) > 0:
                return int(quota) / int(period)
        except (OSError, ValueError, ZeroDivisionError):
            continue
    return math.inf


def split(total: int, parts: int) -> list[slice]:
    """0 … total in at most `parts` neighbouring slices of sizes that differ by one at most; none is empty."""
    parts = max(1, min(parts, total))
    bounds = [total * part // parts for part in range(parts + 1)]
    return [slice(start, stop) for start, stop in pairwise(bounds)]
