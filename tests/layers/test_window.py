"""The fixed window: its output depends on the last inputs alone, and its block equals its steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from helpers.recurrent_cases import Case
from weft.errors import InputError
from weft.layers import TimeWindow, Window
from weft.layers.recurrent import PlainLoop
from weft.model import RNNLM

N, T, D, H = 2, 7, 3, 5


def window_layer(window: int) -> TimeWindow:
    Wx, Wh, b = Window.initial_parameters(np.random.default_rng(0), D, H, window)
    return TimeWindow(Wx, Wh, b + 0.3, stateful=True)


@pytest.mark.parametrize("window", [1, 2, 4, 9])
def test_an_output_depends_on_exactly_the_inputs_of_its_window(window: int) -> None:
    layer = window_layer(window)
    xs = np.random.default_rng(1).normal(size=(1, T, D))
    hs, _state = layer.unroll(xs, layer.cell.zero_state(1))
    for changed in range(T):
        other = xs.copy()
        other[:, changed] += 1
        others, _state = layer.unroll(other, layer.cell.zero_state(1))
        differ = [t for t in range(T) if not np.array_equal(hs[:, t], others[:, t])]
        assert differ == [t for t in range(T) if changed <= t < changed + window]


@pytest.mark.parametrize("window", [1, 2, 4, 9])
def test_the_layer_is_a_convolution_over_the_inputs(window: int) -> None:
    layer = window_layer(window)
    xs = np.random.default_rng(1).normal(size=(N, T, D))
    hs, _state = layer.unroll(xs, layer.cell.zero_state(N))
    Wx, Wh, b = layer.params
    kernel = np.concatenate((Wh, Wx)).reshape(window, D, H).transpose(2, 1, 0)
    padded = np.concatenate((np.zeros((N, window - 1, D)), xs), axis=1).transpose(0, 2, 1)
    expected = torch.tanh(torch.nn.functional.conv1d(torch.tensor(padded), torch.tensor(kernel), torch.tensor(b)))
    np.testing.assert_allclose(hs, expected.numpy().transpose(0, 2, 1), rtol=1e-12)


@pytest.mark.parametrize("window", [1, 2, 4, 9])
def test_the_block_in_one_product_equals_the_loop_over_steps(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    xs, dhs = rng.normal(size=(N, T, D)), rng.normal(size=(N, T, H))
    state = (rng.normal(size=(N, H)), rng.normal(size=(N, (window - 1) * D)))
    dlast = (rng.normal(size=(N, H)), rng.normal(size=(N, (window - 1) * D)))

    def everything() -> list[Any]:
        layer = window_layer(window)
        layer.set_state(*state)
        return [
            layer.forward(xs),
            layer.h,
            layer.past,
            layer.backward(dhs, *dlast),
            layer.dh,
            layer.dpast,
            *layer.grads,
        ]

    block = everything()
    monkeypatch.setattr(TimeWindow, "plain_block", PlainLoop)
    for ours, expected in zip(block, everything(), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-12, atol=1e-14)


def test_the_state_is_the_last_inputs() -> None:
    layer = window_layer(3)
    xs = np.random.default_rng(1).normal(size=(N, T, D))
    layer.forward(xs[:, :1])
    np.testing.assert_array_equal(layer.past, np.concatenate((np.zeros((N, D)), xs[:, 0]), axis=1))
    layer.forward(xs[:, 1:])
    np.testing.assert_array_equal(layer.past, xs[:, -2:].reshape(N, -1))


def test_the_scores_of_a_window_model_depend_on_the_last_tokens_alone() -> None:
    model = RNNLM(9, D, H, cell="window", window=3, seed=0, dtype="float64")
    ids = np.random.default_rng(0).integers(0, 9, (1, 12))
    other = ids.copy()
    other[0, 4] = (ids[0, 4] + 1) % 9
    targets = np.zeros_like(ids)
    values, others = (model.log_probabilities(xs, targets, model.zero_state(1))[0] for xs in (ids, other))
    assert [t for t in range(12) if values[0, t] != others[0, t]] == [4, 5, 6]


def test_error_messages_name_wrong_shapes() -> None:
    with pytest.raises(InputError, match=r"Wh of Window must have shape \(6, 5\), got \(7, 5\)"):
        TimeWindow(np.zeros((3, 5)), np.zeros((7, 5)), np.zeros(5))
    with pytest.raises(InputError, match="window must be at least 1, got 0"):
        RNNLM(9, D, H, cell="window", window=0)


def test_the_contract_tests_use_a_window_of_several_inputs() -> None:
    assert Case(TimeWindow).layer.params[1].shape == (12, 5)
