"""The run folder: all files of a run, readable without weft.

    config.toml            the resolved configuration
    tokenizer.json         the vocabulary
    model.safetensors      the weights of the best model
    data/                  token ids of the training, validation and test text, for resuming and `weft eval`
    checkpoints/           the training state, for resuming
    metrics.jsonl          metrics of every epoch, one line each
    curve.png              perplexity over epochs
    baselines/             models that `weft compare` has trained on the same text
    comparison.png         perplexity of the run and the baselines over the length of the context

The first three are enough to use the model. A run is prepared in the subfolder `.preparing` of its folder.
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
    """The file with the token ids of a split."""
    return run / DATA / f"{split}.safetensors"


def oov_path(run: Path, split: str) -> Path:
    """The file with a mark for every token of a held-out split: 1 if it is out of vocabulary, else 0."""
    return run / DATA / f"{split}.oov.safetensors"


def check_run(run: Path) -> None:
    """Raise MissingFileError unless `run` is a run folder."""
    if not run.is_dir():
        what = f"{run} is a file, not a run folder" if run.exists() else f"no run folder at {run}"
        raise MissingFileError(f"{what}; `weft train` makes one")
    if not (run / CONFIG).exists():
        raise MissingFileError(f"{run} is not a run folder: it has no {CONFIG}")


def check_free(run: Path, overwrite: bool) -> None:
    """Raise InputError unless a new run can be written to `run`: it does not exist, is empty, or holds a run that
    `overwrite` allows to replace."""
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
    """Whether weft wrote this folder; other programs have a `config.toml` too."""
    with suppress(OSError):
        return bool(re.search(r"^weft = ", (run / CONFIG).read_text("utf-8", errors="replace"), re.MULTILINE))
    return False


@contextmanager
def new_run(run: Path) -> Iterator[Path]:
    """A context manager that yields a folder whose content becomes the run `run` when the block ends without an error.

    Until then, and after an error, the files of an older run in `run` are unchanged. Files that are not of a run are
    kept in any case. Raises InputError if `run` cannot be written.
    """
    created = [folder for folder in (run, *run.parents) if not folder.exists()]
    preparing = run / PREPARING
    try:
        with writing(run):
            shutil.rmtree(preparing, ignore_errors=True)
            (preparing / DATA).mkdir(parents=True)
            yield preparing
            _put_in_place(run, preparing)
    finally:
        shutil.rmtree(preparing, ignore_errors=True)
        with suppress(OSError):  # folders that are not empty are kept
            for folder in created:
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


def _put_in_place(run: Path, preparing: Path) -> None:
    """Replace the files of a run. The configuration is removed first and added last: a folder without it is no run."""
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
