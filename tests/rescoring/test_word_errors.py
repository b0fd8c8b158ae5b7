"""Word errors, counted by hand."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.errors import InputError
from weft.rescoring import Hypothesis, Utterance, Weights, rescore
from weft.rescoring.counts import ErrorCounts
from weft.rescoring.prefix_scorer import TextScore
from weft.rescoring.references import References
from weft.rescoring.word_errors import WordErrors, word_errors

SENTENCE = st.lists(st.sampled_from(["a", "b", "c", "你"]), max_size=7).map(" ".join)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors"),
    [
        ("the cat sat", "the cat sat", 0),
        ("the cat sat", "the bat sat", 1),  # one substituted
        ("the cat sat", "cat sat", 1),  # one deleted
        ("the cat sat", "the the cat sat down", 2),  # two inserted
        ("the cat sat", "", 3),
        ("", "the cat", 2),
        ("", "", 0),
        ("a b c d", "b c d e", 2),  # one deleted and one inserted, not four substituted
        ("我 喜欢 你", "我 喜 欢 你", 2),
        ("The cat", "the cat", 1),  # the case counts
        ("10\xa0\xa0km away", "10 away", 1),  # one word with no-break spaces
        ("\u2003 a", "a", 1),
    ],
)
def test_edits_by_hand(reference: str, hypothesis: str, errors: int) -> None:
    assert word_errors(reference, [hypothesis]) == [errors]


def edit_distance(one: list[str], other: list[str]) -> int:
    row = list(range(len(other) + 1))
    for i, word in enumerate(one, start=1):
        previous, row[0] = row[0], i
        for j, against in enumerate(other, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (word != against))
    return row[-1]


@given(SENTENCE, st.lists(SENTENCE, min_size=1, max_size=5))
def test_edits_are_the_edit_distance(reference: str, hypotheses: list[str]) -> None:
    expected = [edit_distance(reference.split(), hypothesis.split()) for hypothesis in hypotheses]
    assert word_errors(reference, hypotheses) == expected


def test_the_rate_is_over_all_words_together() -> None:
    # 1 of 4 and 3 of 1: 4 errors in 5 words, not the mean of 25% and 300%.
    assert WordErrors().plus(1, 4).plus(3, 1).percent == pytest.approx(80)


def test_a_rate_needs_words() -> None:
    with pytest.raises(InputError, match="needs references with words"):
        _ = WordErrors(3, 0).percent


class ByLength:
    def score(self, texts: list[str]) -> list[TextScore]:
        return [TextScore(-float(len(text)), 1, 0) for text in texts]


def test_errors_of_the_best_the_first_and_the_oracle() -> None:
    texts = {"u1": ["a b c d", "a b", "a b c"], "u2": ["x y", "x"]}
    utterances = [Utterance(id, tuple(Hypothesis(text, 1) for text in found)) for id, found in texts.items()]
    counts = ErrorCounts(References({"u1": "a b c", "u2": "x"}))
    assert len(list(counts.counting(rescore(utterances, ByLength(), Weights())))) == 2  # type: ignore[arg-type]
    assert (counts.best, counts.first, counts.oracle) == (WordErrors(1, 4), WordErrors(2, 4), WordErrors(0, 4))


def test_the_error_without_jiwer_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jiwer", None)
    with pytest.raises(InputError, match=r"pip install 'weft\[rescore\]'"):
        word_errors("a", ["b"])
