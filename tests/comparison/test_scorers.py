"""Scorers: log-probabilities after a short context agree with the definition of each model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from weft.comparison.scorers import NGramScorer, RecurrentScorer, Scorer, UnigramScorer
from weft.layers import time_layers
from weft.model import RNNLM
from weft.ngram.discounts import FALLBACK
from weft.ngram.kneser_ney import estimate

V, EOS = 7, 1
IDS = np.random.default_rng(0).integers(0, V, 400)


def recurrent(cell: str, window: int = 3) -> RNNLM:
    model = RNNLM(V, 3, 5, 2, cell, window=window, seed=0, dtype="float64")
    for parameter in model.params:
        parameter[...] = np.random.default_rng(1).normal(0, 0.7, parameter.shape)
    return model


def scorers() -> list[Scorer]:
    return [
        RecurrentScorer("run", recurrent("lstm"), EOS),
        RecurrentScorer("window", recurrent("window"), EOS),
        NGramScorer("kn4", estimate(IDS, V, EOS, 4, FALLBACK)),
        UnigramScorer([5, 3, 0, 1, 1, 2, 9]),
    ]


def contexts_of(positions: Any, length: int) -> Any:
    return IDS[positions[:, None] - length + np.arange(length)]


@pytest.mark.parametrize("scorer", scorers(), ids=lambda scorer: scorer.name)
@pytest.mark.parametrize("length", [0, 1, 2, 5])
def test_the_probabilities_of_all_tokens_after_a_context_sum_to_one(scorer: Scorer, length: int) -> None:
    context = np.tile(IDS[20 - length : 20], (V, 1))
    assert np.exp(scorer.after(context, np.arange(V))).sum() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("scorer", scorers(), ids=lambda scorer: scorer.name)
def test_rows_are_independent(scorer: Scorer) -> None:
    positions = np.arange(50, 150)
    together = scorer.after(contexts_of(positions, 6), IDS[positions])
    alone = [scorer.after(contexts_of(positions[[row]], 6), IDS[positions[[row]]])[0] for row in range(100)]
    np.testing.assert_allclose(together, alone, rtol=1e-10)


@pytest.mark.parametrize("scorer", scorers(), ids=lambda scorer: scorer.name)
def test_chunks_are_one_running_text(scorer: Scorer) -> None:
    whole = np.concatenate(list(scorer.log_probabilities([IDS])))
    cut = np.concatenate(list(scorer.log_probabilities([IDS[:7], IDS[7:8], IDS[8:300], IDS[300:]])))
    np.testing.assert_allclose(cut, whole, rtol=1e-9)
    assert whole.shape == IDS.shape


@pytest.mark.parametrize("cell", time_layers())
def test_a_recurrent_model_reads_the_context_from_the_zero_state(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = recurrent(cell)
    monkeypatch.setattr("weft.comparison.scorers.TOKENS_AT_ONCE", 10)
    positions = np.arange(30, 60)
    values = RecurrentScorer("run", model, EOS).after(contexts_of(positions, 4), IDS[positions])
    for value, position in zip(values, positions, strict=True):
        state = model.zero_state(1)
        for id in IDS[position - 4 : position]:
            scores, state = model.step(np.array([id]), state)
        assert value == pytest.approx(scores[0, IDS[position]] - np.log(np.exp(scores[0]).sum()), rel=1e-9)


@pytest.mark.parametrize(("scorer", "enough"), [(scorers()[1], 5), (scorers()[2], 3), (scorers()[3], 0)])
def test_context_beyond_the_window_has_no_effect(scorer: Scorer, enough: int) -> None:
    # Two layers with windows of 3 depend on 5 tokens, a 4-gram model on 3.
    whole = np.concatenate(list(scorer.log_probabilities([IDS])))
    positions = np.arange(50, 400)
    for length in (enough, enough + 1, 20):
        values = scorer.after(contexts_of(positions, length), IDS[positions])
        np.testing.assert_allclose(values, whole[positions], rtol=1e-9)
    if enough:
        fewer = scorer.after(contexts_of(positions, enough - 1), IDS[positions])
        assert np.abs(fewer - whole[positions]).max() > 1e-3


def test_an_n_gram_with_a_shorter_context_uses_its_lower_order() -> None:
    model = estimate(IDS, V, EOS, 4, FALLBACK)
    scorer = NGramScorer("kn4", model)
    context = np.array([2, 3])
    expected = model.next_log_probabilities((2, 3))
    np.testing.assert_allclose(scorer.after(np.tile(context, (V, 1)), np.arange(V)), expected, rtol=1e-10)
    np.testing.assert_allclose(scorer.after(np.zeros((V, 0), int), np.arange(V)), model.next_log_probabilities(()))


def test_a_line_end_in_the_context_is_the_start_of_a_line() -> None:
    model = estimate(IDS, V, EOS, 4, FALLBACK)
    values = NGramScorer("kn4", model).after(np.array([[EOS]] * V), np.arange(V))
    np.testing.assert_allclose(values, model.next_log_probabilities(model.start()), rtol=1e-10)


def test_the_unigram_model_adds_one_to_every_count() -> None:
    values = UnigramScorer([3, 0, 1]).after(np.zeros((3, 2), int), np.arange(3))
    np.testing.assert_allclose(np.exp(values), [4 / 7, 1 / 7, 2 / 7])
