"""The tokenizer of written text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import InputError
from weft.text import Tokenizer, fit_tokenizer, load_tokenizer, register_tokenizer
from weft.text.tokenizers.encoded import encode_with_spans
from weft.text.tokenizers.registry import TOKENIZERS
from weft.text.tokenizers.text import TextTokenizer

CHARACTERS = " \t\r\u00a0\u3000aA1.,'\"“”»«()-—_好ー。ไé\u0301\u200d🇩\u0308İ<>"
ODD = st.text(st.sampled_from(CHARACTERS) | st.characters(exclude_categories=["Cs"]))


def tokens_of(text: str) -> list[str]:
    tokenizer = fit_tokenizer("text", [text + "\n"])
    return [tokenizer.token(id) for id in tokenizer.encode(text)]


# The examples of Unicode Standard Annex 29, section 4.1 and table 4 of its tests, without the blanks.
@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        (
            "The quick (“brown”) fox can’t jump 32.3 feet, right?",
            "The quick ( “ brown ” ) fox can’t jump 32.3 feet , right ?",
        ),
        ("don't e-mail 3.14 $3,000.50", "don't e - mail 3.14 $ 3,000.50"),
        ("Mr. U.S. example.com 1:30", "Mr . U.S . example.com 1 : 30"),
        ("colon:a under_score l'homme", "colon:a under_score l'homme"),
        ("你好，世界。", "你 好 ， 世 界 。"),
        ("カタカナひら", "カタカナ ひ ら"),
        ("한국어 말", "한국어 말"),
        ("e\u0301te\u0301 👨\u200d👩\u200d👧🇩🇪🇫🇷", "e\u0301te\u0301 👨\u200d👩\u200d👧 🇩🇪 🇫🇷"),
        ('he said, "so." then', 'he said , " so . " then'),
        ("<unk> <eos>", "< unk > < eos >"),
    ],
)
def test_words_end_at_the_default_boundaries_of_unicode(text: str, tokens: str) -> None:
    assert [token for token in tokens_of(text) if token not in ("<join>", " ")] == tokens.split(" ")


@pytest.mark.parametrize(
    "text",
    [
        "Call me Ishmael. Some years ago—never mind how long—I said, “So (it is): well-known!”",
        '"It\'s 50% off," he said; "$3 each?" ¿Qué? #1',
        "„So ist es“, sagte er, „nicht wahr?“ Ja.",
        'She said, "so." Then',
        "滿紙荒唐言，一把辛酸淚。「好」",
    ],
)
def test_ordinary_typography_needs_no_token_for_its_blanks(text: str) -> None:
    assert not {"<join>", " "} & set(tokens_of(text))


def test_a_blank_is_a_token_only_where_the_rule_is_wrong() -> None:
    assert tokens_of("a b") == ["a", "b"]
    assert tokens_of("a  b") == ["a", " ", " ", "b"]
    assert tokens_of("a .") == ["a", " ", "."]
    assert tokens_of("a.b c.(d") == ["a.b", "c", ".", "<join>", "(", "d"]
    assert tokens_of(" a ") == [" ", "a", " "]
    assert tokens_of("a\tb \t c") == ["a", "\t", "b", " ", "\t", " ", "c"]


@given(st.lists(ODD, min_size=1))
def test_every_text_is_decoded_as_it_was(lines: list[str]) -> None:
    text = "\n".join(line.replace("\n", "") for line in lines)
    tokenizer = fit_tokenizer("text", [text + "word\n"])
    known = text if "word" in tokenizer.tokens else text + "word"
    assert tokenizer.decode(tokenizer.encode(known)) == known


@given(ODD)
def test_spans_are_in_order_and_leave_out_only_expected_blanks(line: str) -> None:
    line = line.replace("\n", "")
    tokenizer = fit_tokenizer("text", [line + "x\n"], lowercase=True)
    encoded = encode_with_spans(tokenizer, line + "x")
    place = 0
    for id, (start, end) in zip(encoded.ids, encoded.spans, strict=True):
        assert line[place:start] in ("", " ")
        assert (start == end) == (tokenizer.token(id) == "<join>")
        assert (line + "x")[start:end].lower() == tokenizer.token(id) or start == end
        place = end
    assert place == len(line) + 1


def test_counts_are_those_of_the_encoded_training_text() -> None:
    text = "A b, (b) c. .\nb  b\tA(b\n"
    tokenizer = fit_tokenizer("text", [text], min_count=2)
    ids = tokenizer.encode(text)
    assert tokenizer.tokens[:4] == ["<unk>", "<eos>", "<join>", " "]
    assert tokenizer.counts == [ids.count(id) for id in range(tokenizer.vocab_size)]
    assert "c" not in tokenizer.tokens
    assert fit_tokenizer("text", [text], vocab_size=6).vocab_size == 6


def test_rare_words_are_unknown_and_case_is_kept() -> None:
    tokenizer = fit_tokenizer("text", ["The the the.\n"], min_count=2)
    assert tokenizer.encode_with_oov("The the.") == ([0, 4, 0], [True, False, True])


@pytest.fixture
def pairs() -> Iterator[type[Tokenizer]]:
    """A tokenizer whose segmenter cuts a string into pairs of characters, as one for Chinese might."""

    @register_tokenizer
    class Pairs(TextTokenizer):
        kind = "pairs"

        @classmethod
        def segments(cls, chunk: str) -> list[str]:
            return [chunk[place : place + 2] for place in range(0, len(chunk), 2)]

    yield Pairs
    del TOKENIZERS["pairs"]


def test_a_segmenter_is_a_subclass_with_its_own_kind(pairs: type[Tokenizer], tmp_path: Path) -> None:
    text = "滿紙荒唐言 一把\n"
    tokenizer = fit_tokenizer("pairs", [text])
    assert [tokenizer.token(id) for id in tokenizer.encode(text)] == ["滿紙", "荒唐", "言", " ", "一把", "<eos>"]
    tokenizer.save(tmp_path / "tokenizer.json")
    again = load_tokenizer(tmp_path / "tokenizer.json")
    assert type(again) is pairs
    assert again.decode(again.encode(text)) == text


def test_segments_that_are_not_the_text_are_refused(pairs: type[Tokenizer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "segments", classmethod(lambda cls, chunk: [chunk[:-1]]))
    with pytest.raises(InputError, match="segmenter of the tokenizer pairs must cut a string into its parts"):
        fit_tokenizer("pairs", ["odd one\n"])


def test_a_segment_like_a_special_token_is_unknown(pairs: type[Tokenizer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pairs, "segments", classmethod(lambda cls, chunk: [chunk]))
    tokenizer = fit_tokenizer("pairs", ["a <eos> <join> b\n"])
    assert tokenizer.encode("a <eos> <join>") == [4, 0, 0]
