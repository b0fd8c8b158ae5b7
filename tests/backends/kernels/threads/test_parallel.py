"""Parallel kernels: phases, rounds, named arguments and failures, and the same bits on any number of workers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from weft.backends import default_backend, numpy_fused, random_generator
from weft.backends.fused import fused, why_not_fused
from weft.layers.sparse_gradient import dense
from weft.model import RNNLM

pytestmark = pytest.mark.skipif(why_not_fused() is not None, reason=f"no fused kernels: {why_not_fused()}")
ROUNDING: Any = {"rtol": 1e-4, "atol": 3e-6}


def run(name: str, threads: int, *arguments: Any) -> None:
    """Run a kernel of `helpers.parallel_cases` in as many chunks as there are threads."""
    from helpers import parallel_cases
    from weft.backends.kernels.threads.parallel import ParallelRunner

    ParallelRunner(threads).run(getattr(parallel_cases, name), threads, False, *arguments)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_named_arguments_have_their_values(threads: int) -> None:
    x, out = np.arange(3.0), np.zeros(3)
    run("scaled", threads, x, 10, (np.full(3, 5.0), np.full(3, 2.0)), out)
    np.testing.assert_array_equal(out[:threads], (10 * x + 5 - 2)[:threads])


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_every_chunk_runs_once_a_round_after_all_chunks_of_the_previous_round(threads: int) -> None:
    rounds = 200
    counts, early = np.zeros((rounds + 1, threads), np.int64), np.zeros(threads, np.int64)
    run("counted", threads, rounds, counts, early)
    assert (counts == 1).all()
    assert not early.any()


@pytest.mark.parametrize("threads", [1, 2])
def test_a_phase_with_zero_rounds_is_skipped(threads: int) -> None:
    counts, early = np.zeros((2, threads), np.int64), np.zeros(threads, np.int64)
    run("counted", threads, 0, counts, early)
    np.testing.assert_array_equal(counts, [[0] * threads, [1] * threads])


@pytest.mark.parametrize("name", ["failing", "failing_later"])
def test_no_thread_waits_for_one_that_failed(name: str) -> None:
    with pytest.raises(MemoryError, match=f"a thread of the kernel {name}"):
        run(name, 2, np.zeros(2))


@pytest.mark.parametrize(
    ("threads", "error", "message"),
    [(1, ValueError, "the root of a negative number"), (2, MemoryError, "a thread of the kernel roots")],
)
def test_an_exception_in_an_inlined_function_is_reported(threads: int, error: type[Exception], message: str) -> None:
    x = np.full(threads, 4.0)
    run("roots", threads, x)
    np.testing.assert_array_equal(x, 2)
    x[-1] = -1
    with pytest.raises(error, match=message):
        run("roots", threads, x)


def test_a_kernel_runs_again_after_a_failure() -> None:
    with pytest.raises(MemoryError):
        run("roots", 2, np.array([4.0, -1.0]))
    x = np.array([4.0, 9.0])
    run("roots", 2, x)
    np.testing.assert_array_equal(x, [2, 3])


@pytest.fixture
def always_parallel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several threads run every block and output layer, and inputs are deduplicated, however small they are."""
    from weft.backends.kernels.output import fused_output
    from weft.backends.kernels.recurrent import block as recurrent_block

    monkeypatch.setattr(recurrent_block, "SHARED_WORK", 0)
    monkeypatch.setattr(fused_output, "SHARED_WORK", 0)
    monkeypatch.setattr(numpy_fused, "MIN_IDS", 0)


def losses_and_gradients(model: RNNLM, vocabulary: int, threads: int) -> list[Any]:
    """The losses of two passes over a block in which tokens repeat, and the gradients of the second."""
    xs, ts = random_generator(0).integers(0, vocabulary, (2, 5, 8))
    with fused(threads):
        losses = [np.float64(model.loss(xs, ts).nats) for _ in range(2)]
        model.backward()
    return [*losses, *map(dense, model.grads)]


def test_missing_workers_change_no_bit(always_parallel: None) -> None:
    from weft.backends.kernels.threads.thread_pool import thread_pool

    with_workers = losses_and_gradients(RNNLM(60, 40, 40, 2, seed=1), 60, 2)
    with thread_pool(2)._lock:  # the workers are in use elsewhere
        without_workers = losses_and_gradients(RNNLM(60, 40, 40, 2, seed=1), 60, 2)
    for ours, expected in zip(without_workers, with_workers, strict=True):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("V", [7, 60], ids=["all rows", "distinct rows"])
def test_deduplicated_inputs_give_the_results_of_the_plain_loop(
    cell: str, threads: int, tied: bool, V: int, always_parallel: None
) -> None:
    exact = losses_and_gradients(RNNLM(V, 36, 36, 2, cell, tied=tied, seed=1, dtype="float64"), 7, threads)
    results = losses_and_gradients(RNNLM(V, 36, 36, 2, cell, tied=tied, seed=1), 7, threads)
    for ours, expected in zip(results, exact, strict=True):
        np.testing.assert_allclose(ours, expected, **ROUNDING)


def test_inputs_are_deduplicated_if_few_rows_are_distinct(always_parallel: None) -> None:
    model = RNNLM(50, 8, 8, seed=1)
    with fused(1):
        assert default_backend.fused is not None
        W, cell = model.embedding.params[0], model.recurrent[0].cell
        few = default_backend.fused.deduplicate(W, np.array([[3, 3, 41, 3], [3, 41, 41, 3]]), cell)
        many = default_backend.fused.deduplicate(W, np.array([[1, 2, 3, 4], [5, 6, 7, 7]]), cell)
    assert few is not None
    np.testing.assert_array_equal(few.rows, [3, 41])
    assert few.values.shape == (2, 8)
    np.testing.assert_array_equal(few.values[few.places], model.embedding.params[0][[[3, 3, 41, 3], [3, 41, 41, 3]]])
    assert many is None
