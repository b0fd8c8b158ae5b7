"""An output layer from outside the package is chosen by its kind and trains a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from helpers.oracles import central_differences
from weft.backends.fused import fused, why_not_fused
from weft.errors import InputError
from weft.layers import OutputLayer, OutputSettings, TimeOutputWithLoss, output_layer, register_output
from weft.layers.output.registry import registered
from weft.layers.sparse_gradient import dense
from weft.model import RNNLM
from weft.training.optimizer import SGD

V, N, T, H = 11, 3, 6, 8


class NoBias(OutputLayer):
    """scores = h W"""

    kind = "no_bias"
    ties = False

    def __init__(self, W: Any, rows: int | None = None) -> None:
        super().__init__(W, rows=rows)
        self.vocab_size = W.shape[1]

    @classmethod
    def initial_parameters(cls, rng: Any, H: int, V: int, settings: OutputSettings) -> list[Any]:
        return [rng.normal(0, H**-0.5, (H, V))]

    @classmethod
    def of(cls, params: Any, settings: OutputSettings, rng: Any, order: Any, rows: int | None) -> NoBias:
        (W,) = params
        return cls(W, rows)

    def named(self, values: Any) -> dict[str, Any]:
        return dict(zip(["W"], values, strict=True))

    def forward(self, hs: Any, ts: Any) -> float:
        (W,), (dW,) = self.params, self.grads
        h, t = self._flattened(hs, ts, W.shape[0])
        nats, dscores = self.backend.softmax_loss(h @ W, t, self.ignore_label)
        dscores /= t.size
        dW[...] = h.T @ dscores
        return self._store(nats, t.size, dscores @ W.T, hs.shape)

    def log_probabilities(self, hs: Any, ts: Any) -> Any:
        h, t = self._flattened(hs, ts, self.params[0].shape[0])
        return -self.backend.target_nats(self.scores(h), t, self.ignore_label).reshape(ts.shape)

    def scores(self, h: Any) -> Any:
        return h @ self.params[0]

    @property
    def affine(self) -> None:
        return None

    def scores_size(self, rows: int) -> int:
        return rows * self.vocab_size


@pytest.fixture
def no_bias() -> Iterator[OutputSettings]:
    register_output(NoBias)
    yield OutputSettings(output="no_bias")
    del registered["no_bias"]


def block(seed: int) -> tuple[Any, Any]:
    xs = np.random.default_rng(seed).integers(0, V, (N, T))
    return xs, (xs + 1) % V


def test_a_model_with_a_registered_output_layer_learns(no_bias: OutputSettings) -> None:
    model = RNNLM(V, H, H, cell="rnn", output=no_bias, seed=0)
    assert "output.W" in model.named_parameters()
    assert "output.b" not in model.named_parameters()
    optimizer, nats = SGD(model.named_parameters()), []
    for seed in range(300):
        loss = model.loss(*block(seed))
        nats.append(loss.nats / loss.tokens)
        model.backward()
        optimizer.update(model.named_gradients(), 1.0)
    assert nats[0] > 2
    assert nats[-1] < 0.2


def test_the_gradients_of_a_model_with_a_registered_output_layer_equal_central_differences(
    no_bias: OutputSettings,
) -> None:
    model = RNNLM(V, 3, 4, cell="rnn", output=no_bias, seed=0, dtype="float64")
    xs, ts = block(0)

    def mean_nats() -> float:
        model.reset_state()
        loss = model.loss(xs, ts)
        return loss.nats / loss.tokens

    mean_nats()
    model.backward()
    gradients = {name: dense(gradient).copy() for name, gradient in model.named_gradients().items()}
    for name, parameter in model.named_parameters().items():
        expected = central_differences(mean_nats, parameter)
        np.testing.assert_allclose(gradients[name], expected, rtol=1e-5, atol=1e-9, err_msg=name)


@pytest.mark.skipif(why_not_fused() is not None, reason=f"no fused kernels: {why_not_fused()}")
def test_fused_kernels_train_a_model_with_a_registered_output_layer(no_bias: OutputSettings) -> None:
    def trained() -> list[float]:
        model = RNNLM(V, H, H, cell="rnn", output=no_bias, seed=0)
        nats = []
        for seed in range(4):
            nats.append(model.loss(*block(seed)).nats)
            model.backward()
            SGD(model.named_parameters()).update(model.named_gradients(), 0.5)
        return nats

    plain = trained()
    with fused(1):
        np.testing.assert_allclose(trained(), plain, rtol=1e-5)


def test_a_kind_is_registered_once(no_bias: OutputSettings) -> None:
    class Other(NoBias):
        pass

    with pytest.raises(InputError, match="the output 'no_bias' is registered already; give Other another kind"):
        register_output(Other)
    assert output_layer("no_bias") is NoBias


def test_an_unknown_kind_is_named_with_the_known_ones() -> None:
    assert output_layer("full") is TimeOutputWithLoss
    with pytest.raises(InputError, match="output must be one of full, adaptive, sampled, got 'no_bias'"):
        OutputSettings(output="no_bias")
