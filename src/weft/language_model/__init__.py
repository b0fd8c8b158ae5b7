"""The main class of the Python interface: a trained model with its tokenizer and configuration."""

from __future__ import annotations

from weft.language_model.language_model import LanguageModel
from weft.language_model.loading import build_model, load, load_state

__all__ = ["LanguageModel", "build_model", "load", "load_state"]
