"""Optimizers against those of PyTorch, and their saved state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from weft.config import TrainingConfig
from weft.errors import CheckpointError
from weft.training.interfaces import Floats
from weft.training.optimizer import SGD, AdamW, Momentum, Optimizer, make_optimizer
from weft.training.row_chunks import CHUNK_ELEMENTS

SHAPES = {"W": (7, 5), "long": (3 * CHUNK_ELEMENTS // 64 + 1, 64), "b": (7,)}
LRS = (0.1, 0.05, 0.3, 0.01)

CASES: dict[str, tuple[Callable[[Any], Optimizer], Callable[[Any], torch.optim.Optimizer]]] = {
    "sgd": (SGD, lambda parameters: torch.optim.SGD(parameters, lr=1.0)),
    "sgd with weight decay": (
        lambda parameters: SGD(parameters, weight_decay=0.2),
        lambda parameters: torch.optim.SGD(
            [
                {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.2},
                {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
            ],
            lr=1.0,
        ),
    ),
    "momentum": (
        lambda parameters: Momentum(parameters, 0.8),
        lambda parameters: torch.optim.SGD(parameters, lr=1.0, momentum=0.8),
    ),
    "adamw": (
        lambda parameters: AdamW(parameters, betas=(0.8, 0.97), eps=1e-6, weight_decay=0.2),
        lambda parameters: torch.optim.AdamW(
            [
                {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.2},
                {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0},
            ],
            betas=(0.8, 0.97),
            eps=1e-6,
        ),
    ),
}


def arrays(seed: int, dtype: str = "float64") -> dict[str, Floats]:
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(shape).astype(dtype) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("name", CASES)
def test_updates_equal_the_updates_of_torch(name: str) -> None:
    make_own, make_torch = CASES[name]
    parameters = arrays(0)
    tensors = {key: torch.tensor(array, requires_grad=True) for key, array in parameters.items()}
    optimizer, oracle = make_own(parameters), make_torch(list(tensors.values()))
    for step, lr in enumerate(LRS, start=1):
        gradients = arrays(step)
        for group in oracle.param_groups:
            group["lr"] = lr
        for key, tensor in tensors.items():
            tensor.grad = torch.tensor(gradients[key])
        oracle.step()
        optimizer.update(gradients, lr)
    for key, tensor in tensors.items():
        np.testing.assert_allclose(parameters[key], tensor.detach().numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_an_update_changes_parameters_in_place_and_no_gradients(name: str) -> None:
    parameters, gradients = arrays(0, "float32"), arrays(1, "float32")
    before = dict(parameters)
    CASES[name][0](parameters).update(gradients, 0.1)
    for key, array in parameters.items():
        assert array is before[key]
        assert array.dtype == np.float32
        assert not np.array_equal(array, arrays(0, "float32")[key])
        np.testing.assert_array_equal(gradients[key], arrays(1, "float32")[key])


@pytest.mark.parametrize("name", CASES)
def test_a_factor_scales_the_gradients(name: str) -> None:
    with_factor, scaled = arrays(0), arrays(0)
    optimizers = CASES[name][0](with_factor), CASES[name][0](scaled)
    for step in (1, 2):
        optimizers[0].update(arrays(step), 0.1, 0.3)
        optimizers[1].update({key: 0.3 * gradient for key, gradient in arrays(step).items()}, 0.1)
    for key in SHAPES:
        np.testing.assert_allclose(with_factor[key], scaled[key], rtol=0, atol=1e-14)


def test_weight_decay_does_not_enter_the_velocity() -> None:
    decayed, plain = arrays(0), arrays(0)
    optimizers = Momentum(decayed, 0.8, weight_decay=0.2), Momentum(plain, 0.8)
    before = arrays(0)
    for optimizer in optimizers:
        optimizer.update(arrays(1), 0.5)
    for name, velocity in optimizers[0].state().items():
        np.testing.assert_array_equal(velocity, optimizers[1].state()[name])
    for name in SHAPES:
        taken_off = 0.5 * 0.2 * before[name] if name != "b" else 0
        np.testing.assert_allclose(decayed[name], plain[name] - taken_off, atol=1e-14)


def test_a_parameter_that_is_a_transposed_view_is_updated() -> None:
    base = np.ones((3, 4))
    SGD({"W": base.T}).update({"W": np.arange(12.0).reshape(4, 3)}, 1.0)
    np.testing.assert_array_equal(base, 1 - np.arange(12.0).reshape(4, 3).T)


@pytest.mark.parametrize("name", CASES)
def test_loaded_state_continues_bit_for_bit(name: str) -> None:
    make = CASES[name][0]
    straight = arrays(0, "float32")
    optimizer = make(straight)
    optimizer.update(arrays(1, "float32"), 0.1)
    broken_off = {key: array.copy() for key, array in straight.items()}
    successor = make(broken_off)
    successor.load_state({key: array.copy() for key, array in optimizer.state().items()})
    for seed in (2, 3):
        optimizer.update(arrays(seed, "float32"), 0.1)
        successor.update(arrays(seed, "float32"), 0.1)
    for key, array in straight.items():
        np.testing.assert_array_equal(array, broken_off[key])


def test_the_state_of_another_model_or_optimizer_is_refused_without_changes() -> None:
    optimizer = Momentum(arrays(0))
    good = {name: np.ones_like(array) for name, array in optimizer.state().items()}
    wrong_shape = good | {"velocity.b": np.ones(8)}
    wrong_type = good | {"velocity.b": np.ones(7, dtype="float32")}
    missing = {name: array for name, array in good.items() if name != "velocity.b"}
    extra = good | {"velocity.c": np.ones(7)}
    for state in (wrong_shape, wrong_type, missing, extra):
        with pytest.raises(CheckpointError, match=r"velocity\.[bc]"):
            optimizer.load_state(state)
    assert not any(array.any() for array in optimizer.state().values())


def test_the_configuration_selects_the_optimizer_and_its_parameters() -> None:
    def made(**settings: Any) -> Optimizer:
        config = TrainingConfig(
            batch_size=1, bptt=1, epochs=1, lr=1.0, schedule="constant", kernels="plain", **settings
        )
        return make_optimizer(config, arrays(0))

    assert isinstance(made(optimizer="sgd"), SGD)
    momentum = made(optimizer="momentum", momentum=0.7, weight_decay=0.1)
    adamw = made(optimizer="adamw", weight_decay=0.3, beta1=0.8, beta2=0.95)
    assert made(optimizer="sgd", weight_decay=0.2).weight_decay == 0.2
    assert isinstance(momentum, Momentum)
    assert (momentum.momentum, momentum.weight_decay) == (0.7, 0.1)
    assert isinstance(adamw, AdamW)
    assert (adamw.weight_decay, adamw.betas) == (0.3, (0.8, 0.95))
