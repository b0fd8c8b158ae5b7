"""The model with all regularizations and architectures against central differences and PyTorch."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch.func import functional_call

from helpers.oracles import central_differences_along
from weft.errors import InputError
from weft.inference.frozen_model import StreamingModel
from weft.layers import Regularization, time_layers
from weft.layers.sparse_gradient import dense
from weft.model import RNNLM

V, N, T, D, H = 7, 2, 4, 3, 5
DIRECTIONS = 6
EVERYTHING = Regularization(
    dropout_in=0.2,
    dropout_between=0.3,
    dropout_out=0.4,
    embedding_dropout=0.3,
    weight_dropout=0.4,
    activation_penalty=2.0,
    temporal_penalty=1.5,
)
LOCKED = Regularization(**{**vars(EVERYTHING), "dropout_locked": True})
Floats = Any


def tokens() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.integers(0, V, (N, T)), rng.integers(0, V, (N, T))


def regularized(cell: str = "lstm", regularization: Regularization = LOCKED, **options: Any) -> RNNLM:
    settings: dict[str, Any] = {"layers": 3, "tied": True, "residual": True, "seed": 0, "dtype": "float64"} | options
    model = RNNLM(V, D, H, cell=cell, regularization=regularization, **settings)
    for parameter in model.params:
        parameter[...] = np.random.default_rng(1).normal(0, 0.8, parameter.shape)
    return model


@pytest.mark.parametrize("regularization", [EVERYTHING, LOCKED], ids=["plain", "locked"])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_gradients_equal_central_differences(
    cell: str, layer_norm: bool, tied: bool, regularization: Regularization
) -> None:
    model = regularized(cell, regularization, tied=tied, layer_norm=layer_norm)
    xs, ts = tokens()
    drawn = copy.deepcopy(model.rng.bit_generator.state)

    def objective() -> float:
        model.rng.bit_generator.state = drawn
        model.reset_state()
        loss = model.loss(xs, ts)
        return loss.nats / loss.tokens + model.stack.penalty

    objective()
    model.backward()
    gradients = {name: dense(gradient).copy() for name, gradient in model.named_gradients().items()}
    for name, parameter in model.named_parameters().items():
        directions = np.random.default_rng(2).normal(size=(DIRECTIONS, *parameter.shape))
        directions /= np.linalg.norm(directions.reshape(DIRECTIONS, -1), axis=1).reshape(-1, *[1] * parameter.ndim)
        expected = central_differences_along(objective, parameter, directions)
        slopes = (directions * gradients[name]).reshape(DIRECTIONS, -1).sum(axis=1)
        # Layer normalisation of three units has a large curvature, so that central differences are less exact.
        np.testing.assert_allclose(slopes, expected, rtol=2e-5, atol=1e-8, err_msg=name)
        assert np.abs(expected).max() > 1e-4, name


def torch_lstm(xs: Floats, Wx: Floats, Wh: Floats, b: Floats) -> Floats:
    """PyTorch's LSTM, whose gates are in the order i f g o, with weights in weft's order f g i o."""

    def reordered(W: Floats) -> Floats:
        f, g, i, o = W.chunk(4, dim=-1)
        return torch.cat((i, f, g, o), dim=-1).t()

    weights = {
        "weight_ih_l0": reordered(Wx),
        "weight_hh_l0": reordered(Wh),
        "bias_ih_l0": reordered(b),
        "bias_hh_l0": torch.zeros_like(b),
    }
    module = torch.nn.LSTM(Wx.shape[0], Wh.shape[0], batch_first=True).double()
    hs, _last = functional_call(module, weights, (xs,))
    return hs


@pytest.mark.parametrize("regularization", [EVERYTHING, LOCKED], ids=["plain", "locked"])
def test_loss_penalty_and_gradients_equal_torch_with_the_same_masks(regularization: Regularization) -> None:
    model = regularized(regularization=regularization)
    xs, ts = tokens()
    loss = model.loss(xs, ts)
    model.backward()

    p: Any = {name: torch.tensor(array, requires_grad=True) for name, array in model.named_parameters().items()}
    masks = [torch.tensor(dropout.mask) for dropout in model.stack.dropouts]
    hs = p["embedding.W"][torch.tensor(xs)] * torch.tensor(model.embedding_dropout.mask)
    for index, layer in enumerate(model.recurrent):
        below = hs
        Wx, Vh, b = (p[f"recurrent.{index}.{name}"] for name in ("Wx", "Wh", "b"))
        assert layer.weight_dropout
        hs = torch_lstm(below * masks[index], Wx, Vh * torch.tensor(layer.weight_dropout.mask), b)
        if index == 1:
            hs = hs + below
    outputs = hs * masks[-1]
    scores = outputs @ p["embedding.W"].T + p["output.b"]
    nats = torch.nn.functional.cross_entropy(scores.reshape(-1, V), torch.tensor(ts).reshape(-1))
    penalty = 2.0 * outputs.pow(2).mean() + 1.5 * (hs[:, 1:] - hs[:, :-1]).pow(2).mean()
    (nats + penalty).backward()

    assert loss.nats / loss.tokens == pytest.approx(nats.item(), rel=1e-10)
    assert model.stack.penalty == pytest.approx(penalty.item(), rel=1e-10)
    for name, gradient in model.named_gradients().items():
        np.testing.assert_allclose(dense(gradient), p[name].grad.numpy(), rtol=1e-8, atol=1e-11, err_msg=name)


def test_sizes_of_a_tied_model_whose_layers_are_larger_than_the_embedding() -> None:
    shapes = {name: parameter.shape for name, parameter in regularized().named_parameters().items()}
    assert shapes["embedding.W"] == (V, D)
    assert [shapes[f"recurrent.{layer}.Wx"] for layer in range(3)] == [(D, 4 * H), (H, 4 * H), (H, 4 * D)]
    assert [shapes[f"recurrent.{layer}.Wh"] for layer in range(3)] == [(H, 4 * H), (H, 4 * H), (D, 4 * D)]
    assert "output.W" not in shapes


@pytest.mark.parametrize("cell", time_layers())
def test_evaluation_is_the_same_with_and_without_regularization(cell: str) -> None:
    xs, ts = tokens()
    if not time_layers()[cell].cell_type.recurs:
        regularization = Regularization(**{**vars(LOCKED), "weight_dropout": 0.0})
    else:
        regularization = LOCKED
    strict, free = regularized(cell, regularization), regularized(cell, Regularization())
    before = copy.deepcopy(strict.rng.bit_generator.state)
    ours, last = strict.log_probabilities(xs, ts, strict.zero_state(N))
    theirs, _last = free.log_probabilities(xs, ts, free.zero_state(N))
    np.testing.assert_array_equal(ours, theirs)
    state = strict.zero_state(N)
    for t in range(T):
        scores, state = strict.step(xs[:, t], state)
        logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(logs[np.arange(N), ts[:, t]], ours[:, t], rtol=1e-10)
    np.testing.assert_allclose(state[-1][0], last[-1][0], rtol=1e-12)
    assert strict.rng.bit_generator.state == before


@pytest.mark.parametrize(
    "options",
    [{"layer_norm": True, "residual": False, "tied": False}, {"residual": False}, {"tied": False}],
    ids=["layer norm", "sizes", "residual"],
)
def test_a_frozen_model_takes_plain_steps_if_no_kernel_fits(options: dict[str, Any]) -> None:
    xs, _ts = tokens()
    model = regularized(dtype="float32", **options)
    frozen = StreamingModel(model)
    expected, state = model.step(xs[:, 0], model.zero_state(N))
    scores, frozen_state = frozen.step(xs[:, 0], frozen.zero_state(N))
    np.testing.assert_array_equal(scores, expected)
    again, _state = frozen.step(xs[:, 1], frozen_state)
    np.testing.assert_array_equal(again, model.step(xs[:, 1], state)[0])
    with pytest.raises(InputError, match="the streaming kernels cannot be used: there is none for"):
        StreamingModel(model, kernels="fused")


def test_a_model_on_other_arrays_trains_like_the_original() -> None:
    model = regularized(layer_norm=True)
    xs, ts = tokens()
    drawn = copy.deepcopy(model.rng.bit_generator.state)
    expected = model.loss(xs, ts)
    model.backward()
    twin = model.with_parameters({name: array.copy() for name, array in model.named_parameters().items()})
    twin.rng.bit_generator.state = drawn
    assert twin.loss(xs, ts) == expected
    twin.backward()
    for ours, theirs in zip(twin.grads, model.grads, strict=True):
        np.testing.assert_array_equal(dense(ours), dense(theirs))


def test_without_dropout_the_training_loss_is_that_of_evaluation_with_any_penalties() -> None:
    xs, ts = tokens()
    model = regularized(regularization=Regularization(activation_penalty=2.0, temporal_penalty=1.0))
    log_probabilities, _state = model.log_probabilities(xs, ts, model.zero_state(N))
    assert model.loss(xs, ts).nats == pytest.approx(-log_probabilities.sum(), rel=1e-12)
    assert model.stack.penalty > 0


def test_a_residual_layer_of_zeros_returns_its_input() -> None:
    xs, ts = tokens()
    two = regularized(regularization=Regularization(), layers=2, tied=False)
    one = regularized(regularization=Regularization(), layers=1, tied=False, residual=False)
    for name, parameter in two.named_parameters().items():
        if name.startswith("recurrent.1."):
            parameter[...] = 0
        else:
            parameter[...] = one.named_parameters()[name]
    np.testing.assert_allclose(
        two.log_probabilities(xs, ts, two.zero_state(N))[0], one.log_probabilities(xs, ts, one.zero_state(N))[0]
    )


def test_the_options_do_not_change_the_initial_parameters() -> None:
    plain = RNNLM(V, D, H, 2, seed=0)
    options = RNNLM(V, D, H, 2, seed=0, regularization=LOCKED, layer_norm=True, residual=True)
    named = options.named_parameters()
    for name, parameter in plain.named_parameters().items():
        np.testing.assert_array_equal(named[name], parameter)


def test_settings_without_effect_are_refused() -> None:
    for options, message in (
        ({"residual": True}, "residual has no effect"),
        ({"regularization": Regularization(dropout_between=0.1)}, "dropout_between 0.1 has no effect"),
        ({"cell": "window", "layer_norm": True}, "layer_norm goes with the cells"),
        ({"tied": True}, "tied weights need embedding_size = hidden_size, got 3 and 5"),
    ):
        with pytest.raises(InputError, match=message):
            RNNLM(V, D, H, **options)
