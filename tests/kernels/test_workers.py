"""Work is shared out, finished before it is answered for, and its errors are not lost."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from weft.backends.workers import Workers, granted_cores, split
from weft.errors import InputError


@pytest.mark.parametrize(("total", "parts"), [(1, 1), (1, 4), (10, 3), (9, 3), (2, 7)])
def test_parts_cover_everything_once_and_none_is_empty(total: int, parts: int) -> None:
    shares = split(total, parts)
    assert [i for share in shares for i in range(share.start, share.stop)] == list(range(total))
    assert len(shares) == min(parts, total)
    assert all(share.stop > share.start for share in shares)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_all_tasks_are_done_when_run_returns(count: int) -> None:
    done: list[int] = []
    workers = Workers(count)
    for _ in range(50):
        done.clear()
        workers.run([lambda number=number: done.append(number) for number in range(4)])  # type: ignore[misc]
        assert sorted(done) == [0, 1, 2, 3]


def test_tasks_run_side_by_side() -> None:
    together = threading.Barrier(2, timeout=10)
    Workers(2).run([lambda: print(together.wait()), lambda: print(together.wait())])


@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_in_any_task_is_raised_after_all_have_ended(failing: int) -> None:
    ended = []

    def task(number: int) -> None:
        if number == failing:
            raise ValueError("broken")
        ended.append(number)

    with pytest.raises(ValueError, match="broken"):
        Workers(2).run([lambda: task(0), lambda: task(1)])
    assert ended == [1 - failing]


def test_a_count_below_one_is_refused() -> None:
    with pytest.raises(InputError, match="threads must be at least 1, got 0"):
        Workers(0)


@pytest.mark.parametrize("failing", [0, 1])
def test_the_error_that_made_others_break_off_is_the_one_raised(failing: int) -> None:
    together = threading.Barrier(2)

    def task(number: int) -> None:
        if number == failing:
            together.abort()
            raise ValueError("broken")
        together.wait()

    with pytest.raises(ValueError, match="broken"):
        Workers(2).run([lambda: task(0), lambda: task(1)])


class _Slow:
    """A queue that other threads come to between two things put into it."""

    def __init__(self, queue: Any) -> None:
        self.queue = queue
        self.get = queue.get

    def put(self, task: Any) -> None:
        self.queue.put(task)
        time.sleep(0.002)


def test_tasks_that_wait_for_each_other_may_come_from_many_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = Workers(3)
    done: list[int] = []
    monkeypatch.setattr(workers, "_tasks", _Slow(workers._tasks))

    def meet(together: threading.Barrier) -> None:
        done.append(together.wait())

    def caller() -> None:
        for _ in range(5):
            task = partial(meet, threading.Barrier(3, timeout=5))
            with contextlib.suppress(threading.BrokenBarrierError):
                workers.run([task, task, task])

    callers = [threading.Thread(target=caller) for _ in range(4)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    assert len(done) == 4 * 5 * 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_workers_of_its_own() -> None:
    workers, done = Workers(2), threading.Event()
    workers.run([done.set, done.set])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that of forking beside threads
        child = os.fork()
    if child == 0:
        threading.Timer(10, os._exit, [1]).start()
        workers.run([done.set, done.set])
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, float("inf")),
        ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 2.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, float("inf")),
        ({}, float("inf")),
    ],
)
def test_the_cores_that_a_container_grants(files: dict[str, str], cores: float, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, "ascii")
    assert granted_cores(tmp_path) == cores
