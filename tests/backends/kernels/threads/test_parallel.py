"""Kernels that several threads carry out together give the same bits, whoever comes."""

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


@pytest.fixture
def everything_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    """However little work there is."""
    from weft.backends.kernels.output import fused_output
    from weft.backends.kernels.recurrent import block as recurrent_block

    monkeypatch.setattr(recurrent_block, "SHARED_WORK", 0)
    monkeypatch.setattr(fused_output, "SHARED_WORK", 0)
    monkeypatch.setattr(numpy_fused, "MIN_IDS", 0)


def trained(model: RNNLM, vocabulary: int, threads: int) -> list[Any]:
    """What two losses and the gradients after them are, in blocks in which few tokens stand often."""
    xs, ts = random_generator(0).integers(0, vocabulary, (2, 5, 8))
    with fused(threads):
        losses = [np.float64(model.loss(xs, ts).nats) for _ in range(2)]
        model.backward()
    return [*losses, *map(dense, model.grads)]


def test_helpers_that_do_not_come_change_no_bit(everything_shared: None) -> None:
    from weft.backends.kernels.threads.thread_pool import thread_pool

    runner = trained(RNNLM(60, 40, 40, 2, seed=1), 60, 2)
    with thread_pool(2)._free:  # somebody else has the helpers
        alone = trained(RNNLM(60, 40, 40, 2, seed=1), 60, 2)
    for ours, expected in zip(alone, runner, strict=True):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("V", [7, 60], ids=["all rows", "rows that occur"])
def test_inputs_of_which_few_differ_are_as_any(
    cell: str, threads: int, tied: bool, V: int, everything_shared: None
) -> None:
    exact = trained(RNNLM(V, 36, 36, 2, cell, tied=tied, seed=1, dtype="float64"), 7, threads)
    for ours, expected in zip(trained(RNNLM(V, 36, 36, 2, cell, tied=tied, seed=1), 7, threads), exact, strict=True):
        np.testing.assert_allclose(ours, expected, **ROUNDING)


def test_few_different_inputs_are_multiplied_once_each(everything_shared: None) -> None:
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


@pytest.mark.parametrize("name", ["failing", "failing_later"])
def test_nobody_waits_for_a_thread_that_failed(name: str) -> None:
    from helpers import parallel_cases
    from weft.backends.kernels.threads.parallel import ParallelRunner

    with pytest.raises(MemoryError, match=f"a thread of the kernel {name}"):
        ParallelRunner(2).run(getattr(parallel_cases, name), 2, False, np.zeros(2))
