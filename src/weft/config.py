"""What a run is made of: the text, the model and the training, each a frozen dataclass with nothing left open.

Every field carries its help, its bounds and its unit, once; the command line, the configuration file and the checks are
all made from here. A person states only some of them: a plain mapping `key -> value`, in which a key that is absent is
chosen for the text (`weft.defaults`).
"""

from __future__ import annotations

import math
import os
import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from numbers import Integral, Real
from typing import Any

from weft.errors import InputError, nearest

Settings = Mapping[str, Any]
"""Stated values by field name; absent means: choose for me."""


def _setting(
    help: str,
    *,
    default: Any = MISSING,
    at_least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] = (),
    only_with: tuple[str, str] | None = None,
) -> Any:
    bounds = {"at_least": at_least, "above": above, "below": below, "choices": choices}
    metadata = {"help": help, **bounds, "only_with": only_with}
    return field(default=default, metadata=metadata) if default is not MISSING else field(metadata=metadata)


def _share(help: str, default: float | None = 0.0) -> Any:
    return _setting(help, default=default, at_least=0, below=1)


class _Checked:
    def __post_init__(self) -> None:
        for item in fields(typing.cast(Any, self)):
            object.__setattr__(self, item.name, checked(item, getattr(self, item.name)))
        for item in fields(typing.cast(Any, self)):
            self._check_has_effect(item)

    def _check_has_effect(self, item: Field[Any]) -> None:
        value = getattr(self, item.name)
        if item.metadata["only_with"] is None or value == item.default:
            return
        other, needed = item.metadata["only_with"]
        if getattr(self, other) != needed:
            raise InputError(
                f"{item.name} {value!r} has no effect with {other} {getattr(self, other)!r}, only with {needed!r}: "
                f"leave {item.name} out, or set {other}"
            )


