"""Perplexity does not depend on the batch size: every token is predicted once, from all tokens before it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from weft.backends.fused import fused, why_not_bfloat16
from weft.errors import InputError
from weft.evaluation import running_text
from weft.evaluation.evaluate import Evaluation, summed, token_nats
from weft.evaluation.lines import read_separate_lines
from weft.evaluation.perplexity import perplexity
from weft.evaluation.readers import LogProbabilities
from weft.layers import Loss, time_layers
from weft.model import RNNLM

V, EOS = 6, 1


def small_model(cell: str = "lstm", memory: float = 1.0) -> RNNLM:
    model = RNNLM(V, 3, 5, 2, cell, seed=0, dtype="float64")
    for name, parameter in model.named_parameters().items():
        if "gain" not in name:  # a large gain would amplify rounding errors without bound
            parameter *= memory
    return model


def token_by_token(model: RNNLM, ids: Any) -> Any:
    """ln of the conditional probabilities, one step at a time."""
    state, previous, result = model.zero_state(1), EOS, []
    for token in ids:
        scores, state = model.step(np.array([previous]), state)
        result.append(scores[0, token] - np.log(np.exp(scores[0]).sum()))
        previous = token
    return np.array(result)


def read(model: RNNLM, ids: Any, streams: int, block_length: int, chunk: int = 7) -> Any:
    chunks = [ids[start : start + chunk] for start in range(0, len(ids), chunk)]
    return np.concatenate(list(running_text.running_text(model, chunks, EOS, streams, block_length)))


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_text, "SEGMENT_TOKENS", 50)


@pytest.mark.parametrize("cell", time_layers())
@pytest.mark.parametrize(("streams", "block_length"), [(1, 1), (1, 13), (2, 5), (7, 3), (20, 64)])
@pytest.mark.parametrize("memory", [1.0, 30.0])
def test_every_batch_size_gives_the_product_of_conditionals(
    cell: str, streams: int, block_length: int, memory: float
) -> None:
    # With weights 30 times as large the state never forgets its initial value: every segment is read again.
    if cell == "rnn-relu" and memory > 1:
        pytest.skip("its states are unbounded, and leave the range of numbers")
    model = small_model(cell, memory)
    ids = np.random.default_rng(0).integers(0, V, 333)
    np.testing.assert_allclose(
        read(model, ids, streams, block_length), token_by_token(model, ids), rtol=1e-7, atol=1e-9
    )


def tokens_read(model: RNNLM, ids: Any, monkeypatch: pytest.MonkeyPatch, warm_up: int = 5) -> int:
    """The number of tokens that the model predicts for a text of four segments of 500."""
    read = 0
    original = model.log_probabilities

    def counting(xs: Any, ts: Any, state: Any) -> Any:
        nonlocal read
        read += xs.size
        return original(xs, ts, state)

    monkeypatch.setattr(model, "log_probabilities", counting)
    monkeypatch.setattr(running_text, "SEGMENT_TOKENS", 500)
    monkeypatch.setattr(running_text, "WARM_UP_TOKENS", warm_up)
    np.concatenate(list(running_text.running_text(model, [ids], EOS, 4, 5)))
    return read


def test_little_is_read_twice_when_the_state_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = np.random.default_rng(0).integers(0, V, 2000)
    assert 2000 < tokens_read(RNNLM(V, 3, 5, seed=0), ids, monkeypatch) < 1.2 * 2000


def test_nothing_is_read_twice_when_the_warm_up_suffices(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = np.random.default_rng(0).integers(0, V, 2000)
    assert tokens_read(RNNLM(V, 3, 5, seed=0), ids, monkeypatch, warm_up=200) == 2000


def test_a_permanently_switched_cell_is_not_read_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = RNNLM(V, 1, 1, cell="rnn", seed=0)
    embedding, Wx, Wh, *_ = model.params
    embedding[...], Wx[...], Wh[...] = -0.1, 2, 3  # h stays near 1 or -1; from 0 it converges to -1
    embedding[2] = 1  # the token that switches it to 1
    ids = np.random.default_rng(0).integers(3, V, 2000)
    ids[0] = 2
    assert tokens_read(model, ids, monkeypatch) < 1.2 * 2000


@pytest.mark.skipif(why_not_bfloat16() is not None, reason=f"no bfloat16: {why_not_bfloat16()}")
def test_states_equal_within_bfloat16_rounding_are_not_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    from weft.backends.kernels.recurrent import block as recurrent_block

    monkeypatch.setattr(recurrent_block, "PAIRS_WORK", 0)
    model = RNNLM(V, 64, 64, seed=0)
    ids = np.random.default_rng(0).integers(0, V, 2000)
    with fused(1, "bfloat16"):
        assert tokens_read(model, ids, monkeypatch) < 1.3 * 2000


def test_one_stream_reads_every_token_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = np.random.default_rng(0).integers(0, V, 8)
    assert tokens_read(RNNLM(V, 3, 5, seed=0), ids, monkeypatch) == 8


def test_an_empty_text_has_no_tokens_and_no_perplexity() -> None:
    assert list(running_text.running_text(small_model(), [], EOS)) == []
    with pytest.raises(InputError, match="at least one token"):
        perplexity(Loss(0.0, 0))


def test_evaluation_counts_unknown_words_separately() -> None:
    model = small_model()
    ids, oov = np.array([2, 0, 3, 0, 5]), np.array([False, True, False, True, False])
    nats = -token_by_token(model, ids)
    result = summed(token_nats(model, [(ids[:2], oov[:2]), (ids[2:], oov[2:])], EOS, streams=2, block_length=2))
    assert result.loss.tokens == 5
    assert result.oov_loss.tokens == 2
    assert result.perplexity == pytest.approx(math.exp(nats.mean()))
    assert result.perplexity_without_oov == pytest.approx(math.exp(nats[~oov].mean()))
    assert Evaluation(Loss(2.0, 1), Loss(2.0, 1)).perplexity_without_oov is None


def test_probability_one_quarter_has_perplexity_four() -> None:
    assert perplexity(Loss(3 * math.log(4), 3)) == pytest.approx(4)
    assert perplexity(Loss(0.0, 9)) == 1
    assert perplexity(Loss(1e6, 1)) == math.inf


@pytest.mark.parametrize(("batch_size", "block_length"), [(1, 64), (3, 2), (10, 1), (10, 64)])
def test_separate_lines_are_scored_from_a_fresh_start_in_order(batch_size: int, block_length: int) -> None:
    model = small_model()
    rng = np.random.default_rng(0)
    lines = [rng.integers(0, V, length).tolist() for length in (3, 0, 8, 1, 5, 5, 0, 2)]
    scores = [rows[:, 0] for rows in read_separate_lines(LogProbabilities(model), lines, EOS, batch_size, block_length)]
    assert [len(score) for score in scores] == [len(line) for line in lines]
    for line, score in zip(lines, scores, strict=True):
        np.testing.assert_allclose(score, token_by_token(model, line), rtol=1e-10)


def test_windows_of_lines_grow_from_one_batch() -> None:
    taken = []

    def lines() -> Any:
        for number in range(100):
            taken.append(number)
            yield [2, 3]

    rest = read_separate_lines(LogProbabilities(small_model()), lines(), EOS, batch_size=4)
    next(rest)
    assert len(taken) == 4
    for _ in range(4):
        next(rest)
    assert len(taken) == 4 + 8
