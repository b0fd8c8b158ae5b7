"""Progress of a training run: what is reported, and plain lines for files and logs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TextIO

from weft.evaluation.perplexity import mean_nats, perplexity
from weft.loss import Loss
from weft.presentation.escapes import one_line
from weft.training.metrics import EpochMetrics


@dataclass(frozen=True)
class Status:
    """The state of a run after a step."""

    step: int
    total_steps: int
    epoch: int
    """The current epoch, counted from 1."""
    epochs: int
    loss: Loss
    """Training loss of the epoch so far."""
    lr: float
    tokens_per_second: float
    seconds_left: float


class Progress(Protocol):
    """Receives the events of a run."""

    def stepped(self, status: Status) -> None:
        """A step has been taken."""

    def epoch_ended(self, metrics: EpochMetrics) -> None:
        """An epoch has ended, validation included."""

    def note(self, line: str) -> None:
        """A message of one line."""

    def close(self) -> None:
        """The run has ended, possibly by an error."""


class NoProgress:
    """Prints nothing."""

    def stepped(self, status: Status) -> None: ...

    def epoch_ended(self, metrics: EpochMetrics) -> None: ...

    def note(self, line: str) -> None: ...

    def close(self) -> None: ...


class EpochLines:
    """One line an epoch, but at most one a second. The line of the last epoch is always printed."""

    SECONDS_BETWEEN_LINES = 1.0

    def __init__(self, note: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._note = note
        self._clock = clock
        self._last = -math.inf
        self._kept: EpochMetrics | None = None

    def epoch_ended(self, metrics: EpochMetrics) -> None:
        """Print the line of an epoch, or keep it if the last line is less than a second old."""
        self._kept = metrics
        if self._clock() - self._last >= self.SECONDS_BETWEEN_LINES:
            self.flush()

    def flush(self) -> None:
        """Print the line that was kept, if any."""
        if self._kept is not None:
            self._note(epoch_line(self._kept))
            self._kept, self._last = None, self._clock()


class PlainProgress:
    """Lines without control codes, for a file or a log: one every ten seconds, and `EpochLines`."""

    SECONDS_BETWEEN_LINES = 10.0

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._last = clock()
        self._epochs = EpochLines(self.note, clock)

    def stepped(self, status: Status) -> None:
        if self._clock() - self._last >= self.SECONDS_BETWEEN_LINES:
            self._last = self._clock()
            self.note(status_line(status))

    def epoch_ended(self, metrics: EpochMetrics) -> None:
        self._last = self._clock()
        self._epochs.epoch_ended(metrics)

    def note(self, line: str) -> None:
        print(one_line(line), file=self._stream, flush=True)

    def close(self) -> None:
        self._epochs.flush()


def status_line(status: Status) -> str:
    """One line on the state of a run."""
    return (
        f"epoch {status.epoch}/{status.epochs}, step {status.step:,}/{status.total_steps:,}: {loss_text(status.loss)}, "
        f"lr {status.lr:.3g}, {status.tokens_per_second:,.0f} tokens/s, {duration_text(status.seconds_left)} left"
    )


def epoch_line(metrics: EpochMetrics) -> str:
    """One line with the metrics of an epoch."""
    valid = "" if metrics.valid_perplexity is None else f", validation {perplexity_text(metrics.valid_perplexity)}"
    return (
        f"epoch {metrics.epoch:.4g} done: perplexity training {perplexity_text(metrics.train_perplexity)}{valid}, "
        f"lr {metrics.lr:.3g}, {metrics.tokens_per_second:,.0f} tokens/s, {duration_text(metrics.seconds)}"
    )


def loss_text(loss: Loss) -> str:
    """A loss in nats per token, and as a perplexity."""
    return f"{mean_nats(loss):.3f} nats/token, perplexity {perplexity_text(perplexity(loss))}"


def perplexity_text(value: float | None) -> str:
    """A perplexity in at most nine characters, with more decimals if it is small. None: too large for a number."""
    if value is None or value >= 1e6:
        return f"{math.inf if value is None else value:.1e}"
    return f"{value:,.3f}" if value < 10 else f"{value:,.1f}"


def duration_text(seconds: float) -> str:
    """A duration as hours, minutes and seconds: 1:02:03 or 2:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
