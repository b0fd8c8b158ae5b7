"""Lines and texts that a Python program passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.untrained import untrained
from weft.errors import InputError
from weft.text import open_corpus
from weft.text.given import given_lines, given_pieces, given_text
from weft.word_ngram import WordNGram, load_arpa

LINES = ["you say", "goodbye", "", "and i say hello"]
TEXT = "you say\ngoodbye\n\nand i say hello\n"


def generated() -> Iterator[str]:
    yield from LINES


def with_line_ends() -> list[str]:
    return [line + end for line, end in zip(LINES, ["\n", "\r\n", "", "\n"], strict=True)]


def pandas_column() -> Any:
    return pytest.importorskip("pandas").Series(LINES)


def polars_column() -> Any:
    return pytest.importorskip("polars").Series(LINES)


FORMS: list[Callable[[], Any]] = [
    lambda: TEXT,
    lambda: LINES,
    lambda: tuple(LINES),
    generated,
    with_line_ends,
    lambda: np.array(LINES),
    lambda: np.array(LINES, dtype=object),
    pandas_column,
    polars_column,
]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_text_has_the_same_lines(form: Callable[[], Any]) -> None:
    assert [line.rstrip("\r\n") for line in given_lines(form()) if line is not None] == LINES
    assert given_text(form()) + "\n" == TEXT
    assert "".join(given_pieces(form())) == TEXT


@pytest.mark.parametrize("form", FORMS)
def test_every_method_of_a_model_takes_every_form(form: Callable[[], Any]) -> None:
    lm = untrained()
    assert lm.perplexity(form()) == lm.perplexity(TEXT)
    assert lm.logprob(form()) == lm.logprob(TEXT)
    assert lm.surprisal(form()) == lm.surprisal(TEXT)
    assert lm.evaluate(form()) == lm.evaluate([TEXT])
    for read in (lm.score_lines, lm.score_running):
        assert [[score.token for score in line] for line in read(form())] == [
            [*line.split(), "<eos>"] if line else ["<eos>"] for line in LINES
        ]


@pytest.mark.parametrize("form", FORMS)
def test_an_n_gram_model_takes_every_form(form: Callable[[], Any], tmp_path: Path) -> None:
    (tmp_path / "a.arpa").write_text("\\data\\\nngram 1=3\n\\1-grams:\n-1 <unk>\n-0.5 </s>\n-0.7 say\n\\end\\\n")
    lm: WordNGram = load_arpa(tmp_path / "a.arpa")
    assert lm.evaluate(form()) == lm.evaluate(TEXT)
    assert lm.evaluate(form()).loss.tokens == 11


def test_a_string_is_one_text_not_a_list_of_characters() -> None:
    lm = untrained()
    (scores,) = lm.score_lines("you say")
    assert [score.token for score in scores] == ["you", "say", "<eos>"]


def test_the_pieces_of_a_corpus_are_no_lines(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("say " * 5000 + "\nhello")
    lm = untrained()
    corpus = open_corpus(tmp_path / "a.txt")
    assert lm.evaluate(corpus.pieces()).loss.tokens == 5003
    with (tmp_path / "a.txt").open(encoding="utf-8") as file:
        assert lm.evaluate(file) == lm.evaluate(corpus.pieces())


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (b"you say", "expected lines of text, got bytes: decode them first"),
        (Path("my.txt"), "got the path 'my.txt': open the file"),
        ({"text": "you"}, "got a dict: give one of its columns"),
        (7, "expected a text or lines of text, got 7"),
        (["you", b"say"], r"line 1 \(from 0\) is bytes, not a string: b'say'"),
        (["you", 7], r"line 1 \(from 0\) is of the type int, not a string: '7'"),
        (["you", float("nan")], r"line 1 \(from 0\) is missing: drop missing lines first"),
        (np.array(["you", None], dtype=object), r"line 1 \(from 0\) is missing"),
        (["you", "a\0"], "the text contains NUL, at index 1"),
    ],
)
def test_what_is_no_line_is_refused_with_its_place(lines: Any, message: str) -> None:
    lm = untrained()
    for read in (lm.perplexity, lm.logprob, lm.evaluate, lambda lines: list(lm.score_lines(lines))):
        with pytest.raises(InputError, match=message):
            read(lines)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_missing_values_and_tables_of_data_frames_are_refused(library: str) -> None:
    module = pytest.importorskip(library)
    lm = untrained()
    for read in (lm.perplexity, lm.evaluate, lambda lines: list(lm.score_lines(lines))):
        with pytest.raises(InputError, match=r"line 2 \(from 0\) is missing"):
            read(module.Series(["you", "say", None]))
        with pytest.raises(InputError, match="got a DataFrame: give one of its columns"):
            read(module.DataFrame({"text": LINES}))


def test_a_line_that_could_not_be_read_has_no_scores() -> None:
    lm = untrained()
    assert [len(scores) for scores in lm.score_lines(["you", None, "say"])] == [2, 0, 2]
    with pytest.raises(InputError, match=r"line 1 \(from 0\) is missing"):
        lm.perplexity(["you", None])  # type: ignore[list-item]
