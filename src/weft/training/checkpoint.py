"""Checkpoints: the state of a run on disk, written so that after the first one a complete checkpoint always exists.

    RUN/model.safetensors                 weights of the best model so far, by name
    RUN/checkpoints/step-00001234/        the state from which a run continues bit for bit:
        model.safetensors                 weights by name
        training.safetensors              optimizer.NAME: optimizer state; average.NAME: average of the weights;
                                          state.LAYER.INDEX: hidden state, each (N, H)
        training.json                     step, position, random generator, schedule, losses

A checkpoint is written to a folder with a temporary name, which starts with a dot, then synced to disk and renamed.
Older checkpoints are removed only after that. Temporary folders left by a crash are ignored, and removed when the next
checkpoint is written.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError

from weft.backends import State
from weft.config import TrainingConfig
from weft.errors import CheckpointError
from weft.files import sync_folder, write_text_atomically
from weft.files.digests import PLACE, with_digest
from weft.files.json_fields import check_digest, parsed
from weft.training.averaging import averaging_name
from weft.training.interfaces import BlockSource, Floats, NamedArrays, Trainable
from weft.training.safetensors_io import Shapes, load_weights, read_tensors, write_tensors
from weft.training.training_state import TrainingState

CHECKPOINTS = "checkpoints"
WEIGHTS = "model.safetensors"
ARRAYS = "training.safetensors"
STATE = "training.json"


@dataclass(frozen=True)
class Checkpoint:
    """The state of a run after a step."""

    weights: NamedArrays
    optimizer: Mapping[str, np.ndarray[Any, Any]]
    average: NamedArrays
    hidden: tuple[State, ...]
    training: TrainingState


def save_checkpoint(run: Path, checkpoint: Checkpoint) -> Path:
    """Write `checkpoint` into the run folder `run` and remove older ones. Returns the folder of the checkpoint.

    Raises CheckpointError if it cannot be written, for example on a full disk; older checkpoints are then still valid.
    """
    target = checkpoint_folder(run, checkpoint.training.step)
    with _writing(run, f"the checkpoint {target.name}") as folder:
        write_tensors(folder / WEIGHTS, checkpoint.weights)
        write_tensors(folder / ARRAYS, _to_arrays(checkpoint))
        state = {"digest": PLACE, **checkpoint.training.to_json()}
        write_text_atomically(folder / STATE, with_digest(json.dumps(state, indent=1, allow_nan=False) + "\n"))
        sync_folder(folder)
        if target.exists():  # a run that continues from an older checkpoint reaches the same step again
            shutil.rmtree(target)
        folder.rename(target)
        sync_folder(target.parent)
    for other in _complete(run):
        if other != target:
            shutil.rmtree(other, ignore_errors=True)
    return target


def save_best_weights(run: Path, weights: NamedArrays) -> None:
    """Replace atomically the weights that `weft.load` reads. Raises CheckpointError if they cannot be written."""
    with _writing(run, f"the best weights, {WEIGHTS}") as folder:
        write_tensors(folder / WEIGHTS, weights)
        (folder / WEIGHTS).replace(run / WEIGHTS)
        sync_folder(run)


def load_checkpoint(path: Path, expected: Shapes) -> Checkpoint:
    """The checkpoint in the folder `path`, of a model whose parameters have the shapes `expected`, by name.

    Raises CheckpointError, naming the file, if a file is missing, damaged, from a newer version or of another model.
    """
    training = read_training_state(path / STATE)
    weights = load_weights(path / WEIGHTS, expected)
    arrays = read_tensors(path / ARRAYS)
    for name, array in {**weights, **arrays}.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise CheckpointError(f"{path} is damaged: {name} has values that are not finite numbers")
    groups: dict[str, dict[str, Floats]] = {"optimizer": {}, "average": {}, "state": {}}
    for name, array in arrays.items():
        group, _, own_name = name.partition(".")
        if group not in groups:
            raise CheckpointError(f"{path / ARRAYS} has an unexpected tensor {name!r}")
        groups[group][own_name] = array
    return Checkpoint(
        weights, groups["optimizer"], groups["average"], _hidden(path / ARRAYS, groups["state"]), training
    )


def read_training_state(path: Path) -> TrainingState:
    """The training state in the file `path`; raises CheckpointError if it is missing, damaged or of a newer version."""
    try:
        text = path.read_text("utf-8")
        training = TrainingState.from_json(parsed(text))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise CheckpointError(f"{path} cannot be used: {reason}") from error
    check_digest(text, str(path))
    return training


def check_same_run(
    path: Path, checkpoint: Checkpoint, model: Trainable, blocks: BlockSource, config: TrainingConfig
) -> None:
    """Raise CheckpointError, naming the first difference, if training could not continue bit for bit."""
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


def checkpoint_folder(run: Path, step: int) -> Path:
    """The folder of the checkpoint of a run at a step."""
    return run / CHECKPOINTS / f"step-{step:08d}"


def newest_checkpoint(run: Path) -> Path | None:
    """The folder of the complete checkpoint with the most steps; None if there is no checkpoint."""
    return max(_complete(run), key=_step, default=None)


def _complete(run: Path) -> list[Path]:
    return [path for path in (run / CHECKPOINTS).glob("step-*") if re.fullmatch(r"step-\d{8,}", path.name)]


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


@contextmanager
def _writing(run: Path, what: str) -> Iterator[Path]:
    """A context manager that yields an empty temporary folder and removes all temporary folders at the end."""
    folder = run / CHECKPOINTS / ".saving.tmp"
    try:
        folder.parent.mkdir(exist_ok=True)  # not the run folder, which may have been moved
        sync_folder(run)
        remove_temporaries(run)
        folder.mkdir()
        yield folder
    except (OSError, SafetensorError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        kept = newest_checkpoint(run)
        raise CheckpointError(
            f"{run}: could not write {what} ({reason}); "
            + (f"the previous checkpoint {kept.name} is still valid" if kept else "there is no earlier checkpoint")
        ) from error
    finally:
        remove_temporaries(run)


def remove_temporaries(run: Path) -> None:
    """Remove what a killed process has left of a checkpoint or of the best weights."""
    for path in (run / CHECKPOINTS).glob(".*.tmp"):
        shutil.rmtree(path, ignore_errors=True)


def _to_arrays(checkpoint: Checkpoint) -> dict[str, Floats]:
    arrays = {f"optimizer.{name}": array for name, array in checkpoint.optimizer.items()}
    arrays |= {f"average.{name}": array for name, array in checkpoint.average.items()}
    for layer, state in enumerate(checkpoint.hidden):
        arrays |= {f"state.{layer}.{index}": array for index, array in enumerate(state)}
    return arrays


def _hidden(path: Path, arrays: Mapping[str, Floats]) -> tuple[State, ...]:
    layers: dict[int, dict[int, Floats]] = {}
    for name, array in arrays.items():
        match = re.fullmatch(r"(\d+)\.(\d+)", name)
        if match is None:
            raise CheckpointError(f"{path} has an unexpected tensor {'state.' + name!r}")
        layers.setdefault(int(match[1]), {})[int(match[2])] = array
    return tuple(tuple(state[index] for index in sorted(state)) for _, state in sorted(layers.items()))


def _types(weights: NamedArrays) -> str:
    return ", ".join(sorted({str(array.dtype) for array in weights.values()}))


def _shapes(hidden: tuple[State, ...]) -> str:
    return ", ".join(str(tuple(array.shape)) for state in hidden for array in state)
