"""The continuous cache: numbers by hand, and a distribution in every state."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from weft.adaptation import AdaptingModel, Cache, DynamicSGD
from weft.adaptation.cache import Memory
from weft.errors import InputError
from weft.evaluation.readers import ENTROPY, LOGPROB, RANK, Distributions, Measures
from weft.evaluation.running_text import running_text
from weft.model import RNNLM

V, EOS = 6, 1
IDS = np.random.default_rng(3).integers(0, V, 40)


def model() -> RNNLM:
    made = RNNLM(V, 3, 5, 2, "gru", seed=0, dtype="float64")
    for parameter in made.params:
        parameter *= 3
    return made


def read(adapting: AdaptingModel, ids: Any, measures: Measures | None = None) -> Any:
    return np.concatenate(list(adapting.reading(measures).running([ids], EOS)))


def by_hand(model: RNNLM, ids: Any, cache: Cache) -> Any:
    """P (L, V) of every token and position, one step at a time, by the equation."""
    state, previous, result = model.zero_state(1), EOS, []
    keys: list[Any] = []
    for position, token in enumerate(ids):
        hs, state = model.hidden_states(np.array([[previous]]), state)
        h = hs[0, 0]
        scores = model.output.scores(h[None])[0]
        P = np.exp(scores) / np.exp(scores).sum()
        if position:
            p_cache = np.zeros(V)
            for i in range(max(0, position - cache.size), position):
                p_cache[ids[i]] += math.exp(cache.flatness * h @ keys[i])
            P = (1 - cache.weight) * P + cache.weight * p_cache / p_cache.sum()
        keys.append(h)
        result.append(P)
        previous = token
    return np.array(result)


def test_a_small_cache_by_hand() -> None:
    # States in the cache: (1, 0) before word 4, (0, 1) before word 2. Now (2, 1): weights e^2 and e^1 at flatness 1.
    memory = Memory(np.eye(2), np.array([4, 2]))
    recall = memory.recall(np.array([[2.0, 1.0]]), np.array([4]), Cache(10, 0.25, 1.0))
    share = math.e**2 / (math.e**2 + math.e)
    np.testing.assert_allclose(recall.of(np.array([4])), [share])
    np.testing.assert_allclose(recall.distributions(6), [[0, 0, 1 - share, 0, share, 0]])
    mixed = Cache(10, 0.25, 1.0).mixed(np.log([0.5]), recall.of(np.array([4])), recall.nonempty)
    np.testing.assert_allclose(np.exp(mixed), [0.75 * 0.5 + 0.25 * share])
    # A cache of size 1 has the later word alone; at flatness 0 both words have the same weight.
    assert memory.recall(np.ones((1, 2)), np.array([4]), Cache(1)).of(np.array([2])) == [1.0]
    flat = memory.recall(np.ones((1, 2)), np.array([4]), Cache(2, 0.1, 0.0)).distributions(6)
    np.testing.assert_allclose(flat, [[0, 0, 0.5, 0, 0.5, 0]])


@pytest.mark.parametrize("size", [1, 3, 17, 1000])
@pytest.mark.parametrize("flatness", [0.0, 0.7, 40.0])
def test_probabilities_equal_the_equation(size: int, flatness: float) -> None:
    cache = Cache(size, 0.3, flatness)
    expected = by_hand(model(), IDS, cache)
    np.testing.assert_allclose(expected.sum(axis=1), 1)
    found = read(AdaptingModel(model(), None, cache), IDS)[:, 0]
    np.testing.assert_allclose(np.exp(found), expected[np.arange(len(IDS)), IDS], rtol=1e-9)


def test_probabilities_sum_to_one_in_every_state() -> None:
    adapting = AdaptingModel(model(), DynamicSGD(0.5, block=3), Cache(8, 0.4, 2.0))
    state = adapting.zero_state(1)
    for id in [EOS, 3, 3, 0, 5, 2, 3, 3, 1, 3]:
        scores, state = adapting.step(np.array([id]), state)
        assert np.exp(scores).sum() == pytest.approx(1, rel=1e-12)


def test_scores_of_all_continuations_sum_to_one() -> None:
    adapting = AdaptingModel(model(), DynamicSGD(0.5, block=3), Cache(8, 0.4, 2.0))
    for length in (0, 1, 5, 11):
        ends = [read(adapting, np.append(IDS[:length], last))[-1, 0] for last in range(V)]
        assert np.exp(ends).sum() == pytest.approx(1, rel=1e-12)


def test_an_empty_cache_and_weight_zero_change_nothing() -> None:
    static = np.concatenate(list(running_text(model(), [IDS], EOS)))
    assert read(AdaptingModel(model(), None, Cache(5, 0.5)), IDS)[0, 0] == pytest.approx(static[0], rel=1e-14)
    np.testing.assert_array_equal(read(AdaptingModel(model(), None, Cache(5, 0.0)), IDS)[:, 0], static)


def test_measures_are_those_of_the_mixture() -> None:
    cache = Cache(9, 0.3, 0.7)
    expected = by_hand(model(), IDS, cache)
    measures = Measures(entropy=True, rank=True, alternatives=2)
    found = read(AdaptingModel(model(), None, cache), IDS, measures)
    np.testing.assert_allclose(found, Distributions(model(), measures).measure(np.log(expected), IDS), rtol=1e-7)
    target = expected[np.arange(len(IDS)), IDS]
    np.testing.assert_allclose(np.exp(found[:, LOGPROB]), target, rtol=1e-9)
    np.testing.assert_allclose(found[:, ENTROPY], -(expected * np.log(expected)).sum(axis=1), rtol=1e-7)
    np.testing.assert_array_equal(found[:, RANK], 1 + (expected > target[:, None] * (1 + 1e-9)).sum(axis=1))


def test_the_cache_works_with_dynamic_evaluation() -> None:
    ids = np.array([3, 5, 2, 0, 4, 1] * 20)
    dynamic, cache = DynamicSGD(0.3, block=5), Cache(30, 0.2, 1.0)
    means = [
        read(AdaptingModel(model(), *how), ids).mean() for how in ((None, cache), (dynamic, None), (dynamic, cache))
    ]
    static = np.concatenate(list(running_text(model(), [ids], EOS))).mean()
    assert static < min(means[:2])
    assert max(means[:2]) < means[2]


def test_similar_states_do_not_overflow() -> None:
    found = read(AdaptingModel(model(), None, Cache(20, 0.5, 1e6)), IDS)
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((0,), "the size of a cache must be at least 1, got 0"),
        ((5, 1.0), r"the weight of a cache must lie in \[0, 1\), got 1"),
        ((5, -0.1), r"the weight of a cache must lie in \[0, 1\), got -0.1"),
        ((5, 0.1, -1.0), "the flatness of a cache must be a finite number of at least 0, got -1"),
    ],
)
def test_settings_out_of_their_bounds_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Cache(*settings)
