"""Untrained language models: quick to make, with distributions far from uniform."""

from __future__ import annotations

import numpy as np

from weft.config.toml import config_of
from weft.language_model import LanguageModel, build_model
from weft.text.tokenizers.registry import fit_tokenizer

TEXT = ["you say goodbye and i say hello .\n", "我喜欢你 😀 你喜欢我\n", "say say hello\n"] * 3


def untrained(kind: str = "word", text: list[str] = TEXT, scale: float = 1.0) -> LanguageModel:
    """A model with random weights and a tokenizer of `kind` that knows `text`."""
    tokenizer = fit_tokenizer(kind, text, vocab_size=280 if kind == "bpe" else None)
    settings = {"data": "-", "valid_fraction": 0.0, "test_fraction": 0.0, "tokenizer": kind}
    settings |= {"cell": "gru", "embedding_size": 5, "hidden_size": 6, "layers": 2, "batch_size": 1, "bptt": 1}
    settings |= {"epochs": 1, "optimizer": "sgd", "lr": 1.0, "schedule": "constant", "kernels": "plain"}
    config = config_of(settings)
    model = build_model(config.model, tokenizer.vocab_size, seed=0)
    rng = np.random.default_rng(0)
    for parameter in model.named_parameters().values():
        parameter[...] = rng.normal(0, scale, parameter.shape)
    return LanguageModel(model, tokenizer, config)
