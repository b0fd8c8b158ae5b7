"""Models of other programs for the tests of imports: small, of the names and structure of the authors' classes.

Their classes are in modules called `model`, `weight_drop` and so on, as pickles of the authors' files name them.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "dog", "ran", "<unk>"]
SIZE, HIDDEN, LAYERS = 6, 5, 2


def text_of(lines: int = 12, seed: int = 0) -> str:
    """Lines of WORDS, all of which are in the first ones."""
    draw = np.random.default_rng(seed)
    rows = [WORDS, *(list(draw.choice(WORDS, 7)) for _ in range(lines))]
    return "".join(" ".join(row) + "\n" for row in rows)


def vocabulary_of(text: str) -> list[str]:
    """The words by first appearance, with <eos> at every line end: the ids of the authors' corpora."""
    return list(dict.fromkeys(word for line in text.splitlines() for word in [*line.split(), "<eos>"]))


class RNNModel(nn.Module):
    """`model.RNNModel` of PyTorch's word_language_model."""

    def __init__(
        self, rnn_type: str, ntoken: int, ninp: int, nhid: int, nlayers: int, dropout: float, tie_weights: bool = False
    ) -> None:
        super().__init__()
        self.ntoken = ntoken
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(ntoken, ninp)
        if rnn_type in ("LSTM", "GRU"):
            self.rnn = getattr(nn, rnn_type)(ninp, nhid, nlayers, dropout=dropout)
        else:
            nonlinearity = {"RNN_TANH": "tanh", "RNN_RELU": "relu"}[rnn_type]
            self.rnn = nn.RNN(ninp, nhid, nlayers, nonlinearity=nonlinearity, dropout=dropout)
        self.decoder = nn.Linear(nhid, ntoken)
        if tie_weights:
            self.decoder.weight = self.encoder.weight
        self.rnn_type, self.nhid, self.nlayers = rnn_type, nhid, nlayers

    def forward(self, ids: Any) -> Any:
        """Scores (T, V) of ids (T,), from zeros."""
        output, _hidden = self.rnn(self.drop(self.encoder(ids[:, None])))
        return self.decoder(self.drop(output))[:, 0]


class LockedDropout(nn.Module):
    pass


class WeightDrop(nn.Module):
    """AWD-LSTM's: the trained weight is `weight_hh_l0_raw`; the module's own is that of the last pass."""

    def __init__(self, module: Any, dropout: float) -> None:
        super().__init__()
        self.module, self.weights, self.dropout, self.variational = module, ["weight_hh_l0"], dropout, False
        weight = module._parameters.pop("weight_hh_l0")
        module.register_parameter("weight_hh_l0_raw", nn.Parameter(weight.data))

    def forward(self, xs: Any) -> Any:
        plain = nn.LSTM(self.module.input_size, self.module.hidden_size)
        state = {name.removesuffix("_raw"): value for name, value in self.module.named_parameters()}
        plain.load_state_dict(state)
        return plain(xs)


class SplitCrossEntropyLoss(nn.Module):
    def __init__(self, hidden_size: int, splits: Sequence[int]) -> None:
        super().__init__()
        self.hidden_size, self.splits, self.nsplits = hidden_size, [0, *splits, 100 * 1000000], len(splits) + 1


class AwdModel(nn.Module):
    """`model.RNNModel` of AWD-LSTM: one module a layer, the last of the embedding's size, tied."""

    def __init__(self, ntoken: int, ninp: int, nhid: int, nlayers: int) -> None:
        super().__init__()
        self.lockdrop = LockedDropout()
        self.idrop, self.hdrop, self.drop = nn.Dropout(0.4), nn.Dropout(0.25), nn.Dropout(0.4)
        self.encoder = nn.Embedding(ntoken, ninp)
        sizes = [ninp, *[nhid] * (nlayers - 1), ninp]
        rnns = [nn.LSTM(sizes[n], sizes[n + 1], 1, dropout=0) for n in range(nlayers)]
        self.rnns = nn.ModuleList([WeightDrop(rnn, 0.5) for rnn in rnns])
        self.decoder = nn.Linear(ninp, ntoken)
        self.decoder.weight = self.encoder.weight
        self.rnn_type, self.ninp, self.nhid, self.nlayers, self.tie_weights = "LSTM", ninp, nhid, nlayers, True
        self.dropout, self.dropouti, self.dropouth, self.dropoute = 0.4, 0.4, 0.25, 0.1

    def forward(self, ids: Any) -> Any:
        output = self.encoder(ids[:, None])
        for rnn in self.rnns:
            output, _hidden = rnn(output)
        return self.decoder(output)[:, 0]


_MODULES: dict[str, list[type]] = {
    "model": [RNNModel, AwdModel],
    "weight_drop": [WeightDrop],
    "locked_dropout": [LockedDropout],
    "splitcross": [SplitCrossEntropyLoss],
}


@contextmanager
def authors_modules() -> Iterator[None]:
    """A context manager in which the classes are pickled under the names of the authors' modules."""
    with_name = [(of, of.__module__) for classes in _MODULES.values() for of in classes]
    for name, classes in _MODULES.items():
        module = types.ModuleType(name)
        module.__file__ = __file__  # the container of old versions includes the source of the classes
        for of in classes:
            setattr(module, of.__name__, of)
            of.__module__ = name
        sys.modules[name] = module
    try:
        yield
    finally:
        for of, own in with_name:
            of.__module__ = own
        for name in _MODULES:
            del sys.modules[name]


def save(value: Any, path: Path, *, legacy: bool = False) -> Path:
    """`torch.save` under the authors' names, in the container of old versions if `legacy`."""
    with authors_modules():
        torch.save(value, path, _use_new_zipfile_serialization=not legacy)
    return path


def randomized(module: Any, scale: float = 0.6, seed: int = 0) -> Any:
    """The module in evaluation mode with normal parameters, biases too."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(scale * torch.randn(parameter.shape, generator=generator))
    return module.eval()


def perplexity_of(module: Any, text: str, vocabulary: Sequence[str], eos: str = "<eos>") -> float:
    """exp(mean nats) of a running text, read after one <eos>, as the authors' models score it."""
    words = [word for line in text.splitlines() for word in [*line.split(), eos]]
    ids = torch.tensor([vocabulary.index(word) for word in [eos, *words]])
    with torch.no_grad():
        scores = module(ids[:-1])
    return float(torch.exp(nn.functional.cross_entropy(scores, ids[1:])))
