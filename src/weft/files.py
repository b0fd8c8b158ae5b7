"""Files: written so that each is either the old one or the new one, and read with errors that are weft's own."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from weft.errors import InputError, MissingFileError


@contextmanager
def replace_atomically(path: Path) -> Iterator[BinaryIO]:
    """Yield a binary file that takes the place of `path` when the block ends without an error.

    It is written under a temporary name in the same folder, synced and renamed. After an error (a full disk, say)
    the temporary file is removed and `path` is what it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename = str(path)  # the name that whoever reads the message knows
        raise
    sync_folder(path.parent)


def write_text_atomically(path: Path, text: str) -> None:
    """Replace the file at `path` by `text` in UTF-8, as `replace_atomically` does."""
    with replace_atomically(path) as file:
        file.write(text.encode("utf-8"))


def sync_folder(folder: Path) -> None:
    """Make renames within `folder` survive a power cut, where the system can sync a folder."""
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
    """The bytes of the file `path`, decompressed where its name ends in `.gz`; raises what `reading` does."""
    with reading(str(path)), gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        yield cast(BinaryIO, file)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn a failure to read the file `name`, gzip or not, into a MissingFileError or an InputError that says why."""
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
