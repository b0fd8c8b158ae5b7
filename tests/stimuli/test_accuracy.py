"""Intervals of accuracies and means: their equations, published values, and how often they hold the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.stimuli.accuracy import Accuracy, bootstrap_interval


@given(st.integers(1, 5000), st.data())
def test_the_bounds_of_wilson_are_where_the_score_test_is_at_its_limit(total: int, data: st.DataObject) -> None:
    correct = data.draw(st.integers(0, total))
    interval = Accuracy(correct, total).interval(0.95)
    assert interval is not None
    for bound in interval:
        if 0 < bound < 1:
            z = (correct / total - bound) / math.sqrt(bound * (1 - bound) / total)
            assert abs(z) == pytest.approx(1.959963984540054, rel=1e-6)
    assert interval[0] <= correct / total <= interval[1]


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_intervals_of_newcombe_1998(correct: int, total: int, low: float, high: float) -> None:
    """Table I of "Two-sided confidence intervals for the single proportion", method 3."""
    assert Accuracy(correct, total).interval() == pytest.approx((low, high), abs=6e-5)


def test_nothing_is_known_without_items() -> None:
    assert Accuracy(0, 0).share is None
    assert Accuracy(0, 0).interval() is None
    assert bootstrap_interval([]) is None


def test_the_bootstrap_interval_of_many_values_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(0).normal(3, 2, 4000)
    low, high = bootstrap_interval(values.tolist()) or (0.0, 0.0)
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_the_bootstrap_interval_depends_on_the_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [1.0, 2.0, 4.0]
    first = bootstrap_interval(values, seed=1)
    assert first == bootstrap_interval(values, seed=1)
    assert first is not None
    assert 1 <= first[0] < 7 / 3 < first[1] <= 4
    assert bootstrap_interval([2.0] * 5) == (2.0, 2.0)
    monkeypatch.setattr("weft.stimuli.accuracy._CHUNK", 7)
    assert bootstrap_interval(values, seed=1) == first
