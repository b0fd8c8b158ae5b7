"""How a new run takes its place in a run folder, and how an interruption of that is repaired.

With the lock of the folder held:

1. The new run is written into `.preparing/`, every file synced to disk.
2. `.preparing/` is renamed to `.prepared/`. From this moment on the new run exists, and no longer the old one.
3. The files of the old run are removed, the configuration first.
4. The files in `.prepared/` are moved to their places, the folder of texts first and the configuration last, and the
   empty folder is removed.

The folder is synced after each of the steps and after the first move, so a crash of the machine keeps their order. What
is found later means:

    .preparing/     steps 1 or 2 did not end: it is removed, and the old run is there unchanged
    .prepared/      steps 3 or 4 did not end: they are done again, step 3 only if step 4 has not begun, that is while
                    `.prepared/` still contains the folder of texts, which is moved first
    .replaced/      left by an earlier version, which moved the old run here: it is moved back if the new one was not
                    complete

A new start, `--overwrite`, `--resume` and every command that reads the run call this recovery.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from weft.errors import CheckpointError, InputError, MissingFileError, WeftError
from weft.files import sync_folder
from weft.run_folder.layout import (
    BASELINES,
    CHECKPOINTS,
    COMPARISON,
    CONFIG,
    CURVE,
    DATA,
    METRICS,
    PREPARED,
    PREPARING,
    REPLACED,
    TOKENIZER,
    WEIGHTS,
    created,
    writing,
)
from weft.run_folder.lock import is_locked, locked
from weft.training.checkpoint import newest_checkpoint, remove_temporaries

OF_A_RUN = (CONFIG, TOKENIZER, WEIGHTS, METRICS, CURVE, DATA, CHECKPOINTS, BASELINES, COMPARISON)
"""What a run consists of, in the order in which an old one is removed."""
OF_A_NEW_RUN = (DATA, TOKENIZER, WEIGHTS, CONFIG)
"""What a prepared run consists of, in the order in which it is put in place; an imported one has weights."""
Result = TypeVar("Result")

SECONDS_TO_WAIT = 10.0
"""How long a reader waits for another process to put a run in place, which takes milliseconds."""


@contextmanager
def new_run(run: Path) -> Iterator[Path]:
    """A context manager that yields a folder whose content becomes the run `run` when the block ends without an error.

    Until then, and after an error, the files of an older run in `run` are unchanged. Files that are not of a run are
    kept in any case. The caller holds the lock of `run`. Raises InputError if `run` cannot be written.
    """
    preparing = run / PREPARING
    with created(run):
        try:
            with writing(run):
                recover(run)
                (preparing / DATA).mkdir(parents=True)
                yield preparing
                for folder in (preparing / DATA, preparing):
                    sync_folder(folder)
                preparing.rename(run / PREPARED)
                sync_folder(run)
                _put_in_place(run)
        finally:
            shutil.rmtree(preparing, ignore_errors=True)


def recover(run: Path) -> None:
    """Finish or undo what a killed process has left in the folder `run`. The caller holds its lock."""
    if (run / PREPARED).exists():
        _put_in_place(run)
    if (run / REPLACED).exists():
        _put_back(run)
    shutil.rmtree(run / PREPARING, ignore_errors=True)
    remove_temporaries(run)
    for name in OF_A_RUN:
        for leftover in run.glob(f".{name}.*.tmp"):
            with suppress(OSError):
                leftover.unlink()


def check_run(run: Path) -> None:
    """Raise MissingFileError unless `run` is a run folder, after a recovery if a killed process has left something.

    Raises CheckpointError if something else than a file is in the place of one, such as a pipe, on which reading would
    wait.
    """
    if not run.is_dir():
        what = f"{run} is a file, not a run folder" if run.exists() else f"no run folder at {run}"
        raise MissingFileError(f"{what}; `weft train` makes one")
    _recover_as_reader(run)
    if not (run / CONFIG).exists():
        raise MissingFileError(f"{run} is not a run folder: it has no {CONFIG}")
    _check_files(run)


def _check_files(run: Path) -> None:
    found = [run / name for name in OF_A_RUN]
    found += [Path(folder, name) for path in found for folder, _, names in os.walk(path) for name in names]
    for path in found:
        with suppress(OSError):  # what is not there, or is being replaced, is not waited for
            mode = path.stat().st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise CheckpointError(f"{path} is not a file: restore it from a copy")


def read_whole(run: Path, read: Callable[[Path], Result]) -> Result:
    """`read(run)`; again if another process has replaced the run meanwhile, so that it never mixes parts of two runs.

    After an error it is also read again if the newest checkpoint has changed, because an older one is removed then.
    Raises MissingFileError as `check_run` does, and what `read` raises.
    """
    while True:
        check_run(run)
        before, checkpoint = _version(run), newest_checkpoint(run)
        try:
            result = read(run)
        except (WeftError, OSError):
            if (_version(run), newest_checkpoint(run)) == (before, checkpoint):
                raise
            continue
        if _version(run) == before:
            return result


def _version(run: Path) -> tuple[int, int] | None:
    """Differs after a new run has taken the place of another."""
    try:
        found = (run / TOKENIZER).stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def run_folders(parent: Path) -> list[Path]:
    """The run folders in `parent`, after a recovery of each."""
    found = sorted({path.parent for name in (CONFIG, PREPARED, REPLACED) for path in parent.glob(f"*/{name}")})
    for run in found:
        _recover_as_reader(run)
    return [run for run in found if (run / CONFIG).exists()]


def _recover_as_reader(run: Path) -> None:
    """Recover if there is something to recover; wait while another process puts a run in place."""
    began = time.monotonic()
    while (run / PREPARED).exists() or (run / REPLACED).exists() or (run / PREPARING).exists():
        if not is_locked(run):
            try:
                with locked(run):
                    recover(run)
            except InputError:
                # Another process was faster, or the folder is read-only.
                if (run / CONFIG).exists() and not (run / PREPARED).exists():
                    return
        elif not (run / PREPARED).exists():
            return  # a new run is being prepared; the old one is unchanged
        if time.monotonic() - began > SECONDS_TO_WAIT:
            raise InputError(f"{run} is being replaced by a new run, or cannot be written: try again later")
        time.sleep(0.02)


def _put_in_place(run: Path) -> None:
    """Steps 3 and 4, from the beginning or from any point at which they were interrupted."""
    prepared = run / PREPARED
    if (prepared / OF_A_NEW_RUN[0]).exists():
        for name in OF_A_RUN:
            _remove(run / name)
        sync_folder(run)
    first, *others = OF_A_NEW_RUN
    for names in ([first], others):
        for name in names:
            if (prepared / name).exists():
                (prepared / name).rename(run / name)
        for folder in (prepared, run):
            sync_folder(folder)
    shutil.rmtree(prepared)
    sync_folder(run)


def _put_back(run: Path) -> None:
    """Undo or finish a replacement of an earlier version."""
    replaced = run / REPLACED
    if not (run / CONFIG).exists() and (replaced / CONFIG).exists():
        for name in reversed(OF_A_RUN):
            if (replaced / name).exists():
                _remove(run / name)
                (replaced / name).rename(run / name)
        sync_folder(run)
    shutil.rmtree(replaced, ignore_errors=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
