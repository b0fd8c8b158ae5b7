"""Words of several tokens: the probabilities of all next words sum to 1, and their product is that of the line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import dropwhile, product
from typing import Any

import numpy as np
import pytest

from helpers.untrained import untrained
from weft.evaluation.lines import read_separate_lines
from weft.evaluation.readers import BOUNDARY, LOGPROB, Distributions, Measures
from weft.language_model import LanguageModel
from weft.scoring import Wanted
from weft.scoring.words import Segment, WordPieces

WORDS = Wanted(words=True)
LINE = " you  say 你喜欢 \thello, say "


def characters() -> LanguageModel:
    """A model of the characters a, b, space, unknown, and the line end."""
    return untrained("char", ["ab ba\n"])


def byte_pairs() -> tuple[LanguageModel, list[int]]:
    """A model of byte pairs in which only a, b, space, " a" and the line end are possible, and their ids."""
    lm = untrained("bpe", ["a a b ab\n"] * 9)
    possible = [lm.tokenizer.id(token) for token in ("a", "b", " ", " a", "<eos>")]
    ids = [id for id in possible if id is not None]
    assert len(ids) == 5
    impossible = np.ones(lm.tokenizer.vocab_size, dtype=bool)
    impossible[ids] = False
    lm.model.output.params[1][impossible] = -1e4
    return lm, ids


def read(lm: LanguageModel, lines: Sequence[Sequence[int]]) -> Iterator[list[Segment]]:
    pieces = WordPieces(lm.tokenizer)
    reader = Distributions(lm.model, Measures(boundary=pieces.boundary))
    for ids, rows in zip(lines, read_separate_lines(reader, lines, lm.tokenizer.eos_id), strict=True):
        yield list(pieces.segments(ids, rows[:, LOGPROB].tolist(), rows[:, BOUNDARY].tolist()))


def all_words(lm: LanguageModel, tokens: list[int], before: str, length: int) -> tuple[float, float]:
    """The probability after the words `before` of all words of up to `length` tokens and of the line end after up to
    `length` spaces; and that of all longer ones, by the chain rule.

    Every sequence of tokens is included, not only the encodings of texts.
    """
    eos, begin = lm.tokenizer.eos_id, set(WordPieces(lm.tokenizer).boundary.tolist())
    spaces = {id for id in tokens if lm.tokenizer.token(id).isspace()}
    history, known = lm.tokenizer.encode(before), len(before.split())

    def is_word(ids: Sequence[int]) -> bool:
        pieces = list(dropwhile(lambda id: id in spaces, ids))
        return bool(pieces) and not begin.intersection(pieces[1:]) and (not history or ids[0] in begin)

    letters = [id for id in tokens if id != eos]
    sequences = [ids for size in range(length + 1) for ids in product(letters, repeat=size)]
    words, ends = filter(is_word, sequences), filter(spaces.issuperset, sequences)
    lines = [[*history, *ids, eos] for ids in (*words, *ends)]
    complete = math.fsum(math.exp(segments[known].logprob_nats) for segments in read(lm, lines))
    longer = 0.0
    for ids in product(letters, repeat=length):
        closing = begin if is_word(ids) else {eos} if spaces.issuperset(ids) else None
        if closing is not None:
            longer += chain_rule(lm, history, ids) * (1 - probability_of(lm, [*history, *ids], closing))
    return complete, longer / (probability_of(lm, history, begin) if history else 1)


def next_probabilities(lm: LanguageModel, ids: Sequence[int]) -> Any:
    state = lm.model.zero_state(1)
    for id in [lm.tokenizer.eos_id, *ids]:
        scores, state = lm.model.step(np.array([id]), state)
    weights = np.exp(scores[0].astype(np.float64) - scores.max())
    return weights / weights.sum()


def probability_of(lm: LanguageModel, ids: Sequence[int], tokens: set[int]) -> float:
    return float(next_probabilities(lm, ids)[sorted(tokens)].sum())


def chain_rule(lm: LanguageModel, before: Sequence[int], ids: Sequence[int]) -> float:
    return math.prod(float(next_probabilities(lm, [*before, *ids[:index]])[id]) for index, id in enumerate(ids))


@pytest.mark.parametrize("before", ["", "a", "ab b", "b  ba"])
def test_the_probabilities_of_all_words_of_characters_sum_to_one(before: str) -> None:
    lm = characters()
    tokens = list(range(lm.tokenizer.vocab_size))
    assert [lm.tokenizer.token(id) for id in tokens] == ["<unk>", "<eos>", "a", "b", " "]
    complete, longer = all_words(lm, tokens, before, 5)
    assert complete + longer == pytest.approx(1, abs=1e-5)
    assert 0.2 < complete < 0.9999  # neither part is the whole


@pytest.mark.parametrize("before", ["", "a", "ab a", "b  ab"])
def test_the_probabilities_of_all_words_of_byte_pairs_sum_to_one(before: str) -> None:
    lm, tokens = byte_pairs()
    complete, longer = all_words(lm, tokens, before, 5)
    assert complete + longer == pytest.approx(1, abs=1e-5)
    assert 0.2 < complete < 0.9999


@pytest.mark.parametrize("kind", ["char", "bpe"])
def test_the_words_of_a_line_multiply_to_the_probability_of_its_tokens(kind: str) -> None:
    lm = untrained(kind)
    words = lm.scores(LINE, wanted=WORDS)
    assert math.fsum(word.logprob_nats for word in words) == pytest.approx(lm.logprob(LINE), rel=1e-6)
    two = lm.scores(f"{LINE}\nsay {LINE}", wanted=WORDS)
    assert math.fsum(word.logprob_nats for word in two) == pytest.approx(lm.logprob(f"{LINE}\nsay {LINE}"), rel=1e-6)
    assert [word.text for word in two].count("\n") == 1
    running = [score for line in lm.score_running([LINE, "", "say"], wanted=WORDS) for score in line]
    assert math.fsum(score.logprob_nats for score in running) == pytest.approx(
        -lm.evaluate([f"{LINE}\n\nsay\n"]).loss.nats, rel=1e-6
    )


@pytest.mark.parametrize("kind", ["char", "bpe"])
def test_words_are_separated_by_white_space_and_have_spans(kind: str) -> None:
    lm = untrained(kind, ["you say goodbye\tand i say hello , 你喜欢我\n"] * 3)
    words = lm.scores(LINE, wanted=WORDS)
    assert [word.text for word in words] == [*LINE.split(), ""]
    assert [word.token for word in words] == [*LINE.split(), "<eos>"]
    assert [word.position for word in words] == list(range(6))
    assert all(LINE[word.start : word.end] == word.text for word in words)
    assert words[-1].start == words[-1].end == len(LINE)
    assert not any(word.oov for word in words)
    assert {(word.entropy_nats, word.rank, word.alternatives) for word in words} == {(None, None, ())}


def test_the_probability_of_a_word_by_hand() -> None:
    lm = characters()
    a, space, eos = (lm.tokenizer.encode(text)[0] for text in ("a", " ", "\n"))
    first, second, end = (math.exp(word.logprob_nats) for word in lm.scores("a a", wanted=WORDS))

    def p(id: int, *before: int) -> float:
        return float(next_probabilities(lm, before)[id])

    ended, ended_again = (p(space, *before) + p(eos, *before) for before in ([a], [a, space, a]))
    assert first == pytest.approx(p(a) * ended, rel=1e-5)
    assert second == pytest.approx(p(space, a) * p(a, a, space) * ended_again / ended, rel=1e-5)
    assert end == pytest.approx(p(eos, a, space, a) / ended_again, rel=1e-5)


def test_a_word_with_an_unknown_character_is_out_of_vocabulary() -> None:
    words = characters().scores("a axb b", wanted=WORDS)
    assert [(word.token, word.text, word.oov) for word in words] == [
        ("a", "a", False), ("<unk>", "axb", True), ("b", "b", False), ("<eos>", "", False),
    ]  # fmt: skip


def test_unknown_white_space_does_not_end_a_word() -> None:
    words = characters().scores(" a\tb", wanted=WORDS)
    assert [(word.text, word.start, word.end) for word in words] == [("a\tb", 1, 4), ("", 4, 4)]


def test_words_of_a_word_model_are_its_tokens() -> None:
    lm = untrained("word")
    assert lm.scores("you say hello", wanted=WORDS) == lm.scores("you say hello")
