"""Any ARPA file: scores are those of the textbook, each line by itself; damage is refused or gives valid numbers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings

from helpers.arpa_files import (
    ODD_WORDS,
    STYLES,
    ArpaFile,
    Style,
    arpa_contents,
    arpa_files,
    damaged_arpa_contents,
    line_lists,
)
from weft.errors import InputError
from weft.mixture.members import ArpaMember
from weft.mixture.reading import evaluate_mixture, member_nats
from weft.ngram.arpa_reader import read_arpa
from weft.ngram.arpa_writer import write_arpa
from weft.text import open_corpus
from weft.word_ngram import load_arpa

Lines = list[list[str]]

CROSSING = ArpaFile(
    [
        {("<unk>",): (-2.0, 0.0), ("<s>",): (-99.0, -0.5), ("</s>",): (-0.7, -0.2), ("a",): (-0.3, -0.4)},
        {("<s>", "a"): (-0.4, -0.1), ("a", "</s>"): (-0.6, -0.3), ("</s>", "<s>"): (-0.001, -1.0)},
        {("</s>", "<s>", "a"): (-0.05, 0.0)},
    ]
)
"""n-grams across the line border, as the files of some programs have them."""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("arpa") / "model.arpa"


def nats_of(file: ArpaFile, lines: Lines) -> list[float]:
    """By the textbook."""
    return [log10 * math.log(10) for line in lines for log10 in file.line(line)]


def text_of(lines: Lines) -> str:
    return "".join(" ".join(line) + "\n" for line in lines)


def test_ngrams_across_the_line_border_have_no_effect(path: Path) -> None:
    path.write_bytes(CROSSING.content(Style()))
    result = load_arpa(path).evaluate(["a\n", "a\n"])
    assert result.loss.tokens == 4
    assert result.loss.nats == pytest.approx(5.0657, abs=1e-4)
    assert result.perplexity == pytest.approx(3.5481, abs=1e-4)


@given(arpa_files(ODD_WORDS), STYLES, line_lists(ODD_WORDS))
def test_the_scores_are_those_of_the_textbook(path: Path, file: ArpaFile, style: Style, lines: Lines) -> None:
    path.write_bytes(file.content(style))
    model, tokens = read_arpa(path)
    ids = {token: id for id, token in enumerate(tokens)}
    assert set(tokens) == {word.replace("</s>", "<eos>") for word in file.words}
    text = np.array([id for line in lines for id in (*(ids.get(word, 0) for word in line), 1)], dtype=np.int64)
    expected = pytest.approx(nats_of(file, lines))
    assert model.log_probabilities(text).tolist() == expected
    state, one_by_one = model.start(), []
    for id in text.tolist():
        one_by_one.append(model.next_log_probabilities(state)[id])
        state = model.state_after(state, [id])
    assert one_by_one == expected


@given(arpa_files(), STYLES, line_lists())
def test_a_text_is_evaluated_and_mixed_with_these_scores(
    path: Path, file: ArpaFile, style: Style, lines: Lines
) -> None:
    path.write_bytes(file.content(style))
    lm = load_arpa(path)
    expected = pytest.approx(nats_of(file, lines))
    parts = [nats for nats, _oov in lm.token_nats(text_of(lines).splitlines(keepends=True))]
    assert np.concatenate([np.zeros(0), *parts]).tolist() == expected
    if not any(lines):
        return  # a corpus has at least one word
    text = path.with_name("text.txt")
    text.write_text(text_of(lines), encoding="utf-8")
    member = ArpaMember("arpa", lm)
    mixed = [nats for nats, _oov in member_nats([member, member], open_corpus(text))]
    assert np.concatenate(mixed, axis=1).tolist() == [expected, expected]
    result = evaluate_mixture([member, member], np.array([0.5, 0.5]), open_corpus(text))
    assert -result.mixture.loss.nats == pytest.approx(sum(nats_of(file, lines)))


@given(arpa_files(), line_lists())
@settings(max_examples=50)
def test_kenlm_gives_these_scores(path: Path, file: ArpaFile, lines: Lines) -> None:
    kenlm = pytest.importorskip("kenlm")
    path.write_bytes(file.content(Style()))
    try:
        theirs = kenlm.Model(str(path))
    except OSError as error:  # it reads no models of order 1, for example
        assume(not error)
    model, tokens = read_arpa(path)
    ids = {token: id for id, token in enumerate(tokens)}
    for line in lines:
        ours = model.log_probabilities(np.array([*(ids.get(word, 0) for word in line), 1])) / math.log(10)
        expected = [log10 for log10, _length, _unknown in theirs.full_scores(" ".join(line))]
        assert ours.tolist() == pytest.approx(expected, abs=1e-4)


@given(arpa_files(ODD_WORDS), STYLES)
def test_a_file_is_read_written_and_read_again(path: Path, file: ArpaFile, style: Style) -> None:
    path.write_bytes(file.content(style))
    model, tokens = read_arpa(path)
    write_arpa(path, model, tokens)
    again, same = read_arpa(path)
    assert same == tokens
    for read, written in zip(again.tables, model.tables, strict=True):
        for name in ("keys", "log10_probabilities", "log10_backoffs"):
            assert getattr(read, name).tolist() == getattr(written, name).tolist()


@given(damaged_arpa_contents() | arpa_contents(), line_lists(ODD_WORDS))
@settings(max_examples=300)
def test_a_damaged_file_is_refused_in_one_line_or_gives_probabilities(path: Path, content: bytes, lines: Lines) -> None:
    path.write_bytes(content)
    try:
        result = load_arpa(path).evaluate([text_of([*lines, ["a"]])])
    except InputError as error:
        message = str(error).replace(str(path), "model.arpa")
        assert message.isprintable()
        assert len(message) < 300
    else:
        assert math.isfinite(result.loss.nats)
        assert result.loss.nats >= 0
        assert result.perplexity >= 1
