"""A run folder: everything a run needs and leaves, readable without weft.

    config.toml            the resolved configuration
    tokenizer.json         the vocabulary
    model.safetensors      the weights of the best model
    data/                  token ids of the training, validation and test text, for resuming and `weft eval`
    checkpoints/           what is needed to continue
    metrics.jsonl          one line an epoch
    curve.png              perplexity over the epochs

The first three are enough to use the model.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weft.errors import InputError, MissingFileError
from weft.files import sync_folder

CONFIG = "config.toml"
TOKENIZER = "tokenizer.json"
WEIGHTS = "model.safetensors"
METRICS = "metrics.jsonl"
SPLITS = ("train", "valid", "test")
HELD_OUT = SPLITS[1:]


def tokens_path(run: Path, split: str) -> Path:
    """Where the token ids of a split are."""
    return run / "data" / f"{split}.safetensors"


def oov_path(run: Path, split: str) -> Path:
    """Where it is marked (0 or 1) which tokens of a held-out split stand for words outside the vocabulary."""
    return run / "data" / f"{split}.oov.safetensors"


def check_run(run: Path) -> None:
    """Raise MissingFileError unless `run` is a run folder."""
    if not run.is_dir():
        raise MissingFileError(f"no run folder at {run}; `weft train` makes one")
    if not (run / CONFIG).exists():
        raise MissingFileError(f"{run} is not a run folder: it has no {CONFIG}")


def check_free(run: Path, overwrite: bool) -> None:
    """Raise InputError unless a new run may take the place `run`."""
    if not run.exists():
        return
    if not run.is_dir():
        raise InputError(f"{run} is a file; give another folder with --out")
    if (run / CONFIG).exists():
        if not overwrite:
            raise InputError(
                f"{run} holds a run already: go on with --resume, replace it with --overwrite, or give another --out"
            )
    elif any(run.iterdir()):
        raise InputError(f"{run} exists and is not a run folder; give another --out")


@contextmanager
def new_run(run: Path) -> Iterator[Path]:
    """Yield a folder that becomes `run` when the block ends without an error, and is removed if not.

    What was at `run` stays until then.
    """
    preparing = run.with_name(f".{run.name}.{os.getpid()}.preparing")
    try:
        (preparing / "data").mkdir(parents=True)
        yield preparing
        if run.exists():
            shutil.rmtree(run)
        preparing.rename(run)
        sync_folder(run.parent)
    except OSError as error:
        raise InputError(f"cannot write the run folder {run}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(preparing, ignore_errors=True)
