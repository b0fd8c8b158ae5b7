"""The weights of a run's trained model: those of the best epoch, or of the checkpoint before an epoch has ended."""

from __future__ import annotations

import warnings
from pathlib import Path

from weft.errors import CheckpointError, MissingFileError
from weft.run_folder.layout import WEIGHTS
from weft.training.checkpoint import load_checkpoint, newest_checkpoint
from weft.training.interfaces import NamedArrays
from weft.training.safetensors_io import Shapes, load_weights


def trained_weights(run: Path, shapes: Shapes) -> NamedArrays:
    """The weights of the run `run` by name, with the names and shapes `shapes`.

    If the file of the best weights is gone and no epoch has ended, they are those of the newest checkpoint, or their
    average where the run keeps one, as training would have saved them; a warning names the checkpoint. Raises
    MissingFileError if there are no weights or the best ones are gone, CheckpointError if they are damaged or of
    another model.
    """
    if (run / WEIGHTS).exists():
        try:
            return load_weights(run / WEIGHTS, shapes)
        except CheckpointError as error:
            raise CheckpointError(f"{error}{_what_is_left(run)}") from None
    newest = newest_checkpoint(run)
    if newest is None:
        raise MissingFileError(f"{run} holds no model yet; `weft train --resume --out {run}` continues the training")
    checkpoint = load_checkpoint(newest, shapes)
    if checkpoint.training.best is not None:
        raise MissingFileError(f"{run / WEIGHTS} is gone{_what_is_left(run)}")
    warnings.warn(f"{run / WEIGHTS} is gone: taking the weights of the checkpoint {newest.name}", stacklevel=2)
    return checkpoint.average or checkpoint.weights


def _what_is_left(run: Path) -> str:
    """What can still be done without the best weights, for the end of a message."""
    newest = newest_checkpoint(run)
    if newest is None:
        return "; restore it from a copy, or train again with --overwrite"
    return (
        f"; restore it from a copy. The checkpoint {newest.name} has the weights of the last step, not of the best "
        f"epoch: `weft train --resume --out {run}` with more --epochs goes on from them"
    )
