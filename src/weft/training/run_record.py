"""What a run writes into its folder, in the order in which a crash does no harm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from weft.errors import InputError
from weft.training.checkpoint import Checkpoint, newest_checkpoint, save_best_weights, save_checkpoint
from weft.training.curve import draw_curve
from weft.training.interfaces import NamedArrays
from weft.training.metrics import EpochMetrics, append_metrics, drop_metrics_after, read_metrics

METRICS = "metrics.jsonl"
CURVE = "curve.png"


class Record(Protocol):
    """Where a run leaves what it finds out."""

    def begin(self, step: int) -> None:
        """The run starts, or goes on, after `step` blocks."""

    def epoch_ended(self, metrics: EpochMetrics) -> None:
        """Keep how an epoch went. Comes before the checkpoint of that step, which would drop it when resumed."""

    def keep_best(self, weights: NamedArrays) -> None:
        """Keep the weights of the best model so far. Comes before the checkpoint that holds its score."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep everything that is needed to continue."""

    def last_checkpoint(self) -> str:
        """A few words on what a person can go back to."""


class RunRecord:
    """A run folder; every error on writing becomes an InputError that says what is still valid."""

    def __init__(self, run: Path) -> None:
        self.run = run

    def begin(self, step: int) -> None:
        with self._writing(METRICS):
            self.run.mkdir(parents=True, exist_ok=True)
            drop_metrics_after(self.run / METRICS, step)

    def epoch_ended(self, metrics: EpochMetrics) -> None:
        with self._writing(METRICS):
            append_metrics(self.run / METRICS, metrics)
        with self._writing(CURVE):
            draw_curve(self.run / CURVE, read_metrics(self.run / METRICS))

    def keep_best(self, weights: NamedArrays) -> None:
        save_best_weights(self.run, weights)

    def save(self, checkpoint: Checkpoint) -> None:
        save_checkpoint(self.run, checkpoint)

    def last_checkpoint(self) -> str:
        newest = newest_checkpoint(self.run)
        return f"the checkpoint {newest} is kept" if newest else "no checkpoint had been saved yet"

    @contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(
                f"could not write {self.run / name} ({error.strerror or error}); {self.last_checkpoint()}"
            ) from error


class NoRecord:
    """Nothing is written."""

    def begin(self, step: int) -> None: ...

    def epoch_ended(self, metrics: EpochMetrics) -> None: ...

    def keep_best(self, weights: NamedArrays) -> None: ...

    def save(self, checkpoint: Checkpoint) -> None: ...

    def last_checkpoint(self) -> str:
        return "no checkpoints are kept without a run folder"
