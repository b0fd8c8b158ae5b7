"""The language model in PyTorch, built from PyTorch's layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from weft.model import RNNLM

GATE_ORDER = {"rnn": [0], "lstm": [2, 0, 1, 3]}
"""Indices of PyTorch's gates in weft's order; for an LSTM, i, f, g, o in f, g, i, o."""


class TorchLM(torch.nn.Module):
    """Embedding -> RNN or LSTM -> affine over the vocabulary."""

    def __init__(self, V: int, D: int, H: int, layers: int, cell: str) -> None:
        super().__init__()
        layer_class: Any = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM}[cell]
        self.embedding = torch.nn.Embedding(V, D)
        self.recurrent = layer_class(D, H, layers, batch_first=True)
        self.output = torch.nn.Linear(H, V)
        self.cell = cell

    def forward(self, ids: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        """Scores (N, T, V) of the tokens that follow `ids` (N, T), and the new state."""
        hs, state = self.hidden(self.embedding(ids), state)
        return self.output(hs), state

    def hidden(self, xs: torch.Tensor, state: Any) -> Any:
        """The recurrent layers; a method of its own, so that torch.compile can exclude them."""
        return self.recurrent(xs, state)

    def loss(self, ids: torch.Tensor, targets: torch.Tensor, state: Any, reduction: str = "mean") -> Any:
        """Cross-entropy of the targets (N, T) in nats, and the new state."""
        scores, state = self(ids, state)
        rows = scores.reshape(-1, scores.shape[-1])
        return torch.nn.functional.cross_entropy(rows, targets.reshape(-1), reduction=reduction), state

    def zero_state(self, streams: int) -> Any:
        zeros = torch.zeros(self.recurrent.num_layers, streams, self.recurrent.hidden_size)
        return (zeros, zeros.clone()) if self.cell == "lstm" else zeros


def torch_copy(model: RNNLM, cell: str) -> TorchLM:
    """A PyTorch model with the weights of `model`; its scores are the same up to rounding."""
    V, D = model.embedding.params[0].shape
    H = model.output.params[0].shape[0]
    result = TorchLM(V, D, H, len(model.recurrent), cell)
    with torch.no_grad():
        copy(result.embedding.weight, model.embedding.params[0])
        copy(result.output.weight, model.output.params[0].T)
        copy(result.output.bias, model.output.params[1])
        for index, layer in enumerate(model.recurrent):
            Wx, Wh, b = (by_torch_gates(np.asarray(array), cell) for array in layer.params)
            copy(getattr(result.recurrent, f"weight_ih_l{index}"), Wx.T)
            copy(getattr(result.recurrent, f"weight_hh_l{index}"), Wh.T)
            copy(getattr(result.recurrent, f"bias_ih_l{index}"), b)
            getattr(result.recurrent, f"bias_hh_l{index}").zero_()
    return result


def copy(parameter: torch.Tensor, values: Any) -> None:
    parameter.copy_(torch.tensor(np.ascontiguousarray(values)))


def by_torch_gates(array: Any, cell: str) -> Any:
    """The gate blocks of the last axis in PyTorch's order."""
    return gates_in_order(array, GATE_ORDER[cell])


def gates_in_order(array: Any, order: list[int]) -> Any:
    """`array` with the len(order) equal blocks of its last axis permuted by `order`."""
    blocks = np.split(array, len(order), axis=-1)
    return np.concatenate([blocks[index] for index in order], axis=-1)


def inference() -> Any:
    """Inference mode; under autocast `no_grad`, because inference mode disables the cache of cast weights."""
    return torch.no_grad() if torch.is_autocast_enabled("cpu") else torch.inference_mode()


def detached(state: Any) -> Any:
    """The state, detached from the autograd graph."""
    return tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()
