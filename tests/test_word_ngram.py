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
from weft.word_ngram import WordNGram, load_arpa, unreachable_words

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


ARPA = """\\data\\
ngram 1=5
ngram 2=2

\\1-grams:
-1.0\t<unk>\t0
-99\t<s>\t-0.3
-0.6\t</s>
-0.5\t10\xa0km\t-0.2
-0.7\tc\t-0.1

\\2-grams:
-0.2\t<s> 10\xa0km
-0.4\t10\xa0km c

\\end\\
"""


def test_the_words_of_an_arpa_file_may_contain_every_space_but_the_blank(tmp_path: Path) -> None:
    path = tmp_path / "km.arpa"
    path.write_text(ARPA, encoding="utf-8")
    lm = load_arpa(path)
    found = lm.evaluate("10\xa0km c\n")
    assert (found.loss.tokens, found.oov_loss.tokens) == (3, 0)
    assert found.loss.nats == pytest.approx((0.2 + 0.4 + 0.1 + 0.6) * math.log(10))
    kenlm = pytest.importorskip("kenlm")
    assert -kenlm.Model(str(path)).score("10\xa0km c") * math.log(10) == pytest.approx(found.loss.nats, rel=1e-6)
    assert unreachable_words(path, lm.tokenizer) == []


def test_words_that_no_text_contains_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "nul.arpa"
    path.write_text(ARPA.replace("10\xa0km", "a\0b"), encoding="utf-8")
    (note,) = unreachable_words(path, load_arpa(path).tokenizer)
    assert note == f"{path}: words that cannot occur in a text, in which a word ends at NUL: 1 ('a\\x00b')"


def test_a_trained_model_may_have_words_with_other_spaces(tmp_path: Path) -> None:
    text = "10\xa0km c\n10\xa0km\u3000d c c\n"
    tokenizer = fit_tokenizer("word", [text])
    ids = np.array(tokenizer.encode(text))
    lm = WordNGram(estimate(ids, tokenizer.vocab_size, tokenizer.eos_id, 2, FALLBACK), tokenizer)
    lm.save(tmp_path / "a.arpa")
    assert load_arpa(tmp_path / "a.arpa").perplexity(text) == pytest.approx(lm.perplexity(text))
