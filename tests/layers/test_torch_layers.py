"""The same numbers and gradients as `torch.nn`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from weft.layers import (
    TimeAffine,
    TimeEmbedding,
    TimeGRU,
    TimeGRUAfter,
    TimeLSTM,
    TimeOutputWithLoss,
    TimeRecurrent,
    TimeReluRNN,
    TimeRNN,
    TimeSoftmaxWithLoss,
)

Floats = Any
N, T, D, H, V = 3, 5, 4, 6, 7


def reorder(W: Floats, blocks: tuple[int, ...], signs: tuple[int, ...]) -> Floats:
    """The column blocks of W in another order, multiplied by signs."""
    parts = np.split(W, len(blocks), axis=-1)
    return np.concatenate([sign * parts[block] for block, sign in zip(blocks, signs, strict=True)], axis=-1)


def check_against(layer: TimeRecurrent, module: Any, blocks: tuple[int, ...], signs: tuple[int, ...]) -> None:
    """`module` gets the layer's weights with gate blocks in torch's order; outputs and gradients must agree.

    For the GRU torch applies the reset gate after the product, which is the same only where the candidate's matrix is
    diagonal: there the diagonal of its gradient is compared.
    """
    Wx, Wh, b, *vectors = layer.params
    with torch.no_grad():
        module.weight_ih_l0.copy_(torch.tensor(reorder(Wx, blocks, signs).T))
        module.weight_hh_l0.copy_(torch.tensor(reorder(Wh, blocks, signs).T))
        module.bias_ih_l0.copy_(torch.tensor(reorder(b, blocks, signs)))
        module.bias_hh_l0.zero_()
        for b_h in vectors:  # the last gate's own bias of the product with W_h
            module.bias_hh_l0[-H:] = torch.tensor(b_h)
    rng = np.random.default_rng(1)
    xs, dhs = rng.normal(size=(N, T, D)), rng.normal(size=(N, T, H))
    state = tuple(rng.normal(size=(N, H)) for _ in layer.cell.state_names)
    layer.set_state(*state)
    hs = layer.forward(xs)
    dxs = layer.backward(dhs)

    torch_xs: Any = torch.tensor(xs, requires_grad=True)
    torch_state: Any = tuple(torch.tensor(part[None], requires_grad=True) for part in state)
    torch_hs, _last = module(torch_xs, torch_state if len(state) > 1 else torch_state[0])
    (torch_hs * torch.tensor(dhs)).sum().backward()
    close: Any = {"rtol": 1e-9, "atol": 1e-12}
    np.testing.assert_allclose(hs, torch_hs.detach().numpy(), **close)
    np.testing.assert_allclose(dxs, torch_xs.grad.numpy(), **close)
    for name, part in zip(layer.cell.state_names, torch_state, strict=True):
        np.testing.assert_allclose(getattr(layer, f"d{name}"), part.grad.numpy()[0], **close)
    dWx, dWh, db, *dvectors = layer.grads
    for db_h in dvectors:
        np.testing.assert_allclose(db_h, module.bias_hh_l0.grad.numpy()[-H:], **close)
    np.testing.assert_allclose(reorder(dWx, blocks, signs).T, module.weight_ih_l0.grad.numpy(), **close)
    np.testing.assert_allclose(reorder(db, blocks, signs), module.bias_ih_l0.grad.numpy(), **close)
    ours, theirs = reorder(dWh, blocks, signs).T, module.weight_hh_l0.grad.numpy()
    if isinstance(layer, TimeGRU):
        np.testing.assert_allclose(ours[: 2 * H], theirs[: 2 * H], **close)
        ours, theirs = np.diag(ours[2 * H :]), np.diag(theirs[2 * H :])
    np.testing.assert_allclose(ours, theirs, **close)


def parameters(gates: int) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    Wx, Wh, b = (rng.normal(0, 0.5, shape) for shape in ((D, gates * H), (H, gates * H), (gates * H,)))
    return Wx, Wh, b


def test_time_rnn_equals_torch() -> None:
    check_against(TimeRNN(*parameters(1), stateful=True), torch.nn.RNN(D, H, batch_first=True).double(), (0,), (1,))


def test_time_lstm_equals_torch() -> None:
    # weft: f g i o; torch: i f g o
    module = torch.nn.LSTM(D, H, batch_first=True).double()
    check_against(TimeLSTM(*parameters(4), stateful=True), module, (2, 0, 1, 3), (1, 1, 1, 1))


def test_time_gru_equals_torch_where_the_reset_gate_commutes() -> None:
    # weft: z r h̃ with h = (1-z) h_prev + z h̃; torch: r z n with h = z h_prev + (1-z) n, so the sign of z changes
    Wx, Wh, b = parameters(3)
    Wh[:, 2 * H :] = np.diag(np.diag(Wh[:, 2 * H :]))
    module = torch.nn.GRU(D, H, batch_first=True).double()
    check_against(TimeGRU(Wx, Wh, b, stateful=True), module, (1, 0, 2), (1, -1, 1))


def test_time_relu_rnn_equals_torch() -> None:
    module = torch.nn.RNN(D, H, nonlinearity="relu", batch_first=True).double()
    check_against(TimeReluRNN(*parameters(1), stateful=True), module, (0,), (1,))


def test_time_gru_after_equals_torch_with_both_biases() -> None:
    b_h = np.random.default_rng(2).normal(size=H)
    module = torch.nn.GRU(D, H, batch_first=True).double()
    check_against(TimeGRUAfter(*parameters(3), stateful=True, b_h=b_h), module, (1, 0, 2), (1, -1, 1))


def test_time_embedding_equals_torch() -> None:
    rng = np.random.default_rng(0)
    W, ids, dxs = rng.normal(size=(V, D)), rng.integers(0, V, (N, T)), rng.normal(size=(N, T, D))
    layer = TimeEmbedding(W)
    weight = torch.tensor(W, requires_grad=True)
    out: Any = torch.nn.functional.embedding(torch.tensor(ids), weight)
    np.testing.assert_array_equal(layer.forward(ids), out.detach().numpy())
    layer.backward(dxs)
    out.backward(torch.tensor(dxs))
    assert weight.grad is not None
    np.testing.assert_allclose(layer.grads[0], weight.grad.numpy(), rtol=1e-12)


@pytest.mark.parametrize("ignored", [0, 4, N * T])
def test_affine_and_softmax_with_loss_equal_torch_with_ignored_targets(ignored: int) -> None:
    rng = np.random.default_rng(0)
    W, b, hs = rng.normal(size=(H, V)), rng.normal(size=V), rng.normal(size=(N, T, H))
    ts = rng.integers(0, V, (N, T))
    ts.reshape(-1)[:ignored] = -1
    affine, softmax = TimeAffine(W, b), TimeSoftmaxWithLoss()
    loss = softmax.forward(affine.forward(hs), ts)
    dhs = affine.backward(softmax.backward())

    tensors = [torch.tensor(array, requires_grad=True) for array in (hs, W, b)]
    scores = tensors[0] @ tensors[1] + tensors[2]
    total = torch.nn.functional.cross_entropy(
        scores.view(-1, V), torch.tensor(ts).view(-1), ignore_index=-1, reduction="sum"
    )
    expected: Any = total / max(N * T - ignored, 1)
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-12)
    for ours, theirs in zip((dhs, *affine.grads), tensors, strict=True):
        assert theirs.grad is not None
        np.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rows", [1, 4, 15, 100, None])
def test_the_sliced_output_layer_equals_affine_and_softmax(rows: int | None) -> None:
    rng = np.random.default_rng(0)
    W, b, hs = rng.normal(size=(H, V)), rng.normal(size=V), rng.normal(size=(N, T, H))
    ts = rng.integers(-1, V, (N, T))
    affine, softmax = TimeAffine(W, b), TimeSoftmaxWithLoss()
    loss = softmax.forward(affine.forward(hs), ts)
    dhs = affine.backward(softmax.backward())
    sliced = TimeOutputWithLoss(W, b, rows)
    assert sliced.forward(hs, ts) == pytest.approx(loss, rel=1e-12)
    assert sliced.loss == pytest.approx(softmax.loss)
    np.testing.assert_allclose(sliced.backward(), dhs, rtol=1e-12)
    for ours, theirs in zip(sliced.grads, affine.grads, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-14)
    assert -sliced.log_probabilities(hs, ts).sum() == pytest.approx(softmax.loss.nats, rel=1e-12)
