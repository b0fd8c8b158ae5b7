"""Sources of bytes that can be read repeatedly: files, gzip files, standard input and the built-in text."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, cast

from weft.errors import InputError
from weft.files import opened, reading
from weft.text.builtin import builtin_text

BLOCK_BYTES = 1 << 16
"""Most bytes in a block."""


class ByteSource(Protocol):
    """Named bytes that can be read repeatedly."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int | None:
        """Size in bytes, decompressed; None if unknown."""

    def blocks(self) -> Iterator[bytes]:
        """The bytes from the beginning, in blocks of up to BLOCK_BYTES.

        Raises MissingFileError or InputError if the source cannot be read.
        """


def file_source(path: Path) -> ByteSource:
    """The source for a path: `.gz` files are decompressed, and pipes and the like are spooled."""
    if not path.is_file():
        return SpooledSource(str(path), lambda: opened(path))
    return GzipSource(path) if path.suffix == ".gz" else FileSource(path)


class FileSource:
    """A file, which must not change between its readings.

    Raises InputError if the file that is read has another identity, size or time of change than at its first reading,
    or if these change while it is read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._version: _Version | None = None
        self.name = str(path)

    @property
    def size(self) -> int | None:
        with reading(self.name):
            return self._path.stat().st_size

    def blocks(self) -> Iterator[bytes]:
        with opened(self._path) as file:
            self._check_version(file)
            while block := file.read(BLOCK_BYTES):
                yield block
            self._check_version(file)

    def _check_version(self, file: BinaryIO) -> None:
        status = os.fstat(file.fileno())
        version = _Version(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
        if self._version not in (None, version):
            raise InputError(
                f"{self.name} changed while it was read: start again when no program writes to it, or read a copy"
            )
        self._version = version


class _Version(NamedTuple):
    """What tells a file from the same file after a change."""

    device: int
    inode: int
    size: int
    changed_ns: int


class GzipSource(FileSource):
    """A gzip file, read decompressed."""

    @property
    def size(self) -> None:
        return None


class BuiltinSource:
    """The built-in text."""

    name = "builtin"

    @cached_property
    def _text(self) -> bytes:
        return builtin_text().encode("utf-8")

    @property
    def size(self) -> int | None:
        return len(self._text)

    def blocks(self) -> Iterator[bytes]:
        for start in range(0, len(self._text), BLOCK_BYTES):
            yield self._text[start : start + BLOCK_BYTES]


class SpooledSource:
    """A stream that can be read only once, such as standard input or a pipe.

    The first reading copies it into a temporary file, which is deleted with this object.
    """

    def __init__(self, name: str, open_stream: Callable[[], AbstractContextManager[BinaryIO]]) -> None:
        self.name = name
        self._open_stream = open_stream
        self._spool: BinaryIO | None = None
        self.size: int | None = None

    def blocks(self) -> Iterator[bytes]:
        with reading(self.name):
            spool = self._spool or self._copied()
            position = 0
            while True:
                # Several readers share the file and its position.
                spool.seek(position)
                block = spool.read(BLOCK_BYTES)
                if not block:
                    return
                yield block
                position += len(block)

    def _copied(self) -> BinaryIO:
        spool = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 (closed by the finalizer)
        weakref.finalize(self, spool.close)
        with self._open_stream() as stream:
            shutil.copyfileobj(stream, spool)
        self.size = spool.tell()
        self._spool = spool
        return spool


def standard_input() -> AbstractContextManager[BinaryIO]:
    """The bytes of standard input. Raises InputError if it is closed."""
    if sys.stdin is None or sys.stdin.closed:
        raise InputError("standard input is closed")
    return nullcontext(sys.stdin.buffer)
