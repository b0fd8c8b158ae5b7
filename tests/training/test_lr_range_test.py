"""The learning-rate range test: its rates, when it ends, and the rate that it suggests."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from weft.errors import TrainingDivergedError
from weft.training import NoProgress, Trainer
from weft.training.lr_range_test import SAFETY, Sweep, local_lines, sweep_rates, write_sweep
from weft.training.plots import draw_sweep

MakeTrainer = Callable[..., Trainer]


def swept(trainer: Trainer, lowest: float, highest: float, steps: int) -> Sweep:
    return sweep_rates(trainer.model, trainer.blocks, trainer.config, lowest, highest, steps, NoProgress())


def test_local_lines_of_a_line_are_the_line() -> None:
    x = np.sort(np.random.default_rng(0).uniform(-3, 4, 50))
    heights, slopes = local_lines(x, 2 - 3 * x, 0.4)
    np.testing.assert_allclose(heights, 2 - 3 * x, atol=1e-10)
    np.testing.assert_allclose(slopes, -3, atol=1e-8)


def test_local_lines_remove_noise_and_keep_the_curve() -> None:
    x = np.linspace(-6, 6, 400)
    noise = np.random.default_rng(1).normal(0, 0.2, 400)
    heights, slopes = local_lines(x, np.tanh(x) + noise, 0.35)
    assert np.abs(heights - np.tanh(x)).mean() < 0.05
    assert x[slopes.argmax()] == pytest.approx(0, abs=0.5)


def test_a_single_point_has_slope_zero() -> None:
    heights, slopes = local_lines(np.array([1.0]), np.array([5.0]), 0.3)
    assert (heights.tolist(), slopes.tolist()) == ([5.0], [0.0])


def test_rates_grow_geometrically_and_each_loss_follows_its_step(make_trainer: MakeTrainer) -> None:
    sweep = swept(make_trainer(run=None), 1e-4, 1e-1, 12)
    assert sweep.rates == pytest.approx([1e-4 * 10 ** (step / 4) for step in range(12)])
    by_hand = make_trainer(run=None)
    losses = [by_hand.stepper.take(rate) for rate in (*sweep.rates, 1e-1)]
    assert [sweep.start, *sweep.losses] == [loss.nats / loss.tokens for loss in losses]
    assert not sweep.exploded


def test_a_sweep_ends_when_the_loss_explodes(make_trainer: MakeTrainer) -> None:
    sweep = swept(make_trainer(run=None, clip=1e9), 1e-2, 1e30, 100)
    assert sweep.exploded
    assert len(sweep.rates) == len(sweep.losses) < 60
    assert all(map(math.isfinite, sweep.losses))


def valley(lowest_at: float) -> Sweep:
    """A sweep whose loss falls towards a rate and rises beyond it, with noise."""
    rates = np.geomspace(1e-5, 100, 300)
    x = np.log10(rates / lowest_at)
    noise = np.random.default_rng(2).normal(0, 0.1, 300)
    losses = 6 - np.clip(1 + x / 2, 0, 1) + np.clip(x, 0, None) + noise
    return Sweep(tuple(rates), tuple(losses), 6.0, False)


@pytest.mark.parametrize("lowest_at", [1e-3, 0.3, 10.0])
def test_the_suggestion_is_the_rate_of_the_lowest_loss_by_the_safety_factor(lowest_at: float) -> None:
    suggestion = valley(lowest_at).suggestion
    assert suggestion is not None
    assert abs(math.log10(suggestion * SAFETY / lowest_at)) < 0.25


def test_no_rate_is_suggested_if_the_loss_never_falls() -> None:
    flat = Sweep((0.1, 1.0, 10.0), (5.0, 5.01, 4.99), 5.0, False)
    assert flat.suggestion is None
    assert "never fell" in flat.explanation()[0]


def test_a_loss_that_still_falls_at_the_highest_rate_is_reported() -> None:
    falling = Sweep(tuple(np.geomspace(1, 10, 20)), tuple(np.linspace(6, 4, 20)), 6.0, False)
    assert "still falling at the highest rate, 10" in falling.explanation()[-1]


def test_a_sweep_is_written_as_a_table_and_plotted(tmp_path: Path) -> None:
    sweep = valley(0.3)
    write_sweep(tmp_path / "a.tsv", sweep)
    header, *rows = (tmp_path / "a.tsv").read_text("utf-8").splitlines()
    assert header == "learning_rate\tnats_per_token\tsmoothed_nats_per_token"
    columns = np.array([[float(field) for field in row.split("\t")] for row in rows])
    np.testing.assert_allclose(columns[:, 0], sweep.rates, rtol=1e-5)
    np.testing.assert_allclose(columns[:, 1], sweep.losses, atol=1e-6)
    np.testing.assert_allclose(columns[:, 2], sweep.smoothed, atol=1e-6)
    draw_sweep(tmp_path / "a.png", sweep)
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_a_range_that_begins_too_high_is_refused(make_trainer: MakeTrainer) -> None:
    with pytest.raises(TrainingDivergedError, match=r"exploded at once, at the learning rate 1e\+20"):
        swept(make_trainer(run=None, clip=1e9), 1e20, 1e30, 10)
