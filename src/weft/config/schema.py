"""The configuration of a run: text, model and training, each a frozen dataclass in which every field has a value.

The metadata of a field contain its help, its bounds and its choices. The command line, the configuration file and the
checks are generated from them. A person gives only some settings, as a mapping from names to values; the others are
chosen for the text (`weft.runs.defaults`).
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from typing import Any

from weft.config.checks import check_bounds, converted, has_effect
from weft.errors import InputError, nearest
from weft.text.rules import check_marker
from weft.text.tokenizers.registry import tokenizer_kinds

Settings = Mapping[str, Any]
"""Given values by field name. A name that is absent is unset: its value is chosen for the text."""


def _setting(
    help: str,
    *,
    default: Any = MISSING,
    at_least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] | Callable[[], tuple[str, ...]] = (),
    only_with: tuple[str, str] | None = None,
    flag: str | None = None,
) -> Any:
    bounds = {"at_least": at_least, "above": above, "below": below, "choices": choices}
    metadata = {"help": help, **bounds, "only_with": only_with, "flag": flag}
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
        if not has_effect(self, item):
            raise InputError(
                f"{item.name} {value!r} has no effect with {other} {getattr(self, other)!r}, only with {needed!r}: "
                f"leave {item.name} out, or set {other}"
            )


@dataclass(frozen=True, kw_only=True)
class TextConfig(_Checked):
    """The sources of the text, its split, and its tokenizer."""

    data: tuple[str, ...] = _setting(
        "Training text: files, folders, globs, .gz files, '-' for standard input, 'builtin', or a named corpus"
    )
    valid: tuple[str, ...] = _setting("Separate validation text", default=())
    test: tuple[str, ...] = _setting("Separate test text", default=())
    train_tokens: int | None = _setting(
        "Number of tokens to use from the start of the training text (default: all)", default=None, at_least=1
    )
    valid_fraction: float = _setting("Share of the training text held out for validation", at_least=0, below=1)
    test_fraction: float = _setting("Share of the training text held out for testing", at_least=0, below=1)
    tokenizer: str = _setting("Kind of the tokenizer: what one token is", choices=tokenizer_kinds)
    lowercase: bool = _setting("Lower-case the text first", default=False)
    line_end_marker: str = _setting(
        "A word of the text that ends a line, such as <eos> or </s>: it and the line end after it are one line end",
        default="",
    )
    vocab_size: int | None = _setting(
        "Largest vocabulary: the most frequent token types are kept (default: no limit)", default=None, at_least=3
    )
    vocab: str | None = _setting(
        "File with the vocabulary, a word a line; all other words of the text become <unk>",
        default=None,
        only_with=("tokenizer", "word"),
    )
    min_count: int = _setting(
        "Smallest count of a token type in the training text; rarer types become <unk>", default=1, at_least=1
    )
    extend_vocab: bool = _setting("Add words of the text to the vocabulary of the run of --from", default=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_marker(self.line_end_marker)
        if self.vocab is not None and (self.vocab_size is not None or self.min_count > 1):
            raise InputError("vocab names all words, which vocab_size and min_count would choose: leave them out")
        for part in ("valid", "test"):
            if getattr(self, part) and getattr(self, f"{part}_fraction"):
                raise InputError(
                    f"{part} names a text and {part}_fraction holds one out as well: give only one of them"
                )


@dataclass(frozen=True, kw_only=True)
class ModelConfig(_Checked):
    """The architecture and regularization of the language model."""

    from_run: str | None = _setting("Run from whose weights and tokenizer this one starts", default=None, flag="--from")
    cell: str = _setting("Recurrent cell: rnn, lstm, gru, rnn-relu or gru-after; or window, a baseline of n tokens")
    window: int = _setting(
        "Number of tokens that the cell 'window' sees", default=4, at_least=1, only_with=("cell", "window")
    )
    embedding_size: int = _setting("Embedding size D", at_least=1)
    hidden_size: int = _setting("Hidden size H of every recurrent layer", at_least=1)
    layers: int = _setting("Number of recurrent layers", default=1, at_least=1)
    residual: bool = _setting("Residual connections around layers with input and output of one size", default=False)
    layer_norm: bool = _setting("Layer normalization of the gate inputs of the cell rnn, lstm or gru", default=False)
    dropout: float = _share("Dropout probability after the embedding and after every layer")
    dropout_in: float | None = _share("Dropout probability after the embedding (default: as dropout)", None)
    dropout_between: float | None = _share("Dropout probability between layers (default: as dropout)", None)
    dropout_out: float | None = _share("Dropout probability after the last layer (default: as dropout)", None)
    dropout_locked: bool = _setting("Use one dropout mask for all time steps of a block", default=False)
    embedding_dropout: float = _share("Probability that a token type is dropped everywhere in a block")
    weight_dropout: float = _share("Probability that a recurrent weight is dropped for a block")
    activation_penalty: float = _setting(
        "Weight alpha of the penalty on the mean square of the last layer's output", default=0.0, at_least=0
    )
    temporal_penalty: float = _setting(
        "Weight beta of the penalty on the mean square change of that output in a time step", default=0.0, at_least=0
    )
    embedding_std: float = _setting("Standard deviation of the initial embedding", default=0.1, above=0)
    tied: bool = _setting("Tie the output weights to the embedding; the last layer then has size D", default=False)
    output: str = _setting(
        "full: a softmax over the vocabulary; adaptive: an adaptive softmax, in which clusters of rare tokens cost "
        "less; sampled: a full softmax that is trained on a sample of the vocabulary",
        default="full",
    )
    cutoffs: tuple[int, ...] = _setting(
        "Frequency ranks at which the clusters of the output 'adaptive' end (default: by vocabulary size)",
        default=(),
        only_with=("output", "adaptive"),
    )
    cluster_factor: int = _setting(
        "Factor by which the input of each cluster is smaller than that of the one before",
        default=4,
        at_least=1,
        only_with=("output", "adaptive"),
    )
    samples: int = _setting(
        "Approximate number of token types on which the output 'sampled' is trained in each block",
        default=1024,
        at_least=1,
        only_with=("output", "sampled"),
    )


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(_Checked):
    """The training of the model."""

    batch_size: int = _setting("Number N of parallel streams of text", at_least=1)
    bptt: int = _setting("Block length T of truncated back-propagation through time, in time steps", at_least=1)
    epochs: int = _setting("Passes through the training text", at_least=1)
    random_bptt: bool = _setting(
        "Vary the block length randomly around bptt, and the learning rate in proportion", default=False
    )
    accumulate: int = _setting("Number of blocks whose gradients are averaged for one step", default=1, at_least=1)
    max_steps: int | None = _setting("Largest number of steps, even if epochs remain", default=None, at_least=1)
    optimizer: str = _setting("Optimizer", choices=("sgd", "momentum", "adamw"))
    lr: float = _setting("Learning rate", above=0)
    momentum: float = _setting(
        "Momentum of the optimizer 'momentum'", default=0.9, at_least=0, below=1, only_with=("optimizer", "momentum")
    )
    beta1: float = _setting(
        "Decay of the mean gradient of 'adamw'", default=0.9, at_least=0, below=1, only_with=("optimizer", "adamw")
    )
    beta2: float = _setting(
        "Decay of the squared gradient of 'adamw'", default=0.99, at_least=0, below=1, only_with=("optimizer", "adamw")
    )
    weight_decay: float = _setting(
        "Decoupled weight decay: every step multiplies the matrices by 1 - lr * weight_decay", default=0.0, at_least=0
    )
    schedule: str = _setting(
        "Learning rate: constant, plateau (a quarter if validation does not improve), or cosine (after a warm-up)",
        choices=("constant", "plateau", "cosine"),
    )
    warmup: int = _setting(
        "Linear warm-up of the schedule 'cosine', in steps", default=100, at_least=0, only_with=("schedule", "cosine")
    )
    hold: float = _setting(
        "Share of the steps after the warm-up for which the schedule 'cosine' keeps the full learning rate",
        default=0.0,
        at_least=0,
        below=1,
        only_with=("schedule", "cosine"),
    )
    final_lr: float = _setting(
        "Final learning rate of the schedule 'cosine', as a share of lr",
        default=0.02,
        at_least=0,
        below=1,
        only_with=("schedule", "cosine"),
    )
    ema: float = _setting(
        "Decay of an exponential moving average of the weights, which becomes the trained model (0: no average)",
        default=0.0,
        at_least=0,
        below=1,
    )
    average_after: int | None = _setting(
        "Epochs without better validation after which the weights are averaged (NT-ASGD; default: never)",
        default=None,
        at_least=1,
    )
    clip: float = _setting(
        "Largest global norm of the gradient, to which larger ones are scaled", default=0.25, above=0
    )
    patience: int | None = _setting(
        "Epochs without better validation after which training stops (default: never)", default=None, at_least=1
    )
    kernels: str = _setting(
        "fused: multi-threaded Numba kernels; plain: NumPy and a loop over time steps", choices=("fused", "plain")
    )
    threads: int | None = _setting(
        "Threads of the fused kernels (default: all cores)", default=None, at_least=1, only_with=("kernels", "fused")
    )
    precision: str = _setting(
        "Operands of the matrix products: float32, or bfloat16, about twice as fast if the processor supports it",
        default="float32",
        choices=("float32", "bfloat16"),
        only_with=("kernels", "fused"),
    )
    seed: int = _setting("Seed of the random number generator", default=1, at_least=0)
    save_every: float = _setting("Time between checkpoints within an epoch, in seconds", default=60.0, above=0)

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
    """All settings of a run: together with the text they reproduce it."""

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
        """All settings by name, without their sections."""
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
    """`value` converted to the type of the field `item`. Raises InputError if it has another type or breaks a bound."""
    if value is None and item.default is None:
        return None
    value = converted(item.name, TYPES[item.name], value)
    check_bounds(item, value)
    return value


def check_settings(settings: Settings) -> dict[str, Any]:
    """`settings` with every value converted to its type. Raises InputError for unknown names and as `checked` does."""
    for name in settings:
        if name not in FIELDS:
            raise InputError(f"unknown setting {name!r}{nearest(name, FIELDS)}; known: {', '.join(FIELDS)}")
    return {name: checked(FIELDS[name], value) for name, value in settings.items()}