@dataclass(frozen=True, kw_only=True)
class TextConfig(_Checked):
    """Where the text comes from and how it becomes tokens."""

    data: tuple[str, ...] = _setting(
        "Training text: files, folders, globs, .gz files, '-' for standard input, 'builtin', or a named corpus"
    )
    valid: tuple[str, ...] = _setting("Validation text, when it is separate", default=())
    test: tuple[str, ...] = _setting("Test text, when it is separate", default=())
    train_tokens: int | None = _setting(
        "Use only this many tokens from the start of the training text (default: all)", default=None, at_least=1
    )
    valid_fraction: float = _setting("Share of the text held out for validation", at_least=0, below=1)
    test_fraction: float = _setting("Share of the text held out for testing", at_least=0, below=1)
    tokenizer: str = _setting("What a token is", choices=("word", "char", "bpe"))
    lowercase: bool = _setting("Lower-case the text first", default=False)
    vocab_size: int | None = _setting("Most token types to keep (default: no limit)", default=None, at_least=3)
    min_count: int = _setting("Token types seen less often than this become <unk>", default=1, at_least=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        for part in ("valid", "test"):
            if getattr(self, part) and getattr(self, f"{part}_fraction"):
                raise InputError(
                    f"{part} names a text and {part}_fraction holds one out as well: give only one of them"
                )


@dataclass(frozen=True, kw_only=True)
class ModelConfig(_Checked):
    """The shape of the language model."""

    cell: str = _setting("Recurrent cell: rnn, lstm or gru; or window, which sees the last few tokens only")
    window: int = _setting("Tokens that the cell 'window' sees", default=4, at_least=1, only_with=("cell", "window"))
    embedding_size: int = _setting("Size D of a token's embedding", at_least=1)
    hidden_size: int = _setting("Size H of a layer's hidden state", at_least=1)
    layers: int = _setting("Number of recurrent layers", default=1, at_least=1)
    residual: bool = _setting("Let every layer as large as the one below it add to what it reads", default=False)
    layer_norm: bool = _setting("Normalise what reaches the gates of the cell rnn, lstm or gru", default=False)
    dropout: float = _share("Share of activations dropped after the embedding and every layer")
    dropout_in: float | None = _share("That after the embedding (default: as dropout)", None)
    dropout_between: float | None = _share("That between layers (default: as dropout)", None)
    dropout_out: float | None = _share("That after the last layer (default: as dropout)", None)
    dropout_locked: bool = _setting("Drop the same activations at all steps of a block", default=False)
    embedding_dropout: float = _share("Share of words dropped, each wherever it occurs in a block")
    weight_dropout: float = _share("Share of recurrent weights dropped, for a block at a time")
    activation_penalty: float = _setting(
        "Weight alpha of the mean square of the last layer's output, after dropout", default=0.0, at_least=0
    )
    temporal_penalty: float = _setting(
        "Weight beta of the mean square of its changes from step to step", default=0.0, at_least=0
    )
    embedding_std: float = _setting("Standard deviation of the embedding at the start", default=0.1, above=0)
    tied: bool = _setting(
        "Use the embedding as the output weights too; the last layer is then of size D", default=False
    )


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(_Checked):
    """How the model is trained."""

    batch_size: int = _setting("Number N of parallel streams of text", at_least=1)
    bptt: int = _setting("Block length T: time steps between truncations", at_least=1)
    epochs: int = _setting("Passes through the training text", at_least=1)
    max_steps: int | None = _setting("Stop after this many blocks, whatever the epochs", default=None, at_least=1)
    optimizer: str = _setting("How gradients become updates", choices=("sgd", "momentum", "adamw"))
    lr: float = _setting("Learning rate", above=0)
    momentum: float = _setting(
        "Momentum of the optimizer 'momentum'",
        default=0.9,
        at_least=0,
        below=1,
        only_with=("optimizer", "momentum"),
    )
    weight_decay: float = _setting(
        "Decoupled weight decay of 'adamw'", default=0.0, at_least=0, only_with=("optimizer", "adamw")
    )
    schedule: str = _setting(
        "Learning rate: constant, plateau (a quarter when validation does not improve), or cosine (after a warm-up)",
        choices=("constant", "plateau", "cosine"),
    )
    warmup: int = _setting(
        "Steps of linear warm-up of the schedule 'cosine'", default=100, at_least=0, only_with=("schedule", "cosine")
    )
    clip: float = _setting("Largest global norm of the gradient", default=0.25, above=0)
    patience: int | None = _setting(
        "Stop after this many epochs without a better validation (default: never)", default=None, at_least=1
    )
    kernels: str = _setting(
        "fused: Numba kernels on all cores; plain: the readable time loop", choices=("fused", "plain")
    )
    threads: int | None = _setting(
        "Threads of the fused kernels (default: all cores)", default=None, at_least=1, only_with=("kernels", "fused")
    )
    precision: str = _setting(
        "Factors of the matrix products: float32, or bfloat16, about twice as fast where the processor has it",
        default="float32",
        choices=("float32", "bfloat16"),
        only_with=("kernels", "fused"),
    )
    seed: int = _setting("Seed of the random numbers", default=1, at_least=0)
    save_every: float = _setting("Seconds between checkpoints within an epoch", default=60.0, above=0)


@dataclass(frozen=True)
class Config:
    """Everything a run needs to be repeated."""

    text: TextConfig
    model: ModelConfig
    training: TrainingConfig

    def __post_init__(self) -> None:
        if self.model.temporal_penalty and self.training.bptt == 1:
            raise InputError(
                f"temporal_penalty {self.model.temporal_penalty:g} has no effect with bptt 1, in blocks of a single "
                "step: leave temporal_penalty out, or set bptt"
            )


SECTIONS: dict[str, type[TextConfig] | type[ModelConfig] | type[TrainingConfig]] = {
    "text": TextConfig,
    "model": ModelConfig,
    "training": TrainingConfig,
}
FIELDS: dict[str, Field[Any]] = {item.name: item for section in SECTIONS.values() for item in fields(section)}
TYPES: dict[str, Any] = {
    name: hint
    for section in SECTIONS.values()
    for name, hint in typing.get_type_hints(section).items()
    if name in FIELDS
}


def checked(item: Field[Any], value: Any) -> Any:
    """`value` in the type of the field `item`; raises InputError if it is not of it or out of bounds."""
    if value is None and item.default is None:
        return None
    value = _CONVERTERS[TYPES[item.name]](item.name, value)
    _check_bounds(item, value)
    return value


def _sources(name: str, value: Any) -> tuple[str, ...]:
    stated = value if isinstance(value, (tuple, list)) else (value,)
    sources = tuple(os.fspath(source) if isinstance(source, os.PathLike) else source for source in stated)
    for source in sources:
        if not isinstance(source, str):
            raise InputError(f"{name} must be a name or path, or a list of them, got {value!r}")
        if any(map(_is_surrogate, source)):
            raise InputError(f"{name} {source!r} is not a name in UTF-8: rename the file")
    return sources


def _string(name: str, value: Any) -> str:
    if not isinstance(value, str) or any(map(_is_surrogate, value)):
        raise InputError(f"{name} must be a string, got {value!r}")
    return value


def _is_surrogate(character: str) -> bool:
    # Python reads file names that are not UTF-8 with these; no TOML file can hold them.
    return "\ud800" <= character <= "\udfff"


def _truth(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{name} must be true or false, got {value!r}")
    return value


def _whole_number(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InputError(f"{name} must be a whole number, got {value!r}")
    return int(value)


def _finite_number(name: str, value: Any) -> float:
    message = f"{name} must be a finite number, got {value!r}"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(message)
    try:
        number = float(value)
    except OverflowError:
        raise InputError(message) from None
    if not math.isfinite(number):
        raise InputError(message)
    return number


_CONVERTERS: dict[Any, Callable[[str, Any], Any]] = {
    tuple[str, ...]: _sources,
    str: _string,
    bool: _truth,
    int: _whole_number,
    int | None: _whole_number,
    float: _finite_number,
    float | None: _finite_number,
}


def _check_bounds(item: Field[Any], value: Any) -> None:
    name, bounds = item.name, item.metadata
    if bounds["choices"] and value not in bounds["choices"]:
        raise InputError(
            f"{name} must be one of {', '.join(bounds['choices'])}, got {value!r}{nearest(value, bounds['choices'])}"
        )
    if bounds["at_least"] is not None and value < bounds["at_least"]:
        raise InputError(f"{name} must be at least {bounds['at_least']:g}, got {value!r}")
    if bounds["above"] is not None and value <= bounds["above"]:
        raise InputError(f"{name} must be above {bounds['above']:g}, got {value!r}")
    if bounds["below"] is not None and value >= bounds["below"]:
        raise InputError(f"{name} must be below {bounds['below']:g}, got {value!r}")


def check_settings(settings: Settings) -> dict[str, Any]:
    """The same settings with every key known and every value within its bounds; raises InputError otherwise."""
    for name in settings:
        if name not in FIELDS:
            raise InputError(f"unknown setting {name!r}{nearest(name, FIELDS)}; known: {', '.join(FIELDS)}")
    return {name: checked(FIELDS[name], value) for name, value in settings.items()}
