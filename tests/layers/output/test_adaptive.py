"""Adaptive softmax: normalised, equal to PyTorch's and to the full softmax, for ids in any order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from helpers.oracles import central_differences
from weft.backends import random_generator
from weft.errors import InputError
from weft.layers import OutputSettings, TimeAdaptiveOutputWithLoss, TimeOutputWithLoss, default_cutoffs
from weft.layers.output.frequency import checked_cutoffs

N, T, H, V = 3, 8, 8, 13
CUTOFFS = (4, 9)


def layer(cutoffs: tuple[int, ...] = CUTOFFS, order: Any = None, factor: int = 2) -> TimeAdaptiveOutputWithLoss:
    """A layer with nonzero biases."""
    settings = OutputSettings(output="adaptive", cutoffs=cutoffs, cluster_factor=factor)
    rng = random_generator(0)
    values = TimeAdaptiveOutputWithLoss.initial_parameters(rng, H, V, settings)
    return TimeAdaptiveOutputWithLoss(*(value + rng.normal(0, 0.5, value.shape) for value in values), order=order)


def block(lowest: int = -1) -> tuple[Any, Any]:
    rng = random_generator(1)
    return rng.normal(size=(N, T, H)), rng.integers(lowest, V, (N, T))


@pytest.mark.parametrize("cutoffs", [CUTOFFS, (1, 3, 10), (10,)])
def test_gradients_equal_central_differences(cutoffs: tuple[int, ...]) -> None:
    output = layer(cutoffs, random_generator(2).permutation(V))
    hs, ts = block()
    output.forward(hs, ts)
    dhs, grads = output.backward().copy(), [grad.copy() for grad in output.grads]
    for array, gradient in zip((hs, *output.params), (dhs, *grads), strict=True):
        expected = central_differences(lambda: output.forward(hs, ts), array)
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-9)
        assert np.abs(expected).max() > 1e-4


@pytest.mark.parametrize("order", [None, random_generator(3).permutation(V)], ids=["as they are", "permuted"])
def test_probabilities_of_all_tokens_sum_to_one_and_are_those_of_the_targets(order: Any) -> None:
    output = layer(order=order)
    hs, ts = block(0)
    logs = output.scores(hs.reshape(-1, H))
    np.testing.assert_allclose(np.exp(logs).sum(axis=1), 1, rtol=1e-12)
    of_targets = np.take_along_axis(logs, ts.reshape(-1, 1), axis=1).reshape(N, T)
    np.testing.assert_allclose(output.log_probabilities(hs, ts), of_targets, rtol=1e-12)
    assert output.forward(hs, ts) == pytest.approx(-of_targets.mean(), rel=1e-12)
    assert output.loss.tokens == N * T


def test_the_layer_equals_that_of_torch() -> None:
    output = layer()
    theirs: Any = torch.nn.AdaptiveLogSoftmaxWithLoss(H, V, list(CUTOFFS), div_value=2.0, head_bias=True).double()
    head_W, head_b, *clusters = output.params
    with torch.no_grad():
        theirs.head.weight.copy_(torch.tensor(head_W.T))
        theirs.head.bias.copy_(torch.tensor(head_b))
        for place, tail in enumerate(theirs.tail):
            P, W, b = clusters[3 * place : 3 * place + 3]
            b[...] = 0  # PyTorch's clusters have no biases
            tail[0].weight.copy_(torch.tensor(P.T))
            tail[1].weight.copy_(torch.tensor(W.T))
    hs, ts = block(0)
    loss = output.forward(hs, ts)
    h = torch.tensor(hs.reshape(-1, H), requires_grad=True)
    result = theirs(h, torch.tensor(ts.reshape(-1)))
    result.loss.backward()
    assert loss == pytest.approx(result.loss.item(), rel=1e-12)
    close: Any = {"rtol": 1e-9, "atol": 1e-12}
    np.testing.assert_allclose(output.scores(hs.reshape(-1, H)), theirs.log_prob(h).detach().numpy(), **close)
    assert h.grad is not None
    np.testing.assert_allclose(output.backward().reshape(-1, H), h.grad.numpy(), **close)
    weights = [theirs.head.weight, theirs.head.bias, *(part.weight for tail in theirs.tail for part in tail)]
    ours = [grad for place, grad in enumerate(output.grads) if place < 2 or place % 3 != 1]
    for gradient, weight in zip(ours, weights, strict=True):
        assert weight.grad is not None
        np.testing.assert_allclose(gradient.T, weight.grad.numpy(), **close)


def test_without_clusters_the_layer_is_the_full_softmax() -> None:
    rng = random_generator(0)
    W, b = rng.normal(size=(H, V)), rng.normal(size=V)
    adaptive, full = TimeAdaptiveOutputWithLoss(W, b), TimeOutputWithLoss(W, b)
    hs, ts = block()
    assert adaptive.forward(hs, ts) == full.forward(hs, ts)
    np.testing.assert_array_equal(adaptive.backward(), full.backward())
    for ours, theirs in zip(adaptive.grads, full.grads, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(adaptive.log_probabilities(hs, ts), full.log_probabilities(hs, ts))


def test_ids_in_another_order_permute_the_probabilities() -> None:
    order = random_generator(4).permutation(V)
    sorted_ids, permuted = layer(), layer(order=order)
    hs, ts = block()
    renamed = np.where(ts == -1, -1, order[ts])
    assert permuted.forward(hs, renamed) == sorted_ids.forward(hs, ts)
    h = hs.reshape(-1, H)
    np.testing.assert_array_equal(permuted.scores(h)[:, order], sorted_ids.scores(h))


def test_clusters_without_targets_have_zero_gradients() -> None:
    output = layer()
    hs, ts = block(0)
    output.forward(hs, ts)
    assert all(grad.any() for grad in output.grads)
    output.forward(hs, np.minimum(ts, CUTOFFS[0] - 1))
    assert all(grad.any() == (place < 2) for place, grad in enumerate(output.grads))


def test_a_block_of_ignored_targets_has_zero_loss() -> None:
    output = layer()
    hs, ts = block()
    assert output.forward(hs, np.full_like(ts, -1)) == 0
    assert output.loss.tokens == 0
    assert not output.backward().any()
    assert not output.log_probabilities(hs, np.full_like(ts, -1)).any()


@pytest.mark.parametrize("V", [1, 2, 5, 100, 5000, 30_000, 256_000, 10**7])
def test_default_cutoffs_fit_the_vocabulary(V: int) -> None:
    cutoffs = default_cutoffs(V)
    assert checked_cutoffs(cutoffs, V) == cutoffs
    assert bool(cutoffs) == (V > 1)


def test_every_cluster_has_a_smaller_projection() -> None:
    output = layer((2, 4, 8), factor=2)
    names = output.named(array.shape for array in output.params)
    assert [names[f"cluster.{k}.P"] for k in (1, 2, 3)] == [(H, 4), (H, 2), (H, 1)]
    assert [names[f"cluster.{k}.W"][1] for k in (1, 2, 3)] == [2, 4, V - 8]


@pytest.mark.parametrize(
    ("cutoffs", "message"),
    [
        ((0, 3), "cutoffs must rise, from at least 1, got 0, 3"),
        ((5, 5), "cutoffs must rise"),
        ((4, V), f"cutoffs must lie below the size of the vocabulary, {V}, got 4, {V}"),
    ],
)
def test_wrong_cutoffs_are_refused(cutoffs: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        layer(cutoffs)


def test_an_incomplete_cluster_is_refused() -> None:
    output = layer()
    with pytest.raises(InputError, match="2 parameters and 3 more for every cluster, got 7"):
        TimeAdaptiveOutputWithLoss(*output.params[:-1])
    with pytest.raises(InputError, match="P of cluster 1 must have shape"):
        TimeAdaptiveOutputWithLoss(*output.params[:2], output.params[2].T, *output.params[3:])
    with pytest.raises(InputError, match="order of an output layer must have shape"):
        TimeAdaptiveOutputWithLoss(*output.params, order=np.arange(V - 1))
