"""Penalties on activations and on their changes: values, gradients, and the same in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from helpers.oracles import central_differences
from weft.errors import InputError
from weft.layers import ActivationPenalty, TemporalPenalty

every_penalty = pytest.mark.parametrize("kind", [ActivationPenalty, TemporalPenalty])


def activations(T: int = 4) -> Any:
    return np.random.default_rng(0).normal(size=(2, T, 3))


def in_torch(kind: Any, weight: float, hs: Any) -> Any:
    if kind is ActivationPenalty:
        return weight * hs.pow(2).mean()
    return weight * (hs[:, 1:] - hs[:, :-1]).pow(2).mean()


def test_values_by_hand() -> None:
    hs = np.array([[[1.0, 2.0], [3.0, 2.0], [3.0, 0.0]]])
    assert ActivationPenalty(3).forward(hs) == pytest.approx(3 * (1 + 4 + 9 + 4 + 9) / 6)
    assert TemporalPenalty(2).forward(hs) == pytest.approx(2 * (4 + 4) / 4)


@every_penalty
@pytest.mark.parametrize("T", [2, 3, 5])
def test_gradients_equal_central_differences_and_torch(kind: Any, T: int) -> None:
    hs, penalty = activations(T), kind(1.7)
    value = penalty.forward(hs)
    gradient = penalty.backward()
    np.testing.assert_allclose(gradient, central_differences(lambda: float(kind(1.7).forward(hs)), hs), rtol=1e-6)
    tensor = torch.tensor(hs, requires_grad=True)
    expected = in_torch(kind, 1.7, tensor)
    expected.backward()
    assert value == pytest.approx(expected.item(), rel=1e-12)
    assert tensor.grad is not None
    np.testing.assert_allclose(gradient, tensor.grad.numpy(), rtol=1e-12, atol=1e-15)


def test_the_temporal_penalty_of_a_single_step_is_zero() -> None:
    penalty = TemporalPenalty(2.0)
    assert penalty.forward(activations(1)) == 0
    np.testing.assert_array_equal(penalty.backward(), np.zeros((2, 1, 3)))


@every_penalty
def test_the_dtype_passes_through(kind: Any) -> None:
    penalty = kind(0.5)
    penalty.forward(activations().astype("f"))
    assert penalty.backward().dtype == np.float32


@every_penalty
@pytest.mark.parametrize("weight", [-1.0, float("nan")])
def test_weights_are_checked(kind: Any, weight: float) -> None:
    with pytest.raises(InputError, match="weight of an activation penalty must be at least 0"):
        kind(weight)
