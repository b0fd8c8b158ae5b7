"""The scores of tokens: the schema, measures of the predicted distribution, both modes, and unreadable lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise

import numpy as np
import pytest

from helpers.untrained import TEXT, untrained
from weft.errors import InputError
from weft.language_model import LanguageModel
from weft.scoring import TokenScore, Wanted

ALL = Wanted(entropy=True, rank=True, alternatives=3)
LINE = "You  say 你喜欢 😀 HELLO\tqqq"


@pytest.fixture(params=("word", "char", "bpe"))
def lm(request: pytest.FixtureRequest) -> LanguageModel:
    return untrained(request.param)


def logprobs(lines: Iterable[list[TokenScore]]) -> list[float]:
    return [score.logprob_nats for line in lines for score in line]


def test_a_token_has_its_span_in_the_line(lm: LanguageModel) -> None:
    scores = lm.scores(LINE)
    assert all(LINE[score.start : score.end] == score.text for score in scores)
    assert [score.position for score in scores] == list(range(len(scores)))
    assert [score.token for score in scores[:-1]] == [lm.tokenizer.token(id) for id in lm.tokenizer.encode(LINE)]
    assert (scores[-1].token, scores[-1].text, scores[-1].start, scores[-1].is_line_end) == (
        "<eos>", "", len(LINE), True,
    )  # fmt: skip
    assert not any(score.is_line_end for score in scores[:-1])


def test_a_word_out_of_the_vocabulary_keeps_its_own_text() -> None:
    scores = untrained("word").scores("you SAY  你喜欢")
    assert [(score.token, score.text, score.oov) for score in scores] == [
        ("you", "you", False), ("<unk>", "SAY", True), ("<unk>", "你喜欢", True), ("<eos>", "", False),
    ]  # fmt: skip


def test_lines_are_numbered_from_zero(lm: LanguageModel) -> None:
    for read in (lm.score_lines, lm.score_running):
        assert [{score.sentence for score in line} for line in read(["say", "", "you"])] == [{0}, {1}, {2}]


def test_measures_are_computed_from_the_predicted_distribution(lm: LanguageModel) -> None:
    scores = lm.scores(LINE, wanted=ALL)
    state = lm.start()
    entropies = []
    for score, id in zip(scores, [*lm.tokenizer.encode(LINE), lm.tokenizer.eos_id], strict=True):
        x = np.asarray(state.scores[0], dtype=np.float64)
        p = np.exp(x - x.max()) / np.exp(x - x.max()).sum()
        entropies.append(float(-(p * np.log(p)).sum()))
        assert score.logprob_nats == pytest.approx(math.log(p[id]), rel=1e-4)
        assert score.entropy_nats == pytest.approx(entropies[-1], rel=1e-4)
        assert score.rank == 1 + int((p > p[id]).sum())
        likeliest = [token for token, _p in state.next(3)]
        assert [token for token, _nats in score.alternatives] == likeliest
        assert [nats for _token, nats in score.alternatives] == pytest.approx(np.log(np.sort(p)[:-4:-1]), rel=1e-4)
        scores_after, next_state = lm.model.step(np.array([id]), state.state)
        state = type(state)(state.model, state.tokenizer, next_state, scores_after)
    reductions = [score.entropy_reduction_nats for score in scores]
    assert reductions[-1] is None
    assert reductions[:-1] == pytest.approx([max(0, a - b) for a, b in pairwise(entropies)], abs=1e-5)


def test_entropy_reduction_is_never_negative() -> None:
    lines = untrained("char").score_lines(["you say goodbye and i say hello ."], wanted=ALL)
    reductions = [score.entropy_reduction_nats for line in lines for score in line[:-1]]
    assert 0 < reductions.count(0.0) < len(reductions)


def test_measures_that_are_not_wanted_are_none(lm: LanguageModel) -> None:
    plain, full = lm.scores(LINE), lm.scores(LINE, wanted=ALL)
    assert {(s.entropy_nats, s.rank, s.alternatives) for s in plain} == {(None, None, ())}
    assert logprobs([plain]) == pytest.approx(logprobs([full]), rel=1e-5)
    only = lm.scores(LINE, wanted=Wanted(rank=True))
    assert [s.rank for s in only] == [s.rank for s in full]
    assert {s.entropy_nats for s in only} == {None}


def test_alternatives_are_limited_by_the_vocabulary(lm: LanguageModel) -> None:
    score, *_rest = lm.scores("say", wanted=Wanted(alternatives=10**6))
    assert len(score.alternatives) == lm.tokenizer.vocab_size
    assert math.fsum(math.exp(nats) for _token, nats in score.alternatives) == pytest.approx(1)
    with pytest.raises(InputError, match="alternatives must be at least 0, got -1"):
        lm.scores("", wanted=Wanted(alternatives=-1))


@pytest.mark.parametrize("batch_size", [1, 2, 40])
@pytest.mark.parametrize("wanted", [Wanted(), Wanted(entropy=True)])
def test_running_text_carries_the_state_over_line_ends(lm: LanguageModel, batch_size: int, wanted: Wanted) -> None:
    lines = [line.rstrip("\n") for line in TEXT] * 3 + [""]
    running = logprobs(lm.score_running(lines, batch_size, wanted=wanted))
    assert running == pytest.approx(logprobs([lm.scores("\n".join(lines) + "\n")]), rel=1e-4)
    apart = logprobs(lm.score_lines(lines, batch_size))
    assert len(apart) == len(running)
    assert apart != pytest.approx(running, rel=1e-2)


def test_line_ends_are_read_even_if_not_scored(lm: LanguageModel) -> None:
    lines = ["you say", "", "hello"]
    for read in (lm.score_lines, lm.score_running):
        assert [scores[:-1] for scores in read(lines)] == list(read(lines, eos=False))


@pytest.mark.parametrize("batch_size", [1, 3])
def test_an_unreadable_line_has_no_scores_and_no_effect(lm: LanguageModel, batch_size: int) -> None:
    lines = ["you say", "hello", "say"]
    for read in (lm.score_lines, lm.score_running):
        a, b, c = read(lines, batch_size)
        with_gaps = list(read([None, lines[0], None, *lines[1:], None], batch_size))
        assert [len(scores) for scores in with_gaps] == [0, len(a), 0, len(b), len(c), 0]
        assert logprobs(with_gaps) == pytest.approx(logprobs([a, b, c]), rel=1e-5)
        assert {score.sentence for score in with_gaps[4]} == {4}


@pytest.mark.parametrize("batch_size", [1, 2, 100])
def test_an_error_is_raised_after_the_lines_before_it_are_scored(lm: LanguageModel, batch_size: int) -> None:
    def lines() -> Iterator[str]:
        yield from ["you say", "hello", "say"]
        raise InputError("line 4 is bad")

    for read in (lm.score_lines, lm.score_running):
        rest = read(lines(), batch_size)
        scored = [next(rest) for _ in range(3)]
        assert [len(scores) for scores in scored] == [len(lm.scores(line)) for line in ("you say", "hello", "say")]
        with pytest.raises(InputError, match="line 4 is bad"):
            next(rest)


def test_lines_are_streamed_with_bounded_lookahead() -> None:
    lm, taken = untrained("word"), 0

    def endless() -> Iterator[str]:
        nonlocal taken
        while True:
            taken += 1
            yield "say hello"

    for answered, _scores in enumerate(islice(lm.score_lines(endless(), 2), 2000)):
        assert taken - answered <= 2 * 32
    taken = 0
    for answered, _scores in enumerate(islice(lm.score_running(endless(), 1), 50)):
        assert taken - answered <= 1


def test_a_running_text_with_batch_size_one_has_no_lookahead(lm: LanguageModel) -> None:
    taken = []

    def lines() -> Iterator[str]:
        for line in ("you say", "hello"):
            taken.append(line)
            yield line

    next(lm.score_running(lines(), 1))
    assert taken == ["you say"]
