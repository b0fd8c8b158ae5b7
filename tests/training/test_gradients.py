"""Clipping by the global norm."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from weft.training.gradients import clip_factor, global_norm


@pytest.mark.parametrize("max_norm", [0.25, 3.0, 1000.0])
def test_clipping_equals_that_of_torch(max_norm: float) -> None:
    rng = np.random.default_rng(0)
    gradients = {"W": rng.standard_normal((6, 5)), "b": rng.standard_normal(5)}
    theirs = [torch.zeros(gradient.shape, dtype=torch.float64) for gradient in gradients.values()]
    for tensor, gradient in zip(theirs, gradients.values(), strict=True):
        tensor.grad = torch.tensor(gradient)
    norm = global_norm(gradients)
    assert norm == pytest.approx(float(torch.nn.utils.clip_grad_norm_(theirs, max_norm)), rel=1e-12)
    for tensor, gradient in zip(theirs, gradients.values(), strict=True):
        assert tensor.grad is not None
        np.testing.assert_allclose(clip_factor(norm, max_norm) * gradient, tensor.grad.numpy(), rtol=1e-12)


def test_a_small_gradient_is_left_as_it_is() -> None:
    assert global_norm({"b": np.array([3.0, 4.0], dtype="float32")}) == 5.0
    assert clip_factor(5.0, 5.1) == 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e30])
def test_a_norm_beyond_any_number_is_told_and_nothing_is_scaled(bad: float) -> None:
    gradients = {"W": np.ones((2, 2), dtype="float32"), "b": np.array([1, bad], dtype="float32")}
    norm = global_norm(gradients)
    assert not math.isfinite(norm)
    assert clip_factor(norm, 1.0) == 1
