"""The fitted weights: a distribution, optimal, and never worse than a single model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import InputError
from weft.mixture.weights import MIN_GAIN, Floats, fit_weights, mixed


def random_nats(seed: int, models: int, tokens: int, spread: float) -> Floats:
    """Random ln p of tokens; no model is best for all of them."""
    return np.random.default_rng(seed).normal(-5, spread, (models, tokens)).clip(max=0)


LOG_PROBABILITIES = st.builds(
    random_nats, st.integers(0, 10_000), st.integers(1, 4), st.integers(1, 60), st.sampled_from([0.001, 0.3, 3.0, 50.0])
)


@given(LOG_PROBABILITIES)
def test_the_mixture_is_a_distribution_and_not_worse_than_any_model(nats: Floats) -> None:
    weights = fit_weights(nats)
    assert weights.values.sum() == pytest.approx(1, abs=1e-12)
    assert weights.values.min() >= 0
    assert weights.nats == pytest.approx(mixed(nats, weights.values).sum())
    assert weights.nats >= nats.sum(axis=1).max() - 1e-9


@given(st.integers(0, 10_000), st.sampled_from([0.3, 1.0, 5.0]))
def test_two_weights_agree_with_a_grid_search(seed: int, spread: float) -> None:
    nats = random_nats(seed, 2, 200, spread)
    fine = np.linspace(0, 1, 1001)
    likelihoods = [mixed(nats, np.array([weight, 1 - weight])).sum() for weight in fine]
    weights = fit_weights(nats)
    assert weights.nats >= max(likelihoods) - MIN_GAIN * 200
    if spread > 0.3:  # if the likelihood is not flat, its maximum is at the same place
        assert weights.values[0] == pytest.approx(fine[int(np.argmax(likelihoods))], abs=0.01)


def test_a_mixture_is_the_weighted_mean_of_probabilities() -> None:
    nats = np.log([[0.5, 0.25], [0.1, 0.75]])
    assert np.exp(mixed(nats, np.array([0.2, 0.8]))) == pytest.approx([0.2 * 0.5 + 0.8 * 0.1, 0.2 * 0.25 + 0.8 * 0.75])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=9).filter(any))
def test_a_mixture_of_certain_models_is_certain(shares: list[float]) -> None:
    weights = np.array(shares) / np.sum(shares)
    assert mixed(np.zeros((len(weights), 3)), weights).max() <= 0
    assert mixed(np.zeros((len(weights), 3)), weights) == pytest.approx(0)


def test_mixing_does_not_underflow() -> None:
    nats = np.array([[-2000.0, -np.inf], [-2000.0, -1.0]])
    assert mixed(nats, np.array([0.5, 0.5])) == pytest.approx([-2000, -1 + np.log(0.5)])
    assert mixed(np.full((2, 1), -np.inf), np.array([0.5, 0.5])).tolist() == [-np.inf]


def test_the_weights_of_a_sampled_mixture_are_recovered() -> None:
    rng = np.random.default_rng(0)
    models = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    tokens = rng.choice(3, 200_000, p=[0.3, 0.7] @ models)
    assert fit_weights(np.log(models[:, tokens])).values == pytest.approx([0.3, 0.7], abs=0.01)


def test_a_model_that_is_always_better_gets_weight_one() -> None:
    nats = np.full((2, 100), -3.0)
    nats[1] += 1e-5
    assert fit_weights(nats).values.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("nats", "expected"),
    [
        (np.zeros((2, 0)), "this one has no token"),
        (np.array([[-1.0, -np.inf], [-2.0, -np.inf]]), "has no probability under any of the models"),
        (np.array([[-1.0, np.nan], [-2.0, -1.0]]), "has no probability under any of the models"),
    ],
)
def test_a_text_without_usable_tokens_is_refused(nats: Floats, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        fit_weights(nats)
