"""Layer normalisation and its cells against PyTorch; the contract tests cover the cells as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import layer_norm

from helpers.oracles import central_differences
from helpers.recurrent_cases import Case
from weft.errors import InputError
from weft.layers import TimeLayerNormGRU, TimeLayerNormLSTM, TimeLayerNormRNN, TimeRecurrent, layer_normalized
from weft.layers.layer_norm import normalized, normalized_backward

Tensor = Any


def normal(v: Tensor, gain: Tensor, bias: Tensor | None = None) -> Tensor:
    return layer_norm(v, v.shape[1:], gain, bias)


def rnn(x: Tensor, state: list[Tensor], p: dict[str, Tensor]) -> list[Tensor]:
    (h,) = state
    return [torch.tanh(normal(h @ p["Wh"], p["gain_h"]) + normal(x @ p["Wx"], p["gain_x"]) + p["b"])]


def lstm(x: Tensor, state: list[Tensor], p: dict[str, Tensor]) -> list[Tensor]:
    h, c = state
    a = normal(h @ p["Wh"], p["gain_h"]) + normal(x @ p["Wx"], p["gain_x"]) + p["b"]
    f, g, i, o = a.chunk(4, dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return [torch.sigmoid(o) * torch.tanh(normal(c, p["gain_c"], p["bias_c"])), c]


def gru(x: Tensor, state: list[Tensor], p: dict[str, Tensor]) -> list[Tensor]:
    (h,) = state
    H = h.shape[1]
    gates, candidate = slice(0, 2 * H), slice(2 * H, 3 * H)

    def summed(v: Tensor, part: slice) -> Tensor:
        from_input = normal((x @ p["Wx"])[:, part], p["gain_x"][part])
        return normal(v @ p["Wh"][:, part], p["gain_h"][part]) + from_input + p["b"][part]

    z, r = torch.sigmoid(summed(h, gates)).chunk(2, dim=1)
    return [(1 - z) * h + z * torch.tanh(summed(r * h, candidate))]


Step = Callable[[Tensor, list[Tensor], dict[str, Tensor]], list[Tensor]]


@pytest.mark.parametrize(
    ("layer_type", "step"), [(TimeLayerNormRNN, rnn), (TimeLayerNormLSTM, lstm), (TimeLayerNormGRU, gru)]
)
def test_the_cells_equal_torch(layer_type: type[TimeRecurrent], step: Step) -> None:
    case = Case(layer_type, N=3, T=5)
    hs, _last = case.forward()
    gradients = case.gradients()
    tensors = {name: torch.tensor(array, requires_grad=True) for name, array in case.inputs().items()}
    state = [tensors[f"first {name}"] for name in case.layer.cell.state_names]
    outputs = []
    for t in range(5):
        state = step(tensors["xs"][:, t], state, tensors)
        outputs.append(state[0])
    torch_hs = torch.stack(outputs, dim=1)
    objective: Any = (torch_hs * torch.tensor(case.dhs)).sum()
    objective = objective + sum((s * torch.tensor(d)).sum() for s, d in zip(state, case.dlast, strict=True))
    objective.backward()
    np.testing.assert_allclose(hs, torch_hs.detach().numpy(), rtol=1e-9, atol=1e-12)
    for name, tensor in tensors.items():
        assert tensor.grad is not None
        np.testing.assert_allclose(gradients[name], tensor.grad.numpy(), rtol=1e-8, atol=1e-11, err_msg=name)


def test_a_normalized_row_has_mean_zero_and_deviation_one_whatever_its_scale() -> None:
    v = np.random.default_rng(0).normal(size=(4, 50))
    v_hat, _inverse = normalized(np, v)
    np.testing.assert_allclose(v_hat.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(v_hat.std(axis=1), 1, rtol=1e-4)
    np.testing.assert_allclose(normalized(np, 100 * v + 7)[0], v_hat, rtol=1e-4, atol=1e-6)


def test_the_gradient_of_the_normalization_equals_central_differences() -> None:
    rng = np.random.default_rng(0)
    v, dv_hat = rng.normal(size=(3, 6)), rng.normal(size=(3, 6))
    expected = central_differences(lambda: float((normalized(np, v)[0] * dv_hat).sum()), v)
    np.testing.assert_allclose(normalized_backward(np, dv_hat, *normalized(np, v)), expected, rtol=1e-6, atol=1e-9)


def test_a_row_of_equal_numbers_is_normalized_to_zero() -> None:
    np.testing.assert_array_equal(normalized(np, np.full((1, 5), 3.0, "f"))[0], 0)


def test_initial_gains_are_one_and_the_other_parameters_those_of_the_plain_cell() -> None:
    with_norm = TimeLayerNormLSTM.cell_type.initial_parameters(np.random.default_rng(0), 3, 4)
    plain = TimeLayerNormLSTM.cell_type.normalizes.initial_parameters(np.random.default_rng(0), 3, 4)
    for ours, theirs in zip(with_norm[:3], plain, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    named = TimeLayerNormLSTM.cell_type.named(with_norm)
    for name, value in {"gain_x": 1, "gain_h": 1, "gain_c": 1, "bias_c": 0}.items():
        np.testing.assert_array_equal(named[name], value)


def test_a_cell_is_found_by_the_cell_it_normalizes() -> None:
    assert layer_normalized("lstm") is TimeLayerNormLSTM
    with pytest.raises(InputError, match=r"layer_norm goes with the cells gru, lstm, rnn, not with 'window'"):
        layer_normalized("window")
    with pytest.raises(InputError, match=r"unknown cell 'lsmt' \(did you mean \"lstm\"\?\)"):
        layer_normalized("lsmt")
