"""A run that another run starts from: its architecture, tokenizer and weights, for training on a new text.

Settings of the architecture and of the tokenizer are those of the starting run; others may be given, and dropouts and
penalties are its own otherwise. With an extended vocabulary, words of the new text get ids after the old ones. A new
word's row of the embedding, its weights and its bias in the output layer are the means over all old words, so the model
gives it about the probability of a mean word at first (Hewitt 2021).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from weft.backends import Array
from weft.config import ModelConfig, Settings, TextConfig
from weft.config.toml import read_config
from weft.errors import InputError
from weft.language_model import LanguageModel, load
from weft.run_folder import CONFIG, check_run
from weft.text.tokenizers.base import Tokenizer
from weft.text.tokenizers.registry import fit_tokenizer, tokenizer_class

ARCHITECTURE = (
    "cell", "window", "embedding_size", "hidden_size", "layers", "residual", "layer_norm", "tied", "output", "cutoffs",
    "cluster_factor",
)  # fmt: skip
"""Settings of the model that its weights fix."""
TOKENIZER = ("tokenizer", "lowercase", "vocab")
VOCABULARY = ("vocab_size", "min_count")


@dataclass(frozen=True)
class Start:
    """What a run starts from: the tokenizer, extended if that was asked for, and the weights by name."""

    run: Path
    tokenizer: Tokenizer
    weights: Mapping[str, Array]
    added: int
    """How many words the vocabulary has been extended by."""


def settings_from_run(given: Settings) -> Settings:
    """`given` with the settings of the run `from_run` that it fixes or suggests; `given` itself without a `from_run`.

    Raises InputError for settings that differ from those which the run fixes, and what `check_run` and `read_config`
    raise.
    """
    extend = given.get("extend_vocab", False)
    if given.get("from_run") is None:
        if extend:
            raise InputError("extend_vocab extends the vocabulary of from_run, which is not given: leave it out")
        return given
    run = Path(given["from_run"])
    check_run(run)
    config = read_config(run / CONFIG)
    kept = config.by_name()
    fixed = (*ARCHITECTURE, *TOKENIZER, *(() if extend else VOCABULARY))
    for name in fixed:
        if name in given and given[name] != kept[name]:
            hint = "; with extend_vocab it is about the new words" if name in VOCABULARY else ""
            raise InputError(
                f"{name} {_shown(given[name])} does not fit {run}, from which the run starts and which has "
                f"{_shown(kept[name])}: leave {name} out{hint}"
            )
    if extend and tokenizer_class(config.text.tokenizer).unit == "subword":
        raise InputError(f"extend_vocab adds words or characters; {run} has the tokenizer {config.text.tokenizer}")
    if extend and config.model.output == "adaptive":
        raise InputError(f"the clusters of the output 'adaptive' of {run} cannot be extended: leave extend_vocab out")
    own = {item.name for item in fields(ModelConfig)} - {"from_run"}
    taken = {name: value for name, value in kept.items() if name in own or name in fixed}
    return {**taken, **({"vocab_size": None, "vocab": None} if extend else {}), **given}


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value)


def start_from(run: Path, config: TextConfig, pieces: Iterable[str]) -> Start:
    """The tokenizer and the weights that a run starts from.

    pieces: the new training text, which is read only to extend the vocabulary. Raises InputError if there is no room
    for new words within vocab_size, and what `load` raises.
    """
    lm = load(run)
    weights = dict(lm.model.named_parameters())
    if not config.extend_vocab:
        return Start(run, lm.tokenizer, weights, 0)
    tokenizer = _extended_tokenizer(lm.tokenizer, config, pieces)
    added = tokenizer.vocab_size - lm.tokenizer.vocab_size
    return Start(run, tokenizer, _extended_weights(lm, weights, added), added)


def _extended_tokenizer(old: Tokenizer, config: TextConfig, pieces: Iterable[str]) -> Tokenizer:
    if config.vocab_size is not None and config.vocab_size < old.vocab_size:
        raise InputError(
            f"vocab_size {config.vocab_size:,} is less than the {old.vocab_size:,} types of the vocabulary that is "
            "extended: leave it out"
        )
    found = fit_tokenizer(old.kind, pieces, lowercase=old.lowercase, min_count=config.min_count)
    new = [(token, count) for token, count in zip(found.tokens, found.counts, strict=True) if old.id(token) is None]
    new = new if config.vocab_size is None else new[: config.vocab_size - old.vocab_size]
    return old.extended([token for token, _count in new], [count for _token, count in new])


def _extended_weights(lm: LanguageModel, weights: Mapping[str, Array], added: int) -> dict[str, Array]:
    """The weights with `added` tokens more, each the mean of those that were there."""
    axes = {"embedding.W": 0, "output.W": 0 if lm.model.output.by_rows else 1, "output.b": 0}
    extended = dict(weights)
    for name in axes.keys() & weights.keys():
        values, axis = weights[name], axes[name]
        mean = np.mean(values, axis=axis, keepdims=True, dtype=np.float64).astype(values.dtype)
        extended[name] = np.concatenate((values, np.repeat(mean, added, axis=axis)), axis=axis)
    return extended
