"""The fused output layer for scores of very different size, excluded tokens, and scores that are not finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from weft.backends import default_backend, random_generator
from weft.backends.fused import fused, why_not_fused
from weft.layers import TimeOutputWithLoss

pytestmark = pytest.mark.skipif(why_not_fused() is not None, reason=f"no fused kernels: {why_not_fused()}")

ROWS, H, V = 5, 3, 1300
ROUNDING: Any = {"rtol": 1e-4, "atol": 3e-6}  # the precision of float32 for a log-sum-exp of 900
BIASES = {
    "rising": np.linspace(0, 900, V),
    "falling": np.linspace(900, 0, V),
    "steps up": np.arange(V) // 300 * 60.0,
    "one far above": np.where(np.arange(V) == 777, 500.0, 0.0),
    "one far below": np.where(np.arange(V) == 3, -500.0, 0.0),
    "high and low": np.where(np.arange(V) % 2 == 0, 200.0, -200.0),
}
every_bias = pytest.mark.parametrize("biases", BIASES)
threads_and_memory = pytest.mark.parametrize(("threads", "kept_bytes"), [(1, 0), (1, 2**30), (2, 2**30)])


def eighths(*shape: int, seed: int) -> NDArray[np.float32]:
    """Multiples of 1/8 in [-1, 1], whose scores are exact in float32."""
    return (random_generator(seed).integers(-8, 9, shape) / 8).astype("f")


def set_limits(monkeypatch: pytest.MonkeyPatch, kept_bytes: int) -> None:
    """Keep exponentials up to this size, and run on several threads however few scores there are."""
    from weft.backends.kernels.output import fused_output

    monkeypatch.setattr(fused_output, "KEPT_BYTES", kept_bytes)
    monkeypatch.setattr(fused_output, "SHARED_WORK", 0)


@every_bias
@threads_and_memory
@pytest.mark.parametrize("target", [0, 777, V - 1])
def test_loss_and_gradients_of_scores_far_apart_equal_the_plain_ones(
    biases: str, threads: int, kept_bytes: int, target: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    W, b, hs = eighths(H, V, seed=1), np.round(BIASES[biases]).astype("f"), eighths(1, ROWS, H, seed=2)
    ts = np.full((1, ROWS), target)
    plain = TimeOutputWithLoss(W.astype(float), b.astype(float))
    plain.forward(hs.astype(float), ts)
    layer = TimeOutputWithLoss(W, b)
    with fused(threads):
        set_limits(monkeypatch, kept_bytes)
        layer.forward(hs, ts)
    assert layer.loss.nats == pytest.approx(plain.loss.nats, rel=1e-6, abs=2e-4)
    np.testing.assert_allclose(layer.backward(), plain.backward(), **ROUNDING)
    for ours, expected in zip(layer.grads, plain.grads, strict=True):
        np.testing.assert_allclose(ours, expected, **ROUNDING)


@every_bias
@threads_and_memory
def test_excluded_tokens_have_no_effect_however_high_their_scores_are(
    biases: str, threads: int, kept_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    W, b, h = eighths(H, V, seed=1), np.round(BIASES[biases]).astype("f"), eighths(ROWS, H, seed=2)
    excluded = np.array([-1, 0, 777, V - 1, V - 2])
    extra_logit = np.full(ROWS, b.max(), "f")
    x = h.astype(float) @ W + b
    for r, token in enumerate(excluded):
        if token >= 0:
            x[r, token] = -np.inf
    expected = np.logaddexp(np.logaddexp.reduce(x, axis=1), extra_logit)
    dx = np.exp(x - expected[:, None]) / ROWS
    dW, db = np.empty((H, V), "f"), np.empty(V, "f")
    from weft.backends.fused import _operations

    set_limits(monkeypatch, kept_bytes)
    with fused(threads):
        log_sum, dh = _operations(threads, "float32")._kernels.output.log_sums(
            h, excluded, extra_logit, W, b, np.full(ROWS, 1 / ROWS, "f"), dW, db
        )
    np.testing.assert_allclose(log_sum, expected, rtol=1e-6, atol=2e-4)
    np.testing.assert_allclose(dh, dx @ W.T.astype(float), **ROUNDING)
    np.testing.assert_allclose(dW, h.T.astype(float) @ dx, **ROUNDING)
    np.testing.assert_allclose(db, dx.sum(0), **ROUNDING)


@pytest.mark.parametrize("token", [0, 40, 777, V - 1])
@pytest.mark.parametrize("score", [np.nan, np.inf])
def test_a_score_that_is_not_finite_gives_a_loss_that_is_not_finite(token: int, score: float) -> None:
    W, b, hs = eighths(H, V, seed=1), np.zeros(V, "f"), eighths(1, ROWS, H, seed=2)
    b[token] = score
    layer = TimeOutputWithLoss(W, b)
    with fused(1):
        layer.forward(hs, np.full((1, ROWS), 5))
    assert not np.isfinite(layer.loss.nats)


def test_padding_columns_give_no_denormal_numbers() -> None:
    """Products of their tiny exponentials and a small gradient would be denormal, which is slow on some processors."""
    rows, vocabulary = 90, 65
    h, W = eighths(rows, H, seed=1), eighths(H, vocabulary, seed=2)
    b = np.zeros(vocabulary, np.float32)
    with fused(1):
        from weft.backends.kernels.jit.dtypes import FLOATS
        from weft.backends.kernels.output.workspace import SCORES, SUMS, output_workspace

        operations: Any = default_backend.fused
        kernel = operations.output_kernel(h.dtype)
        workspace = output_workspace(rows, H, vocabulary, 1, FLOATS, True)
        _packed, scratch, _records = workspace.all()
        scratch.fill(1)
        assert kernel is not None
        kernel.loss(h, np.arange(rows) % vocabulary, W, b, -1, np.empty_like(W), np.empty_like(b), rows)
    gradients = np.abs(scratch[0, workspace.starts[SCORES] : workspace.starts[SUMS]])
    assert np.all((gradients == 0) | (gradients > 1e-20))
