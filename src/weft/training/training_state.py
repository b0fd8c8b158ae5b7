"""The training state of a checkpoint that is stored as JSON: everything except the arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from weft.errors import CheckpointError
from weft.loss import Loss
from weft.training.safetensors_io import FORMAT


@dataclass(frozen=True, kw_only=True)
class TrainingState:
    """The state of a run after a step, without its arrays."""

    step: int
    """Updates made so far."""
    epoch: int
    """Whole passes through the text so far."""
    position: int
    """Position of the block source, before the next block."""
    blocks_per_epoch: int
    accumulate: int
    """Blocks a step."""
    total_steps: int
    """Planned number of steps, on which the schedule 'cosine' depends."""
    optimizer: str
    schedule: str
    schedule_state: Mapping[str, Any]
    averaging: str
    averaging_state: Mapping[str, Any]
    random_state: Mapping[str, Any]
    """State of the model's bit generator."""
    epoch_loss: Loss
    """Training loss of the unfinished epoch so far."""
    epoch_seconds: float
    """Seconds spent training in the unfinished epoch so far."""
    train: Loss | None
    """Training loss of the last epoch that has ended."""
    best: Loss | None
    """Best loss at the end of an epoch: validation, or training if no text is held out."""
    epochs_without_improvement: int

    def to_json(self) -> dict[str, Any]:
        """JSON values of all fields and the format version; a loss is its nats and tokens."""
        values = asdict(self)
        for name in ("epoch_loss", "train", "best"):
            loss = getattr(self, name)
            values[name] = None if loss is None else {"nats": loss.nats, "tokens": loss.tokens}
        return {"format": FORMAT, **values}

    @classmethod
    def from_json(cls, values: Any) -> TrainingState:
        """The state of a saved `to_json()`. Raises CheckpointError if it is from a newer version or not valid."""
        if not isinstance(values, dict) or not isinstance(values.get("format"), int):
            raise CheckpointError("it is not a training state with a format version")
        if values["format"] > FORMAT:
            raise CheckpointError(
                f"it has format version {values['format']}, this weft reads up to {FORMAT}: install a newer weft"
            )
        values = DEFAULTS | values
        return cls(
            **{name: _whole_number(values, name) for name in WHOLE_NUMBERS},
            **{name: _typed(values, name, str) for name in ("optimizer", "schedule", "averaging")},
            **{name: _typed(values, name, dict) for name in ("schedule_state", "averaging_state", "random_state")},
            **{name: _loss(values, name) for name in ("train", "best")},
            epoch_loss=_loss(values, "epoch_loss") or Loss(0.0, 0),
            epoch_seconds=_typed(values, "epoch_seconds", float),
        )


WHOLE_NUMBERS = (
    "step",
    "epoch",
    "position",
    "blocks_per_epoch",
    "accumulate",
    "total_steps",
    "epochs_without_improvement",
)
DEFAULTS: dict[str, Any] = {"accumulate": 1, "averaging": "none", "averaging_state": {}}
"""Values of fields that are missing in checkpoints of earlier versions."""


def _typed(values: Mapping[str, Any], name: str, expected: type) -> Any:
    if not isinstance(values.get(name), expected):
        raise CheckpointError(f"its {name!r} should be of type {expected.__name__}, got {values.get(name)!r}")
    return values[name]


def _whole_number(values: Mapping[str, Any], name: str) -> Any:
    if _typed(values, name, int) < 0:
        raise CheckpointError(f"its {name!r} should not be negative, got {values[name]}")
    return values[name]


def _loss(values: Mapping[str, Any], name: str) -> Any:
    if name in values and values[name] is None:
        return None
    loss = _typed(values, name, dict)
    return Loss(_typed(loss, "nats", float), _whole_number(loss, "tokens"))
