"""Models trained with bfloat16 operands in the matrix products."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from weft.backends import fused as fused_backend
from weft.backends import random_generator
from weft.backends.fused import fused, why_not_bfloat16
from weft.errors import InputError
from weft.layers.sparse_gradient import dense
from weft.model import RNNLM

needs_bfloat16 = pytest.mark.skipif(why_not_bfloat16() is not None, reason=f"no bfloat16: {why_not_bfloat16()}")


@needs_bfloat16
@pytest.mark.parametrize(("streams", "shares_units"), [(8, False), (1, False), (1, True)])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_model_in_bfloat16_differs_by_rounding(
    cell: str, tied: bool, streams: int, shares_units: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    xs, ts = random_generator(0).integers(0, 700, (2, streams, 16))
    exact = RNNLM(700, 96, 96, 2, cell, tied=tied, seed=1, dtype="float64")
    rounded = RNNLM(700, 96, 96, 2, cell, tied=tied, seed=1)
    losses = [exact.loss(xs, ts).nats]
    exact.backward()
    with fused(2, "bfloat16"):
        from weft.backends.kernels.recurrent import block as recurrent_block

        monkeypatch.setattr(recurrent_block, "PAIRS_WORK", 0)
        if shares_units:
            monkeypatch.setattr(recurrent_block, "ALONE_WEIGHTS", 0)
        losses.append(rounded.loss(xs, ts).nats)
        rounded.backward()
    assert losses[1] == pytest.approx(losses[0], rel=2e-3)
    assert losses[1] != pytest.approx(losses[0], rel=1e-7)
    for ours, expected in zip(map(dense, rounded.grads), map(dense, exact.grads), strict=True):
        assert np.linalg.norm(ours - expected) < 0.02 * np.linalg.norm(expected)


@needs_bfloat16
def test_nan_stays_nan_in_bfloat16() -> None:
    model = RNNLM(300, 8, 8, seed=1)
    model.named_parameters()["output.W"][3, 5] = np.nan
    ids = np.zeros((2, 3), dtype=int)
    with fused(1, "bfloat16"):
        assert np.isnan(model.loss(ids, ids).nats)


def test_bfloat16_is_refused_where_the_processor_lacks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fused_backend, "why_not_bfloat16", lambda: "this processor has no instructions for bfloat16")
    monkeypatch.setattr(fused_backend, "why_not_fused", lambda: None)
    with pytest.raises(InputError, match="--precision bfloat16 cannot be used: this processor"), fused(1, "bfloat16"):
        pass


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(InputError, match="precision must be one of float32, bfloat16"), fused(1, "float16"):
        pass


@pytest.mark.skipif(
    fused_backend.why_not_fused() is not None, reason=f"no fused kernels: {fused_backend.why_not_fused()}"
)
def test_a_step_over_a_large_vocabulary_needs_little_memory_beyond_the_parameters() -> None:
    V, N, T, H = 100_000, 20, 35, 200
    xs, ts = random_generator(0).integers(0, V, (2, N, T))
    model = RNNLM(V, H, H, seed=0)
    with fused(2):
        tracemalloc.start()
        try:
            model.loss(xs, ts)
            model.backward()
            _size, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    gradients = sum(array.nbytes for array in model.output.grads)
    assert peak + gradients < 200e6
