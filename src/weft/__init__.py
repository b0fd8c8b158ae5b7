"""weft: recurrent language models that read like the mathematics.

These are the public names. Each is imported when it is first used, so that `import weft` loads no other library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weft.version import __version__

__all__ = ["LanguageModel", "__version__", "load", "train"]

if TYPE_CHECKING:
    from weft.language_model import LanguageModel, load
    from weft.runs.train import train


def __getattr__(name: str) -> Any:
    if name in ("LanguageModel", "load"):
        from weft import language_model

        return getattr(language_model, name)
    if name == "train":
        from weft.runs.train import train

        return train
    raise AttributeError(f"module 'weft' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
