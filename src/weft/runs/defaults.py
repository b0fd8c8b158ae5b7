"""Defaults: the values of unset settings, chosen for the text, each with a reason of one line.

The sizes are chosen for good results after a few minutes on two CPU cores: small texts get small models and many
epochs, large texts large models and few epochs.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from weft.backends.cpu_cores import available_cores
from weft.backends.fused import why_not_fused
from weft.config import Config, Settings, TextConfig
from weft.config.toml import config_of
from weft.layers import Regularization, default_cutoffs
from weft.layers.output import output_layer
from weft.text.decoding import LONGEST_PIECE
from weft.text.statistics import TextStatistics
from weft.text.tokenizers.base import Unit
from weft.text.tokenizers.registry import tokenizer_class

WORDS_FOR_A_WORD_MODEL = 20_000
"""In shorter texts, too few words occur more than once to learn what follows them."""

FEW_TYPES = 1000
"""Smaller vocabularies are those of an alphabet: the output layer is cheap, so a larger hidden state is affordable."""

CHARACTERS_TO_READ = 3_000_000
"""Characters of all epochs, about two minutes. 58,000 characters reached perplexity 5.1 in 12 epochs, 4.0 in 30."""

WORK_FOR_KERNELS = 5e10
"""Multiply-adds of a whole run below which the plain loop takes a few seconds, about the time to load Numba."""

LONGEST_MEAN_WORD = 15
"""Letters a word: far more in scripts without spaces (Chinese, Japanese, Thai), far fewer in scripts with spaces."""

PUNCTUATED_SHARE = 0.02
"""Share of words with punctuation at their end above which a text is written text: 5 to 15% there, 0 where a program
has separated words and punctuation."""


class Choices:
    """The settings of a run while unset ones are chosen.

    values   all settings that are given or chosen
    reasons  a line for every choice: the settings and the reason
    """

    def __init__(self, given: Settings) -> None:
        self.values: dict[str, Any] = dict(given)
        self.reasons: list[str] = []

    def choose(self, reason: str, **values: Any) -> None:
        """Set those of `values` that are unset, and record the reason if there are any."""
        chosen = {name: value for name, value in values.items() if name not in self.values}
        self.values.update(chosen)
        if chosen:
            shown = ", ".join(f"{name} {_shown(value)}" for name, value in chosen.items())
            self.reasons.append(f"{shown}: {reason}")

    @property
    def token_unit(self) -> Unit:
        """What one token of the chosen tokenizer is."""
        return tokenizer_class(self.values["tokenizer"]).unit

    def text_config(self) -> TextConfig:
        """The settings of the text, all of which must be given or chosen by now."""
        names = {item.name for item in fields(TextConfig)}
        return TextConfig(**{name: value for name, value in self.values.items() if name in names})


def choose_text(given: Settings, text: TextStatistics, valid_given: bool, test_given: bool) -> Choices:
    """Choose the unset settings of tokenizer and split.

    text                     statistics of the training text before the split
    valid_given, test_given  whether there is a separate validation or test text
    """
    choices = Choices(given)
    _choose_tokenizer(choices, text)
    _choose_split(choices, text, valid_given, test_given)
    return choices


def choose_training(choices: Choices, tokens: int, types: int) -> Config:
    """Choose all other unset settings, for a training text with `tokens` tokens and a vocabulary of `types`."""
    _choose_model(choices, tokens, types)
    _choose_blocks(choices, tokens)
    _choose_optimizer(choices)
    _choose_epochs(choices, tokens, types)
    _choose_kernels(choices, tokens, types)
    return config_of(choices.values)


def _choose_tokenizer(choices: Choices, text: TextStatistics) -> None:
    if choices.values.get("vocab") is not None:
        choices.choose("the vocabulary is given", tokenizer="word")
        return
    if text.mean_word_length > LONGEST_MEAN_WORD:
        choices.choose(f"the text has hardly any spaces ({text.mean_word_length:.0f} letters a word)", tokenizer="char")
    elif text.words < WORDS_FOR_A_WORD_MODEL:
        choices.choose(f"{text.words:,} words are too few for a model of words", tokenizer="char")
    elif text.punctuated_share > PUNCTUATED_SHARE and not text.has_unk:
        share = f"{text.punctuated_share:.0%} of {text.words:,} words have punctuation at their end"
        choices.choose(f"{share}, which is separated from them", tokenizer="text")
    else:
        reason = f"{text.words:,} words, {text.mean_word_length:.1f} letters each, separated from punctuation"
        choices.choose(reason, tokenizer="word")
    if choices.token_unit == "word" and text.words >= WORDS_FOR_A_WORD_MODEL:
        if text.has_unk:
            choices.choose("rare words of the text are <unk> already", min_count=1)
        else:
            choices.choose("words seen once become <unk>, so that the model learns about unknown words", min_count=2)
        if text.distinct_words > 10_000 and not text.has_unk:
            size = 10_000 if text.words < 5_000_000 else 30_000
            different = "words" if choices.values["tokenizer"] == "word" else "strings between blanks"
            reason = f"the most frequent of at least {text.distinct_words:,} different {different}"
            choices.choose(reason, vocab_size=size)


def _choose_split(choices: Choices, text: TextStatistics, valid_given: bool, test_given: bool) -> None:
    length = text.characters if choices.token_unit == "character" else text.words
    pieces = text.lines + text.characters // LONGEST_PIECE
    if choices.token_unit != "character":
        pieces = text.pieces or pieces  # a long word is one piece, where a tokenizer of characters can cut it
    if test_given:
        choices.choose("test text is given", test_fraction=0.0)
    if valid_given:
        choices.choose("validation text is given", valid_fraction=0.0, test_fraction=0.0)
    elif length < 1000:
        choices.choose("the text is too short to hold anything out", valid_fraction=0.0, test_fraction=0.0)
    elif pieces < 10:
        choices.choose("the text has too few lines to hold any of them out", valid_fraction=0.0, test_fraction=0.0)
    elif length < 200_000:
        choices.choose("the end of the text shows whether the model learns or memorises", valid_fraction=0.1)
        choices.choose("a text this short is better used for training", test_fraction=0.0)
    else:
        share = float(f"{min(0.05, 100_000 / length):.2g}")
        choices.choose("held out at the end of the text", valid_fraction=share, test_fraction=share)


def _choose_model(choices: Choices, tokens: int, types: int) -> None:
    few_types = types < FEW_TYPES
    if tokens < 5_000:
        size, dropout = 32, 0.0
    elif tokens < (20_000 if few_types else 50_000):
        size, dropout = 128, 0.2
    elif tokens < 500_000:
        size, dropout = (256, 0.2) if few_types else (128, 0.3)
    elif tokens < 5_000_000:
        size, dropout = (384, 0.1) if few_types else (200, 0.2)
    else:
        size, dropout = (512, 0.0) if few_types else (256, 0.1)
    about = f"for {tokens:,} training tokens of {types:,} types"
    choices.choose("its gates keep information longer than a simple rnn", cell="lstm")
    output = choices.values.get("output", "full")
    if output == "adaptive":
        choices.choose(f"ranks at which the clusters of {types:,} types end", cutoffs=default_cutoffs(types))
    tied = choices.values.get("tied", False)
    if tied and "embedding_size" in choices.values:
        choices.choose(
            "as the embedding size, since the weights are tied", hidden_size=choices.values["embedding_size"]
        )
    choices.choose(about, hidden_size=size)
    hidden_size = choices.values["hidden_size"]
    can_tie = output_layer(output).ties
    if few_types and not tied:
        choices.choose("few types need no large embedding", embedding_size=min(64, hidden_size))
    else:
        choices.choose("as the hidden size, so that the weights can be tied", embedding_size=hidden_size)
    if choices.values["embedding_size"] == hidden_size and not few_types and can_tie:
        choices.choose("the embedding and the output share one matrix, which learns from both", tied=True)
    if Regularization.among(choices.values).uses_dropout(choices.values.get("layers", 1)):
        choices.choose(about, dropout=dropout)


def _choose_blocks(choices: Choices, tokens: int) -> None:
    longest = 64 if choices.token_unit == "character" else 35
    stream_length = tokens // choices.values.get("batch_size", 1)
    choices.choose("how far back the gradient reaches", bptt=max(1, min(longest, stream_length)))
    streams = max(1, min(20, tokens // (choices.values["bptt"] * 40)))
    choices.choose("parallel streams of text", batch_size=streams)


def _choose_optimizer(choices: Choices) -> None:
    choices.choose("needs the least tuning", optimizer="adamw")
    optimizer = choices.values["optimizer"]
    if choices.values.get("from_run") is not None:
        lr = {"adamw": 1e-3, "sgd": 5.0, "momentum": 0.5}[optimizer]
        choices.choose("a quarter of the usual one, since the weights have been trained before", lr=lr)
    if optimizer == "adamw":
        choices.choose("the learning rate falls to a fiftieth at the end", schedule="cosine")
        choices.choose("does well with adamw on small models", lr=4e-3)
    else:
        choices.choose("a quarter of the learning rate whenever validation stalls", schedule="plateau")
        choices.choose(f"as usual for {optimizer} with clipped gradients", lr={"sgd": 20.0, "momentum": 2.0}[optimizer])


def _choose_epochs(choices: Choices, tokens: int, types: int) -> None:
    values = choices.values
    blocks = values.get("accumulate", 1)
    steps = max(1, tokens // (values["batch_size"] * values["bptt"] * blocks))
    if tokens < 50_000:
        by_size = 60 if tokens < 5_000 else 30
    elif tokens < 500_000:
        by_size = min(30, CHARACTERS_TO_READ // tokens) if types < FEW_TYPES else 12
    else:
        by_size = 6 if tokens < 3_000_000 else 3 if tokens < 10_000_000 else 1
    epochs = max(by_size, -(-300 // steps))
    step = f"{blocks} x " * (blocks > 1) + f"{values['batch_size']} x {values['bptt']}"
    choices.choose(f"{epochs * steps:,} steps of {step} tokens", epochs=epochs)


def _choose_kernels(choices: Choices, tokens: int, types: int) -> None:
    values = choices.values
    time_steps = tokens * values["epochs"]
    if values.get("max_steps") is not None:
        tokens_a_step = values["batch_size"] * values["bptt"] * values.get("accumulate", 1)
        time_steps = min(time_steps, values["max_steps"] * tokens_a_step)
    H = values["hidden_size"]
    if "kernels" not in values:
        if values.get("precision", "float32") != "float32":
            choices.choose("only these kernels compute in bfloat16", kernels="fused")
        elif time_steps * H * (types + 8 * H * values.get("layers", 1)) < WORK_FOR_KERNELS:
            choices.choose("the run takes less time than loading the fused kernels", kernels="plain")
        elif (reason := why_not_fused()) is not None:
            choices.choose(reason, kernels="plain")
        else:
            choices.choose("faster, with equal results up to rounding", kernels="fused")
    if values["kernels"] == "fused":
        choices.choose("the number of cores", threads=available_cores())


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(_shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value).lower() if isinstance(value, bool) else str(value)
