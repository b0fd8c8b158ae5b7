"""The exported tokenizer has the tokens of weft's own, read by the package `tokenizers`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from helpers.exported_models import exported_model
from weft.errors import InputError
from weft.exporting.hf_tokenizer import hf_tokenizer, separators
from weft.exporting.network import saved_tokenizer
from weft.language_model import LanguageModel
from weft.text.rules import AT_WHITE_SPACE, normalized

tokenizers = pytest.importorskip("tokenizers")

ODD_TEXTS = [
    "",
    " you  say\tgoodbye ",
    "you say\nhello .\n\nyou",
    "you say\r\nhello",
    "a word-by-word 😀 我喜欢 10\u00a0km\x1fx\x85y\u2028z\x0bw",
    "ΟΔΥΣΣΕΥΣ ΟΔΟΣ, Σ ΑΣ' ΑΣ.Β İstanbul ẞ SAY",
    "\ufeffyou say\r\r\n\ufeff\ufeffhello\ufeff you\rsay",
    "x\u0301 e\u0301\ufeff \U0001f469\u200d\U0001f680",
]
TEXT = ["you say goodbye and i say hello .\n", "ὀδυσσεύς οδος σ ας i\u0307stanbul km 10 我喜欢 😀\n"] * 3


def read(lm: LanguageModel) -> Any:
    files = hf_tokenizer(lm.tokenizer, saved_tokenizer(lm)).files
    return tokenizers.Tokenizer.from_str(json.dumps(files["tokenizer.json"]))


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("kind", ["word", "char", "bpe"])
def test_the_tokens_of_a_text_are_those_of_weft(kind: str, lowercase: bool) -> None:
    lm = exported_model(kind, lowercase, TEXT)
    exported = read(lm)
    for text in [*ODD_TEXTS, *TEXT]:
        assert exported.encode(text).ids == lm.tokenizer.encode(normalized(text)), text


def test_words_of_earlier_tokenizers_end_at_every_white_space() -> None:
    lm = exported_model(text=TEXT)
    lm.tokenizer.words = AT_WHITE_SPACE
    exported = read(lm)
    for text in [*ODD_TEXTS, *TEXT]:
        assert exported.encode(text).ids == lm.tokenizer.encode(normalized(text)), text


@pytest.mark.parametrize("kind", ["word", "char", "bpe"])
def test_the_text_of_tokens_is_that_of_weft(kind: str) -> None:
    lm = exported_model(kind)
    ids = lm.tokenizer.encode("you say goodbye .")
    assert read(lm).decode(ids) == "you say goodbye ."


@pytest.mark.parametrize("kind", ["word", "char", "bpe"])
def test_the_beginning_of_a_text_can_be_written_before_it(kind: str) -> None:
    lm = exported_model(kind)
    assert read(lm).encode("<eos>you say").ids == [lm.tokenizer.eos_id, *lm.tokenizer.encode("you say")]


def test_a_word_written_like_the_padding_token_stays_a_word() -> None:
    lm = exported_model(text=["a <pad> b\n"] * 3)
    exported = read(lm)
    assert exported.encode("a <pad>").ids == lm.tokenizer.encode("a <pad>")
    assert exported.token_to_id("<|pad|>") == lm.tokenizer.vocab_size


def test_the_characters_that_separate_words_are_found() -> None:
    found = separators(exported_model().tokenizer)
    assert {" ", "\t", "\r"} <= set(found)
    assert "\n" not in found
    assert not set("ab_\u200b\ufeff") & set(found)


def test_a_tokenizer_that_the_package_cannot_express_is_refused_in_one_line() -> None:
    lm = exported_model("text", text=["you say 'goodbye'.\n"] * 3)
    with pytest.raises(InputError, match=r"^the tokenizer 'text' cannot be exported to transformers, only word, .*$"):
        hf_tokenizer(lm.tokenizer, saved_tokenizer(lm))
