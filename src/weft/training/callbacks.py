"""Callbacks: functions of yours that training calls at its steps, validations, checkpoints and at its end.

    class ToTensorBoard(weft.training.Callback):
        def stepped(self, status):
            writer.add_scalar("loss", status.loss.nats / status.loss.tokens, status.step)

    weft.train("my.txt", callbacks=[ToTensorBoard()])

They are called in the process and thread of the training, in the order given. An exception ends the training, as an
error of weft would: the last checkpoint stays valid. StopTraining ends it in order, after a checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weft.training.metrics import EpochMetrics
from weft.training.progress import Status
from weft.training.result import TrainingResult


class StopTraining(Exception):
    """Raised by a callback to end the training after the current step, with a checkpoint; `--resume` continues it."""


@dataclass(frozen=True)
class Started:
    """What a callback learns at the start."""

    settings: Mapping[str, Any]
    """All settings of the run by name, as in config.toml."""
    run: Path | None
    """The run folder, if there is one."""
    parameters: int
    """Number of parameters of the model."""
    step: int
    """Updates made before: 0, or those of the checkpoint from which the run continues."""
    total_steps: int


class Callback:
    """Base class; override what you need."""

    def started(self, start: Started) -> None:
        """Before the first step."""

    def stepped(self, status: Status) -> None:
        """After an update. `status.loss` is the training loss of the epoch so far, in nats, and its tokens."""

    def validated(self, metrics: EpochMetrics) -> None:
        """After an epoch and its validation, with what is written to metrics.jsonl."""

    def saved(self, checkpoint: Path, step: int) -> None:
        """After a checkpoint was written to the folder `checkpoint`; not called without a run folder."""

    def ended(self, result: TrainingResult | None) -> None:
        """At the end; None if an error or a second signal has ended the training."""


class Callbacks:
    """Calls callbacks in order. `stopped`: whether one of them has raised StopTraining."""

    def __init__(self, callbacks: Iterable[Callback]) -> None:
        self._callbacks = tuple(callbacks)
        self.stopped = False

    def call(self, event: Callable[[Callback], None]) -> None:
        """Call `event` with each callback."""
        for callback in self._callbacks:
            try:
                event(callback)
            except StopTraining:
                self.stopped = True
