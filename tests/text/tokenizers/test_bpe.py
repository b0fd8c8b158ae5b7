"""The byte-pair tokenizer."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import InputError
from weft.text import fit_tokenizer, load_tokenizer
from weft.text.tokenizers.bpe import BpeTokenizer

TEXT = ["you say goodbye and i say hello .\n", "你说再见，我说你好。\n"] * 20
FITTED = fit_tokenizer("bpe", TEXT)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(ANY_TEXT)
def test_decoding_restores_any_text(text: str) -> None:
    assert FITTED.decode(FITTED.encode(text)) == text


@given(ANY_TEXT)
def test_nothing_is_out_of_vocabulary(text: str) -> None:
    assert FITTED.unk_id is None
    assert not any(FITTED.encode_with_oov(text)[1])


@given(ANY_TEXT)
def test_decoding_one_by_one_never_shows_an_incomplete_character(text: str) -> None:
    decoder = FITTED.decoder()
    shown = ""
    for id in FITTED.encode(text):
        shown += decoder.push(id)
        assert text.startswith(shown)
    assert shown == text
    assert decoder.flush() == ""


def test_an_incomplete_character_is_replaced() -> None:
    decoder = FITTED.decoder()
    first, *_ = FITTED.encode("😀")
    assert decoder.push(first) == ""
    assert decoder.flush() == "\ufffd"
    assert FITTED.decode([first, *FITTED.encode("a\n")]) == "\ufffda\n"


def test_frequent_words_are_one_token_with_their_leading_space() -> None:
    assert [FITTED.token(id) for id in FITTED.encode("say say")][-1] == " say"
    assert FITTED.token(FITTED.encode(" say")[0]) == " say"
    assert FITTED.encode("say") != FITTED.encode(" say")


def test_bytes_that_are_not_characters_are_shown_in_hexadecimal() -> None:
    assert [FITTED.token(id) for id in FITTED.encode("😀")] == ["\\xf0", "\\x9f", "\\x98", "\\x80"]


def test_the_name_of_eos_in_a_text_is_ordinary_text(tmp_path: Path) -> None:
    tokenizer = fit_tokenizer("bpe", ["<eos>\n"] * 50, vocab_size=300)
    tokenizer.save(tmp_path / "tokenizer.json")
    for one in (tokenizer, load_tokenizer(tmp_path / "tokenizer.json")):
        assert one.eos_id == one.vocab_size - 1
        assert one.eos_id not in one.encode("<eos>")
        assert one.decode(one.encode("<eos>")) == "<eos>"
        assert one.id("<eos>") == one.eos_id
        assert one.counts[one.eos_id] == 50


def test_the_vocabulary_has_the_given_size_or_one_that_depends_on_the_text() -> None:
    pieces = [f"word{n} and number {n * n}\n" for n in range(3000)]
    assert fit_tokenizer("bpe", pieces, vocab_size=400).vocab_size == 400
    characters = sum(len(piece) - 1 for piece in pieces)
    assert fit_tokenizer("bpe", pieces).vocab_size == 257 + characters // 100


def test_pairs_seen_less_often_than_min_count_are_not_merged() -> None:
    pieces = ["aaaa bb\n"] * 5 + ["cc\n"] * 9
    rare, often = (fit_tokenizer("bpe", pieces, vocab_size=300, min_count=count) for count in (6, 5))
    assert len(rare.encode("cc")) == len(often.encode("cc")) == 1
    assert len(rare.encode(" bb")) == 3
    assert len(often.encode(" bb")) == 1


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be written in UTF-8"):
        FITTED.encode("a\udcff")


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    FITTED.save(tmp_path / "tokenizer.json")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(InputError, match=r"pip install 'weft\[bpe\]'"):
        fit_tokenizer("bpe", TEXT)
    with pytest.raises(InputError, match=r"pip install 'weft\[bpe\]'"):
        load_tokenizer(tmp_path / "tokenizer.json")


def test_bytes_of_tokens_join_to_the_text() -> None:
    assert isinstance(FITTED, BpeTokenizer)
    assert b"".join(map(FITTED.bytes_of, FITTED.encode("你好 😀\n"))) == "你好 😀\n".encode()
