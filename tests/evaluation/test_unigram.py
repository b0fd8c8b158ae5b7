"""The unigram model is a distribution from counts, and its loss does not depend on the order of tokens."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.evaluation.perplexity import perplexity
from weft.evaluation.unigram import unigram_loss

counts_of_types = st.lists(st.integers(0, 1_000_000), min_size=1, max_size=20)


@given(counts_of_types)
def test_the_probabilities_of_all_types_sum_to_one(counts: list[int]) -> None:
    probabilities = [math.exp(-unigram_loss(counts, [np.array([id])]).nats) for id in range(len(counts))]
    assert math.fsum(probabilities) == pytest.approx(1)
    assert min(probabilities) > 0


def test_the_loss_is_the_sum_over_tokens() -> None:
    counts, ids = [3, 0, 1], [0, 0, 1, 2]
    expected = -sum(math.log(Fraction(counts[id] + 1, sum(counts) + len(counts))) for id in ids)
    loss = unigram_loss(counts, [np.array(ids)])
    assert loss.tokens == 4
    assert loss.nats == pytest.approx(expected)


@given(st.lists(st.lists(st.integers(0, 4), max_size=5), max_size=5))
def test_the_loss_depends_neither_on_order_nor_on_chunks(chunks: list[list[int]]) -> None:
    counts = [5, 0, 2, 9, 1]
    whole = sorted(id for chunk in chunks for id in chunk)
    in_chunks = unigram_loss(counts, (np.array(chunk, dtype=int) for chunk in chunks))
    at_once = unigram_loss(counts, [np.array(whole, dtype=int)])
    assert in_chunks.tokens == at_once.tokens == len(whole)
    assert in_chunks.nats == pytest.approx(at_once.nats)


def test_equal_counts_give_the_vocabulary_size_as_perplexity() -> None:
    assert perplexity(unigram_loss([7] * 12, [np.arange(12)])) == pytest.approx(12)


def test_the_counts_of_the_text_give_the_lowest_loss() -> None:
    ids = np.array([0] * 600 + [1] * 300 + [2] * 100)
    counts = Counter(ids.tolist())
    own = unigram_loss([counts[id] for id in range(3)], [ids]).nats
    for other in ([300, 600, 100], [1, 1, 1], [600, 100, 300]):
        assert own < unigram_loss(other, [ids]).nats


def test_an_empty_text_has_loss_zero() -> None:
    loss = unigram_loss([1, 2], [])
    assert (loss.nats, loss.tokens) == (0, 0)
