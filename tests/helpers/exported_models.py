"""Small untrained models of every cell, output layer and tokenizer, for tests of exports."""

from __future__ import annotations

from typing import Any

import numpy as np

from helpers.untrained import TEXT
from weft.config.toml import config_of
from weft.language_model import LanguageModel, build_model
from weft.text.tokenizers.registry import fit_tokenizer

CELLS = [
    {"cell": "rnn"},
    {"cell": "lstm"},
    {"cell": "gru"},
    {"cell": "rnn-relu"},
    {"cell": "gru-after"},
    {"cell": "rnn", "layer_norm": True},
    {"cell": "lstm", "layer_norm": True},
    {"cell": "gru", "layer_norm": True},
    {"cell": "window", "window": 3},
]
OUTPUTS = [
    {},
    {"tied": True, "residual": True},
    {"output": "sampled", "samples": 4, "tied": True},
    {"output": "adaptive", "cutoffs": (3, 6), "cluster_factor": 2},
]


def exported_model(kind: str = "word", lowercase: bool = False, text: list[str] = TEXT, **model: Any) -> LanguageModel:
    """A model with random weights; model: settings of `ModelConfig`, by default two LSTM layers."""
    tokenizer = fit_tokenizer(kind, text, vocab_size=280 if kind == "bpe" else None, lowercase=lowercase)
    settings: dict[str, Any] = {"data": "-", "valid_fraction": 0.0, "test_fraction": 0.0, "tokenizer": kind}
    settings |= {"cell": "lstm", "embedding_size": 6, "hidden_size": 6, "layers": 2, "batch_size": 1, "bptt": 1}
    settings |= {"epochs": 1, "optimizer": "sgd", "lr": 1.0, "schedule": "constant", "kernels": "plain"}
    config = config_of(settings | model)
    network = build_model(config.model, tokenizer.vocab_size, 0, tokenizer.counts)
    rng = np.random.default_rng(0)
    for parameter in network.params:
        parameter += rng.normal(0, 0.5, parameter.shape)
    for layer in network.recurrent if config.model.cell == "rnn-relu" else ():
        layer.params[1][...] *= 0.1  # W_h: the states of this cell can grow without bound
    return LanguageModel(network, tokenizer, config)


def named(settings: dict[str, Any]) -> str:
    """The id of a test with these settings."""
    return "-".join(str(name if value is True else value) for name, value in settings.items()) or "full"
