"""The layers of a model in the form that every export reads, and what cannot be exported."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.adaptation import AdaptingModel
from weft.errors import InputError
from weft.language_model import LanguageModel, load
from weft.layers import (
    GRU,
    LSTM,
    RNN,
    GRUAfter,
    LayerNormGRU,
    LayerNormLSTM,
    LayerNormRNN,
    ReluRNN,
    TimeAdaptiveOutputWithLoss,
    TimeOutputWithLoss,
    TimeSampledOutputWithLoss,
    Window,
)
from weft.model import RNNLM

Floats = NDArray[np.float32]

CELLS: dict[type[Any], tuple[str, bool]] = {
    RNN: ("rnn", False),
    LSTM: ("lstm", False),
    GRU: ("gru", False),
    GRUAfter: ("gru-after", False),
    ReluRNN: ("rnn-relu", False),
    LayerNormRNN: ("rnn", True),
    LayerNormLSTM: ("lstm", True),
    LayerNormGRU: ("gru", True),
    Window: ("window", False),
}
"""For each cell that can be exported, its name without layer normalisation, and whether it has one."""

KNOWN = tuple(dict.fromkeys(name for name, _layer_norm in CELLS.values()))


@dataclass(frozen=True)
class Layer:
    """One recurrent layer.

    arrays    Wx, Wh, b and the other parameters of the cell, by name
    H         the size of the hidden state; that of the input is D
    residual  whether the input is added to the output
    """

    arrays: Mapping[str, Floats]
    H: int
    residual: bool

    @property
    def D(self) -> int:
        return int(self.arrays["Wx"].shape[0])


@dataclass(frozen=True)
class FullOutput:
    """Scores h W + b: W (H, V), b (V,)."""

    W: Floats
    b: Floats


@dataclass(frozen=True)
class AdaptiveOutput:
    """The head W (H, |C_0| + K), b, the clusters P_k, W_k, b_k, and the frequency rank (V,) of every token."""

    W: Floats
    b: Floats
    clusters: list[tuple[Floats, Floats, Floats]]
    ranks: NDArray[np.int64]


@dataclass(frozen=True)
class Network:
    """A language model as arrays in float32.

    cell      one of KNOWN, in the layer-normalised form if `layer_norm`
    tied      whether the output's W is the embedding (V, D), transposed
    """

    cell: str
    layer_norm: bool
    window: int
    embedding: Floats
    layers: list[Layer]
    tied: bool
    output: FullOutput | AdaptiveOutput

    @property
    def V(self) -> int:
        """The number of tokens."""
        return int(self.embedding.shape[0])


def model_of(model: LanguageModel | str | Path) -> LanguageModel:
    """The language model, or that of a run folder.

    Raises InputError if it adapts while it reads, and as `weft.load` does for a folder.
    """
    lm = model if isinstance(model, LanguageModel) else load(model)
    if isinstance(lm.steps, AdaptingModel):
        raise InputError("a model that adapts while it reads cannot be exported: export the model before it adapts")
    return lm


def network_of(model: RNNLM) -> Network:
    """The layers of a model; raises InputError for a cell and for an output layer that cannot be exported."""
    layers = []
    for layer, residual in zip(model.stack.layers, model.stack.residual, strict=True):
        cell = layer.cell
        if type(cell) not in CELLS:
            raise InputError(
                f"the cell {cell.name!r} cannot be exported, only {', '.join(KNOWN)}, also with layer_norm"
            )
        arrays = {name: _floats(array) for name, array in cell.named(cell.params).items()}
        layers.append(Layer(arrays, int(cell.state_sizes[0]), residual))
    name, layer_norm = CELLS[type(model.stack.layers[0].cell)]
    embedding = _floats(model.embedding.params[0])
    return Network(name, layer_norm, model.architecture.window, embedding, layers, model.tied, _output(model.output))


def _output(layer: Any) -> FullOutput | AdaptiveOutput:
    if type(layer) in (TimeOutputWithLoss, TimeSampledOutputWithLoss):
        W, b = layer.affine
        return FullOutput(_floats(W), _floats(b))
    if type(layer) is TimeAdaptiveOutputWithLoss:
        W, b, *others = map(_floats, layer.params)
        V = layer.vocab_size
        ranks = np.arange(V) if layer.order is None else np.argsort(np.asarray(layer.order))
        clusters = list(zip(others[::3], others[1::3], others[2::3], strict=True))
        return AdaptiveOutput(W, b, clusters, ranks.astype(np.int64))
    raise InputError(f"the output {layer.kind!r} cannot be exported, only full, sampled and adaptive")


def _floats(array: Any) -> Floats:
    return np.ascontiguousarray(np.asarray(array), dtype=np.float32)


def saved_tokenizer(lm: LanguageModel) -> str:
    """The text of `tokenizer.json` of a run folder."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        lm.tokenizer.save(path)
        return path.read_text("utf-8")
