"""The model with output layers for large vocabularies: gradients, evaluation, streaming, kernels."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from helpers.oracles import central_differences
from weft.backends.fused import fused, why_not_bfloat16, why_not_fused
from weft.backends.quantization import WEIGHTS
from weft.errors import InputError
from weft.evaluation.readers import LOGPROB, Distributions, Measures
from weft.inference.frozen_model import StreamingModel
from weft.inference.sampling import Sampling, generate
from weft.layers import OutputSettings
from weft.layers.sparse_gradient import RowGradient, dense
from weft.model import RNNLM
from weft.training.gradients import MeanGradient, clip_factor, global_norm
from weft.training.optimizer import SGD, AdamW, Momentum

V, N, T = 23, 2, 4
COUNTS = [3, 9, *range(40, 40 - V + 2, -1)]
ADAPTIVE = OutputSettings(output="adaptive", cutoffs=(5, 12), cluster_factor=2)
SAMPLED = OutputSettings(output="sampled", samples=6)
EVERY = {"adaptive": (ADAPTIVE, False), "sampled": (SAMPLED, False), "sampled and tied": (SAMPLED, True)}
every_output = pytest.mark.parametrize(("output", "tied"), EVERY.values(), ids=EVERY)
needs_kernels = pytest.mark.skipif(why_not_fused() is not None, reason=f"no fused kernels: {why_not_fused()}")


def small_model(output: OutputSettings, tied: bool, dtype: str = "float64", scale: float = 0.8) -> RNNLM:
    model = RNNLM(V, 6, 6, 1, "lstm", 0.2, tied, output=output, counts=COUNTS, seed=0, dtype=dtype)
    rng = np.random.default_rng(1)
    for parameter in model.params:
        parameter[...] = rng.normal(0, scale, parameter.shape)
    return model


def tokens(seed: int = 0) -> tuple[Any, Any]:
    xs, ts = np.random.default_rng(seed).integers(0, V, (2, N, T))
    return xs, ts


@every_output
def test_gradients_of_every_named_parameter_equal_central_differences(output: OutputSettings, tied: bool) -> None:
    model = small_model(output, tied)
    xs, ts = tokens()
    ts[0, 1] = -1
    drawn = copy.deepcopy(model.rng.bit_generator.state)

    def mean_nats() -> float:
        model.rng.bit_generator.state = drawn
        model.reset_state()
        loss = model.loss(xs, ts)
        return loss.nats / loss.tokens

    mean_nats()
    model.backward()
    gradients = {name: dense(gradient).copy() for name, gradient in model.named_gradients().items()}
    for name, parameter in model.named_parameters().items():
        expected = central_differences(mean_nats, parameter, epsilon=2e-6)
        np.testing.assert_allclose(gradients[name], expected, rtol=1e-5, atol=1e-9, err_msg=name)
        assert np.abs(expected).max() > 1e-5, name


@every_output
def test_one_token_at_a_time_gives_the_numbers_of_a_block(output: OutputSettings, tied: bool) -> None:
    model = small_model(output, tied)
    xs, ts = tokens()
    block, _last = model.log_probabilities(xs, ts, model.zero_state(N))
    whole, _last = Distributions(model, Measures(rank=True, alternatives=V), rows=3).read(xs, ts, model.zero_state(N))
    np.testing.assert_allclose(whole[..., LOGPROB], block, rtol=1e-10)
    state = model.zero_state(N)
    for t in range(T):
        scores, state = model.step(xs[:, t], state)
        probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(np.log(probabilities[np.arange(N), ts[:, t]]), block[:, t], rtol=1e-10)


@every_output
@pytest.mark.parametrize("weights", WEIGHTS)
def test_the_steps_of_a_frozen_model_equal_those_of_its_rounded_weights(
    output: OutputSettings, tied: bool, weights: str
) -> None:
    model = small_model(output, tied, "float32", 0.3)
    streaming = StreamingModel(model, weights)
    ids, state = np.array([4, 17]), model.zero_state(2)
    scores, after = streaming.step(ids, state)
    expected, expected_after = streaming.model.step(ids, state)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(after, expected_after, rtol=1e-4, atol=1e-5)
    assert np.array_equal(streaming.model.step(ids, state)[0], model.step(ids, state)[0]) == (weights == "float32")
    np.testing.assert_allclose(scores, model.step(ids, state)[0], rtol=0, atol=0.05)
    drawn = generate(streaming, scores[:1], ((after[0][0][:1], after[0][1][:1]),), Sampling(), np.random.default_rng(0))
    assert all(0 <= next(drawn) < V for _ in range(5))


def test_streaming_kernels_for_an_adaptive_output_are_refused() -> None:
    with pytest.raises(InputError, match=r"there is none for the output 'adaptive'; use the plain ones"):
        StreamingModel(small_model(ADAPTIVE, False, "float32"), kernels="fused")


@needs_kernels
@every_output
@pytest.mark.parametrize("size", [V, 3000])
def test_fused_and_plain_give_the_same_numbers(output: OutputSettings, tied: bool, size: int) -> None:
    xs, ts = np.random.default_rng(0).integers(0, size, (2, 4, 6))
    results = []
    for dtype in ("float64", "float32"):
        model = RNNLM(size, 12, 12, tied=tied, output=output, seed=1, dtype=dtype)
        with fused(2):
            losses = [model.loss(xs, ts).nats for _ in range(2)]
            model.backward()
            logs, _state = model.log_probabilities(xs, ts, model.zero_state(4))
        results.append((losses, logs, model.grads))
    assert results[1][0] == pytest.approx(results[0][0], rel=1e-5)
    np.testing.assert_allclose(results[1][1], results[0][1], rtol=1e-4)
    for ours, expected in zip(results[1][2], results[0][2], strict=True):
        np.testing.assert_allclose(dense(ours), dense(expected), rtol=1e-4, atol=3e-6)


@pytest.mark.skipif(why_not_bfloat16() is not None, reason=f"no bfloat16: {why_not_bfloat16()}")
@every_output
def test_bfloat16_differs_by_rounding(output: OutputSettings, tied: bool) -> None:
    xs, ts = np.random.default_rng(0).integers(0, 3000, (2, 20, 20))
    results = []
    for precision in ("float32", "bfloat16"):
        model = RNNLM(3000, 64, 64, tied=tied, output=output, seed=1)
        with fused(2, precision):
            loss = model.loss(xs, ts).nats
            model.backward()
            logs, _state = model.log_probabilities(xs, ts, model.zero_state(20))
        results.append((loss, logs, [dense(gradient) for gradient in model.grads]))
    assert results[1][0] == pytest.approx(results[0][0], rel=1e-3)
    np.testing.assert_allclose(results[1][1], results[0][1], rtol=0.02)
    for ours, expected in zip(results[1][2], results[0][2], strict=True):
        assert np.linalg.norm(ours - expected) < 0.03 * np.linalg.norm(expected)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("make", [SGD, Momentum, AdamW])
def test_row_gradients_are_clipped_averaged_and_applied_like_dense_ones(tied: bool, make: Any) -> None:
    results = []
    for whole in (False, True):
        model = small_model(SAMPLED, tied, scale=0.5)
        optimizer, mean = make(model.named_parameters(), weight_decay=0.1), MeanGradient(2)
        for seed in range(4):
            model.loss(*tokens(seed))
            model.backward()
            gradients = model.named_gradients()
            matrix = gradients["embedding.W" if tied else "output.W"]
            assert isinstance(matrix, RowGradient)
            assert len(matrix.rows) < V
            mean.add({name: dense(g) for name, g in gradients.items()} if whole else gradients, N * T)
            if seed % 2:
                taken = mean.pop()
                optimizer.update(taken, 0.1, clip_factor(global_norm(taken), 0.25))
        results.append(model.params)
    for by_rows, expected in zip(*results, strict=True):
        np.testing.assert_allclose(by_rows, expected, rtol=1e-10, atol=1e-13)


def test_counts_give_the_ids_in_order_of_frequency() -> None:
    model = small_model(ADAPTIVE, False)
    assert model.order is not None
    assert list(np.asarray(COUNTS)[model.order]) == sorted(COUNTS, reverse=True)
    assert RNNLM(V, 4, 4, output=ADAPTIVE, counts=range(V, 0, -1)).order is None
    with pytest.raises(InputError, match="counts must be of 23 tokens, got 2"):
        RNNLM(V, 4, 4, output=ADAPTIVE, counts=[1, 2])


def test_an_adaptive_output_cannot_be_tied() -> None:
    with pytest.raises(InputError, match="the output 'adaptive' has no matrix that could be the embedding's: leave"):
        RNNLM(V, 4, 4, tied=True, output=ADAPTIVE)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"output": "sample"}, "output must be one of full, adaptive, sampled, got 'sample'"),
        ({"output": "sampled", "samples": 0}, "samples must be at least 1, got 0"),
        ({"cluster_factor": 0}, "cluster_factor must be at least 1, got 0"),
    ],
)
def test_wrong_settings_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        OutputSettings(**settings)
