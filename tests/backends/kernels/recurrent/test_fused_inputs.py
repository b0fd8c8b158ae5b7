"""Fused kernels for parameters, inputs and targets of any memory layout and dtype, and the library's threads."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from helpers import overlapping_blocks
from weft.backends import random_generator
from weft.backends.fused import fused, why_not_fused
from weft.layers import TimeLSTM, TimeOutputWithLoss
from weft.training.optimizer import AdamW, Momentum

ROUNDING: Any = {"rtol": 1e-4, "atol": 3e-6}
pytestmark = pytest.mark.skipif(why_not_fused() is not None, reason=f"no fused kernels: {why_not_fused()}")
N, T, D, H, V = 4, 5, 30, 40, 130


def normal(*shape: int, seed: int = 0) -> Any:
    return random_generator(seed).normal(size=shape).astype(np.float32)


def by_columns(array: Any) -> Any:
    return np.asfortranarray(array)


def every_other(array: Any) -> Any:
    wide = np.zeros((array.shape[0], 2 * array.shape[1]), array.dtype)
    wide[:, ::2] = array
    return wide[:, ::2]


def in_a_wider_array(array: Any) -> Any:
    wide = np.zeros((array.shape[0], array.shape[1] + 7), array.dtype)
    wide[:, :-7] = array
    return wide[:, :-7]


every_layout = pytest.mark.parametrize("layout", [by_columns, every_other, in_a_wider_array])


@every_layout
def test_recurrent_weights_may_have_any_memory_layout(layout: Any) -> None:
    def gradients(arranged: Any) -> list[Any]:
        Wx, Wh = arranged(normal(D, 4 * H) / 5), arranged(normal(H, 4 * H, seed=1) / 6)
        layer = TimeLSTM(Wx, Wh, normal(4 * H, seed=2))
        layer.forward(normal(N, T, D, seed=3))
        return [layer.backward(normal(N, T, H, seed=4)), *layer.grads]

    expected = gradients(np.ascontiguousarray)
    with fused(2):
        for ours, plain in zip(gradients(layout), expected, strict=True):
            np.testing.assert_allclose(ours, plain, **ROUNDING)


def test_parameters_may_have_different_dtypes() -> None:
    layer = TimeLSTM(normal(D, 4 * H) / 5, (normal(H, 4 * H, seed=1) / 6).astype(np.float64), normal(4 * H, seed=2))
    xs = normal(N, T, D, seed=3)
    expected = layer.forward(xs)
    with fused(1):
        np.testing.assert_allclose(layer.forward(xs), expected, **ROUNDING)


@every_layout
def test_output_weights_may_have_any_memory_layout(layout: Any) -> None:
    def gradients(arranged: Any) -> list[Any]:
        layer = TimeOutputWithLoss(arranged(normal(H, V) / 6), normal(V, seed=1))
        nats = layer.forward(normal(N, T, H, seed=2), random_generator(3).integers(0, V, (N, T)))
        return [nats, layer.backward(), *layer.grads]

    expected = gradients(np.ascontiguousarray)
    with fused(2):
        for ours, plain in zip(gradients(layout), expected, strict=True):
            np.testing.assert_allclose(ours, plain, **ROUNDING)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint16])
def test_targets_may_have_any_integer_dtype(dtype: Any) -> None:
    def gradients() -> list[Any]:
        layer = TimeOutputWithLoss(normal(H, V) / 6, np.repeat(normal(V, seed=1), 2)[::2])
        ts = random_generator(3).integers(0, V, (N, T)).astype(dtype)
        nats = layer.forward(normal(N, T, H, seed=2), ts)
        return [nats, layer.backward(), *layer.grads, layer.log_probabilities(normal(N, T, H, seed=2), ts)]

    expected = gradients()
    with fused(2):
        for ours, plain in zip(gradients(), expected, strict=True):
            np.testing.assert_allclose(ours, plain, **ROUNDING)


def test_inputs_and_upstream_gradients_may_be_float64() -> None:
    def gradients() -> list[Any]:
        layer = TimeLSTM(normal(D, 4 * H) / 5, normal(H, 4 * H, seed=1) / 6, normal(4 * H, seed=2))
        hs = layer.forward(normal(N, T, D, seed=3).astype(float))
        return [hs, layer.backward(normal(N, T, H, seed=4).astype(float)), *layer.grads]

    expected = gradients()
    with fused(2):
        for ours, plain in zip(gradients(), expected, strict=True):
            np.testing.assert_allclose(ours, plain, **ROUNDING)


def test_the_library_gets_its_threads_back_after_overlapping_blocks() -> None:
    two_threads = {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    run = subprocess.run(
        [sys.executable, overlapping_blocks.__file__], env={**os.environ, **two_threads}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("make", [AdamW, Momentum])
def test_moments_of_rows_without_a_gradient_decay_to_zero(make: Any) -> None:
    weights = {"w": normal(2, 70)}
    with fused(1):
        optimizer = make(weights)
        optimizer.update({"w": normal(2, 70, seed=1)}, 1e-3)
        for _ in range(1000):
            optimizer.update({"w": np.zeros((2, 70), np.float32)}, 1e-3)
    moments = next(iter(optimizer.state().values()))
    assert not moments.any()
