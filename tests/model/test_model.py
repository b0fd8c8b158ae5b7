"""The language model: gradients through the whole stack, one step = one block, and state that does not leak."""

from __future__ import annotations

import copy
from itertools import chain
from typing import Any

import numpy as np
import pytest

from helpers.oracles import central_differences
from weft.errors import InputError
from weft.layers import time_layers
from weft.layers.sparse_gradient import dense
from weft.model import RNNLM

every_cell = pytest.mark.parametrize("cell", time_layers())
V, N, T = 7, 2, 4


def tokens(seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, V, (N, T)), rng.integers(0, V, (N, T))


def small_model(cell: str = "lstm", layers: int = 2, **options: Any) -> RNNLM:
    return RNNLM(V, 3, options.pop("hidden_size", 3), layers, cell, seed=0, dtype="float64", **options)


@every_cell
@pytest.mark.parametrize("tied", [False, True])
def test_gradients_of_every_named_parameter_equal_central_differences(cell: str, tied: bool) -> None:
    model = small_model(cell, tied=tied, dropout=0.3)
    xs, ts = tokens()
    ts[0, 1] = -1
    dropout_state = copy.deepcopy(model.rng.bit_generator.state)

    def mean_nats() -> float:
        model.rng.bit_generator.state = dropout_state
        model.reset_state()
        loss = model.loss(xs, ts)
        return loss.nats / loss.tokens

    for parameter in model.params:
        parameter[...] = np.random.default_rng(1).normal(0, 0.8, parameter.shape)
    mean_nats()
    model.backward()
    gradients = {name: dense(gradient).copy() for name, gradient in model.named_gradients().items()}
    for name, parameter in model.named_parameters().items():
        expected = central_differences(mean_nats, parameter, epsilon=2e-6)
        np.testing.assert_allclose(gradients[name], expected, rtol=1e-5, atol=1e-9, err_msg=name)
        assert np.abs(expected).max() > 1e-5, name


@every_cell
def test_one_token_at_a_time_gives_the_numbers_of_a_block(cell: str) -> None:
    model = small_model(cell)
    xs, ts = tokens()
    block, last = model.log_probabilities(xs, ts, model.zero_state(N))
    state = model.zero_state(N)
    for t in range(T):
        scores, state = model.step(xs[:, t], state)
        probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
        np.testing.assert_allclose(np.log(probabilities[np.arange(N), ts[:, t]]), block[:, t], rtol=1e-10)
    for part, expected in zip(chain(*state), chain(*last), strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-12)


def test_without_dropout_the_training_loss_is_the_sum_of_log_probabilities() -> None:
    model = small_model()
    xs, ts = tokens()
    log_probabilities, _state = model.log_probabilities(xs, ts, model.zero_state(N))
    loss = model.loss(xs, ts)
    assert loss.nats == pytest.approx(-log_probabilities.sum(), rel=1e-12)
    assert loss.tokens == N * T


def test_the_training_state_is_carried_on_and_can_be_restored() -> None:
    model = small_model()
    xs, ts = tokens()
    first = model.loss(xs, ts)
    kept = model.state
    second = model.loss(xs, ts)
    assert second.nats != first.nats
    model.set_state(kept)
    assert model.loss(xs, ts) == second
    model.reset_state()
    assert model.state is None
    assert model.loss(xs, ts) == first


def test_scoring_between_training_passes_does_not_change_training() -> None:
    scored, alone = small_model(dropout=0.5), small_model(dropout=0.5)
    xs, ts = tokens()
    for model in (scored, alone):
        model.loss(xs, ts)
        if model is scored:
            model.log_probabilities(ts, xs, model.zero_state(N))
            model.step(xs[:, 0], model.zero_state(N))
        model.loss(xs, ts)
        model.backward()
    for ours, theirs in zip(scored.grads, alone.grads, strict=True):
        np.testing.assert_array_equal(dense(ours), dense(theirs))


def test_a_step_does_not_change_the_state_it_starts_from() -> None:
    model = small_model()
    before = model.zero_state(N)
    kept = copy.deepcopy(before)
    model.step(np.array([1, 2]), before)
    model.step(np.array([3, 4]), before)
    np.testing.assert_array_equal(before, kept)


def test_tied_weights_are_one_array() -> None:
    model = small_model(tied=True)
    assert "output.W" not in model.named_parameters()
    model.named_parameters()["embedding.W"][...] = 0
    scores, _state = model.step(np.array([0]), model.zero_state(1))
    np.testing.assert_array_equal(scores, 0)


def test_parameters_and_gradients_are_listed_in_the_same_order() -> None:
    model = small_model()
    assert list(model.named_parameters()) == list(model.named_gradients())
    for parameter, gradient in zip(model.params, model.grads, strict=True):
        assert parameter.shape == gradient.shape


def test_the_same_seed_gives_the_same_model() -> None:
    for ours, theirs in zip(small_model().params, small_model().params, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_wrong_sizes_and_names_are_refused() -> None:
    with pytest.raises(InputError, match=r"unknown cell 'lsmt' \(did you mean \"lstm\"\?\)"):
        small_model("lsmt")
    with pytest.raises(InputError, match="tied weights need embedding_size = hidden_size, got 3 and 5"):
        small_model(tied=True, hidden_size=5, layers=1)
    with pytest.raises(InputError, match="hidden_size must be at least 1, got 0"):
        small_model(hidden_size=0)
    with pytest.raises(InputError, match=r"token ids must lie in \[0, 7\), got 9"):
        small_model().step(np.array([9]), small_model().zero_state(1))
