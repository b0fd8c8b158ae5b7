"""Sampling: the distribution for each setting, and generation that feeds back the drawn tokens."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


def test_tokens_that_add_up_to_top_p_exactly_are_enough() -> None:
    for dtype in ("float32", "float64"):
        scores = np.log(np.array([0.3, 0.1, 0.1, 0.5])).astype(dtype)
        np.testing.assert_allclose(Sampling(top_p=0.8).distribution(scores), [0.375, 0, 0, 0.625], rtol=1e-6)
        np.testing.assert_allclose(Sampling(top_p=0.8).distribution(scores + 30), [0.375, 0, 0, 0.625], rtol=1e-4)
        assert Sampling(top_p=0.81).distribution(scores)[1] > 0
        assert Sampling(top_p=0.79).distribution(scores)[0] > 0


@given(
    counts=st.lists(st.integers(1, 30), min_size=1, max_size=40),
    share=st.fractions(min_value=Fraction(1, 100), max_value=1, max_denominator=100),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_top_p_keeps_the_smallest_set_of_rational_probabilities(counts: list[int], share: Fraction, dtype: str) -> None:
    total, reached, kept = sum(counts), Fraction(0), set()
    for token in sorted(range(len(counts)), key=lambda token: (-counts[token], token)):
        if reached >= share:
            break
        kept.add(token)
        reached += Fraction(counts[token], total)
    distribution = Sampling(top_p=float(share)).distribution(np.log(np.array(counts)).astype(dtype))
    assert set(np.flatnonzero(distribution)) == kept
    assert distribution.sum() == pytest.approx(1)


@given(scores=st.lists(st.integers(-3, 3), min_size=1, max_size=30), k=st.integers(1, 40))
def test_top_k_keeps_k_tokens_and_of_equal_ones_those_with_lower_ids(scores: list[int], k: int) -> None:
    distribution = Sampling(top_k=k).distribution(np.array(scores, dtype="f"))
    kept = sorted(range(len(scores)), key=lambda token: (-scores[token], token))[:k]
    assert set(np.flatnonzero(distribution)) == set(kept)


def test_top_p_1_keeps_every_token_and_a_small_one_the_likeliest_alone() -> None:
    scores = np.array([0.0, -80.0, 3.0, -700.0])
    assert np.count_nonzero(Sampling(top_p=1.0).distribution(scores)) == 4
    np.testing.assert_array_equal(Sampling(top_p=1e-12).distribution(scores), [0, 0, 1, 0])


def test_a_temperature_near_0_takes_the_likeliest_tokens() -> None:
    for sampling in (Sampling(1e-310), Sampling(1e-310, top_p=0.9), Sampling(1e-310, top_k=2)):
        np.testing.assert_array_equal(sampling.distribution(np.array([1.0, 2.0, 0.0])), [0, 1, 0])
