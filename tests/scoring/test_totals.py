"""The loss of evaluation, the sum of the rows, and the totals of KenLM and SRILM agree."""

from __future__ import annotations

import math
import re

import pytest

from helpers.untrained import TEXT, untrained
from weft.language_model import LanguageModel
from weft.scoring import TokenScore, Wanted
from weft.scoring.formats import FORMATS, Layout

LINES = [line.rstrip("\n") for line in TEXT] * 4
LN10 = math.log(10)


@pytest.fixture(params=("word", "char", "bpe"))
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    return untrained(request.param)


def written(name: str, lines: list[list[TokenScore]]) -> str:
    return "".join(FORMATS[name].write(lines, Layout(detail="sentence")))


def kenlm_nats(lines: list[list[TokenScore]]) -> float:
    return -LN10 * math.fsum(float(total) for total in re.findall(r"Total: (\S+)", written("kenlm", lines)))


def srilm_nats(lines: list[list[TokenScore]]) -> float:
    return -LN10 * float(re.findall(r"logprob= (\S+)", written("srilm", lines))[-1])


@pytest.mark.parametrize("batch_size", [1, 5, 64])
@pytest.mark.parametrize("wanted", [Wanted(), Wanted(words=True), Wanted(entropy=True)])
def test_evaluation_rows_and_totals_agree(lm: LanguageModel, batch_size: int, wanted: Wanted) -> None:
    loss = lm.evaluate(f"{line}\n" for line in LINES).loss
    lines = list(lm.score_running(LINES, batch_size, wanted=wanted))
    rows = -math.fsum(score.logprob_nats for line in lines for score in line)
    tolerance = 1e-4 * loss.tokens
    assert rows == pytest.approx(loss.nats, abs=tolerance)
    assert kenlm_nats(lines) == pytest.approx(loss.nats, abs=tolerance)
    assert srilm_nats(lines) == pytest.approx(loss.nats, abs=tolerance)


def test_perplexities_with_unknown_words_are_those_of_evaluation() -> None:
    lm = untrained("word")
    lines = ["you say nonsense", "nonsense", "say hello"]
    evaluation = lm.evaluate(f"{line}\n" for line in lines)
    scores = list(lm.score_running(lines))
    including, excluding = (float(ppl) for ppl in re.findall(r"cluding OOVs:\t(\S+)", written("kenlm", scores)))
    assert including == pytest.approx(evaluation.perplexity, rel=1e-5)
    assert excluding == pytest.approx(evaluation.perplexity_without_oov, rel=1e-5)
    assert float(re.findall(r"ppl= (\S+)", written("srilm", scores))[-1]) == pytest.approx(excluding, rel=1e-5)
    assert srilm_nats(scores) == pytest.approx(evaluation.loss.nats - evaluation.oov_loss.nats, rel=1e-5)
