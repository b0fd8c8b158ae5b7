"""A fixed-window model with the text, vocabulary, sizes and training settings of a run.

It is trained once and kept in the run folder as a run of its own, RUN/baselines/window4, without checkpoints.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from weft.backends.fused import why_not_bfloat16, why_not_fused
from weft.config import Config, ModelConfig, TrainingConfig
from weft.config.toml import read_config, write_config
from weft.errors import CheckpointError, MissingFileError
from weft.files import sync_folder
from weft.language_model import LanguageModel, build_model, load
from weft.run_folder import BASELINES, CHECKPOINTS, CONFIG, TOKENIZER, locked, writing
from weft.runs.reporting import Reporter
from weft.runs.train import train_model

UNFINISHED = ".unfinished"


def trained_window(size: int, run: Path, lm: LanguageModel, reporter: Reporter) -> LanguageModel:
    """The window model of the last `size` tokens for the run `run` of `lm`, from its folder or newly trained.

    Raises KeyboardInterrupt when the training was stopped; the next call continues it.
    """
    config = window_config(lm.config, size)
    kept = run / BASELINES / f"window{size}"
    if is_trained(size, run, lm):
        return load(kept)
    reporter.note(_announcement(config, run, kept))
    folder = kept.with_name(f"{kept.name}{UNFINISHED}")
    with locked(run), writing(run):
        if not _has_config(folder, config):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            lm.tokenizer.save(folder / TOKENIZER)
            write_config(folder / CONFIG, config)
        fresh = LanguageModel(
            build_model(config.model, lm.tokenizer.vocab_size, config.training.seed, lm.tokenizer.counts),
            lm.tokenizer,
            config,
        )
        try:
            train_model(folder, fresh, reporter, data=run)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"stopped while training {kept.name}; the same command goes on with it") from None
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
        shutil.rmtree(kept, ignore_errors=True)  # of other settings: its loss at a crash loses nothing
        folder.rename(kept)
        sync_folder(kept.parent)
    return load(kept)


def is_trained(size: int, run: Path, lm: LanguageModel) -> bool:
    """Whether the folder of the run `run` of `lm` has the window model of the last `size` tokens."""
    return _has_config(run / BASELINES / f"window{size}", window_config(lm.config, size))


def window_config(config: Config, size: int) -> Config:
    """The configuration of a run with one window layer in place of its recurrent layers."""
    training = config.training
    if training.precision == "bfloat16" and why_not_bfloat16() is not None:
        training = replace(training, precision="float32")
    if training.kernels == "fused" and why_not_fused() is not None:
        training = replace(training, kernels="plain", threads=None)
    return replace(config, model=_one_window(config.model, size), training=training)


def _one_window(model: ModelConfig, size: int) -> ModelConfig:
    """The settings of a stack of recurrent layers without those that a window layer cannot have."""
    shares = [model.dropout if share is None else share for share in (model.dropout_in, model.dropout_out)]
    return replace(
        model,
        from_run=None,
        cell="window",
        window=size,
        layers=1,
        hidden_size=model.embedding_size if model.tied else model.hidden_size,
        dropout=model.dropout if None in (model.dropout_in, model.dropout_out) else 0.0,
        dropout_between=None,
        dropout_locked=model.dropout_locked and any(shares),
        weight_dropout=0.0,
        residual=False,
        layer_norm=False,
    )


def _has_config(folder: Path, config: Config) -> bool:
    """Whether the model in `folder` was trained with `config`, apart from settings that change only the speed."""
    with suppress(MissingFileError, CheckpointError):
        return _without_speed(read_config(folder / CONFIG)) == _without_speed(config)
    return False


def _without_speed(config: Config) -> Config:
    training = config.training
    plain = replace(training, kernels="plain", threads=None, precision="float32", save_every=TrainingConfig.save_every)
    return replace(config, training=plain)


def _announcement(config: Config, run: Path, kept: Path) -> str:
    model, training = config.model, config.training
    return (
        f"{kept.name}: training it with the settings of {run}: embedding {model.embedding_size}, hidden "
        f"{model.hidden_size}, dropout {model.dropout:g}, epochs {training.epochs}, {training.optimizer}, "
        f"lr {training.lr:g}; it will be kept in {kept}"
    )
