"""Learning-rate schedules."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from weft.config import TrainingConfig
from weft.errors import CheckpointError
from weft.training.schedule import Constant, Cosine, Plateau, Schedule, make_schedule


def config(**settings: Any) -> TrainingConfig:
    return TrainingConfig(batch_size=1, bptt=1, epochs=1, optimizer="sgd", lr=2.0, kernels="plain", **settings)


def test_constant_does_not_change_the_rate() -> None:
    schedule = make_schedule(config(schedule="constant"), 10)
    schedule.epoch_ended(5.0)
    schedule.epoch_ended(6.0)
    assert {schedule.lr(step) for step in (0, 5, 100)} == {2.0}


def test_plateau_quarters_the_rate_after_an_epoch_without_improvement() -> None:
    schedule = make_schedule(config(schedule="plateau"), 10)
    rates = []
    for nats in (5.0, 4.0, 4.5, 4.2, 3.0, 3.0):
        schedule.epoch_ended(nats)
        rates.append(schedule.lr(0))
    assert rates == [2.0, 2.0, 0.5, 0.125, 0.125, 0.03125]


def test_cosine_warms_up_linearly_and_falls_to_a_fiftieth_at_the_last_step() -> None:
    schedule = make_schedule(config(schedule="cosine", warmup=4), 25)
    rates = [schedule.lr(step) for step in range(25)]
    assert rates[:5] == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0])
    assert rates[14] == pytest.approx((2.0 + 0.04) / 2)
    assert rates[24] == pytest.approx(0.04)
    assert schedule.lr(30) == pytest.approx(0.04)
    assert all(later < earlier for earlier, later in pairwise(rates[4:]))


def test_cosine_holds_the_full_rate_and_ends_at_the_final_share() -> None:
    schedule = make_schedule(config(schedule="cosine", warmup=4, hold=0.5, final_lr=0.25), 24)
    rates = [schedule.lr(step) for step in range(24)]
    assert rates[:15] == pytest.approx([0.5, 1.0, 1.5, 2.0] + [2.0] * 11)
    assert all(later < earlier for earlier, later in pairwise(rates[14:]))
    assert [rates[23], schedule.lr(30)] == pytest.approx([0.5, 0.5])
    middle = Cosine(2.0, 0, 21, hold=0.0, final=0.0)
    assert [middle.lr(10), middle.lr(20)] == pytest.approx([1.0, 0.0])


@pytest.mark.parametrize("total_steps", [1, 2, 3, 10])
@pytest.mark.parametrize("warmup", [0, 1, 100])
def test_cosine_is_positive_and_reaches_the_full_rate_in_runs_of_any_length(total_steps: int, warmup: int) -> None:
    rates = [Cosine(2.0, warmup, total_steps).lr(step) for step in range(total_steps)]
    assert max(rates) == pytest.approx(2.0)
    assert min(rates) > 0


@pytest.mark.parametrize("make", [lambda: Constant(2.0), lambda: Plateau(2.0), lambda: Cosine(2.0, 3, 20)])
def test_state_survives_json(make: Any) -> None:
    schedule: Schedule = make()
    for nats in (3.1, 3.2, 3.0000000001):
        schedule.epoch_ended(nats)
    successor: Schedule = make()
    successor.load_state(json.loads(json.dumps(schedule.state())))
    for each in (schedule, successor):
        each.epoch_ended(3.05)
    assert [successor.lr(step) for step in range(20)] == [schedule.lr(step) for step in range(20)]


def test_plateau_refuses_an_invalid_state() -> None:
    for state in ({}, {"cuts": "many", "best_nats_per_token": 1.0}, {"cuts": 1, "best_nats_per_token": "low"}):
        with pytest.raises(CheckpointError, match="plateau"):
            Plateau(1.0).load_state(state)
