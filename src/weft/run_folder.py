"""A run folder: everything a run needs and leaves, readable without weft.

    config.toml            the resolved configuration
    tokenizer.json         the vocabulary
    model.safetensors      the weights of the best model
    data/                  token ids of the training, validation and test text, for resuming and `weft eval`
    checkpoints/           what is needed to continue
    metrics.jsonl          one line an epoch
    curve.png              perplexity over the epochs
    baselines/             models of the same text that `weft compare` has trained
    comparison.png         how their perplexity falls with the length of the context

The first three are enough to use the model. While a run is prepared it is under the name `.preparing` in its folder.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from weft.errors import InputError, MissingFileError, WeftError
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
PREPARING = ".preparing"
REPLACED = ".replaced"


def tokens_path(run: Path, split: str) -> Path:
    """Where the token ids of a split are."""
    return run / DATA / f"{split}.safetensors"


def oov_path(run: Path, split: str) -> Path:
    """Where it is marked (0 or 1) which tokens of a held-out split stand for words outside the vocabulary."""
    return run / DATA / f"{split}.oov.safetensors"


def check_run(run: Path) -> None:
    """Raise MissingFileError unless `run` is a run folder."""
    if not run.is_dir():
        what = f"{run} is a file, not a run folder" if run.exists() else f"no run folder at {run}"
        raise MissingFileError(f"{what}; `weft train` makes one")
    if not (run / CONFIG).exists():
        raise MissingFileError(f"{run} is not a run folder: it has no {CONFIG}")


def check_free(run: Path, overwrite: bool) -> None:
    """Raise InputError unless a new run may take the place `run`: nothing is there, or a run that may be replaced."""
    if run.exists() and not run.is_dir():
        raise InputError(f"{run} is a file; give another folder with --out")
    if not run.exists() or all(entry.name == PREPARING for entry in run.iterdir()):
        return
    if not _is_run(run):
        raise InputError(f"{run} exists and is not a run folder; give another --out")
    if not overwrite:
        raise InputError(
            f"{run} holds a run already: go on with --resume, replace it with --overwrite, or give another --out"
        )


def _is_run(run: Path) -> bool:
    """Whether weft made this folder; many programs keep a `config.toml`."""
    with suppress(OSError):
        return bool(re.search(r"^weft = ", (run / CONFIG).read_text("utf-8", errors="replace"), re.MULTILINE))
    return False


@contextmanager
def new_run(run: Path) -> Iterator[Path]:
    """Yield a folder whose content becomes the run `run` when the block ends without an error.

    What was in `run` stays until then, and after an error nothing has changed. Files that are not a run's stay anyway.
    """
    made = [folder for folder in (run, *run.parents) if not folder.exists()]
    preparing = run / PREPARING
    try:
        with writing(run):
            shutil.rmtree(preparing, ignore_errors=True)
            (preparing / DATA).mkdir(parents=True)
            yield preparing
            _put_in_place(run, preparing)
    finally:
        shutil.rmtree(preparing, ignore_errors=True)
        with suppress(OSError):  # those that hold something stay
            for folder in made:
                folder.rmdir()


@contextmanager
def writing(run: Path) -> Iterator[None]:
    """Turn a failure to write the run folder `run` into an InputError that says why."""
    try:
        yield
    except WeftError:
        raise
    except OSError as error:
        raise InputError(f"cannot write the run folder {run}: {error.strerror or error}") from error


def _put_in_place(run: Path, preparing: Path) -> None:
    """Exchange the files of a run, the configuration first out and last in: without it a folder is not a run."""
    replaced = run / REPLACED
    shutil.rmtree(replaced, ignore_errors=True)
    replaced.mkdir()
    for name in (CONFIG, TOKENIZER, WEIGHTS, METRICS, CURVE, DATA, CHECKPOINTS, BASELINES, COMPARISON):
        if (run / name).exists():
            (run / name).rename(replaced / name)
    for name in (DATA, TOKENIZER, CONFIG):
        (preparing / name).rename(run / name)
    sync_folder(run)
    shutil.rmtree(replaced, ignore_errors=True)
