"""weft: recurrent language models that read like the mathematics.

These are the public names, and the packages and modules with further ones. Each is imported when it is first used, so
that `import weft` loads no other library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weft.submodules import import_submodule
from weft.version import __version__

__all__ = ["LanguageModel", "__version__", "load", "load_state", "score_frame", "train"]

MODULES = (
    "adaptation",
    "backends",
    "comparison",
    "config",
    "errors",
    "evaluation",
    "exporting",
    "importing",
    "inference",
    "language_model",
    "layers",
    "mixture",
    "model",
    "ngram",
    "reporting",
    "rescoring",
    "run_folder",
    "runs",
    "scoring",
    "stimuli",
    "streaming_model",
    "tables",
    "text",
    "training",
    "visualization",
    "word_ngram",
)
"""Packages and modules that are attributes of `weft` without an import of their own."""

if TYPE_CHECKING:
    from weft.language_model import LanguageModel, load, load_state
    from weft.runs.train import train
    from weft.tables.frame import score_frame


def __getattr__(name: str) -> Any:
    if name in ("LanguageModel", "load", "load_state"):
        from weft import language_model

        return getattr(language_model, name)
    if name == "train":
        from weft.runs.train import train

        return train
    if name == "score_frame":
        from weft.tables.frame import score_frame

        return score_frame
    return import_submodule(__name__, name)


def __dir__() -> list[str]:
    return [*__all__, *MODULES]
