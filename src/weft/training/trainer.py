"""The trainer: truncated back-propagation through time, with validation, checkpoints and early stopping.

The hidden state is carried from block to block and from epoch to epoch. Gradients end at the first step of a block.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from weft.config import TrainingConfig
from weft.errors import CheckpointError, TrainingDivergedError
from weft.evaluation.perplexity import mean_nats, perplexity
from weft.loss import NOTHING, Loss
from weft.signals import StopRequest, WorkAbandoned, stop_on_signal
from weft.training.averaging import make_averaging
from weft.training.callbacks import Callback, Callbacks, Started
from weft.training.checkpoint import Checkpoint, check_same_run, checkpoint_folder, load_checkpoint
from weft.training.gradients import global_norm
from weft.training.interfaces import BlockSource, Trainable
from weft.training.metrics import EpochMetrics
from weft.training.optimizer import make_optimizer
from weft.training.progress import NoProgress, Progress, Status
from weft.training.result import TrainingResult
from weft.training.run_writer import NoWriter, RunFolderWriter, RunWriter
from weft.training.schedule import make_schedule
from weft.training.step import Stepper, steps_per_epoch
from weft.training.training_state import TrainingState

SECONDS_BETWEEN_EPOCH_SAVES = 1.0
"""Shorter epochs are not each followed by a checkpoint. Resuming from an earlier checkpoint gives the same weights."""
SECONDS_OF_LONG_VALIDATION = 1.0
"""Before a validation that takes longer, the weights are saved; before the first one always."""


class Trainer:
    """Trains `model` on `blocks` according to `config`.

    run       folder for checkpoints, metrics and the learning curve; None: nothing is written
    validate  returns the loss on held-out text without changing the model; called at the end of each epoch
    progress  receives every step and every epoch
    callbacks, settings  see `weft.training.callbacks`; settings: all settings of the run by name, for callbacks

    The weights with the best validation loss are saved as `run/model.safetensors`; if no text is held out, the weights
    of the last epoch. Before the end of the first epoch, those of the last checkpoint are saved. If the weights are
    averaged, the average is validated and saved. A run that ends within an epoch because of `max_steps` is validated
    there too, without effect on the learning rate and on early stopping.
    """

    def __init__(
        self,
        model: Trainable,
        blocks: BlockSource,
        config: TrainingConfig,
        *,
        run: Path | None = None,
        validate: Callable[[], Loss] | None = None,
        progress: Progress | None = None,
        callbacks: Sequence[Callback] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.model, self.blocks, self.config, self.validate = model, blocks, config, validate
        self.progress: Progress = progress or NoProgress()
        self.callbacks, self.settings, self.run = Callbacks(callbacks), settings or vars(config), run
        self.writer: RunWriter = RunFolderWriter(run) if run else NoWriter()
        self.steps_per_epoch = steps_per_epoch(blocks, config)
        steps = config.epochs * self.steps_per_epoch
        self.total_steps = steps if config.max_steps is None else min(steps, config.max_steps)
        self.optimizer = make_optimizer(config, model.named_parameters())
        self.averaging = make_averaging(config, model.named_parameters())
        self.schedule = make_schedule(config, self.total_steps)
        self.stepper = Stepper(
            model, blocks, config, self.optimizer, lambda what, value: self._check_finite(what, value, self.step + 1)
        )
        self.step = self.epoch = self.epochs_without_improvement = 0
        self.epoch_loss, self.epoch_seconds = NOTHING, 0.0
        self.train_loss: Loss | None = None
        self.best: Loss | None = None
        self._saved_at, self._saved_step = -math.inf, -1
        self._seconds_of_validation = math.inf
        self.validation_due = False

    def resume(self, checkpoint: Path) -> None:
        """Continue from the checkpoint in the folder `checkpoint`, bit for bit as if the run had not stopped.

        The number of epochs may differ. With the schedule 'cosine', the learning rate then follows the curve of the
        new length. Raises CheckpointError if the checkpoint is damaged, or of a run with another model, optimizer,
        schedule, batch size or length of the text.
        """
        parameters = self.model.named_parameters()
        saved = load_checkpoint(checkpoint, {name: array.shape for name, array in parameters.items()})
        state = saved.training
        check_same_run(checkpoint, saved, self.model, self.blocks, self.config)
        self.optimizer.load_state(saved.optimizer)
        self.averaging.load_state(saved.average, state.averaging_state)
        self.schedule.load_state(state.schedule_state)
        for name, array in parameters.items():
            array[...] = saved.weights[name]
        self.model.set_state(saved.hidden)
        _restore_random_state(self.model.rng, state.random_state, checkpoint)
        self.blocks.position = state.position
        self.step, self.epoch = state.step, state.epoch
        self.epoch_loss, self.epoch_seconds = state.epoch_loss, state.epoch_seconds
        self.train_loss, self.best = state.train, state.best
        self.epochs_without_improvement = state.epochs_without_improvement
        self.validation_due = state.validation_due
        if self.config.schedule == "cosine" and state.total_steps != self.total_steps:
            self.progress.note(
                f"the run was to have {state.total_steps:,} steps and now has {self.total_steps:,}: the learning rate "
                f"goes on along the new cosine curve, at {self.schedule.lr(self.step):.3g}"
            )

    def train(self) -> TrainingResult:
        """Train until all epochs are done, the validation loss stops improving, or a signal asks to stop.

        On the first SIGINT, SIGTERM or SIGHUP the current step is finished and a checkpoint saved; a validation is
        abandoned, and done again when the run is resumed. The second raises KeyboardInterrupt at once. Raises
        TrainingDivergedError, before the parameters are updated, if the loss or the gradient is not finite, and
        InputError if the run folder cannot be written. After each of these errors the last checkpoint is valid.
        """
        # `_check_finite` detects overflow and raises an error of weft instead of a warning of NumPy.
        with stop_on_signal() as stop, np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            result = None
            parameters = sum(array.size for array in self.model.named_parameters().values())
            start = Started(self.settings, self.run, parameters, self.step, self.total_steps)
            self.callbacks.call(lambda callback: callback.started(start))
            try:
                outcome = None if self.validation_due else self._outcome(stop)
                if outcome is None:
                    outcome = self._train(stop)
                else:
                    self.progress.note(f"nothing to do: the run {outcome} at step {self.step:,} (epoch {self.epoch})")
                result = TrainingResult(outcome, self.step, self.epoch, self.best, self.train_loss)
            finally:
                self.progress.close()
                self.writer.close(stop)
                self.callbacks.call(lambda callback: callback.ended(result))
        return result

    def _train(self, stop: StopRequest) -> str:
        self.writer.begin(self.step)
        first, began = self.step, time.perf_counter()
        self._saved_at, self._saved_step = began, self.step
        outcome = self._end_steps(stop, self.schedule.lr(self.step - 1)) if self.validation_due else None
        while outcome is None:
            lr = self._take_step()
            seconds_a_step = (time.perf_counter() - began) / (self.step - first)
            self._report(self._status(lr, seconds_a_step * (self.total_steps - self.step)))
            outcome = self._end_steps(stop, lr)
        return outcome

    def _end_steps(self, stop: StopRequest, lr: float) -> str | None:
        """What follows a step: validation, saving, drawing. Returns why the run ends here; None if it continues."""
        epoch_ended = self.step == (self.epoch + 1) * self.steps_per_epoch
        validated = self.validation_due = epoch_ended or self.step == self.total_steps
        if self.validation_due:
            if self._validation_is_long() and time.perf_counter() - self._saved_at >= SECONDS_BETWEEN_EPOCH_SAVES:
                self._save()
            try:
                if epoch_ended:
                    self._end_epoch(lr)
                else:
                    self._evaluate(lr)
            except WorkAbandoned:
                if self._saved_step != self.step:
                    self._save()
                return "interrupted"
            self.validation_due = False
        outcome = self._outcome(stop)
        every = min(self.config.save_every, SECONDS_BETWEEN_EPOCH_SAVES) if epoch_ended else self.config.save_every
        if outcome or time.perf_counter() - self._saved_at >= every:
            self._save()
        if validated:
            self.writer.draw(stop)
        return outcome or self._outcome(stop)

    def _outcome(self, stop: StopRequest) -> str | None:
        """Why the run ends after this step; None if it continues."""
        if self.step >= self.total_steps:
            return "finished"
        if self.config.patience is not None and self.epochs_without_improvement >= self.config.patience:
            return "stopped early"
        if self.callbacks.stopped:
            return "stopped by a callback"
        return "interrupted" if stop.made else None

    def _report(self, status: Status) -> None:
        self.progress.stepped(status)
        self.callbacks.call(lambda callback: callback.stepped(status))

    def _take_step(self) -> float:
        """Take one step. Returns the learning rate of the schedule for it."""
        began = time.perf_counter()
        lr = self.schedule.lr(self.step)
        loss = self.stepper.take(lr)
        self.averaging.stepped()
        self.step += 1
        self.epoch_loss = self.epoch_loss.plus(loss)
        self.epoch_seconds += time.perf_counter() - began
        return lr

    def _end_epoch(self, lr: float) -> None:
        self.epoch += 1
        score, improved = self._evaluate(lr)
        self.schedule.epoch_ended(mean_nats(score))
        if self.averaging.epoch_ended(mean_nats(score)):
            self.progress.note(f"validation has not improved: the weights are averaged from step {self.step:,} on")
        self.epochs_without_improvement = 0 if improved else self.epochs_without_improvement + 1
        self.epoch_loss, self.epoch_seconds = NOTHING, 0.0

    def _evaluate(self, lr: float) -> tuple[Loss, bool]:
        """Validate, and store the results. Returns the decisive loss, and whether it is the best so far."""
        train = self.train_loss = self.epoch_loss
        with self.averaging.in_place():
            began = time.perf_counter()
            valid = self.validate() if self.validate else None
            self._seconds_of_validation = time.perf_counter() - began
            score = valid or train
            self._check_finite("validation loss", score.nats, self.step)
            self._check_finite("validation perplexity", perplexity(score), self.step)
            self._check_finite("norm of the parameters", global_norm(self.model.named_parameters()), self.step)
            improved = self.best is None or mean_nats(score) < mean_nats(self.best)
            if improved:
                self.best = score
            if improved or valid is None:
                self.writer.keep_best(self.model.named_parameters())
        metrics = EpochMetrics.of(self.step, self.steps_per_epoch, train, valid, lr, self.epoch_seconds)
        self.writer.epoch_ended(metrics)
        self.progress.epoch_ended(metrics)
        self.callbacks.call(lambda callback: callback.validated(metrics))
        return score, improved

    def _validation_is_long(self) -> bool:
        return self.validate is not None and self._seconds_of_validation >= SECONDS_OF_LONG_VALIDATION

    def _save(self) -> None:
        self._check_finite("norm of the parameters", global_norm(self.model.named_parameters()), self.step)
        if self.best is None:
            with self.averaging.in_place():
                self.writer.keep_best(self.model.named_parameters())
        self.writer.save(self._checkpoint())
        if self.run is not None:
            path = checkpoint_folder(self.run, self.step)
            self.callbacks.call(lambda callback: callback.saved(path, self.step))
        self._saved_at, self._saved_step = time.perf_counter(), self.step

    def _checkpoint(self) -> Checkpoint:
        training = TrainingState(
            step=self.step,
            epoch=self.epoch,
            position=self.blocks.position,
            blocks_per_epoch=self.blocks.blocks_per_epoch,
            accumulate=self.config.accumulate,
            total_steps=self.total_steps,
            optimizer=self.config.optimizer,
            schedule=self.config.schedule,
            schedule_state=self.schedule.state(),
            averaging=self.averaging.name,
            averaging_state=self.averaging.state(),
            random_state=self.model.rng.bit_generator.state,
            epoch_loss=self.epoch_loss,
            epoch_seconds=self.epoch_seconds,
            train=self.train_loss,
            best=self.best,
            epochs_without_improvement=self.epochs_without_improvement,
            validation_due=self.validation_due,
        )
        weights, average = self.model.named_parameters(), self.averaging.arrays()
        return Checkpoint(weights, self.optimizer.state(), average, self.model.state or (), training)

    def _status(self, lr: float, seconds_left: float) -> Status:
        return Status(
            step=self.step,
            total_steps=self.total_steps,
            epoch=self.epoch + 1,
            epochs=self.config.epochs,
            loss=self.epoch_loss,
            lr=lr,
            tokens_per_second=self.epoch_loss.tokens / max(self.epoch_seconds, 1e-9),
            seconds_left=seconds_left,
        )

    def _check_finite(self, what: str, value: float, step: int) -> None:
        if not math.isfinite(value):
            raise TrainingDivergedError(
                f"training diverged: the {what} became {value} at step {step:,}; "
                f"{self.writer.last_checkpoint()}; start again with --overwrite and a lower --lr or a lower --clip"
            )


def _restore_random_state(rng: np.random.Generator, state: Mapping[str, Any], checkpoint: Path) -> None:
    try:
        rng.bit_generator.state = dict(state)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise CheckpointError(f"{checkpoint}: its random generator state cannot be used ({error!r})") from error
