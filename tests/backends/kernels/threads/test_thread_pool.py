"""The thread pool: one caller at a time, solo jobs after stalls, and workers that block when there is nothing to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from weft.backends.fused import why_not_fused

if why_not_fused() is not None:
    pytest.skip(f"no kernels: {why_not_fused()}", allow_module_level=True)

from weft.backends.kernels.threads.thread_pool import MAX_SOLO_JOBS, MIN_SOLO_JOBS, SPINNING, ThreadPool


def solo_jobs_after_a_stall(pool: ThreadPool) -> int:
    """The number of jobs after a stall that run on the calling thread alone."""
    while not pool.acquire():
        pass
    pool.release(lost=True)
    jobs = 0
    while not pool.acquire():
        jobs += 1
    pool.release(lost=False)
    return jobs


def test_more_jobs_run_alone_after_every_further_stall() -> None:
    pool = ThreadPool(2)
    first, second, *_, last = [solo_jobs_after_a_stall(pool) for _ in range(12)]
    assert first == MIN_SOLO_JOBS < second < last == MAX_SOLO_JOBS


def test_jobs_without_a_stall_reduce_the_number_of_solo_jobs() -> None:
    pool = ThreadPool(2)
    solo_jobs_after_a_stall(pool)
    for _ in range(MIN_SOLO_JOBS):
        assert pool.acquire()
        pool.release(lost=False)
    assert solo_jobs_after_a_stall(pool) == MIN_SOLO_JOBS


def test_a_stall_of_a_long_job_is_ignored_and_long_jobs_never_run_alone() -> None:
    pool = ThreadPool(2)
    assert pool.acquire(short=False)
    pool.release(lost=True)
    assert pool.acquire()
    pool.release(lost=True)
    assert pool.acquire(short=False)
    pool.release(lost=False)


def test_the_workers_serve_one_caller_at_a_time() -> None:
    pool = ThreadPool(2)
    assert pool.acquire()
    assert not pool.acquire()
    pool.release(lost=False)
    assert pool.acquire()
    pool.release(lost=False)


def test_a_pool_of_one_thread_has_no_workers() -> None:
    assert not ThreadPool(1).acquire()


def test_workers_have_names() -> None:
    pool = ThreadPool(3)
    assert pool.acquire()
    pool.release(lost=False)
    assert {"weft-worker-1", "weft-worker-2"} <= {thread.name for thread in threading.enumerate()}


def test_workers_block_if_an_interrupted_caller_never_releases_them() -> None:
    pool = ThreadPool(2)
    assert pool.acquire()
    while not pool.control[SPINNING]:
        time.sleep(1e-4)
    until = time.monotonic() + 60
    while any(pool.control[SPINNING] for _ in samples()):
        assert time.monotonic() < until


def samples() -> Iterator[None]:
    """Twenty times a millisecond apart: between two periods of spinning, SPINNING is zero for an instant."""
    for _ in range(20):
        time.sleep(1e-3)
        yield
