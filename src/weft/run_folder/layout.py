"""The names in a run folder, and which folders are run folders."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from weft.errors import InputError, WeftError
from weft.files import sync_folder
from weft.training.checkpoint import CHECKPOINTS as CHECKPOINTS
from weft.training.checkpoint import WEIGHTS as WEIGHTS
from weft.training.run_writer import CURVE as CURVE
from weft.training.run_writer import METRICS as METRICS

CONFIG = "config.toml"
TOKENIZER = "tokenizer.json"
DATA = "data"
BASELINES = "baselines"
COMPARISON = "comparison.png"
SPLITS = ("train", "valid", "test")
HELD_OUT = SPLITS[1:]

LOCK = ".lock"
PREPARING = ".preparing"
PREPARED = ".prepared"
REPLACED = ".replaced"
"""The files of an old run while a new one replaces it, in earlier versions."""
OF_WRITERS = {LOCK, PREPARING, PREPARED, REPLACED}


def tokens_path(run: Path, split: str) -> Path:
    """The file with the token ids of a split."""
    return run / DATA / f"{split}.safetensors"


def first_weights_path(run: Path) -> Path:
    """The file with the weights that a run starts from, if these are of another run."""
    return run / DATA / "first_weights.safetensors"


def oov_path(run: Path, split: str) -> Path:
    """The file with a mark for every token of a held-out split: 1 if it is out of vocabulary, else 0."""
    return run / DATA / f"{split}.oov.safetensors"


def check_free(run: Path, overwrite: bool) -> None:
    """Raise InputError unless a new run can be written to `run`: it does not exist, is empty, or holds a run that
    `overwrite` allows to replace."""
    if run.exists() and not run.is_dir():
        raise InputError(f"{run} is a file; give another folder with --out")
    names = {entry.name for entry in run.iterdir()} if run.exists() else set()
    if names <= OF_WRITERS and not names & {PREPARED, REPLACED}:
        return
    if not (_is_run(run) or _is_run(run / PREPARED) or _is_run(run / REPLACED)):
        raise InputError(f"{run} exists and is not a run folder; give another --out")
    if not overwrite:
        raise InputError(
            f"{run} holds a run already: go on with --resume, replace it with --overwrite, or give another --out"
        )


def _is_run(run: Path) -> bool:
    """Whether weft wrote this folder; other programs have a `config.toml` too."""
    with suppress(OSError):
        return bool(re.search(r"^weft = ", (run / CONFIG).read_text("utf-8", errors="replace"), re.MULTILINE))
    return False


@contextmanager
def created(run: Path) -> Iterator[None]:
    """A context manager that makes the folder `run` first; folders it made that are empty at the end are removed."""
    new = [folder for folder in (run, *run.parents) if not folder.exists()]
    try:
        with writing(run):
            run.mkdir(parents=True, exist_ok=True)
            for folder in new:
                sync_folder(folder.parent)
        yield
    finally:
        with suppress(OSError):  # folders that are not empty are kept
            for folder in new:
                folder.rmdir()


@contextmanager
def writing(run: Path) -> Iterator[None]:
    """A context manager that turns an error on writing the run folder `run` into InputError."""
    try:
        yield
    except WeftError:
        raise
    except OSError as error:
        raise InputError(f"cannot write the run folder {run}: {error.strerror or error}") from error
