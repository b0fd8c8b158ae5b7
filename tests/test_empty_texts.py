"""Empty texts and lists have no numbers, for every tokenizer and for trained, frozen and adapting models."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from helpers.untrained import untrained
from weft.adaptation import Cache, DynamicSGD
from weft.errors import InputError
from weft.language_model import LanguageModel
from weft.scoring.text_scores import Wanted

VARIANTS: dict[str, Callable[[LanguageModel], LanguageModel]] = {
    "trained": lambda lm: lm,
    "frozen": lambda lm: lm.frozen("int8"),
    "adapting": lambda lm: lm.adapting(DynamicSGD(), Cache()),
}
WANTED = [Wanted(), Wanted(words=True), Wanted(entropy=True, rank=True, alternatives=2)]


@pytest.fixture(params=[(kind, variant) for kind in ("word", "char", "bpe") for variant in VARIANTS], ids="-".join)
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    kind, variant = request.param
    return VARIANTS[variant](untrained(kind))


@pytest.mark.parametrize("wanted", WANTED)
def test_empty_texts_have_no_scores_or_a_line_end(lm: LanguageModel, wanted: Wanted) -> None:
    assert list(lm.score_lines([], wanted=wanted)) == []
    assert list(lm.score_running([], wanted=wanted)) == []
    assert lm.scores("", eos=False, wanted=wanted) == []
    assert [score.token for score in lm.scores("", wanted=wanted)] == ["<eos>"]
    assert list(lm.score_lines(["", None, ""], eos=False, wanted=wanted)) == [[], [], []]
    assert list(lm.score_running(["", None, ""], eos=False, wanted=wanted)) == [[], [], []]


def test_methods_of_empty_texts_answer_or_say_that_there_is_no_token(lm: LanguageModel) -> None:
    assert lm.logprob("", eos=False) == 0
    assert lm.surprisal("", eos=False) == []
    assert lm.evaluate([]).loss == (0, 0)
    assert [lm.evaluate(lines).loss.tokens for lines in ([""], ["", ""])] == [1, 2]  # line ends
    with pytest.raises(InputError, match="at least one token"):
        lm.perplexity("", eos=False)
    assert lm.perplexity("") >= 1
    assert lm.start().push("").next(2) == lm.next("", 2) == lm.start().next(2)
    assert isinstance(lm.generate("", 3, seed=0), str)
