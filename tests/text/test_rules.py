"""The rules of lines and words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import InputError
from weft.text.rules import (
    AT_SEPARATORS,
    AT_WHITE_SPACE,
    at_markers,
    check_marker,
    ends_line,
    line_spans,
    lines_of,
    normalized,
    text_of,
)

CHARACTERS = st.one_of(
    st.sampled_from("a\n\r\t \0\ufeff\x0b\x0c\x1c\x85\xa0\u2028\u3000é好"), st.characters(exclude_categories=["Cs"])
)
MARKED = st.lists(st.sampled_from(["<eos>", "a", " ", "\t", "\n", "\r\n", "\r", "\ufeff", "x<eos>", "<eos>.", "\xa0"]))


@given(st.text(CHARACTERS))
def test_words_end_at_five_separators_and_nothing_else(text: str) -> None:
    words = [word for word in re.split("[\0\t\n\r ]+", text) if word]
    assert AT_SEPARATORS.words(text) == words
    assert [text[start:end] for start, end in AT_SEPARATORS.spans(text)] == words
    assert AT_SEPARATORS.fields(text, 99) == words[:99]
    assert AT_SEPARATORS.separates(text) == (bool(text) and not words)


@given(st.text(CHARACTERS))
def test_older_tokenizers_cut_at_every_white_space(text: str) -> None:
    assert AT_WHITE_SPACE.words(text) == text.split()
    assert [text[start:end] for start, end in AT_WHITE_SPACE.spans(text)] == text.split()


def test_the_fields_of_a_line_are_its_first_words_and_the_rest() -> None:
    assert AT_SEPARATORS.fields("a\xa0b \t c  d ", 1) == ["a\xa0b", "c  d"]
    assert AT_SEPARATORS.fields("a ", 1) == ["a"]
    assert AT_SEPARATORS.fields("", 1) == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("\n", [""]),
        ("a", ["a"]),
        ("a\n", ["a"]),
        ("a\r\n\r\nb\r", ["a", "", "b"]),
        ("a\r\r\nb\rc\r\r", ["a", "b\rc"]),
        ("\n\n", ["", ""]),
        ("a\n\r", ["a"]),
        ("a\n\ufeff\r\r", ["a"]),
        ("\ufeff\r", [""]),
        ("\ufeffa\n\ufeff\ufeffb \ufeffc\n", ["a", "b \ufeffc"]),
        ("a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g", ["a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g"]),
    ],
)
def test_a_line_ends_at_a_line_feed_alone(text: str, lines: list[str]) -> None:
    assert lines_of(text) == lines
    assert text_of(text) == "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a <eos>\nb <eos> \t\r\n<eos>\n", ["a", "b", ""]),
        ("a <eos> b <eos>", ["a", "b"]),
        ("a <eos> <eos>\n\nb", ["a", "", "", "b"]),
        ("a\ufeff<eos>\nb\n\ufeff<eos>\nc", ["a\ufeff<eos>", "b", "", "c"]),
        ("a\ufeff<eos> \r\nb \ufeff<eos> b", ["a\ufeff<eos> ", "b \ufeff<eos> b"]),
        ("x<eos>\n<eos>. <eos>\xa0 <EOS>", ["x<eos>", "<eos>. <eos>\xa0 <EOS>"]),
    ],
)
def test_a_marker_and_the_line_end_after_it_are_one_line_end(text: str, lines: list[str]) -> None:
    assert lines_of(text, "<eos>") == lines


@given(MARKED, st.sampled_from(["", "<eos>"]))
def test_spans_pieces_and_lines_agree(parts: list[str], marker: str) -> None:
    text = "".join(parts)
    spans = list(line_spans(text, marker))
    assert "".join(text[start:end] + "\n" * ended for start, end, _, ended in spans) == normalized(text, marker)
    assert [ended for *_, ended in spans[:-1]] == [True] * (len(spans) - 1)
    assert ends_line(text, marker) == spans[-1].ended
    assert all(re.fullmatch("\r*\n|", text[end:stop]) for _, end, stop, _ in spans)
    assert lines_of(text_of(text, marker) + "\n") == lines_of(text, marker)
    if marker:
        pieces = [line + "\n" for line in lines_of(text)]
        assert "".join(at_markers(pieces, marker)) == text_of(text, marker) + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ab\0c", "the text contains NUL, at index 2: remove it"),
        ("é\udc80", r"the text contains the lone surrogate U\+DC80, no character of Unicode, at index 1"),
    ],
)
def test_characters_that_no_file_contains_are_refused(text: str, message: str) -> None:
    for read in (normalized, lines_of, text_of):
        with pytest.raises(InputError, match=message):
            read(text)


def test_a_marker_is_one_word() -> None:
    check_marker("")
    check_marker("</s>")
    for marker in ("a b", " ", "a\n"):
        with pytest.raises(InputError, match="a marker of line ends is one word"):
            check_marker(marker)
