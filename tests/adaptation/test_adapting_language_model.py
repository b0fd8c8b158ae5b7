"""`LanguageModel.adapting`: all ways of reading a text agree, and every text starts from the trained model."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from helpers.untrained import untrained
from weft.adaptation import Cache, DynamicSGD
from weft.errors import InputError
from weft.language_model import LanguageModel
from weft.scoring import Wanted

LINES = ["you say goodbye and i say hello .", "say say hello", "", "you say goodbye and i say hello ."]
TEXT = "".join(f"{line}\n" for line in LINES)


def adapting(lm: LanguageModel | None = None) -> LanguageModel:
    return (lm or untrained()).adapting(DynamicSGD(0.5, 0.01, block=3), Cache(10, 0.3))


def test_evaluation_scores_and_pushes_agree() -> None:
    lm = adapting()
    nats = -lm.evaluate([TEXT]).loss.nats
    assert nats == pytest.approx(
        sum(score.logprob_nats for line in lm.score_running(LINES) for score in line), rel=1e-5
    )
    state = lm.start()
    for line in LINES:
        state = state.push(f"{line}\n")
    assert state.logprob_nats == pytest.approx(nats, rel=1e-5)
    assert lm.perplexity(TEXT) == pytest.approx(np.exp(-nats / (len(TEXT.split()) + 4)), rel=1e-5)
    static = -untrained().evaluate([TEXT]).loss.nats
    assert abs(nats - static) > 0.1


def test_every_line_and_every_text_starts_from_the_trained_model() -> None:
    lm = adapting()
    first, *_, last = lm.score_lines(LINES)
    assert [score.logprob_nats for score in first] == [score.logprob_nats for score in last]
    assert lm.evaluate([TEXT]) == lm.evaluate([TEXT])
    assert lm.logprob(LINES[0]) == pytest.approx(sum(score.logprob_nats for score in first))


def test_measures_and_words_come_from_the_adapted_distribution() -> None:
    lm = adapting()
    full = [s for line in lm.score_running(LINES, wanted=Wanted(entropy=True, rank=True, alternatives=2)) for s in line]
    plain = [s for line in lm.score_running(LINES) for s in line]
    for more, less in zip(full, plain, strict=True):
        assert more.logprob_nats == pytest.approx(less.logprob_nats, abs=1e-5)
        assert (more.rank == 1) == (more.token == more.alternatives[0][0])
    letters = adapting(untrained("char"))
    words = letters.scores(LINES[0], wanted=Wanted(words=True))
    assert [score.token for score in words] == [*LINES[0].split(), "<eos>"]


def test_a_state_is_a_value() -> None:
    lm = adapting()
    state = lm.start().push("you say goodbye and i say")
    kept = copy.copy(state)
    expected = state.next(3)
    state.push("hello . you say goodbye and i say hello . say say say")
    assert kept.next(3) == expected
    assert state == lm.start().push("you say goodbye and i say")
    assert state != lm.start().push("you say goodbye and i hello")
    probabilities = dict(kept.next(100))
    assert sum(probabilities.values()) == pytest.approx(1)
    assert kept.probability("hello") == pytest.approx(probabilities["hello"])


def test_generated_tokens_are_read() -> None:
    lm = adapting()
    text = lm.generate("you say", max_tokens=8, seed=1)
    assert text == lm.generate("you say", max_tokens=8, seed=1)
    greedy = lm.generate("say say say say say say", max_tokens=1, temperature=0)
    assert greedy == f" {lm.start().push('say say say say say say').next(1)[0][0]}"


def test_the_model_itself_does_not_change() -> None:
    lm = untrained()
    before = lm.logprob(LINES[0])
    adapting(lm).evaluate([TEXT * 3])
    assert lm.logprob(LINES[0]) == before


def test_rounded_weights_allow_a_cache_alone() -> None:
    frozen = untrained().frozen("int8", kernels="plain")
    assert frozen.adapting(cache=Cache(10, 0.0)).logprob(LINES[0]) == pytest.approx(frozen.logprob(LINES[0]), rel=1e-6)
    with pytest.raises(InputError, match="rounded weights cannot change by dynamic evaluation"):
        frozen.adapting(DynamicSGD())
    assert untrained().frozen(kernels="plain").adapting(DynamicSGD()).logprob(LINES[0]) < 0
    with pytest.raises(InputError, match="cannot be frozen"):
        adapting().frozen()
    with pytest.raises(InputError, match="give dynamic and cache together"):
        adapting().adapting(cache=Cache(10, 0.1))


def test_larger_batches_are_refused() -> None:
    with pytest.raises(InputError, match="leave the batch size out, or give 1, not 32"):
        next(adapting().score_lines(LINES, 32))
    with pytest.raises(InputError, match="in blocks of its own"):
        adapting().evaluate([TEXT], bptt=64)
