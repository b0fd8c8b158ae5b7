"""Tokens and their spans in the original text."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from weft.text import Tokenizer, fit_tokenizer, tokenizer_kinds
from weft.text.tokenizers.base import EOS
from weft.text.tokenizers.encoded import encode_with_spans

TEXT = ["you say goodbye and i say hello .\n", "我喜欢你 😀\n"] * 3
TOKENIZERS = {
    (kind, lowercase): fit_tokenizer(kind, TEXT, lowercase=lowercase)
    for kind in tokenizer_kinds()
    for lowercase in (False, True)
}
ANY_TEXT = st.text(
    st.one_of(st.sampled_from("yous ay\t\r\n\ufeffİΣσ我😀\u3000\xa0\x1c"), st.characters(exclude_categories=["Cs"]))
)


@pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=lambda t: f"{t.kind}-{t.lowercase}")
@given(text=ANY_TEXT)
@example("you <eos> <EOS>\n")
def test_tokens_equal_those_of_encode_and_spans_are_ordered(tokenizer: Tokenizer, text: str) -> None:
    encoded = encode_with_spans(tokenizer, text)
    ids, oov = tokenizer.encode_with_oov(as_read(text))
    assert (encoded.ids, encoded.oov) == (ids, oov)
    assert len(encoded.spans) == len(ids)
    assert all(0 <= start <= end <= len(text) for start, end in encoded.spans)
    joins = [tokenizer.kind == "text" and tokenizer.tokens[id] == "<join>" for id in ids]
    assert [start == end for start, end in encoded.spans] == joins
    assert all(first[0] <= second[0] and first[1] <= second[1] for first, second in pairwise(encoded.spans))
    for id, (start, end) in zip(ids, encoded.spans, strict=True):
        assert (id == tokenizer.eos_id) == is_end_of_line(text[start:end], tokenizer)
    if tokenizer.kind == "text":
        covered = {index for start, end in encoded.spans for index in range(start, end)}
        marks = {index for mark in re.finditer("(?:^|\n)(\ufeff+)", text) for index in range(*mark.span(1))}
        assert {text[index] for index in set(range(len(text))) - covered - marks} <= {" "}
    elif not tokenizer.splits_words:
        assert [text[start:end] for start, end in encoded.spans if text[end - 1] != "\n"] == [
            *filter(None, re.split("[\0\t\n\r ]+", as_read(text)))
        ]
    else:
        covered = {index for start, end in encoded.spans for index in range(start, end)}
        marks = {index for mark in re.finditer("(?:^|\n)(\ufeff+)", text) for index in range(*mark.span(1))}
        assert covered == set(range(len(text))) - marks


def as_read(text: str) -> str:
    """The text with one kind of line end, and without byte-order marks before lines."""
    return re.sub("(^|\n)\ufeff+", r"\1", re.sub("\r*\n", "\n", text))


def is_end_of_line(written: str, tokenizer: Tokenizer) -> bool:
    """Whether the span is a line end, or for the tokenizer of words a literal `<eos>`."""
    name = written.lower() if tokenizer.lowercase else written
    return written.endswith("\n") or (tokenizer.kind == "word" and name == EOS)


def test_two_lower_case_letters_of_one_letter_have_the_same_span() -> None:
    tokenizer = TOKENIZERS["char", True]
    assert encode_with_spans(tokenizer, "yİs").spans == [(0, 1), (1, 2), (1, 2), (2, 3)]


def test_every_byte_of_a_character_has_the_span_of_the_character() -> None:
    encoded = encode_with_spans(TOKENIZERS["bpe", False], "y\u20ac")
    assert encoded.spans == [(0, 1), (1, 2), (1, 2), (1, 2)]


def test_line_ends_are_tokens_with_spans() -> None:
    encoded = encode_with_spans(TOKENIZERS["word", False], "say\r\n\nyou\n")
    assert encoded.spans == [(0, 3), (3, 5), (5, 6), (6, 9), (9, 10)]
