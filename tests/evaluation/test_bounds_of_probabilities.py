"""Whatever the scores: no ln P above 0, no surprisal, entropy or loss below 0, and no -0.0."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from helpers.untrained import untrained
from weft.adaptation import Cache, DynamicSGD
from weft.backends.fused import fused, why_not_bfloat16, why_not_fused
from weft.evaluation.evaluate import Evaluation
from weft.evaluation.readers import BOUNDARY, ENTROPY, Distributions, Measures
from weft.language_model import LanguageModel
from weft.layers import OutputSettings, TimeOutputWithLoss, TimeSampledOutputWithLoss
from weft.loss import Loss
from weft.mixture import mixed
from weft.model import RNNLM
from weft.scoring.text_scores import Wanted

WITHOUT = why_not_fused()
KERNELS: dict[str, Any] = {
    "plain": nullcontext,
    "one thread": lambda: fused(1),
    "two threads": lambda: fused(2),
    "bfloat16": lambda: fused(1, "bfloat16"),
}
every_kernel = pytest.mark.parametrize("kernels", KERNELS)
SCALES = ((1.0, 0.0), (8.0, 40.0), (30.0, 300.0), (200.0, -3000.0))
"""Factors of the scores, and what is added to them: near-certain tokens whose scores are large."""


def kernels_named(kernels: str) -> AbstractContextManager[None]:
    if kernels != "plain" and WITHOUT:
        pytest.skip(f"no fused kernels: {WITHOUT}")
    if kernels == "bfloat16" and why_not_bfloat16():
        pytest.skip(f"no bfloat16: {why_not_bfloat16()}")
    context: AbstractContextManager[None] = KERNELS[kernels]()
    return context


def check_logs(logs: NDArray[Any]) -> None:
    """At most 0, and zeros without a sign."""
    assert np.isfinite(logs).all()
    assert (logs <= 0).all()
    assert not np.signbit(logs[logs == 0]).any()


def check_measures(values: NDArray[Any]) -> None:
    """At least 0, and without a sign."""
    assert np.isfinite(values).all()
    assert not np.signbit(values).any()


def likely(V: int, scale: float, added: float) -> Iterator[tuple[Any, Any, Any, Any]]:
    """W, b, hs and ts with the likeliest target of every position, in several sizes."""
    rng = np.random.default_rng(V)
    W = (scale * rng.normal(0, 1, (16, V))).astype("f")
    b = (scale * rng.normal(0, 1, V) + added).astype("f")
    for rows in (1, 40):
        hs = rng.normal(0, 1, (2, rows, 16)).astype("f")
        yield W, b, hs, (hs @ W + b).argmax(axis=2)


@every_kernel
@pytest.mark.parametrize("V", [3, 300, 5000])
@pytest.mark.parametrize(("scale", "added"), SCALES)
def test_log_probabilities_of_certain_tokens_are_at_most_zero(kernels: str, V: int, scale: float, added: float) -> None:
    for W, b, hs, ts in likely(V, scale, added):
        sampled = TimeSampledOutputWithLoss(W.T.copy(), b, V // 2 + 1, np.random.default_rng(0))
        for layer in (TimeOutputWithLoss(W, b), sampled):
            with kernels_named(kernels):
                check_logs(layer.log_probabilities(hs, ts))
                layer.forward(hs, ts)
            check_measures(layer.nats)
            assert layer.loss.nats >= 0


@every_kernel
@pytest.mark.parametrize("output", ["full", "adaptive", "sampled"])
def test_measures_of_every_output_layer_are_in_bounds(kernels: str, output: str) -> None:
    settings = OutputSettings(output=output, cutoffs=(3, 10) if output == "adaptive" else (), samples=20)
    model = RNNLM(40, 8, 8, cell="rnn", output=settings, seed=1)
    for name, parameter in model.named_parameters().items():
        if name.startswith("output"):
            parameter *= 30
    xs = np.random.default_rng(0).integers(0, 40, (3, 50))
    measures = Measures(entropy=True, rank=True, alternatives=5, boundary=np.arange(40))
    with kernels_named(kernels):
        hs, _state = model.hidden_states(xs, model.zero_state(3))
        ts = np.asarray(model.output.scores(hs.reshape(-1, 8))).argmax(axis=1).reshape(3, 50)
        check_logs(model.log_probabilities(xs, ts, model.zero_state(3))[0])
        numbers, _state = Distributions(model, measures).read(xs, ts, model.zero_state(3))
    check_logs(numbers[..., 0])
    check_logs(numbers[..., BOUNDARY])
    check_logs(numbers[..., -5:])
    check_measures(numbers[..., ENTROPY])


@pytest.mark.skipif(WITHOUT is not None, reason=f"no fused kernels: {WITHOUT}")
@pytest.mark.parametrize("added", [0, 40, 300, -4000])
def test_the_fused_nats_of_certain_tokens_are_exact_however_large_the_scores_are(added: int) -> None:
    rng = np.random.default_rng(1)
    W, b = rng.integers(-8, 9, (3, 1300)) / 8, rng.integers(-8, 9, 1300) / 8 + added
    b[777] += 12  # P = 0.98 or so
    hs = rng.integers(-8, 9, (1, 30, 3)) / 8
    ts = np.full((1, 30), 777)
    exact = TimeOutputWithLoss(W, b).log_probabilities(hs, ts)
    with fused(1):
        ours = TimeOutputWithLoss(W.astype("f"), b.astype("f")).log_probabilities(hs.astype("f"), ts)
    np.testing.assert_allclose(ours, exact, atol=5e-7, rtol=2e-6)


def certain(kind: str) -> tuple[LanguageModel, str]:
    """A model whose likeliest tokens are near-certain, and a text of them."""
    lm = untrained(kind)
    for name, parameter in lm.model.named_parameters().items():
        if name.startswith("output"):
            parameter *= 8
        if name == "output.b":
            parameter += 40
    return lm, lm.generate(max_tokens=40, temperature=0).replace("\n", " ")


@pytest.mark.parametrize("kind", ["word", "char", "bpe"])
@pytest.mark.parametrize("variant", ["trained", "float32", "bfloat16", "int8", "cache", "dynamic", "both"])
def test_every_number_of_a_certain_text_is_in_bounds(kind: str, variant: str) -> None:
    lm, text = certain(kind)
    dynamic = DynamicSGD(0.01) if variant in ("dynamic", "both") else None
    cache = Cache(weight=0.3) if variant in ("cache", "both") else None
    if variant in ("float32", "bfloat16", "int8"):
        lm = lm.frozen(variant)
    elif dynamic or cache:
        lm = lm.adapting(dynamic, cache)
    wanted = Wanted(entropy=True, rank=True, alternatives=3)
    for scores in (lm.scores(text), lm.scores(text, wanted=wanted), lm.scores(text, wanted=Wanted(words=True))):
        check_logs(np.array([score.logprob_nats for score in scores]))
        check_measures(np.array([score.surprisal_bits for score in scores]))
        check_measures(np.array([score.surprisal_nats for score in scores]))
        check_measures(np.array([score.entropy_nats for score in scores if score.entropy_nats is not None]))
        check_logs(np.array([logprob for score in scores for _token, logprob in score.alternatives]))
    state = lm.start().push(text)
    check_measures(np.array([bits for _token, bits in state.surprisals]))
    check_logs(np.array([state.logprob_nats, lm.logprob(text)]))
    assert all(0 <= probability <= 1 for _token, probability in state.next(20))
    check_measures(np.array([lm.evaluate([text]).loss.nats, lm.perplexity(text) - 1]))


def test_the_cache_that_holds_one_word_alone_gives_it_at_most_probability_1() -> None:
    for weight in np.linspace(0.01, 0.99, 50):
        mixed_logs = Cache(weight=float(weight)).mixed(np.zeros(4), np.full(4, 1 + 1e-15), np.full(4, True))
        check_logs(mixed_logs)


def test_a_mixture_of_certain_models_is_at_most_certain() -> None:
    for seed in range(200):
        weights = np.random.default_rng(seed).dirichlet(np.ones(5))
        check_logs(mixed(np.zeros((5, 3)), weights))
        check_logs(mixed(np.full((5, 3), -0.0), weights))


def test_the_loss_of_known_words_is_not_below_zero_after_rounding() -> None:
    rounded = Evaluation(Loss(0.3, 4), Loss(0.1 + 0.2, 3))
    assert rounded.loss.nats < rounded.oov_loss.nats
    assert rounded.perplexity_without_oov == 1
    assert math.copysign(1, untrained().evaluate([]).loss.nats) == 1
