"""Training with a given vocabulary, a word a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import weft
from weft.errors import InputError
from weft.text.word_list import read_word_list

TEXT = "the cat sat on the mat\na dog ran\n" * 40
QUICK: dict[str, Any] = {"epochs": 1, "hidden_size": 4, "embedding_size": 4, "kernels": "plain", "batch_size": 2}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my.txt").write_text(TEXT, encoding="utf-8")


def words(text: str) -> str:
    Path("words.txt").write_text(text, encoding="utf-8")
    return "words.txt"


def test_the_vocabulary_is_the_words_of_the_file_in_their_order() -> None:
    given = words("mat\nthe\n<eos>\nzebra\n<unk>\n\ncat\n")
    tokenizer = weft.train("my.txt", out="run", vocab=given, valid_fraction=0, test_fraction=0, **QUICK).tokenizer
    assert tokenizer.kind == "word"
    assert tokenizer.tokens == ["<unk>", "<eos>", "mat", "the", "zebra", "cat"]
    assert tokenizer.counts == [40 * 5, 40 * 2, 40, 80, 0, 40]
    ids, oov = tokenizer.encode_with_oov("the dog sat")
    assert (ids, oov) == ([3, 0, 0], [False, True, True])
    assert weft.load("run").tokenizer.tokens == tokenizer.tokens


def test_words_are_known_as_the_file_writes_them_in_every_script() -> None:
    Path("my.txt").write_text("我 爱 猫\n我 爱 狗\n" * 60, encoding="utf-8")
    lm = weft.train("my.txt", out="run", vocab=words("\ufeff我\r\n爱\r\n猫"), **QUICK)
    assert lm.tokenizer.tokens[2:] == ["我", "爱", "猫"]


@pytest.mark.parametrize(
    ("given", "settings", "message"),
    [
        ("the 12\ncat 7\n", {}, r"words.txt, line 1: a vocabulary has one word a line, got 2 \('the 12'\)"),
        ("the\ncat\nthe\n", {}, r"words.txt has words twice: '?the'?"),
        ("\n\n", {}, r"there is only white space in words\.txt"),
        ("<unk>\n<eos>\n", {}, "the vocabulary has no words besides <unk> and <eos>"),
        ("The\n", {"lowercase": True}, "the vocabulary has 'The', but the text is lower-cased"),
        ("the\n", {"tokenizer": "char"}, "vocab 'words.txt' has no effect with tokenizer 'char', only with 'word'"),
        ("the\n", {"vocab_size": 9}, "vocab names all words, which vocab_size and min_count would choose"),
        ("the\n", {"min_count": 2}, "vocab names all words, which vocab_size and min_count would choose"),
    ],
)
def test_what_does_not_fit_is_refused(given: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        weft.train("my.txt", out="run", vocab=words(given), **settings, **QUICK)
    assert not Path("run").exists()


def test_a_run_that_starts_from_another_keeps_its_vocabulary() -> None:
    given = words("the\ncat\ndog\n")
    weft.train("my.txt", out="first", vocab=given, **QUICK)
    Path(given).unlink()  # it is needed once only
    training = {name: value for name, value in QUICK.items() if name in ("epochs", "kernels", "batch_size")}
    assert weft.train("my.txt", out="second", from_run="first", **training).tokenizer.tokens[2:] == [
        "the",
        "cat",
        "dog",
    ]
    with pytest.raises(InputError, match=r"vocab other\.txt does not fit first"):
        weft.train("my.txt", out="third", from_run="first", vocab="other.txt", **training)
    extended = weft.train("my.txt", out="fourth", from_run="first", extend_vocab=True, **training)
    assert extended.tokenizer.tokens[2:5] == ["the", "cat", "dog"]
    assert "mat" in extended.tokenizer.tokens


def test_a_missing_file_is_named() -> None:
    with pytest.raises(weft.errors.WeftError, match=r"there is no file or folder nowhere\.txt"):
        weft.train("my.txt", out="run", vocab="nowhere.txt", **QUICK)


def test_a_list_is_read_in_its_order() -> None:
    assert read_word_list(words("b\na\n\u00a0c\n")) == ["b", "a", "\u00a0c"]
