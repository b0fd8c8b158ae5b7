"""Counts in sorted arrays agree with counting n-grams one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.ngram_oracle import Definition, Gram, ids_of
from weft.errors import InputError
from weft.ngram.counts import NGramCounts, count_ngrams

V = 5
LINES = st.lists(st.lists(st.sampled_from([0, 2, 3, 4]), max_size=7), min_size=1, max_size=8)


def grams_of(counts: list[NGramCounts]) -> list[list[Gram]]:
    """The n-grams of every order as tuples of ids."""
    spelt: list[list[Gram]] = [[(id,) for id in range(V + 1)]]
    for grams in counts[1:]:
        spelt.append([(*spelt[-1][key // (V + 1)], key % (V + 1)) for key in grams.keys.tolist()])
    return spelt


@given(LINES, st.integers(1, 5))
def test_every_ngram_has_its_adjusted_count_and_its_suffix(lines: list[list[int]], order: int) -> None:
    counts = count_ngrams(ids_of(lines), V, 1, order)
    definition = Definition(lines, V, order)
    spelt = grams_of(counts)
    for n, (grams, words) in enumerate(zip(counts, spelt, strict=True), start=1):
        found = dict(zip(words, grams.counts.tolist(), strict=True))
        assert {gram: count for gram, count in found.items() if count} == definition.adjusted[n]
        assert (np.diff(grams.keys) > 0).all()
        if n > 1:
            assert [gram[1:] for gram in words] == [spelt[n - 2][index] for index in grams.suffixes.tolist()]


@given(LINES, st.integers(1, 5))
def test_orders_above_the_longest_line_are_left_out(lines: list[list[int]], order: int) -> None:
    longest = max(map(len, lines)) + 2
    assert len(count_ngrams(ids_of(lines), V, 1, order)) == min(order, longest)


def test_counts_of_a_text_without_a_last_line_end() -> None:
    words, pairs = count_ngrams(np.array([2, 3, 1, 2]), V, 1, 2)
    assert words.counts.tolist() == [0, 1, 1, 1, 0, 0]
    assert sorted(zip((pairs.keys // 6).tolist(), (pairs.keys % 6).tolist(), pairs.counts.tolist(), strict=True)) == [
        (2, 3, 1), (3, 1, 1), (5, 2, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ids", "order", "expected"),
    [
        ([2, 1], 0, "the order of an n-gram model must be from 1 to 5, got 0"),
        ([2, 1], 6, "must be from 1 to 5, got 6"),
        ([], 2, "expected the token ids of a text"),
        ([[2, 1]], 2, r"got \(1, 2\) of int64"),
        ([2.0, 1.0], 2, "of float64"),
        ([2, 5, 1], 2, r"token ids must lie in \[0, 5\), got 1 to 5"),
        ([2, -1, 1], 2, "got -1 to 2"),
    ],
)
def test_invalid_ids_and_orders_are_errors(ids: list[int], order: int, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        count_ngrams(np.array(ids), V, 1, order)
