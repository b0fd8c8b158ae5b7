"""WordNGram: texts in parts of any length, perplexity, and saving."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from weft.errors import InputError
from weft.ngram.discounts import FALLBACK
from weft.ngram.kneser_ney import estimate
from weft.text import fit_tokenizer, open_corpus
from weft.text.decoding import BATCH_CHARACTERS
from weft.word_ngram import WordNGram

TEXT = "you say goodbye and i say hello\nwhy why why do you say goodbye goodbye\n"


def trained(kind: str = "word") -> WordNGram:
    tokenizer = fit_tokenizer(kind, [TEXT])
    ids = np.array(tokenizer.encode(TEXT))
    return WordNGram(estimate(ids, tokenizer.vocab_size, tokenizer.eos_id, 4, FALLBACK), tokenizer)


def test_a_line_longer_than_a_batch_is_one_line(tmp_path: Path) -> None:
    lm = trained()
    path = tmp_path / "long.txt"
    path.write_text("why do you say hello " * (BATCH_CHARACTERS // 10) + "\nyou say hello\n", encoding="utf-8")
    whole = lm.model.log_probabilities(np.array(lm.tokenizer.encode(path.read_text("utf-8"))))
    parts = [nats for nats, _oov in lm.token_nats(open_corpus(path).pieces())]
    assert len(parts) > 1
    assert np.array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("kind", ["word", "char"])
def test_perplexity_includes_line_ends(kind: str) -> None:
    lm = trained(kind)
    nats = lm.model.log_probabilities(np.array(lm.tokenizer.encode("you say hello\nwhy\n")))
    assert lm.perplexity("you say hello\nwhy") == pytest.approx(math.exp(-nats.mean()))
    assert lm.perplexity("you say hello\nwhy\n") == lm.perplexity("you say hello\nwhy")


def test_only_words_can_be_saved(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="' ' cannot be a word of an ARPA file"):
        trained("char").save(tmp_path / "letters.arpa")
