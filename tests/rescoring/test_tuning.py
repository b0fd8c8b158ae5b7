"""Tuning: never worse than a grid along a weight or than the start, and deterministic; totals of hypotheses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.rescoring import Hypothesis, RescoredUtterance, TextScore, Utterance, Weights, rescore, tune
from weft.rescoring.line_search import best_interval
from weft.rescoring.tuning import DevelopmentSet, along
from weft.rescoring.weights import TUNED

NAMES = ["lm_weight", "old_lm_weight", "word_weight"]
GRID = [*np.linspace(0, 8, 33), 20.0, 100.0]


class Given:
    """A scorer with given log-probabilities."""

    def __init__(self, nats: dict[str, float]) -> None:
        self.nats = nats

    def score(self, texts: Sequence[str]) -> list[TextScore]:
        return [TextScore(self.nats[text], len(text.split()) + 1, text.split().count("?")) for text in texts]


def drawn(seed: int, utterances: int = 12) -> DevelopmentSet:
    rng = np.random.default_rng(seed)
    development = DevelopmentSet()
    for _ in range(utterances):
        count = int(rng.integers(1, 7))
        development.features.append(
            np.column_stack([rng.normal(0, 30, (count, 1)), rng.normal(0, 4, (count, 2)), rng.integers(0, 9, count)])
        )
        development.errors.append(rng.integers(0, 6, count).tolist())
        development.words += 8
    return development


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_no_grid_along_a_weight_finds_fewer_errors(seed: int) -> None:
    development = drawn(seed)
    start = Weights().vector()
    for name in NAMES:
        column = TUNED.index(name)
        found = best_interval(along(development, start, column))
        grid = [*GRID, *(-x for x in GRID)] if name == "word_weight" else GRID
        vectors = [[*start[:column], x, *start[column + 1 :]] for x in grid]
        assert found.errors <= min(development.with_weights(vector).errors for vector in vectors)
        at_middle = [*start[:column], found.middle, *start[column + 1 :]]
        assert development.with_weights(at_middle).errors == found.errors


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_tuning_ends_in_a_coordinate_wise_minimum(seed: int) -> None:
    development = drawn(seed)
    tuned = tune(development, Weights(), NAMES)
    errors = development.with_weights(tuned.vector()).errors
    assert development.oracle.errors <= errors <= development.with_weights(Weights().vector()).errors
    assert all(best_interval(along(development, tuned.vector(), TUNED.index(name))).errors >= errors for name in NAMES)
    assert tuned.acoustic_weight == 1
    assert min(tuned.lm_weight, tuned.old_lm_weight) >= 0
    assert tune(development, Weights(), NAMES) == tuned


EXTREMES = st.sampled_from([0.0, 1e15, -1e15, 1e-300, 5e-324, -5e-324, 1.0, 1.0 + 1e-15, 123.25, -1e-9])


@given(st.lists(st.lists(st.tuples(*[EXTREMES] * 4), min_size=1, max_size=4), min_size=1, max_size=4), st.data())
def test_tuning_on_extreme_scores_is_not_worse_than_the_start(
    features: list[list[tuple[float, ...]]], data: st.DataObject
) -> None:
    errors = [data.draw(st.lists(st.integers(0, 5), min_size=len(rows), max_size=len(rows))) for rows in features]
    development = DevelopmentSet([np.array(rows) for rows in features], errors, words=9)
    start = Weights(*data.draw(st.tuples(*[st.sampled_from([0.0, 1.0, 0.5, 1e300])] * 4)))
    tuned = tune(development, start, NAMES)
    assert development.with_weights(tuned.vector()).errors <= development.with_weights(start.vector()).errors


def test_a_list_with_a_known_best_weight() -> None:
    # Above 2 the model's score outweighs the acoustic one in the first utterance; above 5, wrongly, in the second.
    development = DevelopmentSet(
        [np.array([[0, 0, 0, 3], [-2, 1, 0, 3]], float), np.array([[0, 0, 0, 3], [-5, 1, 0, 3]], float)],
        [[1, 0], [0, 2]],
        words=6,
    )
    assert [(interval.start, interval.end, interval.errors) for interval in along(development, (1, 0, 0, 0), 1)] == [
        (0, 2, 1), (2, 5, 0), (5, np.inf, 2),
    ]  # fmt: skip
    assert tune(development, Weights(), ["lm_weight"]).lm_weight == 3.5


def test_the_word_weight_may_be_negative() -> None:
    development = DevelopmentSet([np.array([[0, 0, 0, 4], [-3, 0, 0, 3]], float)], [[1, 0]], words=3)
    tuned = tune(development, Weights(), ["lm_weight", "word_weight"])
    assert tuned.word_weight < -3
    assert development.with_weights(tuned.vector()).errors == 0


def test_without_improvement_the_weights_do_not_change() -> None:
    development = DevelopmentSet([np.array([[0, 0, 0, 4], [0, 0, 0, 4]], float)], [[3, 0]], words=3)
    start = Weights(lm_weight=7.25, word_weight=-0.5)
    assert tune(development, start, NAMES) == start


def rescored(weights: Weights) -> RescoredUtterance:
    hypotheses = (Hypothesis("a b", 2, -10.0, -4.0), Hypothesis("a ? ?", 3, -9.0, -8.0), Hypothesis("", 0, -11.0, -1.0))
    scorer = Given({"a b": -3.0, "a ? ?": -2.0, "": -6.0})
    (result,) = rescore([Utterance("u", hypotheses)], scorer, weights)
    return result


def test_the_total_is_the_weighted_sum() -> None:
    result = rescored(Weights(0.5, 2.0, 0.25, -1.5, oov_penalty_nats=1.0))
    assert result.totals_nats.tolist() == [
        0.5 * -10 + 2 * -3 + 0.25 * -4 - 1.5 * 2,
        0.5 * -9 + 2 * (-2 - 2) + 0.25 * -8 - 1.5 * 3,
        0.5 * -11 + 2 * -6 + 0.25 * -1,
    ]
    assert (result.best, result.ranks()) == (0, [1, 3, 2])


@pytest.mark.parametrize(("penalty", "best"), [(0.0, 1), (10.0, 0)])
def test_the_oov_penalty_changes_the_choice(penalty: float, best: int) -> None:
    assert rescored(Weights(oov_penalty_nats=penalty)).best == best


def test_of_equal_totals_the_first_is_the_best() -> None:
    hypotheses = tuple(Hypothesis("a", 1, score) for score in (-2.0, -1.0, -1.0))
    (result,) = rescore([Utterance("u", hypotheses)], Given({"a": -1.0}), Weights())
    assert (result.best, result.ranks()) == (1, [3, 1, 2])


@pytest.mark.parametrize("window", [1, 3, 4, 100])
def test_windows_consist_of_whole_utterances_in_order(window: int) -> None:
    asked: list[int] = []

    class Scorer(Given):
        def score(self, texts: Sequence[str]) -> list[TextScore]:
            asked.append(len(texts))
            return super().score(texts)

    sizes = [2, 1, 3, 1]
    utterances = (Utterance(str(size), (Hypothesis("a", 1),) * size) for size in sizes)
    done = list(rescore(utterances, Scorer({"a": -1.0}), Weights(), window))
    assert [len(utterance.scores) for utterance in done] == sizes
    assert asked == {1: [2, 1, 3, 1], 3: [3, 3, 1], 4: [6, 1], 100: [7]}[window]


def test_an_utterance_is_yielded_before_the_next_window_is_read() -> None:
    read: list[int] = []

    def utterances() -> object:
        for number in range(5):
            read.append(number)
            yield Utterance(str(number), (Hypothesis("a", 1),))

    stream = rescore(utterances(), Given({"a": -1.0}), Weights(), window=1)  # type: ignore[arg-type]
    next(stream)
    assert read == [0]
