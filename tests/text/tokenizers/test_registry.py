"""The registry of tokenizers, with one that is registered from outside the package."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import weft
from weft.config import check_settings
from weft.errors import InputError
from weft.text import EOS, Decoder, Extra, Tokenizer, fit_tokenizer, load_tokenizer, register_tokenizer, tokenizer_kinds
from weft.text.tokenizers.encoded import Encoded
from weft.text.tokenizers.registry import TOKENIZERS

TEXT = ["you say goodbye and i say hello .\n", "já\n"]


class HexTokenizer(Tokenizer):
    """Every character is written in hexadecimal digits and a comma, and every one of these is a token."""

    kind = "hex"
    unit = "subword"
    unk_id: None = None
    eos_id: int = 17

    @classmethod
    def fit(cls, pieces: Iterable[str], *, lowercase: bool, vocab_size: int | None, min_count: int) -> HexTokenizer:
        tokenizer = cls([*"0123456789abcdef,", EOS], [0] * 18, lowercase=lowercase)
        seen = Counter(id for piece in pieces for id in tokenizer.encode(piece))
        tokenizer.counts = [seen[id] for id in range(tokenizer.vocab_size)]
        return tokenizer

    @classmethod
    def from_saved(
        cls, tokens: list[str], counts: list[int], lowercase: bool, settings: Mapping[str, Any]
    ) -> HexTokenizer:
        return cls(tokens, counts, lowercase=lowercase)

    def decoder(self) -> Decoder:
        return HexDecoder(self)

    def encode_line_with_spans(self, line: str, /) -> Encoded:
        spans = [(place, place + 1) for place, character in enumerate(line) for _ in f"{ord(character):x},"]
        return Encoded(self.encode(line), [False] * len(spans), spans)

    def _encode_line(self, line: str) -> list[int]:
        return [self._ids[digit] for character in line for digit in f"{ord(character):x},"]


class HexDecoder:
    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._digits = ""

    def push(self, id: int, /) -> str:
        token = self._tokenizer.token(id)
        if token not in (",", EOS):
            self._digits += token
            return ""
        character, self._digits = "\n" if token == EOS else chr(int(self._digits, 16)), ""
        return character

    def flush(self) -> str:
        return "\ufffd" if self._digits else ""


@pytest.fixture
def hex_tokenizer() -> Iterator[None]:
    """Registers the tokenizer for the time of a test."""
    register_tokenizer(HexTokenizer)
    yield
    del TOKENIZERS[HexTokenizer.kind]


def test_the_package_registers_its_own_tokenizers() -> None:
    assert tokenizer_kinds() == ("word", "text", "char", "bpe")
    assert [TOKENIZERS[kind].unit for kind in tokenizer_kinds()] == ["word", "word", "character", "subword"]


@pytest.mark.usefixtures("hex_tokenizer")
def test_a_registered_tokenizer_is_fitted_saved_and_loaded(tmp_path: Path) -> None:
    tokenizer = fit_tokenizer("hex", TEXT)
    assert type(tokenizer) is HexTokenizer
    assert tokenizer.tokens[tokenizer.encode("é")[0]] == "e"
    assert tokenizer.decode(tokenizer.encode("".join(TEXT))) == "".join(TEXT)
    tokenizer.save(tmp_path / "tokenizer.json")
    loaded = load_tokenizer(tmp_path / "tokenizer.json")
    assert type(loaded) is HexTokenizer
    assert (loaded.tokens, loaded.counts) == (tokenizer.tokens, tokenizer.counts)
    assert loaded.encode("já\n") == tokenizer.encode("já\n")


@pytest.mark.usefixtures("hex_tokenizer")
def test_a_registered_tokenizer_can_be_trained_and_scored_with(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("".join(TEXT) * 20, encoding="utf-8")
    sizes: dict[str, Any] = {
        "embedding_size": 4,
        "hidden_size": 4,
        "batch_size": 2,
        "bptt": 8,
        "epochs": 1,
        "max_steps": 2,
    }
    lm = weft.train(tmp_path / "text.txt", out=tmp_path / "run", tokenizer="hex", **sizes)
    assert (lm.config.text.tokenizer, lm.tokenizer.kind) == ("hex", "hex")
    loaded = weft.load(tmp_path / "run")
    assert type(loaded.tokenizer) is HexTokenizer
    assert loaded.perplexity("you say já") == lm.perplexity("you say já")
    assert math.isfinite(loaded.logprob("you say já"))
    assert loaded.generate("you", max_tokens=20, seed=1)


@pytest.mark.usefixtures("hex_tokenizer")
def test_tokens_of_a_subword_tokenizer_cannot_be_counted_before_it_is_fitted(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("".join(TEXT) * 20, encoding="utf-8")
    with pytest.raises(
        InputError, match="train_tokens counts words or characters; it cannot be used with the tokenizer hex"
    ):
        weft.train(tmp_path / "text.txt", tokenizer="hex", train_tokens=100)


def test_a_tokenizer_that_is_not_registered_is_refused() -> None:
    with pytest.raises(InputError, match="tokenizer must be one of word, text, char, bpe, got 'hex'"):
        check_settings({"tokenizer": "hex"})
    with pytest.raises(InputError, match="the tokenizer must be one of word, text, char, bpe, got 'hex'"):
        fit_tokenizer("hex", TEXT)


def test_a_kind_is_registered_once() -> None:
    class OtherWords(HexTokenizer):
        kind = "word"

    with pytest.raises(ValueError, match="the tokenizer kind 'word' is registered by WordTokenizer already"):
        register_tokenizer(OtherWords)


def test_an_extra_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class NeedsMore(HexTokenizer):
        kind = "more"
        extra = Extra("more", "no_such_package")

    monkeypatch.setitem(TOKENIZERS, "more", NeedsMore)
    with pytest.raises(InputError, match=r"the more tokenizer needs .*'no_such_package'.*: pip install 'weft\[more\]'"):
        fit_tokenizer("more", TEXT)
