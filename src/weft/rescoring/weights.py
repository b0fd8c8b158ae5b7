"""The weights of the scores, and their TOML file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

import msgspec

from weft.config.toml import read_toml
from weft.errors import InputError, MissingFileError, nearest, quoted
from weft.files import write_text_atomically

TUNED = ("acoustic_weight", "lm_weight", "old_lm_weight", "word_weight")
"""The weights in the order of the features."""


@dataclass(frozen=True)
class Weights:
    """The factors of the scores of a hypothesis.

    acoustic_weight   of the acoustic ln score
    lm_weight         of ln P of the language model
    old_lm_weight     of the language-model ln score in the list
    word_weight       nats per word
    oov_penalty_nats  subtracted from ln P of the language model for every token out of the vocabulary

    Raises InputError for a value that is not a finite number.
    """

    acoustic_weight: float = 1.0
    lm_weight: float = 1.0
    old_lm_weight: float = 0.0
    word_weight: float = 0.0
    oov_penalty_nats: float = 0.0

    def __post_init__(self) -> None:
        for item in fields(self):
            if not math.isfinite(getattr(self, item.name)):
                raise InputError(f"{item.name} must be a finite number, got {getattr(self, item.name)}")

    def vector(self) -> tuple[float, ...]:
        """The weights in the order of the features."""
        return tuple(getattr(self, name) for name in TUNED)

    def with_vector(self, vector: tuple[float, ...]) -> Weights:
        """The weights `vector`, in the order of the features, with the OOV penalty of these."""
        return replace(self, **dict(zip(TUNED, vector, strict=True)))


NAMES = tuple(item.name for item in fields(Weights))


def read_weights(path: Path) -> dict[str, float]:
    """The weights in a TOML file, by name.

    Raises MissingFileError, or InputError for invalid TOML, an unknown name, or a value that is not a finite number.
    """
    if not path.exists():
        raise MissingFileError(f"there are no weights at {path}; `weft rescore --tune {path}` makes some")
    weights: dict[str, float] = {}
    for name, value in read_toml(path).items():
        if name not in NAMES:
            hint = nearest(name[:80], NAMES)
            raise InputError(f"{path}: unknown weight {quoted(name)}{hint}; known: {', '.join(NAMES)}")
        weights[name] = _finite(value)
        if math.isnan(weights[name]):
            raise InputError(f"{path}: {name} must be a finite number, got {quoted(value)}")
    return weights


def _finite(value: object) -> float:
    """A number of a TOML file as a float; NaN if it is none, or not finite."""
    try:
        number = msgspec.convert(value, float)
    except msgspec.ValidationError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def write_weights(path: Path, weights: Mapping[str, float], comment: str) -> None:
    """Write weights by name to a TOML file, after a comment; the file is replaced atomically."""
    rows = [f"{name} = {value!r}" for name, value in weights.items()]
    write_text_atomically(path, "\n".join([f"# {comment}", *rows]) + "\n")
