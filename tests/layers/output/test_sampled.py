"""Training on samples: an unbiased denominator, exact if all tokens are drawn, and gradients of few rows."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from helpers.oracles import central_differences
from weft.backends import random_generator
from weft.errors import InputError
from weft.layers import TimeOutputWithLoss, TimeSampledOutputWithLoss
from weft.layers.sparse_gradient import RowGradient, dense

N, T, H, V = 2, 4, 5, 30


def layer(samples: int, order: Any = None, scale: float = 1.0, rows: int | None = None) -> TimeSampledOutputWithLoss:
    rng = random_generator(0)
    W, b = rng.normal(0, scale, (V, H)), rng.normal(size=V)
    return TimeSampledOutputWithLoss(W, b, samples, random_generator(1), order, rows)


def block() -> tuple[Any, Any]:
    rng = random_generator(2)
    ts = rng.integers(0, V, (N, T))
    ts[0, 1] = -1
    ts[1, 0] = ts[1, 1]
    return rng.normal(size=(N, T, H)), ts


def test_gradients_equal_central_differences_of_the_same_draw() -> None:
    output = layer(8, random_generator(3).permutation(V))
    hs, ts = block()
    assert output.rng is not None
    drawn, rng = copy.deepcopy(output.rng.bit_generator.state), output.rng

    def loss() -> float:
        rng.bit_generator.state = drawn
        return output.forward(hs, ts)

    loss()
    dhs, grads = output.backward().copy(), [dense(grad).copy() for grad in output.grads]
    for array, gradient in zip((hs, *output.params), (dhs, *grads), strict=True):
        expected = central_differences(loss, array)
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-9)
        assert np.abs(expected).max() > 1e-4


@pytest.mark.parametrize("samples", [V, V + 1, 10**9])
def test_with_as_many_samples_as_tokens_the_loss_is_exact(samples: int) -> None:
    output = layer(samples)
    full = TimeOutputWithLoss(output.params[0].T, output.params[1])
    hs, ts = block()
    assert output.forward(hs, ts) == pytest.approx(full.forward(hs, ts), rel=1e-12)
    assert output.loss.tokens == full.loss.tokens == N * T - 1
    np.testing.assert_allclose(output.backward(), full.backward(), rtol=1e-10, atol=1e-14)
    dW, db = map(dense, output.grads)
    np.testing.assert_allclose(dW.T, full.grads[0], rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(db, full.grads[1], rtol=1e-10, atol=1e-14)


def test_the_estimate_of_the_denominator_is_unbiased() -> None:
    output = layer(10, scale=0.3)
    hs, ts = block()
    hs, ts = hs[:1, :1], ts[:1, :1]
    score = output.scores(hs[0])[0]
    expected = np.exp(score - score[ts[0, 0]]).sum()
    estimates = [np.exp(output.forward(hs, ts)) for _ in range(4000)]
    error = np.std(estimates) / len(estimates) ** 0.5
    assert error < 0.02 * expected
    assert abs(np.mean(estimates) - expected) < 4 * error
    assert np.mean(np.log(estimates)) < np.log(expected)


def test_the_gradient_approaches_the_exact_one_with_more_samples() -> None:
    hs, ts = block()
    exact = layer(V)
    exact.forward(hs, ts)
    distances = []
    for samples in (5, 15, 28):
        output = layer(samples)
        total = np.zeros((V, H))
        for _ in range(300):
            output.forward(hs, ts)
            total += dense(output.grads[0]) / 300
        distances.append(np.abs(total - dense(exact.grads[0])).max())
    assert distances[0] > distances[1] > distances[2]
    assert distances[2] < 0.05 * np.abs(dense(exact.grads[0])).max()


@pytest.mark.parametrize("samples", [1, 3, 17, V - 1, V])
def test_tokens_are_drawn_with_their_inclusion_probabilities(samples: int) -> None:
    output = layer(samples)
    inclusion = output.inclusion
    assert inclusion.sum() == pytest.approx(samples)
    assert (inclusion > 0).all()
    assert (inclusion <= 1 + 1e-12).all()
    assert (np.diff(inclusion) <= 1e-12).all()
    wanted = np.log((np.arange(V) + 2) / (np.arange(V) + 1))  # π is proportional to this where it is below 1
    factors = (inclusion / wanted)[inclusion < 1]
    np.testing.assert_allclose(factors, factors[:1].repeat(len(factors)), rtol=1e-9)
    counts = np.zeros(V)
    for _ in range(2000):
        ids, logs = output._draw()
        counts[ids] += 1
        np.testing.assert_array_equal(logs, np.log(inclusion[ids]))
    np.testing.assert_allclose(counts / 2000, inclusion, atol=0.06)


def test_frequent_tokens_are_drawn_by_their_ids() -> None:
    order = random_generator(5).permutation(V)
    output = layer(6, order)
    counts = np.zeros(V)
    for _ in range(300):
        counts[output._draw()[0]] += 1
    np.testing.assert_allclose(counts[order] / 300, output.inclusion, atol=0.15)


def test_the_gradient_has_the_rows_of_samples_and_targets_alone() -> None:
    output = layer(4)
    hs, ts = block()
    output.forward(hs, ts)
    dW = output.grads[0]
    assert isinstance(dW, RowGradient)
    assert set(ts[ts >= 0]) <= set(dW.rows)
    assert len(set(dW.rows)) == len(dW.rows) < V
    np.testing.assert_array_equal(np.flatnonzero(output.grads[1]), np.flatnonzero(dense(dW).any(axis=1)))


def test_slices_do_not_change_the_numbers() -> None:
    hs, ts = block()
    whole, sliced = layer(9), layer(9, rows=3)
    assert sliced.forward(hs, ts) == pytest.approx(whole.forward(hs, ts), rel=1e-12)
    np.testing.assert_allclose(sliced.backward(), whole.backward(), rtol=1e-12)
    np.testing.assert_allclose(dense(sliced.grads[0]), dense(whole.grads[0]), rtol=1e-10, atol=1e-15)


def test_log_probabilities_are_exact_and_draw_no_random_numbers() -> None:
    output = layer(3)
    hs, ts = block()
    full = TimeOutputWithLoss(output.params[0].T, output.params[1])
    assert output.rng is not None
    before = copy.deepcopy(output.rng.bit_generator.state)
    np.testing.assert_array_equal(output.log_probabilities(hs, ts), full.log_probabilities(hs, ts))
    np.testing.assert_array_equal(output.scores(hs[0]), full.scores(hs[0]))
    assert output.rng.bit_generator.state == before


def test_fewer_samples_than_one_are_refused() -> None:
    with pytest.raises(InputError, match="draws at least 1 token, got 0"):
        layer(0)
