"""The public interface of the layers: the names, lists and values that existing code relies on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from weft.errors import InputError
from weft.layers import (
    GRU,
    LSTM,
    RNN,
    Affine,
    Embedding,
    SoftmaxWithLoss,
    TimeAffine,
    TimeDropout,
    TimeEmbedding,
    TimeLSTM,
    TimeRNN,
    TimeSoftmaxWithLoss,
)


def test_a_language_model_built_from_single_layers_learns() -> None:
    rng = np.random.default_rng(0)
    V, D, H = 5, 4, 8
    layers: list[Any] = [
        TimeEmbedding(rng.normal(size=(V, D)).astype("f")),
        TimeRNN(
            rng.normal(0, D**-0.5, (D, H)).astype("f"),
            rng.normal(0, H**-0.5, (H, H)).astype("f"),
            np.zeros(H, "f"),
            stateful=True,
        ),
        TimeAffine(rng.normal(0, H**-0.5, (H, V)).astype("f"), np.zeros(V, "f")),
    ]
    loss_layer = TimeSoftmaxWithLoss()
    params = [param for layer in layers for param in layer.params]
    grads = [grad for layer in layers for grad in layer.grads]
    text = np.tile(np.arange(V), 9)
    losses = []
    for start in range(0, 40, 4):
        for _ in range(5):
            xs: object = text[None, start : start + 4]
            for layer in layers:
                xs = layer.forward(xs)
            losses.append(loss_layer.forward(xs, text[None, start + 1 : start + 5]))
            dout: object = loss_layer.backward()
            for layer in reversed(layers):
                dout = layer.backward(dout)
            for param, grad in zip(params, grads, strict=True):
                param -= 0.5 * grad
    assert losses[0] > 1.2
    assert losses[-1] < 0.2


def test_one_step_of_each_cell_equals_its_equations() -> None:
    one = np.ones((1, 1))

    def sigmoid(x: float) -> float:
        return float(1 / (1 + np.exp(-x)))

    def weights(gates: int) -> tuple[object, object, object]:
        return np.arange(1, gates + 1.0)[None] / 10, np.arange(1, gates + 1.0)[None] / 5, np.full(gates, 0.1)

    x, h, c = 2.0, 0.5, -0.3
    Wx, Wh, b = weights(1)
    assert RNN(Wx, Wh, b).forward(x * one, h * one)[0, 0] == pytest.approx(np.tanh(x * 0.1 + h * 0.2 + 0.1))
    f, g, i, o = (x * k / 10 + h * k / 5 + 0.1 for k in (1, 2, 3, 4))
    Wx, Wh, b = weights(4)
    h_next, c_next = LSTM(Wx, Wh, b).forward(x * one, h * one, c * one)
    memory = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    assert c_next[0, 0] == pytest.approx(memory)
    assert h_next[0, 0] == pytest.approx(sigmoid(o) * np.tanh(memory))
    Wx, Wh, b = weights(3)
    z, r = (sigmoid(x * k / 10 + h * k / 5 + 0.1) for k in (1, 2))
    candidate = np.tanh(x * 0.3 + (r * h) * 0.6 + 0.1)
    assert GRU(Wx, Wh, b).forward(x * one, h * one)[0, 0] == pytest.approx((1 - z) * h + z * candidate)


def test_one_step_layers_equal_blocks_of_one() -> None:
    rng = np.random.default_rng(0)
    W, ids, targets = rng.normal(size=(6, 3)), np.array([4, 4, 1]), np.array([0, -1, 2])
    V, b = rng.normal(size=(3, 5)), rng.normal(size=5)
    embedding, affine, softmax = Embedding(W), Affine(V, b), SoftmaxWithLoss()
    loss = softmax.forward(affine.forward(embedding.forward(ids)), targets)
    embedding.backward(affine.backward(softmax.backward()))
    time_embedding, time_affine, time_softmax = TimeEmbedding(W), TimeAffine(V, b), TimeSoftmaxWithLoss()
    hs = time_affine.forward(time_embedding.forward(ids[:, None]))
    assert time_softmax.forward(hs, targets[:, None]) == loss
    time_embedding.backward(time_affine.backward(time_softmax.backward()))
    np.testing.assert_array_equal(embedding.grads[0], time_embedding.grads[0])
    np.testing.assert_array_equal(affine.grads[0], time_affine.grads[0])


def test_one_hot_targets_equal_token_ids() -> None:
    scores, targets = np.random.default_rng(0).normal(size=(2, 3, 4)), np.array([[0, 3, 1], [2, 2, 0]])
    layer = TimeSoftmaxWithLoss()
    assert layer.forward(scores, np.eye(4)[targets]) == layer.forward(scores, targets)


def test_the_loss_scales_its_gradient_by_dout() -> None:
    scores, targets = np.random.default_rng(0).normal(size=(2, 4)), np.array([0, 3])
    layer = SoftmaxWithLoss()
    layer.forward(scores, targets)
    np.testing.assert_allclose(layer.backward(2.5), 2.5 * layer.backward())


def test_set_state_without_memory_starts_the_memory_at_zero() -> None:
    layer = TimeLSTM(np.zeros((2, 12)), np.zeros((3, 12)), np.zeros(12), stateful=True)
    layer.set_state(np.ones((1, 3)))
    np.testing.assert_array_equal(layer.c, np.zeros((1, 3)))


def test_dropout_keeps_the_mean_and_its_gradient_has_the_same_mask() -> None:
    layer = TimeDropout(0.25, np.random.default_rng(0))
    ones = np.ones((40, 50, 10), "f")
    ys = layer.forward(ones)
    assert set(np.unique(ys)) == {np.float32(0), np.float32(1) / np.float32(0.75)}
    assert ys.mean() == pytest.approx(1, abs=0.02)
    np.testing.assert_array_equal(layer.backward(ones), ys)
    layer.train_flg = False
    np.testing.assert_array_equal(layer.forward(ones), ones)
    np.testing.assert_array_equal(layer.backward(ones), ones)


def test_error_messages_name_the_wrong_argument() -> None:
    with pytest.raises(InputError, match=r"dropout ratio must lie in \[0, 1\), got 1"):
        TimeDropout(1)
    with pytest.raises(InputError, match=r"targets must have shape \(2,\)"):
        SoftmaxWithLoss().forward(np.zeros((2, 3)), np.zeros(3, int))
    with pytest.raises(InputError, match="got 3"):
        SoftmaxWithLoss().forward(np.zeros((2, 3)), np.array([0, 3]))
    with pytest.raises(InputError, match="must be an array, got list"):
        RNN([[1.0]], [[1.0]], [1.0])
