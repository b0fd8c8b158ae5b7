"""Averages of the weights: their values, and which weights are validated and saved."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import CheckpointError
from weft.layers import Loss
from weft.training import NoProgress, Trainer, load_weights
from weft.training.averaging import Averaging, ExponentialAverage, TriggeredAverage
from weft.training.interfaces import Floats

MakeTrainer = Callable[..., Trainer]


def weights(seed: int) -> dict[str, Floats]:
    rng = np.random.default_rng(seed)
    return {"W": rng.standard_normal((7, 5)), "b": rng.standard_normal(7)}


def walk(averaging: Averaging, live: dict[str, Floats], steps: range) -> list[dict[str, Floats]]:
    """Take steps with random weights; returns the weights of every step."""
    seen = []
    for step in steps:
        for name, array in weights(step).items():
            live[name][...] = array
        averaging.stepped()
        seen.append(weights(step))
    return seen


def test_the_exponential_average_is_the_weighted_mean_of_all_steps() -> None:
    live = weights(0)
    averaging = ExponentialAverage(live, 0.8)
    seen = walk(averaging, live, range(1, 8))
    shares = 0.8 ** np.arange(6, -1, -1)
    for name, average in averaging.arrays().items():
        expected = sum(share * step[name] for share, step in zip(shares, seen, strict=True)) / shares.sum()
        np.testing.assert_allclose(average, expected, rtol=1e-12)


def test_the_triggered_average_is_the_mean_since_it_began() -> None:
    live = weights(0)
    averaging = TriggeredAverage(live, 1)
    walk(averaging, live, range(1, 4))
    assert [averaging.epoch_ended(nats) for nats in (2.0, 1.0)] == [False, False]
    assert averaging.arrays() == {}
    at_start = {name: array.copy() for name, array in live.items()}
    assert averaging.epoch_ended(2.5)
    seen = [at_start, *walk(averaging, live, range(4, 9))]
    for name, average in averaging.arrays().items():
        np.testing.assert_allclose(average, np.mean([step[name] for step in seen], axis=0), rtol=1e-12)
    assert not averaging.epoch_ended(9.0)


@given(st.lists(st.integers(0, 9), max_size=12), st.integers(1, 4))
def test_averaging_begins_at_the_check_of_the_published_algorithm(checks: list[int], n: int) -> None:
    averaging = TriggeredAverage(weights(0), n)
    began = [averaging.epoch_ended(float(nats)) for nats in checks]
    expected = [t > n and v > min(checks[: t - n]) for t, v in enumerate(checks)]
    first = expected.index(True) if True in expected else len(checks)
    assert began == [t == first for t in range(len(checks))]


def test_in_place_the_parameters_are_the_average_and_afterwards_restored() -> None:
    live = weights(0)
    averaging = ExponentialAverage(live, 0.5)
    with averaging.in_place():  # before the first step there is none
        np.testing.assert_array_equal(live["W"], weights(0)["W"])
    walk(averaging, live, range(1, 4))
    average = {name: array.copy() for name, array in averaging.arrays().items()}
    with suppress(RuntimeError), averaging.in_place():
        for name, array in live.items():
            np.testing.assert_array_equal(array, average[name])
        raise RuntimeError("power cut")
    for name, array in live.items():
        np.testing.assert_array_equal(array, weights(3)[name])
        np.testing.assert_array_equal(averaging.arrays()[name], average[name])


SETTINGS: dict[str, dict[str, Any]] = {"exponential": {"ema": 0.9}, "triggered": {"average_after": 1}}


@pytest.mark.usefixtures("no_drawing")
@pytest.mark.parametrize("name", SETTINGS)
def test_the_average_is_validated_and_saved_without_effect_on_training(
    make_trainer: MakeTrainer, tmp_path: Path, name: str
) -> None:
    scores = [3.0, 2.5, 3.5, 2.0]  # the third is no better than the first: averaging begins
    validated: list[dict[str, Floats]] = []

    def validate() -> Loss:
        validated.append({key: array.copy() for key, array in trainer.model.named_parameters().items()})
        return Loss(scores[len(validated) - 1], 1)

    plain = make_trainer(run=None, epochs=4)
    plain.train()
    trainer = make_trainer(validate=validate, epochs=4, **SETTINGS[name])
    trainer.train()
    shapes = {key: array.shape for key, array in trainer.model.named_parameters().items()}
    shipped = load_weights(tmp_path / "run" / "model.safetensors", shapes)
    average = trainer.averaging.arrays()
    for key, array in trainer.model.named_parameters().items():
        np.testing.assert_array_equal(array, plain.model.named_parameters()[key])
        np.testing.assert_array_equal(average[key], validated[-1][key])
        np.testing.assert_array_equal(shipped[key], average[key])
        assert not np.array_equal(array, average[key])


class Notes(NoProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, line: str) -> None:
        self.lines.append(line)


def test_the_start_of_averaging_is_reported_once(make_trainer: MakeTrainer) -> None:
    scores, notes = iter([3.0, 2.5, 3.6, 3.7]), Notes()
    make_trainer(run=None, epochs=4, average_after=1, progress=notes, validate=lambda: Loss(next(scores), 1)).train()
    assert notes.lines == ["validation has not improved: the weights are averaged from step 48 on"]


@pytest.mark.parametrize(
    ("arrays", "state", "words"),
    [
        ({"W": np.zeros((7, 5))}, {"count": 1}, "averages are of W, not of all parameters"),
        ({"W": np.zeros((7, 5)), "b": np.zeros(8)}, {"count": 1}, r"'b' is float64 \(8,\), expected float64 \(7,\)"),
        (weights(0), {"count": 0}, "not the saved state of the averaging 'exponential'"),
        ({}, {"count": 1}, "not the saved state of the averaging 'exponential'"),
        (weights(0), {"count": "two"}, "not the saved state of the averaging 'exponential'"),
    ],
)
def test_an_invalid_saved_average_is_refused(arrays: dict[str, Floats], state: dict[str, Any], words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        ExponentialAverage(weights(0), 0.9).load_state(arrays, state)


def test_saved_losses_that_are_not_numbers_are_refused() -> None:
    for checks in (None, ["low"], 3.0):
        with pytest.raises(CheckpointError, match="averaging 'triggered'"):
            TriggeredAverage(weights(0), 2).load_state({}, {"count": 0, "checks_nats_per_token": checks})
