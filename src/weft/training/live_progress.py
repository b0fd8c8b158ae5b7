"""Progress on a terminal: two lines, updated in place during an epoch, and one line for every epoch that has ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from weft.presentation.escapes import one_line
from weft.training.metrics import EpochMetrics
from weft.training.progress import EpochLines, Status, duration_text, loss_text


class LiveProgress:
    """A progress bar that is redrawn at most ten times a second."""

    SECONDS_BETWEEN_UPDATES = 0.1

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = -self.SECONDS_BETWEEN_UPDATES
        self._display = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[loss]}\n{task.fields[speed]}, {task.fields[left]} left"),  # fits 80 columns
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._epochs = EpochLines(self.note, clock)

    def stepped(self, status: Status) -> None:
        now = self._clock()
        if now - self._last < self.SECONDS_BETWEEN_UPDATES:
            return
        self._last = now
        fields: dict[str, Any] = {
            "epoch": f"{status.epoch}/{status.epochs}",
            "loss": loss_text(status.loss),
            "speed": f"lr {status.lr:.3g}, {status.tokens_per_second:,.0f} tokens/s",
            "left": duration_text(status.seconds_left),
        }
        if self._task is None:
            self._task = self._display.add_task("training", total=status.total_steps, **fields)
            self._display.start()
        self._display.update(self._task, completed=status.step, total=status.total_steps, **fields)

    def epoch_ended(self, metrics: EpochMetrics) -> None:
        self._epochs.epoch_ended(metrics)

    def note(self, line: str) -> None:
        self._display.console.print(one_line(line), markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        self._epochs.flush()
        self._display.stop()
