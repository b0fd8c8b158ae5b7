"""Files: atomic writing, and reading with the errors of weft."""

from __future__ import annotations

import glob
import gzip
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from weft.errors import InputError, MissingFileError
from weft.files.locking import try_lock


@contextmanager
def replace_atomically(path: Path) -> Iterator[BinaryIO]:
    """A context manager that yields a binary file, which replaces `path` when the block ends without an error.

    The file is written under a temporary name in the same folder, synced to disk and renamed. After an error, for
    example on a full disk, the temporary file is removed and `path` is unchanged.
    """
    remove_leftovers(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w+b") as file:
            try_lock(file.fileno())  # while it is locked, it is no leftover
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename = str(path)  # the user does not know the temporary name
        raise
    sync_folder(path.parent)


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files that killed processes have left of `path`: those that no process has locked."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with suppress(OSError), leftover.open("rb+") as file:
            if re.fullmatch(r"\d+", leftover.name[len(path.name) + 2 : -4]) and try_lock(file.fileno()):
                leftover.unlink()


def write_text_atomically(path: Path, text: str) -> None:
    """Replace the file at `path` by `text` in UTF-8; see `replace_atomically`."""
    with replace_atomically(path) as file:
        file.write(text.encode("utf-8"))


def sync_folder(folder: Path) -> None:
    """Sync `folder` to disk, so that a renamed file keeps its new name after a power failure.

    On systems that cannot sync a folder it does nothing.
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # Windows cannot open a folder
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A context manager that yields the file `path`, opened for reading bytes; `.gz` files are decompressed.

    Raises MissingFileError and InputError as `reading` does.
    """
    with reading(str(path)), gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        yield cast(BinaryIO, file)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """A context manager that turns an error on reading the file `name` into MissingFileError or InputError."""
    try:
        yield
    except FileNotFoundError:
        raise MissingFileError(f"there is no file {name}") from None
    except EOFError:
        raise InputError(f"{name} is cut short: the end of the compressed data is missing") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{name} is not a gzip file, or is damaged: {error}") from None
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror or error}") from None
