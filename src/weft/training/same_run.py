"""Whether a checkpoint is of the run that wants to continue from it."""

from __future__ import annotations

from pathlib import Path

from weft.backends import State
from weft.config import TrainingConfig
from weft.errors import CheckpointError
from weft.training.averaging import averaging_name
from weft.training.checkpoint import Checkpoint
from weft.training.interfaces import BlockSource, NamedArrays, Trainable


def check_same_run(
    path: Path, checkpoint: Checkpoint, model: Trainable, blocks: BlockSource, config: TrainingConfig
) -> None:
    """Raise CheckpointError, naming the first difference, if training could not go on bit for bit."""
    saved = checkpoint.training
    differences = (
        ("optimizer", saved.optimizer, config.optimizer),
        ("schedule", saved.schedule, config.schedule),
        ("averaging of the weights", saved.averaging, averaging_name(config)),
        ("number of blocks a step", saved.accumulate, config.accumulate),
        ("number of blocks in an epoch", saved.blocks_per_epoch, blocks.blocks_per_epoch),
        ("type of numbers", _types(checkpoint.weights), _types(model.named_parameters())),
        ("hidden state", _shapes(checkpoint.hidden), _shapes(model.zero_state(config.batch_size))),
        ("random generator", saved.random_state.get("bit_generator"), model.rng.bit_generator.state["bit_generator"]),
    )
    for what, before, now in differences:
        if before != now:
            raise CheckpointError(
                f"{path}: the {what} was {before} and would now be {now}; resume with the same text and settings"
            )


def _types(weights: NamedArrays) -> str:
    return ", ".join(sorted({str(array.dtype) for array in weights.values()}))


def _shapes(hidden: tuple[State, ...]) -> str:
    return ", ".join(str(tuple(array.shape)) for state in hidden for array in state)
