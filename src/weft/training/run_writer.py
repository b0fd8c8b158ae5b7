"""What a run writes into its folder, in the order in which a crash does no harm."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from weft.errors import InputError
from weft.training.checkpoint import Checkpoint, newest_checkpoint, save_best_weights, save_checkpoint
from weft.training.interfaces import NamedArrays
from weft.training.metrics import EpochMetrics, append_metrics, drop_metrics_after, read_metrics
from weft.training.plots import draw_curve

METRICS = "metrics.jsonl"
CURVE = "curve.png"
SECONDS_BETWEEN_DRAWINGS = 2.0
"""Drawing takes a tenth of a second: of many short epochs, not each is drawn, but always the last."""


class RunWriter(Protocol):
    """Where a run leaves what it finds out."""

    def begin(self, step: int) -> None:
        """The run starts, or goes on, after `step` updates."""

    def epoch_ended(self, metrics: EpochMetrics) -> None:
        """Keep how an epoch went. Comes before the checkpoint of that step, which would drop it when resumed."""

    def keep_best(self, weights: NamedArrays) -> None:
        """Keep the weights of the best model so far. Comes before the checkpoint that holds its score."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep everything that is needed to continue."""

    def last_checkpoint(self) -> str:
        """A few words on what a person can go back to."""

    def close(self) -> None:
        """The run is over, however it ended."""


class RunFolderWriter:
    """A run folder; every error on writing becomes an InputError that says what is still valid."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self._drawn = -math.inf
        self._curve_is_old = False

    def begin(self, step: int) -> None:
        with self._writing(METRICS):
            self.run.mkdir(parents=True, exist_ok=True)
            drop_metrics_after(self.run / METRICS, step)

    def epoch_ended(self, metrics: EpochMetrics) -> None:
        with self._writing(METRICS):
            append_metrics(self.run / METRICS, metrics)
        self._curve_is_old = True
        if time.monotonic() - self._drawn >= SECONDS_BETWEEN_DRAWINGS:
            self.close()

    def keep_best(self, weights: NamedArrays) -> None:
        save_best_weights(self.run, weights)

    def save(self, checkpoint: Checkpoint) -> None:
        save_checkpoint(self.run, checkpoint)

    def last_checkpoint(self) -> str:
        newest = newest_checkpoint(self.run)
        return f"the checkpoint {newest} is kept" if newest else "no checkpoint had been saved yet"

    def close(self) -> None:
        if self._curve_is_old:
            with self._writing(CURVE):
                draw_curve(self.run / CURVE, read_metrics(self.run / METRICS))
            self._drawn = time.monotonic()
            self._curve_is_old = False

    @contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise InputError(
                f"could not write {self.run / name} ({error.strerror or error}); {self.last_checkpoint()}"
            ) from error


class NoWriter:
    """Nothing is written."""

    def begin(self, step: int) -> None: ...

    def epoch_ended(self, metrics: EpochMetrics) -> None: ...

    def keep_best(self, weights: NamedArrays) -> None: ...

    def save(self, checkpoint: Checkpoint) -> None: ...

    def last_checkpoint(self) -> str:
        return "no checkpoints are kept without a run folder"

    def close(self) -> None: ...
