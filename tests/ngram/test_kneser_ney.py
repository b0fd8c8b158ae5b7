"""Modified Kneser-Ney: equal to its definition, a distribution, and equal to lmplz but for one of its counts."""

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
from weft.ngram.counts import Ints, count_ngrams
from weft.ngram.discounts import FALLBACK, Discounts, discounts
from weft.ngram.kneser_ney import estimate, interpolated
from weft.ngram.model import NGramModel
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


def ids_of_text(text: str, tokens: list[str]) -> Ints:
    ids = {token: id for id, token in enumerate(tokens)}
    return np.array([ids[word] for line in text.splitlines() for word in [*line.split(), "<eos>"]])


def largest_difference(ours: NGramModel, theirs: NGramModel) -> float:
    """Between log10 probabilities and back-off weights of the same n-grams."""
    differences = []
    for one, other in zip(ours.tables, theirs.tables, strict=True):
        assert np.array_equal(one.keys, other.keys)
        differences.append(np.abs(one.log10_probabilities - other.log10_probabilities).max())
        differences.append(np.abs(one.log10_backoffs - other.log10_backoffs).max(initial=0))
    return float(max(differences))


def test_the_model_equals_that_of_lmplz() -> None:
    expected, tokens = read_arpa(GOLDEN / "harbour.lmplz.arpa")
    ids = ids_of_text((GOLDEN / "harbour.txt").read_text(encoding="utf-8"), tokens)
    assert largest_difference(estimate(ids, len(tokens), 1, 3, FALLBACK), expected) < 2e-6


def test_the_discounts_of_lmplz_differ_by_the_raw_counts_of_the_last_ngrams() -> None:
    """lmplz counts the last 1-gram and the last 2-gram in its order, those of its newest word, with their raw counts.

    It does so only where it estimates discounts. They differ where the newest word has a raw count other than its
    adjusted one: here `tail` and `qqnew tail` occur twice, each after one word.
    """
    expected, tokens = read_arpa(GOLDEN / "harbour-tail.lmplz.arpa")
    text = (GOLDEN / "harbour.txt").read_text(encoding="utf-8") + "the qqnew tail\nat the qqnew tail\n"
    ids = ids_of_text(text, tokens)
    counts = count_ngrams(ids, len(tokens), 1, 3)
    textbook = [discounts(grams.counts, n) for n, grams in enumerate(counts, start=1)]
    assert textbook[0].one == pytest.approx(0.627907, abs=1e-6)
    assert textbook[1].one == pytest.approx(0.745098, abs=1e-6)
    tail, qqnew = tokens.index("tail"), tokens.index("qqnew")
    places = tail, int(np.searchsorted(counts[1].keys, qqnew * (len(tokens) + 1) + tail))
    raw = [grams.counts.copy() for grams in counts]
    for of_order, place in zip(raw, places, strict=False):
        assert of_order[place] == 1
        of_order[place] = 2
    of_lmplz = [discounts(grams, n) for n, grams in enumerate(raw, start=1)]
    assert np.array(of_lmplz) == pytest.approx(  # as lmplz prints them
        np.array([[0.590909, 1.21212, 3], [0.728155, 1.5319, 0.0873787], [0.766423, 1.56889, 3]]), abs=1e-5
    )
    assert largest_difference(interpolated(counts, of_lmplz, 1), expected) < 2e-6
    means = [model.log_probabilities(ids).mean() for model in (expected, interpolated(counts, textbook, 1))]
    assert np.exp(-np.array(means)) == pytest.approx(np.array([4.3780, 4.3863]), abs=1e-4)


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
