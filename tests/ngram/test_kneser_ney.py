"""Modified Kneser-Ney: equal to its definition, a distribution, and equal to the estimate of KenLM's lmplz."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.ngram_oracle import Definition, ids_of
from weft.errors import InputError
from weft.evaluation.perplexity import perplexity
from weft.layers import Loss
from weft.ngram.arpa_reader import read_arpa
from weft.ngram.discounts import FALLBACK, Discounts, discounts
from weft.ngram.kneser_ney import estimate
from weft.text import encode_pieces, fit_tokenizer, open_corpus
from weft.text.catalogue import locate

GOLDEN = Path(__file__).parent / "golden"
V = 5
LINES = st.lists(st.lists(st.sampled_from([0, 2, 3, 4]), max_size=7), min_size=1, max_size=8)


@given(LINES, st.integers(1, 4), st.lists(st.sampled_from([0, 2, 3, 4]), max_size=4))
@settings(max_examples=50)
def test_probabilities_equal_the_definition(lines: list[list[int]], order: int, context: list[int]) -> None:
    model = estimate(ids_of(lines), V, 1, order, FALLBACK)
    definition = Definition(lines, V, model.order)
    state = model.state_after(model.start(), context)
    last = (V, *context)[max(0, len(context) + 2 - model.order) :]
    expected = [definition.probability(word, last) for word in range(V)]
    assert np.exp(model.next_log_probabilities(state)) == pytest.approx(expected)


@given(LINES, st.integers(1, 5), st.lists(st.sampled_from([0, 1, 2, 3, 4]), max_size=6))
def test_the_probabilities_of_all_tokens_sum_to_one_after_any_text(
    lines: list[list[int]], order: int, text: list[int]
) -> None:
    model = estimate(ids_of(lines), V, 1, order, FALLBACK)
    probabilities = np.exp(model.next_log_probabilities(model.state_after(model.start(), text)))
    assert probabilities.shape == (V,)
    assert probabilities.sum() == pytest.approx(1, abs=1e-12)
    assert probabilities.min() > 0


def test_the_model_equals_that_of_lmplz() -> None:
    text = (GOLDEN / "harbour.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    expected, tokens = read_arpa(GOLDEN / "harbour.lmplz.arpa")
    ids = {token: id for id, token in enumerate(tokens)}
    running = np.array([ids[word] for line in text for word in [*line.split(), "<eos>"]])
    model = estimate(running, len(tokens), 1, 3, FALLBACK)
    for ours, theirs in zip(model.tables, expected.tables, strict=True):
        assert np.array_equal(ours.keys, theirs.keys)
        assert ours.log10_probabilities == pytest.approx(theirs.log10_probabilities, abs=2e-6)
        assert ours.log10_backoffs == pytest.approx(theirs.log10_backoffs, abs=2e-6)


def test_discounts_are_equation_26() -> None:
    # n_1 = 10, n_2 = 4, n_3 = 2, n_4 = 1: Y = 10 / 18
    counts = np.array([1] * 10 + [2] * 4 + [3] * 2 + [4] + [5, 9, 70] + [0] * 6)
    y = 10 / 18
    assert discounts(counts, 2) == pytest.approx((1 - 2 * y * 4 / 10, 2 - 3 * y * 2 / 4, 3 - 4 * y * 1 / 2))


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([1, 1, 3], "no 4-gram has the adjusted count 2"),
        ([2, 3, 4], "no 4-gram has the adjusted count 1"),
        ([1, 2], "no 4-gram has the adjusted count 3"),
        ([1, 2, 3, 3, 3], "the 4-grams would be discounted by 0.333, -1, 3, which must be above 0"),
    ],
)
def test_a_text_too_small_for_discounts_needs_the_fallback(counts: list[int], expected: str) -> None:
    with pytest.raises(InputError, match=expected) as raised:
        discounts(np.array(counts), 4)
    assert "--discount-fallback" in str(raised.value)
    assert discounts(np.array(counts), 4, FALLBACK) == Discounts(0.5, 1.0, 1.5)


@pytest.fixture(scope="module")
def ptb() -> dict[str, np.ndarray[tuple[int], np.dtype[np.int32]]]:
    files = locate("ptb")
    assert files is not None
    corpora = {split: open_corpus(path) for split, path in files.items()}
    tokenizer = fit_tokenizer("word", corpora["train"].pieces())
    assert (tokenizer.vocab_size, tokenizer.eos_id) == (10_000, 1)
    return {split: np.concatenate(list(encode_pieces(tokenizer, corpora[split].pieces()))) for split in corpora}


@pytest.mark.skipif(locate("ptb") is None, reason="the Penn Treebank is not here")
@pytest.mark.parametrize(("order", "expected"), [(3, 148.28), (4, 142.72), (5, 141.19)])
def test_the_penn_treebank_has_the_published_perplexity(
    ptb: dict[str, np.ndarray[tuple[int], np.dtype[np.int32]]], order: int, expected: float
) -> None:
    model = estimate(ptb["train"], 10_000, 1, order)
    nats = model.log_probabilities(ptb["test"])
    assert len(nats) == 82_430
    assert perplexity(Loss(-math.fsum(nats.tolist()), len(nats))) == pytest.approx(expected, abs=0.05)


def test_higher_orders_fit_their_training_text_better() -> None:
    text = (GOLDEN / "harbour.txt").read_text(encoding="utf-8")
    tokenizer = fit_tokenizer("word", [text])
    ids = np.array(tokenizer.encode(text))
    likelihoods = [
        estimate(ids, tokenizer.vocab_size, 1, order, FALLBACK).log_probabilities(ids).sum() for order in range(1, 6)
    ]
    assert all(lower < higher for lower, higher in pairwise(likelihoods))
