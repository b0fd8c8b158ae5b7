"""Folders that appear as a whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from weft.files import sync_folder


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A context manager that yields an empty folder, which takes the name `path` when the block ends without an error.

    The folder is written under a temporary name next to `path`, its files are synced to disk, and it is renamed. A
    folder that has the name `path` is removed then, after it was renamed too. After an error the temporary folder is
    removed and `path` is unchanged.
    """
    temporary, old = (path.with_name(f".{path.name}.{os.getpid()}.{what}") for what in ("tmp", "old"))
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir()
        yield temporary
        for file in temporary.iterdir():
            with file.open("rb+") as opened:
                os.fsync(opened.fileno())
        sync_folder(temporary)
        if path.exists():
            path.rename(old)
        temporary.rename(path)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if old.exists() and not path.exists():
            old.rename(path)
        if isinstance(error, OSError) and error.filename and str(error.filename).startswith(str(temporary)):
            error.filename = str(path)  # the user does not know the temporary name
        raise
    sync_folder(path.parent)
    shutil.rmtree(old, ignore_errors=True)
