"""A training run from start to end: prepare the run folder or resume it, train, and load the best model."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.config import Settings
from weft.config.toml import check_unchanged, read_config, rewrite_config
from weft.errors import InputError, MissingFileError
from weft.evaluation.evaluate import evaluate_tokens
from weft.language_model import LanguageModel, load
from weft.loss import Loss
from weft.run_folder import (
    CHECKPOINTS,
    CONFIG,
    WEIGHTS,
    check_free,
    check_run,
    locked,
    new_run,
    recover,
    text_of,
    writing,
)
from weft.runs.kernel_warmup import exact_kernels, kernels_of_run
from weft.runs.prepare import prepare, training_blocks, untrained_model
from weft.runs.reporting import Reporter, Silent, describe_model
from weft.runs.settings import check_given, given_settings, resumed_config
from weft.runs.starting_run import settings_from_run
from weft.runs.text_sources import Fetch
from weft.signals import check_stop
from weft.text.download import fetch_corpus
from weft.training import Callback, Trainer, TrainingResult, newest_checkpoint


@dataclass(frozen=True)
class Trained:
    """A run that has ended: its folder, how it ended, and its best model."""

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
    callbacks: Sequence[Callback] = (),
    **settings: Any,
) -> LanguageModel:
    """Train a language model on a text and return the best one.

    data       training text: files, folders, globs, 'builtin' or a named corpus
    out        run folder; without one nothing is kept on disk
    config     a TOML file of settings
    recipe     the name of a file of settings that weft includes, see `weft recipes`
    resume     continue the run at `out`
    overwrite  replace the run at `out`
    reporter   receives progress and notes, for instance `weft.reporting.OnStream(sys.stderr)`; without one nothing is
               printed
    callbacks  called at steps, validations, checkpoints and the end, see `weft.training.Callback`
    settings   fields of `weft.config`; they override `config` and `recipe`, and unset ones are chosen for the text

    Raises InputError or MissingFileError for arguments that cannot be used, TrainingDivergedError if the loss is no
    longer finite, and KeyboardInterrupt after Ctrl-C, when the run at `out` has been saved and can be resumed.
    """
    reporter = reporter or Silent()
    given = given_settings(config, recipe, data, settings, resume=resume, note=reporter.note)
    if out is not None:
        return train_run(
            Path(out), given, resume=resume, overwrite=overwrite, reporter=reporter, callbacks=callbacks
        ).model
    if resume or overwrite:
        raise InputError("resume and overwrite are about the run folder `out`, which is not given")
    with tempfile.TemporaryDirectory() as temporary:
        run = Path(temporary) / "run"
        try:
            return train_run(run, given, resume=False, overwrite=False, reporter=reporter, callbacks=callbacks).model
        except KeyboardInterrupt:
            raise KeyboardInterrupt("stopped; without a run folder, `out`, nothing is kept") from None


def train_run(
    run: Path,
    given: Settings,
    *,
    resume: bool,
    overwrite: bool,
    reporter: Reporter,
    fetch: Fetch = fetch_corpus,
    callbacks: Sequence[Callback] = (),
) -> Trained:
    """Prepare the run folder `run`, or resume the run in it, and train.

    Raises InputError or MissingFileError for settings, texts or folders that cannot be used, CheckpointError for a
    damaged run, and KeyboardInterrupt if a signal has stopped the training, which can then be resumed.
    """
    if resume and overwrite:
        raise InputError("resume goes on with a run and overwrite replaces it: give only one of them")
    if resume:
        check_run(run)
        with locked(run):
            recover(run)
            config = resumed_config(read_config(run / CONFIG), given, run)
            check_unchanged(run / CONFIG)
            return train_model(run, untrained_model(run, config), reporter, data=run, callbacks=callbacks)
    if not given.get("data"):
        raise InputError("no text is given: name a file or folder, 'builtin', or a corpus of `weft data`")
    check_free(run, overwrite)
    given = settings_from_run(given)
    check_given(given)
    with locked(run):
        recover(run)
        check_free(run, overwrite)
        with new_run(run) as folder:
            config = prepare(folder, given, reporter, fetch)
            model = untrained_model(folder, config)
        return train_model(run, model, reporter, data=run, callbacks=callbacks)


def train_model(
    run: Path, untrained: LanguageModel, reporter: Reporter, *, data: Path, callbacks: Sequence[Callback] = ()
) -> Trained:
    """Train a model in the run folder `run`, from its newest checkpoint if there is one; the caller holds the lock.

    run   run folder with the tokenizer of the model
    data  run folder whose token ids are read

    Raises InputError, TrainingDivergedError and KeyboardInterrupt as `train` does.
    """
    config = untrained.config
    trainer = Trainer(
        untrained.model,
        training_blocks(data, config.training),
        config.training,
        run=run,
        validate=_validation(data, untrained),
        progress=reporter.training(),
        callbacks=callbacks,
        settings=config.by_name(),
    )
    for line in describe_model(untrained.model, config.training, trainer.optimizer):
        reporter.note(line)
    checkpoint = newest_checkpoint(run)
    if checkpoint is not None:
        reporter.note(f"going on from the checkpoint {checkpoint.name}")
        trainer.resume(checkpoint)
    elif (run / WEIGHTS).exists() and not (run / CHECKPOINTS).exists():
        raise MissingFileError(f"{run} holds a model and no checkpoint: there is nothing to go on from")
    with writing(run):
        rewrite_config(run / CONFIG, config)
    with kernels_of_run(config, reporter):
        result = trainer.train()
    if result.outcome == "interrupted":
        raise KeyboardInterrupt(
            f"stopped at step {result.step:,} and saved; go on with: weft train --resume --out {shlex.quote(str(run))}"
        )
    return Trained(run, result, load(run))


def _validation(data: Path, lm: LanguageModel) -> Callable[[], Loss] | None:
    """A function that evaluates the model on the validation tokens of the run folder `data`; None without any."""
    ids, training = text_of(data, "valid"), lm.config.training
    if ids is None:
        return None

    def validate() -> Loss:
        with exact_kernels(training):
            return evaluate_tokens(
                lm.model, ids, lm.tokenizer.eos_id, training.batch_size, training.bptt, before_block=check_stop
            )

    return validate
