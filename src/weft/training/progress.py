"""What a person sees while a model trains. Progress goes to standard error; standard output is for results."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TextIO

from weft.evaluation.perplexity import mean_nats, perplexity
from weft.loss import Loss
from weft.training.metrics import EpochMetrics


@dataclass(frozen=True)
class Status:
    """A run between two steps."""

    step: int
    total_steps: int
    epoch: int
    """The epoch under way, counted from 1."""
    epochs: int
    loss: Loss
    """Of the epoch so far."""
    lr: float
    tokens_per_second: float
    seconds_left: float


class Progress(Protocol):
    """Told of everything that happens in a run."""

    def stepped(self, status: Status) -> None:
        """An update was made."""

    def epoch_ended(self, metrics: EpochMetrics) -> None:
        """An epoch is over, and validated."""

    def note(self, line: str) -> None:
        """Something worth a line of its own."""

    def close(self) -> None:
        """The run is over, however it ended."""


class NoProgress:
    """Says nothing."""

    def stepped(self, status: Status) -> None: ...

    def epoch_ended(self, metrics: EpochMetrics) -> None: ...

    def note(self, line: str) -> None: ...

    def close(self) -> None: ...


class EpochLines:
    """A line an epoch; of epochs that are over sooner than a second, not each is worth one, but always the last."""

    SECONDS_BETWEEN_LINES = 1.0

    def __init__(self, note: Callable[[str], None], clock: Callable[[], float]) -> None:
        self._note = note
        self._clock = clock
        self._last = -math.inf
        self._held: EpochMetrics | None = None

    def epoch_ended(self, metrics: EpochMetrics) -> None:
        """Tell of an epoch, or hold it back for a moment."""
        self._held = metrics
        if self._clock() - self._last >= self.SECONDS_BETWEEN_LINES:
            self.flush()

    def flush(self) -> None:
        """Tell of the epoch that is held back, if there is one."""
        if self._held is not None:
            self._note(epoch_line(self._held))
            self._held, self._last = None, self._clock()


class PlainProgress:
    """Whole lines without control codes, for a file or a log: one every ten seconds, and `EpochLines`."""

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
        print(line, file=self._stream, flush=True)

    def close(self) -> None:
        self._epochs.flush()


def status_line(status: Status) -> str:
    """One line on where a run is."""
    return (
        f"epoch {status.epoch}/{status.epochs}, step {status.step:,}/{status.total_steps:,}: {loss_text(status.loss)}, "
        f"lr {status.lr:.3g}, {status.tokens_per_second:,.0f} tokens/s, {duration_text(status.seconds_left)} left"
    )


def epoch_line(metrics: EpochMetrics) -> str:
    """One line on how an epoch went."""
    valid = "" if metrics.valid_perplexity is None else f", validation {perplexity_text(metrics.valid_perplexity)}"
    return (
        f"epoch {metrics.epoch:.4g} done: perplexity training {perplexity_text(metrics.train_perplexity)}{valid}, "
        f"lr {metrics.lr:.3g}, {metrics.tokens_per_second:,.0f} tokens/s, {duration_text(metrics.seconds)}"
    )


def loss_text(loss: Loss) -> str:
    """A loss in nats per token, and as a perplexity."""
    return f"{mean_nats(loss):.3f} nats/token, perplexity {perplexity_text(perplexity(loss))}"


def perplexity_text(value: float | None) -> str:
    """A perplexity in at most nine characters, precise where it is small; None is one beyond any number."""
    if value is None or value >= 1e6:
        return f"{math.inf if value is None else value:.1e}"
    return f"{value:,.3f}" if value < 10 else f"{value:,.1f}"


def duration_text(seconds: float) -> str:
    """Hours, minutes and seconds, as 1:02:03 or 2:03."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
