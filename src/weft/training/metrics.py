"""Metrics of every epoch in `metrics.jsonl`, one JSON object a line."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from weft.errors import CheckpointError
from weft.evaluation.perplexity import mean_nats, perplexity
from weft.files import write_text_atomically
from weft.loss import Loss


@dataclass(frozen=True, kw_only=True)
class EpochMetrics:
    """Metrics of one epoch. A number that is missing or not finite is null in the file and None here."""

    epoch: float
    """Passes through the text so far; not a whole number if the run ended within an epoch."""
    step: int
    """Updates so far."""
    train_nats_per_token: float | None
    train_perplexity: float | None
    valid_nats_per_token: float | None
    valid_perplexity: float | None
    lr: float
    """Learning rate of the schedule at the last step, before scaling by the length of a random block."""
    tokens_per_second: float
    """Tokens trained on, divided by `seconds`."""
    seconds: float
    """Time spent on training in this epoch, without validation and saving."""

    @classmethod
    def of(
        cls, step: int, steps_per_epoch: int, train: Loss, valid: Loss | None, lr: float, seconds: float
    ) -> EpochMetrics:
        """The metrics of an epoch from its training loss `train` and its validation loss `valid`, if any."""
        return cls(
            epoch=step / steps_per_epoch if step % steps_per_epoch else step // steps_per_epoch,
            step=step,
            train_nats_per_token=mean_nats(train),
            train_perplexity=perplexity(train),
            valid_nats_per_token=mean_nats(valid) if valid else None,
            valid_perplexity=perplexity(valid) if valid else None,
            lr=lr,
            tokens_per_second=train.tokens / max(seconds, 1e-9),
            seconds=seconds,
        )

    def to_json(self) -> str:
        """One line of the file, without its line end."""
        finite = {
            name: value if not isinstance(value, float) or math.isfinite(value) else None
            for name, value in asdict(self).items()
        }
        return json.dumps(finite)


def append_metrics(path: Path, metrics: EpochMetrics) -> None:
    """Append a line to the file and close it."""
    with path.open("a", encoding="utf-8", newline="\n") as file:
        file.write(metrics.to_json() + "\n")


def read_metrics(path: Path) -> list[EpochMetrics]:
    """The metrics of all epochs in the file, in order; none if there is no file.

    A last line without line end was cut off by a crash and is ignored. Raises CheckpointError, with the number of the
    line, for any other line that is not the metrics of an epoch.
    """
    if not path.exists():
        return []
    *lines, _cut_off = path.read_text("utf-8", errors="replace").split("\n")
    return [_parsed(path, number, line) for number, line in enumerate(lines, start=1)]


def drop_metrics_after(path: Path, step: int) -> None:
    """Remove the epochs that ended after `step`, and a cut-off last line: a resumed run writes them again."""
    if path.exists():
        kept = [metrics for metrics in read_metrics(path) if metrics.step <= step]
        write_text_atomically(path, "".join(metrics.to_json() + "\n" for metrics in kept))


def _parsed(path: Path, number: int, line: str) -> EpochMetrics:
    try:
        values: Any = json.loads(line)
        return EpochMetrics(**{field.name: values[field.name] for field in fields(EpochMetrics)})
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path}, line {number}: not the metrics of an epoch ({error!r})") from error
