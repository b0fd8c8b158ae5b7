"""Gradient accumulation: the gradient of all blocks' mean, whatever the shape of the gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from weft.backends import random_generator
from weft.errors import InputError
from weft.layers.sparse_gradient import RowGradient, dense
from weft.model import RNNLM
from weft.training import Trainer
from weft.training.interfaces import Gradient
from weft.training.mean_gradient import MeanGradient

MakeTrainer = Callable[..., Trainer]


def gradients(seed: int) -> dict[str, Gradient]:
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(6, 3, replace=False))
    return {"E": RowGradient((6, 2), rows, rng.standard_normal((3, 2))), "W": rng.standard_normal((4, 3))}


def test_the_mean_is_over_all_tokens_of_all_blocks_and_is_begun_anew() -> None:
    mean = MeanGradient(3)
    for seeds in ((1, 2, 3), (4, 5, 6)):
        tokens = (2, 5, 3)
        for seed, count in zip(seeds, tokens, strict=True):
            given = gradients(seed)
            mean.add(given, count)
            given["W"][...] = np.nan  # type: ignore[index]
        taken = mean.taken()
        assert list(taken) == ["E", "W"]
        assert isinstance(taken["E"], RowGradient)
        for name, gradient in taken.items():
            expected = sum(n * dense(gradients(seed)[name]) for seed, n in zip(seeds, tokens, strict=True)) / 10
            np.testing.assert_allclose(dense(gradient), expected, rtol=1e-12, atol=1e-14)


def test_the_rows_of_a_mean_are_those_that_any_block_used() -> None:
    mean = MeanGradient(2)
    for rows in ([1, 4], [0, 4]):
        mean.add({"E": RowGradient((6, 2), np.array(rows), np.ones((2, 2)))}, 7)
    gradient = mean.taken()["E"]
    assert isinstance(gradient, RowGradient)
    assert gradient.rows.tolist() == [0, 1, 4]
    assert gradient.values[:, 0].tolist() == [0.5, 0.5, 1.0]


def test_the_gradient_of_one_block_is_passed_on_as_it_is() -> None:
    mean, given = MeanGradient(1), gradients(1)
    mean.add(given, 5)
    assert all(mean.taken()[name] is gradient for name, gradient in given.items())


@pytest.mark.parametrize("tied", [False, True])
def test_streams_one_after_the_other_give_the_gradient_of_all_side_by_side(tied: bool) -> None:
    xs, ts = random_generator(0).integers(0, 9, (2, 6, 4))
    ts[1, 2:] = -1  # the parts have 6 and 16 tokens that count
    together = RNNLM(9, 5, 5, tied=tied, seed=1, dtype="float64")
    together.loss(xs, ts)
    together.backward()
    apart, mean = RNNLM(9, 5, 5, tied=tied, seed=1, dtype="float64"), MeanGradient(2)
    for part in (slice(0, 2), slice(2, 6)):
        apart.reset_state()
        loss = apart.loss(xs[part], ts[part])
        apart.backward()
        mean.add(apart.named_gradients(), loss.tokens)
    for name, gradient in mean.taken().items():
        np.testing.assert_allclose(dense(gradient), dense(together.named_gradients()[name]), rtol=1e-10, atol=1e-13)


def test_a_run_steps_once_for_all_blocks_it_accumulates(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(run=None, epochs=2, accumulate=3)
    assert trainer.steps_per_epoch == 5
    result = trainer.train()
    assert (result.step, result.epoch) == (10, 2)
    assert trainer.blocks.position == 2 * 5 * 3 * 4
    assert result.train is not None
    assert result.train.tokens == 5 * 3 * 12


def test_more_blocks_than_the_text_has_are_refused(make_trainer: MakeTrainer) -> None:
    with pytest.raises(InputError, match="to accumulate 17 blocks, but the text has only 16: lower --accumulate"):
        make_trainer(run=None, accumulate=17)
