"""Metrics of every epoch in `metrics.jsonl`, one JSON object a line."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from weft.errors import CheckpointError
from weft.evaluation.perplexity import mean_nats, perplexity
from weft.files import write_text_atomically
from weft.files.json_fields import JSONFields, parsed
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
        saved = JSONFields(parsed(line))
        metrics = EpochMetrics(
            epoch=saved.whole("epoch") if type(saved.values.get("epoch")) is int else saved.number("epoch"),
            step=saved.whole("step"),
            train_nats_per_token=saved.number_or_none("train_nats_per_token"),
            train_perplexity=saved.number_or_none("train_perplexity"),
            valid_nats_per_token=saved.number_or_none("valid_nats_per_token"),
            valid_perplexity=saved.number_or_none("valid_perplexity"),
            lr=saved.number("lr"),
            tokens_per_second=saved.number("tokens_per_second"),
            seconds=saved.number("seconds"),
        )
        for name in ("train", "valid"):
            _check_perplexity(saved, name)
    except ValueError as error:
        raise CheckpointError(f"{path}, line {number}: not the metrics of an epoch ({error})") from None
    return metrics


def _check_perplexity(saved: JSONFields, split: str) -> None:
    """Raise CheckpointError if the perplexity of a split is not exp(nats per token)."""
    nats, stated = (saved.number_or_none(f"{split}_{name}") for name in ("nats_per_token", "perplexity"))
    if stated is None:
        return
    if nats is None or not math.isclose(math.log(stated) if stated > 0 else math.inf, nats, rel_tol=1e-6, abs_tol=1e-6):
        raise CheckpointError(f"its perplexity {stated} is not exp({nats}), of the {split} nats per token")
