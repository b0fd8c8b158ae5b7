"""The gradient of one step: accumulation over blocks, and clipping by the global norm."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from weft.backends import random_generator
from weft.errors import InputError
from weft.layers.sparse_gradient import RowGradient, dense
from weft.model import RNNLM
from weft.training import Trainer
from weft.training.gradients import MeanGradient, clip_factor, global_norm
from weft.training.interfaces import Gradient

MakeTrainer = Callable[..., Trainer]


def gradients(seed: int) -> dict[str, Gradient]:
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(6, 3, replace=False))
    return {"E": RowGradient((6, 2), rows, rng.standard_normal((3, 2))), "W": rng.standard_normal((4, 3))}


def test_the_mean_is_over_all_tokens_of_all_blocks_since_the_last_mean() -> None:
    mean = MeanGradient(3)
    for seeds in ((1, 2, 3), (4, 5, 6)):
        tokens = (2, 5, 3)
        for seed, count in zip(seeds, tokens, strict=True):
            given = gradients(seed)
            mean.add(given, count)
            given["W"][...] = np.nan  # type: ignore[index]
        popped = mean.pop()
        assert list(popped) == ["E", "W"]
        assert isinstance(popped["E"], RowGradient)
        for name, gradient in popped.items():
            expected = sum(n * dense(gradients(seed)[name]) for seed, n in zip(seeds, tokens, strict=True)) / 10
            np.testing.assert_allclose(dense(gradient), expected, rtol=1e-12, atol=1e-14)


def test_the_mean_has_the_rows_that_any_block_used() -> None:
    mean = MeanGradient(2)
    for rows in ([1, 4], [0, 4]):
        mean.add({"E": RowGradient((6, 2), np.array(rows), np.ones((2, 2)))}, 7)
    gradient = mean.pop()["E"]
    assert isinstance(gradient, RowGradient)
    assert gradient.rows.tolist() == [0, 1, 4]
    assert gradient.values[:, 0].tolist() == [0.5, 0.5, 1.0]


def test_the_gradient_of_a_single_block_is_not_copied() -> None:
    mean, given = MeanGradient(1), gradients(1)
    mean.add(given, 5)
    assert all(mean.pop()[name] is gradient for name, gradient in given.items())


@pytest.mark.parametrize("tied", [False, True])
def test_accumulated_streams_give_the_gradient_of_one_batch_of_all_streams(tied: bool) -> None:
    xs, ts = random_generator(0).integers(0, 9, (2, 6, 4))
    ts[1, 2:] = -1  # the parts have 6 and 16 tokens in the loss
    at_once = RNNLM(9, 5, 5, tied=tied, seed=1, dtype="float64")
    at_once.loss(xs, ts)
    at_once.backward()
    in_parts, mean = RNNLM(9, 5, 5, tied=tied, seed=1, dtype="float64"), MeanGradient(2)
    for part in (slice(0, 2), slice(2, 6)):
        in_parts.reset_state()
        loss = in_parts.loss(xs[part], ts[part])
        in_parts.backward()
        mean.add(in_parts.named_gradients(), loss.tokens)
    for name, gradient in mean.pop().items():
        np.testing.assert_allclose(dense(gradient), dense(at_once.named_gradients()[name]), rtol=1e-10, atol=1e-13)


def test_a_run_takes_one_step_for_all_blocks_it_accumulates(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(run=None, epochs=2, accumulate=3)
    assert trainer.steps_per_epoch == 5
    result = trainer.train()
    assert (result.step, result.epoch) == (10, 2)
    assert trainer.blocks.position == 2 * 5 * 3 * 4
    assert result.train is not None
    assert result.train.tokens == 5 * 3 * 12


def test_accumulating_more_blocks_than_the_text_has_is_refused(make_trainer: MakeTrainer) -> None:
    with pytest.raises(InputError, match="to accumulate 17 blocks, but the text has only 16: lower --accumulate"):
        make_trainer(run=None, accumulate=17)


@pytest.mark.parametrize("max_norm", [0.25, 3.0, 1000.0])
def test_clipping_gives_the_gradients_of_torch(max_norm: float) -> None:
    rng = np.random.default_rng(0)
    gradients = {"W": rng.standard_normal((6, 5)), "b": rng.standard_normal(5)}
    tensors = [torch.zeros(gradient.shape, dtype=torch.float64) for gradient in gradients.values()]
    for tensor, gradient in zip(tensors, gradients.values(), strict=True):
        tensor.grad = torch.tensor(gradient)
    norm = global_norm(gradients)
    assert norm == pytest.approx(float(torch.nn.utils.clip_grad_norm_(tensors, max_norm)), rel=1e-12)
    for tensor, gradient in zip(tensors, gradients.values(), strict=True):
        assert tensor.grad is not None
        np.testing.assert_allclose(clip_factor(norm, max_norm) * gradient, tensor.grad.numpy(), rtol=1e-12)


def test_a_gradient_below_the_limit_has_the_factor_one() -> None:
    assert global_norm({"b": np.array([3.0, 4.0], dtype="float32")}) == 5.0
    assert clip_factor(5.0, 5.1) == 1


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e30])
def test_a_norm_that_is_not_finite_is_returned_and_has_the_factor_one(bad: float) -> None:
    gradients = {"W": np.ones((2, 2), dtype="float32"), "b": np.array([1, bad], dtype="float32")}
    norm = global_norm(gradients)
    assert not math.isfinite(norm)
    assert clip_factor(norm, 1.0) == 1
