"""Preparation of a run: from texts to a tokenizer, token ids and a configuration in the run folder, and from these to
the untrained model and its training blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from weft.backends import Array
from weft.config import Config, Settings, TextConfig, TrainingConfig
from weft.config.toml import write_config
from weft.errors import MissingFileError
from weft.language_model import LanguageModel, build_model
from weft.model.architecture import ParameterSource, Shapes
from weft.run_folder import CONFIG, HELD_OUT, SPLITS, TOKENIZER, first_weights_path, oov_path, text_of, tokens_path
from weft.runs.defaults import choose_text, choose_training
from weft.runs.reporting import Reporter
from weft.runs.starting_run import Start, start_from
from weft.runs.text_sources import Fetch, Texts, open_texts, split_texts
from weft.text.batches import Blocks
from weft.text.random_blocks import RandomBlocks
from weft.text.size import TextSize
from weft.text.size_counter import SizeCounter
from weft.text.statistics import text_statistics
from weft.text.tokenizers.base import Tokenizer, encode_pieces
from weft.text.tokenizers.registry import fit_tokenizer, load_tokenizer
from weft.text.tokenizers.word import WordTokenizer
from weft.text.tokens import open_tokens, write_tokens
from weft.text.word_list import read_word_list
from weft.training.checkpoint import newest_checkpoint
from weft.training.safetensors_io import load_weights, write_tensors
from weft.training.step import steps_per_epoch


def prepare(folder: Path, given: Settings, reporter: Reporter, fetch: Fetch) -> Config:
    """Choose the settings that are unset, fit the tokenizer, and write tokenizer, tokens and configuration.

    folder  run folder, with an empty folder for the tokens
    given   settings, among them "data"
    fetch   downloads a named corpus that is not on this machine

    Raises InputError and MissingFileError for texts that cannot be used.
    """
    words = None if given.get("vocab") is None or given.get("from_run") else read_word_list(given["vocab"])
    texts = open_texts(
        given["data"], given.get("valid", ()), given.get("test", ()), fetch, given.get("line_end_marker", "")
    )
    for note in texts.skip_notes():
        reporter.note(note)
    # A given share, even 0, replaces the validation or test text that a named corpus has.
    replaced: dict[str, Any] = {
        split: None for split in HELD_OUT if f"{split}_fraction" in given and not given.get(split)
    }
    texts = replace(texts, **replaced)
    with reporter.reading("reading", texts.size_in_bytes) as on_bytes:
        statistics = text_statistics(texts.train.pieces(on_bytes))
    choices = choose_text(given, statistics, texts.valid is not None, texts.test is not None)
    text_config = choices.text_config()
    texts = split_texts(texts, text_config, statistics)
    start = _start(given, texts, text_config, reporter)
    tokenizer = start.tokenizer if start else _fitted(texts, text_config, words, reporter)
    tokenizer.save(folder / TOKENIZER)
    if start:
        write_tensors(first_weights_path(folder), start.weights)
    tokens, sizes = _write_splits(folder, texts, tokenizer, reporter)
    for note in texts.notes():
        reporter.note(note)
    config = choose_training(choices, tokens["train"], tokenizer.vocab_size)
    steps_per_epoch(training_blocks(folder, config.training), config.training)  # raises if the text is too short
    for reason in choices.reasons:
        reporter.note(reason)
    write_config(folder / CONFIG, config, tokens, sizes)
    counts = ", ".join(f"{count:,} {split}" for split, count in tokens.items())
    reporter.note(f"tokens: {counts}; vocabulary of {tokenizer.vocab_size:,} {tokenizer.kind} types")
    if start:
        reporter.note(_about_start(start, folder))
    return config


def untrained_model(run: Path, config: Config) -> LanguageModel:
    """The model of `config` before training, with the tokenizer in the run folder `run`.

    Its weights are those of the run that it starts from, if it does; where there is a checkpoint, they do not matter.
    """
    tokenizer = load_tokenizer(run / TOKENIZER)
    source: ParameterSource | None = None
    if config.model.from_run is not None and newest_checkpoint(run) is None:

        def source(shapes: Shapes) -> Mapping[str, Array]:
            return load_weights(first_weights_path(run), shapes)

    model = build_model(config.model, tokenizer.vocab_size, config.training.seed, tokenizer.counts, source)
    return LanguageModel(model, tokenizer, config)


def training_blocks(run: Path, training: TrainingConfig) -> Blocks:
    """The blocks of the training tokens in the run folder `run`. Raises InputError if they are too few."""
    ids = text_of(run, "train") if (run / CONFIG).exists() else open_tokens(tokens_path(run, "train"))
    if ids is None:
        raise MissingFileError(
            f"there are no tokens at {tokens_path(run, 'train')}: restore the training text from a copy"
        )
    if training.random_bptt:
        return RandomBlocks(ids, training.batch_size, training.bptt, training.seed)
    return Blocks(ids, training.batch_size, training.bptt)


def _start(given: Settings, texts: Texts, config: TextConfig, reporter: Reporter) -> Start | None:
    """What the run starts from; None: from random weights."""
    if given.get("from_run") is None:
        return None
    with reporter.reading("reading new words", texts.size_in_bytes) as on_bytes:
        return start_from(Path(given["from_run"]), config, texts.train.pieces(on_bytes))


def _about_start(start: Start, folder: Path) -> str:
    """In one line, what the run starts from, and how much of its text is unknown."""
    line = f"starting from the weights of {start.run}"
    if start.added:
        line += f", with {start.added:,} new type{'s' * (start.added != 1)}, each at first the mean of all others"
    if start.tokenizer.unk_id is not None:
        ids = np.asarray(open_tokens(tokens_path(folder, "train")))
        share = float(np.mean(ids == start.tokenizer.unk_id))
        line += f"; {share:.1%} of the training tokens are <unk>" if share else ""
    return line


def _fitted(texts: Texts, config: TextConfig, words: list[str] | None, reporter: Reporter) -> Tokenizer:
    """The tokenizer of the training text, with the vocabulary `words` if one is given."""
    with reporter.reading("building the vocabulary", texts.size_in_bytes) as on_bytes:
        tokenizer = fit_tokenizer(
            config.tokenizer,
            texts.train.pieces(on_bytes),
            lowercase=config.lowercase,
            vocab_size=config.vocab_size,
            min_count=config.min_count,
        )
    if words is None or not isinstance(tokenizer, WordTokenizer):
        return tokenizer
    tokenizer = tokenizer.with_words(words)
    seen = sum(count > 0 for count in tokenizer.counts[2:])
    share = tokenizer.counts[tokenizer.unk_id] / sum(tokenizer.counts)
    reporter.note(
        f"{config.vocab}: {seen:,} of {tokenizer.vocab_size - 2:,} words are in the training text, of which "
        f"{share:.1%} is <unk>"
    )
    return tokenizer


def _write_splits(
    folder: Path, texts: Texts, tokenizer: Tokenizer, reporter: Reporter
) -> tuple[dict[str, int], dict[str, TextSize]]:
    """Write the token ids of every split, and the out-of-vocabulary marks of those held out; returns the numbers of
    tokens and the sizes by split."""
    tokens, sizes = {}, {}
    for split in SPLITS:
        source = getattr(texts, split)
        if source is not None:
            with reporter.reading(f"tokenizing ({split})", texts.size_in_bytes) as on_bytes:
                counter = SizeCounter()
                ids = encode_pieces(tokenizer, counter.counting(source.pieces(on_bytes)))
                tokens[split] = write_tokens(tokens_path(folder, split), ids, tokenizer.vocab_size, tokenizer.kind)
                sizes[split] = counter.size
        if source is not None and split in HELD_OUT:
            marks = (np.array(tokenizer.encode_with_oov(piece)[1], dtype=np.uint8) for piece in source.pieces())
            write_tokens(oov_path(folder, split), marks, 2, "oov")
    return tokens, sizes
