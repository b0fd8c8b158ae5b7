"""The training state of a checkpoint that is stored as JSON: everything except the arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from weft.errors import CheckpointError
from weft.files.json_fields import JSONFields
from weft.loss import NOTHING, Loss
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
    validation_due: bool
    """Whether the step was to be followed by a validation that had not ended yet."""

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
        if not isinstance(values, dict) or type(values.get("format")) is not int:
            raise CheckpointError("it is not a training state with a format version")
        if values["format"] > FORMAT:
            raise CheckpointError(
                f"it has format version {values['format']}, this weft reads up to {FORMAT}: install a newer weft"
            )
        saved = JSONFields(DEFAULTS | values)
        checked: dict[str, Any] = {name: saved.whole(name) for name in WHOLE_NUMBERS}
        checked |= {name: saved.text(name) for name in ("optimizer", "schedule", "averaging")}
        checked |= {name: saved.mapping(name) for name in ("schedule_state", "averaging_state", "random_state")}
        checked |= {name: _loss(saved, name) for name in ("train", "best")}
        epoch_loss = _loss(saved, "epoch_loss") or NOTHING
        return cls(
            **checked,
            epoch_loss=epoch_loss,
            epoch_seconds=saved.number("epoch_seconds"),
            validation_due=saved.truth("validation_due"),
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
DEFAULTS: dict[str, Any] = {"accumulate": 1, "averaging": "none", "averaging_state": {}, "validation_due": False}
"""Values of fields that are missing in checkpoints of earlier versions."""


def _loss(saved: JSONFields, name: str) -> Loss | None:
    if name in saved.values and saved.values[name] is None:
        return None
    loss = saved.fields(name)
    return Loss(loss.number("nats"), loss.whole("tokens"))
