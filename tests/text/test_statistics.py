"""Statistics of a text."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from weft.text import text_statistics
from weft.text.decoding import BATCH_CHARACTERS


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_the_counts_equal_naive_counting(lines: list[str]) -> None:
    text = "".join(line + "\n" for line in lines)
    found = text_statistics(line + "\n" for line in lines)
    words = [word for word in re.split("[\0\t\n\r ]+", text) if word]
    assert found.characters == len(text)
    assert found.lines == text.count("\n")
    assert found.words == len(words)
    assert found.letters == sum(len(word) for word in words)
    assert found.distinct_words == len(set(words))


def test_the_mean_word_length_of_a_sentence_and_of_an_empty_text() -> None:
    found = text_statistics(["you say goodbye\n", "and i say hello .\n"])
    assert found.mean_word_length == 26 / 8
    assert text_statistics([]).mean_word_length == 0


def test_text_is_counted_in_batches_with_the_same_sums() -> None:
    pieces = [f"word{n % 700} 好\n" for n in range(60_000)]
    assert sum(map(len, pieces)) > 2 * BATCH_CHARACTERS
    found = text_statistics(pieces)
    assert (found.words, found.lines, found.distinct_words) == (120_000, 60_000, 701)
