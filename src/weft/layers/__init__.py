"""Layers with forward and backward passes derived by hand.

All modules of this package are imported here, so that a new cell type is one new file: `time_layers()` finds it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from weft.errors import InputError, nearest
from weft.layers.activation_penalties import ActivationPenalty, TemporalPenalty
from weft.layers.affine import Affine, TimeAffine
from weft.layers.cell import Cell
from weft.layers.dropout import EmbeddingDropout, LockedDropout, TimeDropout, WeightDropout
from weft.layers.embedding import Embedding, TimeEmbedding, TimeRowEmbedding
from weft.layers.gru import GRU, TimeGRU
from weft.layers.gru_after import GRUAfter, TimeGRUAfter
from weft.layers.layer import Layer
from weft.layers.layer_norm_cell import LayerNormCell
from weft.layers.layer_norm_gru import LayerNormGRU, TimeLayerNormGRU
from weft.layers.layer_norm_lstm import LayerNormLSTM, TimeLayerNormLSTM
from weft.layers.layer_norm_rnn import LayerNormRNN, TimeLayerNormRNN
from weft.layers.lstm import LSTM, TimeLSTM
from weft.layers.output import output_layer
from weft.layers.output.adaptive import TimeAdaptiveOutputWithLoss, default_cutoffs
from weft.layers.output.base import OutputLayer, register_output
from weft.layers.output.full import TimeOutputWithLoss
from weft.layers.output.sampled import TimeSampledOutputWithLoss
from weft.layers.output.settings import OutputSettings
from weft.layers.recurrent import TimeRecurrent
from weft.layers.regularization import Regularization
from weft.layers.rnn import RNN, TimeRNN
from weft.layers.rnn_relu import ReluRNN, TimeReluRNN
from weft.layers.softmax import SoftmaxWithLoss, TimeSoftmaxWithLoss
from weft.layers.sparse_gradient import RowGradient
from weft.layers.stack import Stack
from weft.layers.window import TimeWindow, Window
from weft.loss import Loss

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "ActivationPenalty",
    "Affine",
    "Cell",
    "Embedding",
    "EmbeddingDropout",
    "GRUAfter",
    "Layer",
    "LayerNormGRU",
    "LayerNormLSTM",
    "LayerNormRNN",
    "LockedDropout",
    "Loss",
    "OutputLayer",
    "OutputSettings",
    "Regularization",
    "ReluRNN",
    "RowGradient",
    "SoftmaxWithLoss",
    "Stack",
    "TemporalPenalty",
    "TimeAdaptiveOutputWithLoss",
    "TimeAffine",
    "TimeDropout",
    "TimeEmbedding",
    "TimeGRU",
    "TimeGRUAfter",
    "TimeLSTM",
    "TimeLayerNormGRU",
    "TimeLayerNormLSTM",
    "TimeLayerNormRNN",
    "TimeOutputWithLoss",
    "TimeRNN",
    "TimeRecurrent",
    "TimeReluRNN",
    "TimeRowEmbedding",
    "TimeSampledOutputWithLoss",
    "TimeSoftmaxWithLoss",
    "TimeWindow",
    "WeightDropout",
    "Window",
    "default_cutoffs",
    "layer_normalized",
    "output_layer",
    "register_output",
    "time_layer",
    "time_layers",
]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")


def time_layers() -> dict[str, type[TimeRecurrent]]:
    """All recurrent layers, by the name of their cell."""
    return {layer.cell_type.name: layer for layer in _descendants(TimeRecurrent) if "cell_type" in vars(layer)}


def time_layer(cell: str) -> type[TimeRecurrent]:
    """The recurrent layer of the cell named `cell`; raises InputError with the known names if there is none."""
    known = time_layers()
    if cell not in known:
        raise InputError(f"unknown cell {cell!r}{nearest(cell, known)}; known: {', '.join(sorted(known))}")
    return known[cell]


def layer_normalized(cell: str) -> type[TimeRecurrent]:
    """The recurrent layer of the layer-normalised form of the cell named `cell`.

    Raises InputError for an unknown cell and for one without a layer-normalised form.
    """
    forms = {
        layer.cell_type.normalizes.name: layer
        for layer in time_layers().values()
        if issubclass(layer.cell_type, LayerNormCell)
    }
    if time_layer(cell).cell_type.name not in forms:
        raise InputError(f"layer_norm goes with the cells {', '.join(sorted(forms))}, not with {cell!r}")
    return forms[cell]


def _descendants(layer: type[TimeRecurrent]) -> Iterator[type[TimeRecurrent]]:
    for subclass in layer.__subclasses__():
        yield subclass
        yield from _descendants(subclass)
