"""How a training ended."""

from __future__ import annotations

from dataclasses import dataclass

from weft.loss import Loss


@dataclass(frozen=True)
class TrainingResult:
    """The result of a run."""

    outcome: str
    """'finished', 'stopped early' (no improvement for `patience` epochs), 'stopped by a callback' or 'interrupted' (by
    a signal)."""
    step: int
    """Number of updates."""
    epoch: int
    """Number of whole passes through the text."""
    best: Loss | None
    """Best loss at the end of an epoch: validation, or training if no text is held out; None before the first."""
    train: Loss | None
    """Training loss of the last epoch that ended."""
