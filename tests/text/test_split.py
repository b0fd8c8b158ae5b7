"""The split of a text into training, validation and test part."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from weft.errors import InputError
from weft.text import Part, open_corpus, split_corpus
from weft.text.corpus import OnBytes


class Lines:
    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.characters = sum(map(len, lines))

    def pieces(self, on_bytes: OnBytes | None = None) -> Iterator[str]:
        yield from self.lines


def text_of(part: Part | None) -> list[str]:
    return [] if part is None else list(part.pieces())


SHARES = st.sampled_from([0.0, 0.01, 0.05, 0.1, 0.25, 0.45])


@example([1, 1, 1], 0.45, 0.45)
@example([30, 1, 1], 0.45, 0.45)
@example([1, 1, 30], 0.01, 0.01)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=40), SHARES, SHARES)
def test_the_parts_are_the_text_in_order_and_none_is_empty(lengths: list[int], valid: float, test: float) -> None:
    assume(len(lengths) >= 1 + (valid > 0) + (test > 0))
    corpus = Lines(["x" * (length - 1) + "\n" for length in lengths])
    split = split_corpus(corpus, corpus.characters, valid, test)
    parts = [text_of(part) for part in split]
    assert [piece for part in parts for piece in part] == corpus.lines
    assert parts[0]
    assert (split.valid is None) == (valid == 0)
    assert (split.test is None) == (test == 0)
    assert bool(parts[1]) == (valid > 0)
    assert bool(parts[2]) == (test > 0)
    assert parts == [text_of(part) for part in split_corpus(corpus, corpus.characters, valid, test)]


def test_shares_are_shares_of_the_characters(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("".join(f"line {n:05}\n" for n in range(10_000)) + "last " * 20_000)
    corpus = open_corpus([path])
    total = 210_001
    sizes = [sum(map(len, text_of(part))) for part in split_corpus(corpus, total, 0.1, 0.2)]
    assert sum(sizes) == total
    for size, share in zip(sizes, (0.7, 0.1, 0.2), strict=True):
        assert abs(size - share * total) <= 65_537


def test_shares_are_exact_to_a_line() -> None:
    corpus = Lines([f"line {n:04}\n" for n in range(1000)])
    assert [len(text_of(part)) for part in split_corpus(corpus, 10_000, 0.1, 0.05)] == [850, 100, 50]


def test_without_held_out_shares_the_whole_text_is_for_training() -> None:
    corpus = Lines(["only\n"])
    split = split_corpus(corpus, 5, 0, 0)
    assert text_of(split.train) == ["only\n"]
    assert split.valid is split.test is None


@pytest.mark.parametrize(("lines", "valid", "test"), [(1, 0.1, 0), (1, 0, 0.1), (2, 0.1, 0.1), (1, 0.3, 0.3)])
def test_too_few_lines_are_refused_with_the_number_needed(lines: int, valid: float, test: float) -> None:
    corpus = Lines(["text\n"] * lines)
    with pytest.raises(InputError, match=f"has {lines} lines and needs at least {1 + (valid > 0) + (test > 0)},"):
        split_corpus(corpus, corpus.characters, valid, test)


@pytest.mark.parametrize(("valid", "test"), [(-0.1, 0), (0, -0.1), (0.5, 0.5), (1.0, 0), (float("nan"), 0)])
def test_impossible_shares_are_refused(valid: float, test: float) -> None:
    with pytest.raises(InputError, match="together below 1"):
        split_corpus(Lines(["a\n"] * 9), 18, valid, test)


def test_a_part_reports_the_bytes_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text\n" * 10)
    reported: list[int] = []
    split = split_corpus(open_corpus([path]), 50, 0.1)
    list(split.train.pieces(reported.append))
    assert reported == [50]
