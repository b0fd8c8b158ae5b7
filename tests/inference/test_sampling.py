"""Sampling: the distribution for each setting, and generation that feeds back the drawn tokens."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from weft.errors import InputError
from weft.inference.sampling import Sampling, generate
from weft.model import RNNLM

SCORES = np.log(np.array([0.5, 0.25, 0.15, 0.1]))


def test_the_plain_distribution_is_the_softmax() -> None:
    np.testing.assert_allclose(Sampling().distribution(SCORES + 7), [0.5, 0.25, 0.15, 0.1])


def test_temperature_sharpens_and_zero_takes_the_most_probable() -> None:
    squared = np.array([0.5, 0.25, 0.15, 0.1]) ** 2
    np.testing.assert_allclose(Sampling(temperature=0.5).distribution(SCORES), squared / squared.sum())
    np.testing.assert_array_equal(Sampling(temperature=0).distribution(SCORES), [1, 0, 0, 0])


def test_top_k_and_top_p_keep_the_most_probable() -> None:
    np.testing.assert_allclose(Sampling(top_k=2).distribution(SCORES), [2 / 3, 1 / 3, 0, 0])
    np.testing.assert_allclose(Sampling(top_p=0.5).distribution(SCORES), [1, 0, 0, 0])
    np.testing.assert_allclose(Sampling(top_p=0.51).distribution(SCORES), [2 / 3, 1 / 3, 0, 0])
    np.testing.assert_allclose(Sampling(top_k=99, top_p=1.0).distribution(SCORES), [0.5, 0.25, 0.15, 0.1])


def test_banned_tokens_are_never_drawn() -> None:
    banned = Sampling(temperature=0, banned=frozenset({0}))
    np.testing.assert_array_equal(banned.distribution(SCORES), [0, 1, 0, 0])
    with pytest.raises(InputError, match="every token is banned"):
        Sampling(banned=frozenset(range(4))).distribution(SCORES)


def test_the_given_scores_are_not_changed() -> None:
    scores = SCORES.copy()
    Sampling(banned=frozenset({1}), top_k=1).distribution(scores)
    np.testing.assert_array_equal(scores, SCORES)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1.0}, "temperature must be"),
        ({"temperature": float("nan")}, "temperature must be"),
        ({"top_k": 0}, "top-k must be at least 1"),
        ({"top_p": 0.0}, "top-p must lie in"),
    ],
)
def test_values_out_of_bounds_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Sampling(**options)  # type: ignore[arg-type]


def test_generation_feeds_back_the_drawn_token() -> None:
    model = RNNLM(5, 3, 4, seed=0, dtype="float64")
    start = np.array([1])
    scores, state = model.step(start, model.zero_state(1))
    tokens = list(islice(generate(model, scores, state, Sampling(temperature=0), np.random.default_rng(0)), 6))
    expected = []
    for _ in range(6):
        token = int(np.argmax(scores[0]))
        expected.append(token)
        scores, state = model.step(np.array([token]), state)
    assert tokens == expected


def test_the_same_seed_draws_the_same_tokens() -> None:
    model = RNNLM(50, 3, 4, seed=0)
    scores, state = model.step(np.array([1]), model.zero_state(1))
    draws = [
        list(islice(generate(model, scores, state, Sampling(), np.random.default_rng(seed)), 20)) for seed in (3, 3, 4)
    ]
    assert draws[0] == draws[1] != draws[2]
