"""A run from text to trained model: choose, tokenize, train; or go on where a run was interrupted."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from weft.backends.fused import check_fused, why_not_bfloat16
from weft.config import Config, Settings, check_settings
from weft.config.toml import read_config, read_settings, write_config
from weft.errors import InputError, MissingFileError
from weft.evaluation.evaluate import evaluate_tokens
from weft.language_model import LanguageModel, build_model, load
from weft.layers import Loss, OutputSettings, Regularization, layer_normalized, time_layer
from weft.layers.stack import layer_sizes, residual_layers
from weft.run_folder import (
    CHECKPOINTS,
    CONFIG,
    HELD_OUT,
    SPLITS,
    TOKENIZER,
    WEIGHTS,
    check_free,
    check_run,
    new_run,
    oov_path,
    tokens_path,
    writing,
)
from weft.runs.defaults import choose_text, choose_training
from weft.runs.kernel_warmup import exact_kernels, kernels_of_run
from weft.runs.recipes import find_recipe
from weft.runs.reporting import Reporter, Silent, describe_model, note_skipped
from weft.runs.text_sources import Fetch, Texts, open_texts, split_texts
from weft.runs.training_blocks import training_blocks
from weft.text.download import fetch_corpus
from weft.text.statistics import text_statistics
from weft.text.tokenizers.base import Tokenizer, encode_pieces
from weft.text.tokenizers.registry import fit_tokenizer, load_tokenizer
from weft.text.tokens import open_tokens, write_tokens
from weft.training import Trainer, TrainingResult, newest_checkpoint
from weft.training.step import steps_per_epoch

CHANGEABLE = ("epochs", "max_steps", "patience", "save_every", "kernels", "threads", "precision")
"""Settings that may differ when a run is resumed; any other would make it another run."""

OF_FUSED_KERNELS = ("threads", "precision")
"""Settings that the plain kernels do not have."""


@dataclass(frozen=True)
class Trained:
    """A run that has ended: how, and the best model of it."""

    run: Path
    result: TrainingResult
    model: LanguageModel


def train(
    data: str | Path | Sequence[str | Path] | None = None,
    *,
    out: str | Path | None = None,
    config: str | Path | None = None,
    recipe: str | None = None,
    resume: bool = False,
    overwrite: bool = False,
    reporter: Reporter | None = None,
    **settings: Any,
) -> LanguageModel:
    """Train a language model on a text and return the best one.

    data: files, folders, globs, 'builtin' or a named corpus. out: the run folder; without one nothing is kept on disk.
    config: a TOML file of settings, over which `settings` win; both are the fields of `weft.config`, and those left
    out are chosen for the text. recipe: the name of such a file of weft's own, see `weft recipes`. resume: go on with
    the run at `out`. overwrite: replace it. reporter: told how it goes, for instance
    `weft.runs.reporting.OnStream(sys.stderr)`; without one nothing is printed.

    Raises InputError or MissingFileError for what cannot be used, and KeyboardInterrupt after Ctrl-C, when the run at
    `out` has been saved and can be resumed.
    """
    reporter = reporter or Silent()
    stated = stated_settings(config, recipe, data, settings, resume=resume, note=reporter.note)
    if out is not None:
        return train_run(Path(out), stated, resume=resume, overwrite=overwrite, reporter=reporter).model
    if resume or overwrite:
        raise InputError("resume and overwrite are about the run folder `out`, which is not given")
    with tempfile.TemporaryDirectory() as temporary:
        try:
            return train_run(Path(temporary) / "run", stated, resume=False, overwrite=False, reporter=reporter).model
        except KeyboardInterrupt:
            raise KeyboardInterrupt("stopped; without a run folder, `out`, nothing is kept") from None


def stated_settings(
    config: str | Path | None,
    recipe: str | None,
    data: Any,
    settings: Settings,
    *,
    resume: bool,
    note: Callable[[str], None],
) -> dict[str, Any]:
    """Settings from a file or recipe, and over them those given one by one; raises InputError for any that is wrong.

    Of a run that is to be resumed, a recipe only says which it is: what may differ stays as the run was started. Where
    the processor has no bfloat16, a recipe in it is one in float32, whose figure is the same; `note` is told.
    """
    if config is not None and recipe is not None:
        raise InputError(f"settings are given twice, by the file {config} and by the recipe {recipe!r}: give one")
    stated = read_settings(Path(config)) if config is not None else {}
    if recipe is not None:
        stated = dict(find_recipe(recipe).settings)
        if resume:
            stated = {name: value for name, value in stated.items() if name not in CHANGEABLE}
    given = check_settings({name: value for name, value in settings.items() if value is not None})
    if given.get("kernels") == "plain":
        stated = {name: value for name, value in stated.items() if name not in OF_FUSED_KERNELS}
    open_precision = recipe is not None and "precision" not in given and stated.get("precision") == "bfloat16"
    if open_precision and (reason := why_not_bfloat16()):
        del stated["precision"]
        note(f"precision float32: {reason}")
    stated.update(given)
    if data is not None:
        stated.update(check_settings({"data": data}))
    return stated


def train_run(
    run: Path,
    stated: Settings,
    *,
    resume: bool,
    overwrite: bool,
    reporter: Reporter,
    fetch: Fetch = fetch_corpus,
) -> Trained:
    """Prepare the run folder `run`, or take it up again, and train.

    Raises KeyboardInterrupt when a signal has stopped the training, which can then be resumed.
    """
    if resume and overwrite:
        raise InputError("resume goes on with a run and overwrite replaces it: give only one of them")
    if resume:
        check_run(run)
        config = read_config(run / CONFIG)
        config = _resumed_config(config, stated, run)
        return train_fresh(run, fresh_model(run, config), reporter, data=run)
    if not stated.get("data"):
        raise InputError("no text is given: name a file or folder, 'builtin', or a corpus of `weft data`")
    check_free(run, overwrite)
    check_stated(stated)
    with new_run(run) as folder:
        config = prepare(folder, stated, reporter, fetch)
        fresh = fresh_model(folder, config)
    return train_fresh(run, fresh, reporter, data=run)


def check_stated(stated: Settings) -> None:
    """Raise InputError for what would come to light only after all of the text has been read."""
    find = layer_normalized if stated.get("layer_norm") else time_layer
    cell, layers = find(stated.get("cell", "lstm")).cell_type, stated.get("layers", 1)
    # A size that is not stated will be chosen as the other one, or so that it does not matter.
    sizes = [stated[name] for name in ("embedding_size", "hidden_size") if name in stated] or [1]
    sizes_of_layers = layer_sizes(sizes[0], sizes[-1], layers, stated.get("tied", False))
    if stated.get("residual"):
        residual_layers(sizes_of_layers)
    Regularization.among(stated).check(cell, layers, stated.get("dropout"))
    OutputSettings.among(stated).check(stated.get("tied", False))
    precision, kernels = stated.get("precision", "float32"), stated.get("kernels")
    if kernels == "fused" or (kernels is None and precision != "float32"):
        check_fused(stated.get("threads"), precision)


def prepare(folder: Path, stated: Settings, reporter: Reporter, fetch: Fetch) -> Config:
    """Choose what is open, fit the tokenizer, and write tokens and configuration into `folder`."""
    texts = open_texts(stated["data"], stated.get("valid", ()), stated.get("test", ()), fetch)
    note_skipped(reporter, texts.skipped)
    # A stated share, if only 0, goes before what a named corpus brings along.
    stated_shares: dict[str, Any] = {
        split: None for split in HELD_OUT if f"{split}_fraction" in stated and not stated.get(split)
    }
    texts = replace(texts, **stated_shares)
    with reporter.reading("reading", texts.size_in_bytes) as on_bytes:
        statistics = text_statistics(texts.train.pieces(on_bytes))
    choices = choose_text(stated, statistics, texts.valid is not None, texts.test is not None)
    about_text = choices.text_config()
    texts = split_texts(texts, about_text, statistics.characters)
    with reporter.reading("building the vocabulary", texts.size_in_bytes) as on_bytes:
        tokenizer = fit_tokenizer(
            about_text.tokenizer,
            texts.train.pieces(on_bytes),
            lowercase=about_text.lowercase,
            vocab_size=about_text.vocab_size,
            min_count=about_text.min_count,
        )
    tokenizer.save(folder / TOKENIZER)
    tokens = _write_splits(folder, texts, tokenizer, reporter)
    config = choose_training(choices, tokens["train"], tokenizer.vocab_size)
    steps_per_epoch(training_blocks(folder, config.training), config.training)
    for reason in choices.reasons:
        reporter.note(reason)
    write_config(folder / CONFIG, config)
    counts = ", ".join(f"{count:,} {split}" for split, count in tokens.items())
    reporter.note(f"tokens: {counts}; vocabulary of {tokenizer.vocab_size:,} {tokenizer.kind} types")
    return config


def _write_splits(folder: Path, texts: Texts, tokenizer: Tokenizer, reporter: Reporter) -> dict[str, int]:
    tokens = {}
    for split in SPLITS:
        source = getattr(texts, split)
        if source is not None:
            with reporter.reading(f"tokenizing ({split})", texts.size_in_bytes) as on_bytes:
                ids = encode_pieces(tokenizer, source.pieces(on_bytes))
                tokens[split] = write_tokens(tokens_path(folder, split), ids, tokenizer.vocab_size, tokenizer.kind)
        if source is not None and split in HELD_OUT:
            marks = (np.array(tokenizer.encode_with_oov(piece)[1], dtype=np.uint8) for piece in source.pieces())
            write_tokens(oov_path(folder, split), marks, 2, "oov")
    return tokens


def _resumed_config(config: Config, stated: Settings, run: Path) -> Config:
    kept = config.by_name()
    for name, value in stated.items():
        if name not in CHANGEABLE and kept[name] != value:
            before, now = (
                ", ".join(map(str, shown)) if isinstance(shown, tuple) else shown for shown in (kept[name], value)
            )
            raise InputError(
                f"{run} was trained with {name} {before}, not {now}; a resumed run can change only "
                f"{', '.join(CHANGEABLE)}"
            )
    changes = {name: value for name, value in stated.items() if name in CHANGEABLE}
    if changes.get("kernels") == "plain":
        changes = {"threads": None, "precision": "float32", **changes}
    return replace(config, training=replace(config.training, **changes))


def fresh_model(run: Path, config: Config) -> LanguageModel:
    """The untrained model of the run folder `run`, whose tokenizer is there."""
    tokenizer = load_tokenizer(run / TOKENIZER)
    model = build_model(config.model, tokenizer.vocab_size, config.training.seed, tokenizer.counts)
    return LanguageModel(model, tokenizer, config)


def train_fresh(run: Path, fresh: LanguageModel, reporter: Reporter, *, data: Path) -> Trained:
    """Train a new model in the folder `run`, or go on from the checkpoint there, on the texts of the run `data`.

    `run` must have the tokenizer. Raises KeyboardInterrupt when a signal has stopped the training.
    """
    config = fresh.config
    trainer = Trainer(
        fresh.model,
        training_blocks(data, config.training),
        config.training,
        run=run,
        validate=_validation(data, fresh),
        progress=reporter.training(),
    )
    for line in describe_model(fresh.model, config.training, trainer.optimizer):
        reporter.note(line)
    checkpoint = newest_checkpoint(run)
    if checkpoint is not None:
        reporter.note(f"going on from the checkpoint {checkpoint.name}")
        trainer.resume(checkpoint)
    elif (run / WEIGHTS).exists() and not (run / CHECKPOINTS).exists():
        raise MissingFileError(f"{run} holds a model and no checkpoint: there is nothing to go on from")
    with writing(run):
        write_config(run / CONFIG, config)
    with kernels_of_run(config, reporter):
        result = trainer.train()
    if result.outcome == "interrupted":
        raise KeyboardInterrupt(
            f"stopped at step {result.step:,} and saved; go on with: weft train --resume --out {shlex.quote(str(run))}"
        )
    return Trained(run, result, load(run))


def _validation(data: Path, fresh: LanguageModel) -> Callable[[], Loss] | None:
    path = tokens_path(data, "valid")
    if not path.exists():
        return None
    ids, training = open_tokens(path), fresh.config.training

    def validate() -> Loss:
        with exact_kernels(training):
            return evaluate_tokens(fresh.model, ids, fresh.tokenizer.eos_id, training.batch_size, training.bptt)

    return validate
