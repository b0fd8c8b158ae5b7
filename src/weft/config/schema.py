"""What a run is made of: the text, the model and the training, each a frozen dataclass with nothing left open.

Every field carries its help, its bounds and its unit, once; the command line, the configuration file and the checks are
all made from here. A person states only some of them: a plain mapping `key -> value`, in which a key that is absent is
chosen for the text (`weft.runs.defaults`).
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

from weft.config.checks import check_bounds, converted
from weft.errors import InputError, nearest
from weft.text.tokenizers.registry import tokenizer_kinds

Settings = Mapping[str, Any]
"""Stated values by field name; absent means: choose for me."""


def _setting(
    help: str,
    *,
    default: Any = MISSING,
    at_least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] | Callable[[], tuple[str, ...]] = (),
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
    tokenizer: str = _setting("What a token is", choices=tokenizer_kinds)
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
    output: str = _setting(
        "full: a softmax over all tokens; adaptive: rare tokens in clusters of their own, which cost less; sampled: "
        "full, but trained on a sample of the tokens",
        default="full",
        choices=("full", "adaptive", "sampled"),
    )
    cutoffs: tuple[int, ...] = _setting(
        "Ranks of frequency at which clusters of the output 'adaptive' end (default: by the vocabulary)",
        default=(),
        only_with=("output", "adaptive"),
    )
    cluster_factor: int = _setting(
        "How many times fewer numbers each cluster sees than the one before",
        default=4,
        at_least=1,
        only_with=("output", "adaptive"),
    )
    samples: int = _setting(
        "Tokens that the output 'sampled' is trained on, about",
        default=1024,
        at_least=1,
        only_with=("output", "sampled"),
    )


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(_Checked):
    """How the model is trained."""

    batch_size: int = _setting("Number N of parallel streams of text", at_least=1)
    bptt: int = _setting("Block length T: time steps between truncations", at_least=1)
    epochs: int = _setting("Passes through the training text", at_least=1)
    random_bptt: bool = _setting(
        "Let the block length vary randomly around bptt, and the learning rate with it", default=False
    )
    accumulate: int = _setting("Blocks whose mean gradient makes one step", default=1, at_least=1)
    max_steps: int | None = _setting("Stop after this many steps, whatever the epochs", default=None, at_least=1)
    optimizer: str = _setting("How gradients become updates", choices=("sgd", "momentum", "adamw"))
    lr: float = _setting("Learning rate", above=0)
    momentum: float = _setting(
        "Momentum of the optimizer 'momentum'",
        default=0.9,
        at_least=0,
        below=1,
        only_with=("optimizer", "momentum"),
    )
    beta1: float = _setting(
        "Decay of the mean gradient of 'adamw'", default=0.9, at_least=0, below=1, only_with=("optimizer", "adamw")
    )
    beta2: float = _setting(
        "Decay of the mean squared gradient of 'adamw'",
        default=0.99,
        at_least=0,
        below=1,
        only_with=("optimizer", "adamw"),
    )
    weight_decay: float = _setting(
        "Share of the matrices that a step takes off, times the learning rate", default=0.0, at_least=0
    )
    schedule: str = _setting(
        "Learning rate: constant, plateau (a quarter when validation does not improve), or cosine (after a warm-up)",
        choices=("constant", "plateau", "cosine"),
    )
    warmup: int = _setting(
        "Steps of linear warm-up of the schedule 'cosine'", default=100, at_least=0, only_with=("schedule", "cosine")
    )
    hold: float = _setting(
        "Share of the steps after the warm-up at the full rate, before the schedule 'cosine' falls",
        default=0.0,
        at_least=0,
        below=1,
        only_with=("schedule", "cosine"),
    )
    final_lr: float = _setting(
        "Share of the rate that the schedule 'cosine' ends with",
        default=0.02,
        at_least=0,
        below=1,
        only_with=("schedule", "cosine"),
    )
    ema: float = _setting(
        "Decay of an exponential moving average of the weights, which is kept in their place (0: none)",
        default=0.0,
        at_least=0,
        below=1,
    )
    average_after: int | None = _setting(
        "Average the weights, and keep the average, once validation has not improved for so many epochs (NT-ASGD)",
        default=None,
        at_least=1,
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ema and self.average_after is not None:
            raise InputError("ema and average_after both say which average of the weights is kept: give only one")
        if self.lr * self.weight_decay >= 1:
            raise InputError(
                f"weight_decay {self.weight_decay:g} at lr {self.lr:g} leaves nothing of the weights, which a step "
                f"multiplies by 1 - lr · weight_decay; give one far below {1 / self.lr:g}"
            )


@dataclass(frozen=True)
class Config:
    """Everything a run needs to be repeated."""

    text: TextConfig
    model: ModelConfig
    training: TrainingConfig

    def __post_init__(self) -> None:
        if self.model.temporal_penalty and self.training.bptt == 1 and not self.training.random_bptt:
            raise InputError(
                f"temporal_penalty {self.model.temporal_penalty:g} has no effect with bptt 1, in blocks of a single "
                "step: leave temporal_penalty out, or set bptt"
            )

    def by_name(self) -> dict[str, Any]:
        """All settings, whatever their section."""
        return {**vars(self.text), **vars(self.model), **vars(self.training)}


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
    value = converted(item.name, TYPES[item.name], value)
    check_bounds(item, value)
    return value


def check_settings(settings: Settings) -> dict[str, Any]:
    """The same settings with every key known and every value within its bounds; raises InputError otherwise."""
    for name in settings:
        if name not in FIELDS:
            raise InputError(f"unknown setting {name!r}{nearest(name, FIELDS)}; known: {', '.join(FIELDS)}")
    return {name: checked(FIELDS[name], value) for name, value in settings.items()}
