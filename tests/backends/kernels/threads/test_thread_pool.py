"""Helpers come when they are called, and are left alone where they keep losing their cores."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from weft.backends.fused import why_not_fused

if why_not_fused() is not None:
    pytest.skip(f"no kernels: {why_not_fused()}", allow_module_level=True)

from weft.backends.kernels.threads.thread_pool import AWAKE, MAX_SOLO_JOBS, MIN_SOLO_JOBS, ThreadPool


def alone_after_a_loss(crew: ThreadPool) -> int:
    """How many jobs are done alone until the helpers are asked again."""
    while not crew.acquire():
        pass
    crew.release(lost=True)
    jobs = 0
    while not crew.acquire():
        jobs += 1
    crew.release(lost=False)
    return jobs


def test_helpers_that_lose_their_cores_are_left_alone_for_longer_each_time() -> None:
    crew = ThreadPool(2)
    first, second, *_, last = [alone_after_a_loss(crew) for _ in range(12)]
    assert first == MIN_SOLO_JOBS < second < last == MAX_SOLO_JOBS


def test_a_loss_is_forgotten_over_many_good_jobs() -> None:
    crew = ThreadPool(2)
    alone_after_a_loss(crew)
    for _ in range(MIN_SOLO_JOBS):
        assert crew.acquire()
        crew.release(lost=False)
    assert alone_after_a_loss(crew) == MIN_SOLO_JOBS


def test_helpers_serve_one_caller_at_a_time_and_one_thread_needs_none() -> None:
    crew = ThreadPool(2)
    assert crew.acquire()
    assert not crew.acquire()
    crew.release(lost=False)
    assert crew.acquire()
    crew.release(lost=False)
    assert not ThreadPool(1).acquire()


def test_helpers_fall_asleep_though_their_caller_was_interrupted_and_never_released_them() -> None:
    crew = ThreadPool(2)
    assert crew.acquire()
    while not crew.control[AWAKE]:
        time.sleep(1e-4)
    until = time.monotonic() + 60
    while any(crew.control[AWAKE] for _ in in_a_while()):  # it looks as if it slept for a moment of each look-out
        assert time.monotonic() < until


def in_a_while() -> Iterator[None]:
    for _ in range(20):
        time.sleep(1e-3)
        yield
