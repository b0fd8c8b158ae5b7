"""Writing of a run: metrics, best weights, checkpoints and the learning curve, in an order that survives a crash."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from weft.errors import InputError
from weft.signals import StopRequest
from weft.training.checkpoint import Checkpoint, newest_checkpoint, save_best_weights, save_checkpoint
from weft.training.interfaces import NamedArrays
from weft.training.metrics import EpochMetrics, append_metrics, drop_metrics_after, read_metrics
from weft.training.plots import draw_curve

METRICS = "metrics.jsonl"
CURVE = "curve.png"
SECONDS_BETWEEN_PLOTS = 2.0
"""Plotting takes a tenth of a second, so the curve is not plotted after every short epoch, but when the run ends."""


class RunWriter(Protocol):
    """Stores the results of a run."""

    def begin(self, step: int) -> None:
        """The run starts or continues after `step` updates."""

    def epoch_ended(self, metrics: EpochMetrics) -> None:
        """Store the metrics of an epoch. Must precede the checkpoint of that step: after a crash between the two, the
        resumed run writes the metrics again."""

    def keep_best(self, weights: NamedArrays) -> None:
        """Store the weights of the best model so far. Must precede the checkpoint that contains its loss."""

    def save(self, checkpoint: Checkpoint) -> None:
        """Store a checkpoint."""

    def last_checkpoint(self) -> str:
        """Which checkpoint is available, for an error message."""

    def draw(self, stop: StopRequest) -> None:
        """Draw the learning curve if it is time; given up if a signal asks to stop."""

    def close(self, stop: StopRequest) -> None:
        """The run has ended, possibly by an error."""


class RunFolderWriter:
    """Writes to a run folder. An error on writing raises InputError with the checkpoint that is still valid."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self._identity: tuple[int, int] | None = None
        self._plotted_at = -math.inf
        self._curve_is_outdated = False

    def begin(self, step: int) -> None:
        with self._writing(METRICS):
            self.run.mkdir(parents=True, exist_ok=True)
            self._identity = _identity_of(self.run)
            drop_metrics_after(self.run / METRICS, step)

    def epoch_ended(self, metrics: EpochMetrics) -> None:
        with self._writing(METRICS):
            append_metrics(self.run / METRICS, metrics)
        self._curve_is_outdated = True

    def draw(self, stop: StopRequest) -> None:
        if time.monotonic() - self._plotted_at >= SECONDS_BETWEEN_PLOTS:
            self._draw(stop)

    def keep_best(self, weights: NamedArrays) -> None:
        self._check_place()
        save_best_weights(self.run, weights)

    def save(self, checkpoint: Checkpoint) -> None:
        self._check_place()
        save_checkpoint(self.run, checkpoint)

    def last_checkpoint(self) -> str:
        newest = newest_checkpoint(self.run)
        return f"the checkpoint {newest} is kept" if newest else "no checkpoint had been saved yet"

    def close(self, stop: StopRequest) -> None:
        # After a signal there is no time for the library of plots, which takes seconds to load the first time.
        if not stop.made or "matplotlib" in sys.modules:
            self._draw(StopRequest())

    def _draw(self, stop: StopRequest) -> None:
        if self._curve_is_outdated and not stop.made:
            with self._writing(CURVE), stop.abandoning():
                draw_curve(self.run / CURVE, read_metrics(self.run / METRICS))
                self._curve_is_outdated = False
            self._plotted_at = time.monotonic()

    def _check_place(self) -> None:
        """Raise InputError if the run folder was moved, removed or replaced since `begin`."""
        if self._identity is not None and _identity_of(self.run) != self._identity:
            raise InputError(
                f"{self.run} is no longer the folder of this run: it was moved, removed or replaced while the run was "
                "trained. Its last checkpoint is in it: weft train --resume --out with its new place goes on from there"
            )

    @contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        self._check_place()
        try:
            yield
        except OSError as error:
            raise InputError(
                f"could not write {self.run / name} ({error.strerror or error}); {self.last_checkpoint()}"
            ) from error


class NoWriter:
    """Stores nothing."""

    def begin(self, step: int) -> None: ...

    def epoch_ended(self, metrics: EpochMetrics) -> None: ...

    def keep_best(self, weights: NamedArrays) -> None: ...

    def save(self, checkpoint: Checkpoint) -> None: ...

    def last_checkpoint(self) -> str:
        return "no checkpoints are kept without a run folder"

    def draw(self, stop: StopRequest) -> None: ...

    def close(self, stop: StopRequest) -> None: ...


def _identity_of(folder: Path) -> tuple[int, int] | None:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
