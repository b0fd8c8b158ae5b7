"""Scores of a text as a whole, in parts, and token by token agree."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.ngram_oracle import ids_of
from weft.errors import InputError
from weft.ngram.discounts import FALLBACK
from weft.ngram.kneser_ney import estimate
from weft.ngram.model import NGramModel, NGramTable

V = 6
TRAINING = [[2, 3, 4], [2, 3, 5, 4], [5, 3], [], [2, 3, 4, 2, 3, 4, 0]]
MODELS = [estimate(ids_of(TRAINING), V, 1, order, FALLBACK) for order in range(1, 6)]
ANY_MODEL = st.sampled_from(MODELS)
TEXT = st.lists(st.integers(0, V - 1), max_size=15)


def by_hand() -> NGramModel:
    """Tokens 0 `<unk>`, 1 `<eos>`, 2 a, 3 b; `<s>` is 4. In log10, with round numbers."""
    words = NGramTable(np.arange(5), np.array([-2.0, -0.5, -0.75, -1.0, -99]), np.array([0, 0, -0.25, -0.125, -0.5]))
    pairs = NGramTable(np.array([2 * 5 + 3, 4 * 5 + 2]), np.array([-0.375, -0.0625]), np.array([-0.03125, -0.25]))
    triples = NGramTable(np.array([1 * 5 + 3]), np.array([-0.015625]), np.zeros(0))
    return NGramModel([words, pairs, triples], eos_id=1)


def test_backing_off_by_hand() -> None:
    scores = by_hand().score(np.array([2, 3, 3, 0, 1, 3, 1]))
    expected = [
        -0.0625,  # <s> a
        -0.015625,  # <s> a b
        -0.03125 - 0.125 - 1.0,  # back off from "a b" and from "b" to "b"
        -0.125 - 2.0,  # no n-gram "b b", so no back-off weight
        -0.5,
        -0.5 - 1.0,  # a new line: back off from "<s>"
        -0.125 - 0.5,
    ]
    assert scores.nats.tolist() == pytest.approx([log10 * math.log(10) for log10 in expected])
    assert scores.lengths.tolist() == [2, 3, 1, 1, 1, 1, 1]


@given(ANY_MODEL, TEXT)
def test_scores_agree_with_the_distribution(model: NGramModel, text: list[int]) -> None:
    state = model.start()
    expected = []
    for id in text:
        expected.append(model.next_log_probabilities(state)[id])
        state = model.state_after(state, [id])
    assert model.log_probabilities(np.array(text, dtype=int)).tolist() == pytest.approx(expected)


@given(ANY_MODEL, TEXT, TEXT)
def test_a_text_scored_in_two_parts(model: NGramModel, first: list[int], second: list[int]) -> None:
    whole = model.score(np.array(first + second, dtype=int))
    after = model.state_after(model.start(), first)
    parts = [model.score(np.array(first, dtype=int)), model.score(np.array(second, dtype=int), after)]
    assert np.concatenate([part.nats for part in parts]).tolist() == whole.nats.tolist()
    assert np.concatenate([part.lengths for part in parts]).tolist() == whole.lengths.tolist()


@given(ANY_MODEL, TEXT, TEXT)
def test_no_context_is_carried_over_lines(model: NGramModel, line: list[int], other: list[int]) -> None:
    assert model.state_after(model.start(), [*line, 1]) == model.start()
    alone = model.log_probabilities(np.array([*other, 1]))
    assert model.log_probabilities(np.array([*line, 1, *other, 1]))[len(line) + 1 :].tolist() == alone.tolist()


def test_a_state_is_a_value_of_minimal_length() -> None:
    trigram = MODELS[2]
    start = trigram.start()
    state = trigram.state_after(start, [2, 3, 4])
    assert (start, state) == ((V,), (3, 4))
    assert trigram.state_after(trigram.state_after(start, [5, 5, 3]), [4]) == state
    assert MODELS[0].start() == MODELS[0].state_after((), [2, 3]) == ()


def test_ids_out_of_range_are_refused() -> None:
    for id in (V, -1):
        with pytest.raises(InputError, match=r"token ids must lie in \[0, 6\)"):
            MODELS[1].score(np.array([2, id]))
        with pytest.raises(InputError, match=r"a state holds tokens in \[0, 6\]"):
            MODELS[1].next_log_probabilities((id * 2,))


@pytest.mark.parametrize("state", [(1,), (1, 4), (2, 4), (4, 4), (4, 1)])
def test_a_state_is_of_one_line(state: tuple[int, ...]) -> None:
    with pytest.raises(
        InputError, match=r"a state is of one line: 4, its start, can only be first, and no token follow"
    ):
        by_hand().score(np.array([2]), state)
    with pytest.raises(InputError, match="a state is of one line"):
        by_hand().next_log_probabilities(state)


def test_probabilities_above_1_are_refused() -> None:
    words = NGramTable(np.arange(5), np.array([-2.0, -0.5, -0.75, -1.0, -99]), np.array([0, 0, 0.75, 0, 0]))
    pairs = NGramTable(np.array([2 * 5 + 1]), np.array([-0.375]), np.zeros(0))
    model = NGramModel([words, pairs], eos_id=1)
    assert model.score(np.array([2, 1, 2, 2, 3])).nats[3] == 0  # 10^(0.75 - 0.75)
    assert np.exp(model.next_log_probabilities((2,))).max() == 1
    words.log10_backoffs[2] = 0.8
    with pytest.raises(InputError, match=r"the n-gram model: the probability of 2 after 2 is 10\^0\.05, above 1"):
        model.score(np.array([2, 1, 2, 2, 3]))
    with pytest.raises(InputError, match=r"the n-gram model: the probability of 2 after 4 2 is 10\^0\.05, above 1"):
        NGramModel([words, pairs, pairs], eos_id=1).next_log_probabilities((4, 2))
    assert model.score(np.array([2, 1, 2, 3])).nats.max() < 0
