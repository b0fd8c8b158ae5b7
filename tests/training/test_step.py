"""The learning rate of a step is that of the schedule, scaled by the length of its blocks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from weft.training import Trainer

MakeTrainer = Callable[..., Trainer]


def test_the_learning_rate_follows_the_length_of_the_blocks(make_trainer: MakeTrainer) -> None:
    trainer = make_trainer(run=None, random_bptt=True, bptt=8, accumulate=2, lr=0.5)
    rates: list[float] = []
    lengths: list[int] = []
    update, loss = trainer.optimizer.update, trainer.model.loss

    def note_rate(gradients: object, lr: float, factor: float = 1.0) -> None:
        rates.append(lr)
        update(gradients, lr, factor)  # type: ignore[arg-type]

    def note_length(xs: np.ndarray, ts: np.ndarray) -> object:
        lengths.append(xs.shape[1])
        return loss(xs, ts)

    trainer.optimizer.update = note_rate  # type: ignore[method-assign]
    trainer.model.loss = note_length  # type: ignore[method-assign, assignment]
    trainer.train()
    assert len(set(lengths)) > 3
    assert len(lengths) == 2 * len(rates)
    of_steps = [sum(lengths[k : k + 2]) for k in range(0, len(lengths), 2)]
    assert rates == pytest.approx([0.5 * length / 16 for length in of_steps])
