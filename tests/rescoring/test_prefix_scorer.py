"""PrefixScorer: the log-probability of every text, with one step of the model for each distinct prefix."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.untrained import untrained
from weft.language_model import LanguageModel
from weft.rescoring import PrefixScorer

WORDS = ["you", "say", "goodbye", "hello", "你喜欢我", "zebra", "."]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join), max_size=12)
WORD_MODEL, CHAR_MODEL, BPE_MODEL = untrained("word"), untrained("char"), untrained("bpe")


class Counting:
    """A model that counts the tokens of all steps, and records the largest step."""

    def __init__(self, lm: LanguageModel) -> None:
        self.model = lm.model
        self.tokens = self.widest = 0

    def step(self, ids: Any, state: Any) -> Any:
        self.tokens += len(ids)
        self.widest = max(self.widest, len(ids))
        return self.model.step(ids, state)

    def zero_state(self, streams: int) -> Any:
        return self.model.zero_state(streams)


def prefixes(lm: LanguageModel, texts: list[str]) -> set[tuple[int, ...]]:
    encoded = [tuple(lm.tokenizer.encode(text)) for text in texts]
    return {ids[:length] for ids in encoded for length in range(len(ids) + 1)}


@pytest.mark.parametrize("lm", [WORD_MODEL, CHAR_MODEL, BPE_MODEL], ids=["word", "char", "bpe"])
@given(texts=TEXTS, rows=st.sampled_from([None, 1, 3]))
def test_the_score_of_a_text_does_not_depend_on_the_others(
    lm: LanguageModel, texts: list[str], rows: int | None
) -> None:
    scores = PrefixScorer(lm.model, lm.tokenizer, rows).score(texts)
    assert len(scores) == len(texts)
    for text, score in zip(texts, scores, strict=True):
        alone = lm.scores(text)
        assert score.logprob_nats == pytest.approx(lm.logprob(text), abs=1e-4)
        assert (score.tokens, score.oov_tokens) == (len(alone), sum(token.oov for token in alone))


@given(texts=TEXTS)
def test_the_model_steps_once_per_distinct_prefix(texts: list[str]) -> None:
    model = Counting(WORD_MODEL)
    PrefixScorer(model, WORD_MODEL.tokenizer).score(texts)
    assert model.tokens == len(prefixes(WORD_MODEL, texts))


def test_equal_texts_and_prefixes_take_no_more_steps() -> None:
    model = Counting(WORD_MODEL)
    PrefixScorer(model, WORD_MODEL.tokenizer).score(["you say hello"] * 50 + ["you say", "you", ""])
    assert model.tokens == 4  # the start and three words


def test_a_level_is_cut_into_slices_of_rows() -> None:
    model = Counting(WORD_MODEL)
    texts = [f"{first} {second}" for first in WORDS for second in WORDS]
    PrefixScorer(model, WORD_MODEL.tokenizer, rows=4).score(texts)
    assert model.widest == 4
    assert model.tokens == len(prefixes(WORD_MODEL, texts))


def test_slices_of_a_large_vocabulary_are_small() -> None:
    class Large:
        eos_id, vocab_size = 1, 1_000_000

        def encode_with_oov(self, text: str) -> tuple[list[int], list[bool]]:
            return [int(word) for word in text.split()], [False] * len(text.split())

    class Uniform:
        widest = 0

        def step(self, ids: Any, state: Any) -> Any:
            self.widest = max(self.widest, len(ids))
            return np.zeros((len(ids), Large.vocab_size), dtype=np.float32), state

        def zero_state(self, streams: int) -> Any:
            return ((np.zeros((streams, 1)),),)

    model = Uniform()
    scores = PrefixScorer(model, Large()).score([f"{first} 7" for first in range(10)])
    assert model.widest == 4  # 16 MB of scores
    assert [score.logprob_nats for score in scores] == pytest.approx([-3 * np.log(1_000_000)] * 10, rel=1e-5)
