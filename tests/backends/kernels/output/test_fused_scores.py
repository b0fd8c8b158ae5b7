"""The fused output layer is exact for scores that lie far apart, wherever the highest is met."""

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
ROUNDING: Any = {"rtol": 1e-4, "atol": 3e-6}  # a sum's logarithm of 900 has no more digits in float32
BIASES = {
    "rising": np.linspace(0, 900, V),
    "falling": np.linspace(900, 0, V),
    "steps up": np.arange(V) // 300 * 60.0,
    "one far above": np.where(np.arange(V) == 777, 500.0, 0.0),
    "one far below": np.where(np.arange(V) == 3, -500.0, 0.0),
    "high and low": np.where(np.arange(V) % 2 == 0, 200.0, -200.0),
}
kinds = pytest.mark.parametrize("kind", BIASES)
settings = pytest.mark.parametrize(("threads", "kept_bytes"), [(1, 0), (1, 2**30), (2, 2**30)])


def small_numbers(*shape: int, seed: int) -> NDArray[np.float32]:
    """Multiples of 1/8, so that scores are the same in float32 as in float64."""
    return (random_generator(seed).integers(-8, 9, shape) / 8).astype("f")


def keep_and_share(monkeypatch: pytest.MonkeyPatch, kept_bytes: int) -> None:
    from weft.backends.kernels.output import fused_output

    monkeypatch.setattr(fused_output, "KEPT_BYTES", kept_bytes)
    monkeypatch.setattr(fused_output, "SHARED_WORK", 0)


@kinds
@settings
@pytest.mark.parametrize("target", [0, 777, V - 1])
def test_scores_far_apart_give_the_plain_loss_and_gradients(
    kind: str, threads: int, kept_bytes: int, target: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    W, b, hs = small_numbers(H, V, seed=1), np.round(BIASES[kind]).astype("f"), small_numbers(1, ROWS, H, seed=2)
    ts = np.full((1, ROWS), target)
    plain = TimeOutputWithLoss(W.astype(float), b.astype(float))
    plain.forward(hs.astype(float), ts)
    layer = TimeOutputWithLoss(W, b)
    with fused(threads):
        keep_and_share(monkeypatch, kept_bytes)
        layer.forward(hs, ts)
    assert layer.loss.nats == pytest.approx(plain.loss.nats, rel=1e-6, abs=2e-4)
    np.testing.assert_allclose(layer.backward(), plain.backward(), **ROUNDING)
    for ours, expected in zip(layer.grads, plain.grads, strict=True):
        np.testing.assert_allclose(ours, expected, **ROUNDING)


@kinds
@settings
def test_a_score_left_out_counts_for_nothing_however_high(
    kind: str, threads: int, kept_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    W, b, h = small_numbers(H, V, seed=1), np.round(BIASES[kind]).astype("f"), small_numbers(ROWS, H, seed=2)
    excluded = np.array([-1, 0, 777, V - 1, V - 2])
    beside = np.full(ROWS, b.max(), "f")
    x = h.astype(float) @ W + b
    for r, token in enumerate(excluded):
        if token >= 0:
            x[r, token] = -np.inf
    expected = np.logaddexp(np.logaddexp.reduce(x, axis=1), beside)
    dx = np.exp(x - expected[:, None]) / ROWS
    dW, db = np.empty((H, V), "f"), np.empty(V, "f")
    from weft.backends.fused import _operations

    keep_and_share(monkeypatch, kept_bytes)
    with fused(threads):
        log_sum, dh = _operations(threads, "float32")._kernels.output.log_sums(
            h, excluded, beside, W, b, np.full(ROWS, 1 / ROWS, "f"), dW, db
        )
    np.testing.assert_allclose(log_sum, expected, rtol=1e-6, atol=2e-4)
    np.testing.assert_allclose(dh, dx @ W.T.astype(float), **ROUNDING)
    np.testing.assert_allclose(dW, h.T.astype(float) @ dx, **ROUNDING)
    np.testing.assert_allclose(db, dx.sum(0), **ROUNDING)


@pytest.mark.parametrize("token", [0, 40, 777, V - 1])
@pytest.mark.parametrize("score", [np.nan, np.inf])
def test_a_score_that_is_not_finite_is_not_swallowed(token: int, score: float) -> None:
    W, b, hs = small_numbers(H, V, seed=1), np.zeros(V, "f"), small_numbers(1, ROWS, H, seed=2)
    b[token] = score
    layer = TimeOutputWithLoss(W, b)
    with fused(1):
        layer.forward(hs, np.full((1, ROWS), 5))
    assert not np.isfinite(layer.loss.nats)


def test_what_fills_a_panel_up_gives_no_denormal_numbers() -> None:
    """Exponentials far below all others would, times a small gradient, and some processors take long for these."""
    rows, vocabulary = 90, 65
    h, W = small_numbers(rows, H, seed=1), small_numbers(H, vocabulary, seed=2)
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
