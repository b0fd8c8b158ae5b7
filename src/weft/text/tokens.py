"""Token ids on disk: a safetensors file with one tensor `ids`, written as a stream.

The file consists of 8 bytes (the length of the header, little-endian), the header (JSON, padded with spaces) and the
ids. The header contains the number of ids and their digest, so its space is reserved at the beginning and filled last.

Files of ordinary size are read into memory, larger ones part by part. Neither is mapped into memory: a mapped file that
another program truncates ends the process with a bus error.
"""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from weft.errors import CheckpointError, InputError, MissingFileError
from weft.files import replace_atomically
from weft.files.digests import RunningDigest, digest_of

HEADER_BYTES = 504
IN_MEMORY_BYTES = 1 << 28
"""Size up to which the ids of a file are read into memory."""
READING_BYTES = 1 << 23
DTYPES: dict[str, np.dtype[np.integer[Any]]] = {"U16": np.dtype("<u2"), "I32": np.dtype("<i4")}


def write_tokens(path: Path | str, chunks: Iterable[NDArray[np.integer[Any]]], vocab_size: int, kind: str = "") -> int:
    """Write the ids of all `chunks`, replacing the file atomically. Returns the number of ids.

    vocab_size  V; an id takes 2 bytes if V <= 65,536, else 4
    kind        kind of the tokenizer or of the ids, stored in the metadata

    Raises InputError for an id outside 0 ... V - 1.
    """
    name = "U16" if vocab_size <= 1 << 16 else "I32"
    length, digest = 0, RunningDigest()
    with replace_atomically(Path(path)) as file:
        file.write(bytes(8 + HEADER_BYTES))
        for chunk in chunks:
            if chunk.size and not (chunk.min() >= 0 and chunk.max() < vocab_size):
                raise InputError(
                    f"token ids must be from 0 to {vocab_size - 1}, got ids from {chunk.min()} to {chunk.max()}"
                )
            data = chunk.astype(DTYPES[name]).tobytes()
            digest.add(data)
            file.write(data)
            length += chunk.size
        metadata = {"vocab_size": str(vocab_size), "kind": kind}
        metadata["digest"] = _digest(digest, name, length, metadata)
        ids = {"dtype": name, "shape": [length], "data_offsets": [0, length * DTYPES[name].itemsize]}
        header = json.dumps({"__metadata__": metadata, "ids": ids}).encode("utf-8")
        file.seek(0)
        file.write(HEADER_BYTES.to_bytes(8, "little") + header.ljust(HEADER_BYTES))
    return length


class TokenFile:
    """The ids of a large file, shape (L,), read from the disk when they are needed.

    Supports `len`, `size`, `ndim`, `dtype`, `shape`, slices without a step, and 2-D index arrays whose rows are ranges
    that may wrap round at the end of the text, as those of `Blocks`. Raises CheckpointError if the file has become
    shorter.
    """

    ndim = 1

    def __init__(self, path: Path, dtype: np.dtype[np.integer[Any]], offset: int, length: int) -> None:
        self._path, self._file, self._offset = path, path.open("rb", buffering=0), offset
        weakref.finalize(self, self._file.close)
        self.dtype, self.size, self.shape = dtype, length, (length,)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, key: slice | NDArray[np.integer[Any]]) -> NDArray[np.integer[Any]]:
        if isinstance(key, slice):
            start, stop, step = key.indices(self.size)
            if step != 1:
                raise IndexError("the ids of a file can be read in consecutive slices only")
            return self._read(start, max(start, stop))
        rows = np.empty(key.shape, dtype=self.dtype)
        for row, start in zip(rows, key[:, 0].tolist(), strict=True):
            self._fill(row, start)
        return rows

    def chunks(self, size: int = 1 << 20) -> Iterator[NDArray[np.integer[Any]]]:
        """The ids in consecutive arrays of at most `size`."""
        return token_chunks(self, size)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        array = self._read(0, self.size)
        return array if dtype is None else array.astype(dtype)

    def _read(self, start: int, stop: int) -> NDArray[np.integer[Any]]:
        ids = np.empty(stop - start, dtype=self.dtype)
        self._fill(ids, start)
        return ids

    def _fill(self, ids: NDArray[np.integer[Any]], start: int) -> None:
        """Read the ids from `start` on, and from 0 again after the last."""
        self._file.seek(self._offset + start * self.dtype.itemsize)
        part = ids[: self.size - start]
        if _read_into(self._file, part) != part.nbytes:
            raise CheckpointError(f"{self._path} has become shorter while it was read: restore it from a copy")
        if part.size < ids.size:
            self._fill(ids[part.size :], 0)


TokenIds = NDArray[np.integer[Any]] | TokenFile
"""Token ids of a text, in memory or in a file."""


def token_chunks(ids: TokenIds, size: int = 1 << 20) -> Iterator[NDArray[np.integer[Any]]]:
    """The ids in consecutive arrays of at most `size`."""
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def open_tokens(path: Path | str) -> TokenIds:
    """The ids in a file of `write_tokens`, after a check of their digest.

    Raises MissingFileError if there is no file, InputError if it cannot be read, and CheckpointError if it is damaged
    or truncated.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # a pipe would be waited for
        raise InputError(f"cannot read {path}: it is no regular file")
    try:
        with path.open("rb") as file:
            header_bytes = int.from_bytes(file.read(8), "little")
            actual = os.fstat(file.fileno()).st_size
            header = file.read(min(header_bytes, actual))
            dtype, length, metadata = _layout(path, header)
            expected = 8 + header_bytes + length * dtype.itemsize
            if expected != actual:
                raise CheckpointError(
                    f"{path} is damaged or cut short: it has {actual:,} bytes instead of {expected:,}"
                )
            return _checked(path, file, dtype, length, metadata)
    except FileNotFoundError:
        raise MissingFileError(f"there are no tokens at {path}") from None
    except CheckpointError:
        raise
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


def tokens_digest(path: Path | str) -> str | None:
    """The digest that a file of `write_tokens` states; None if it was written by an earlier version."""
    return _read_layout(Path(path))[2].get("digest")


def count_tokens(path: Path | str) -> int:
    """The number of ids that a file of `write_tokens` states."""
    return _read_layout(Path(path))[1]


def _read_layout(path: Path) -> tuple[np.dtype[np.integer[Any]], int, dict[str, str]]:
    with path.open("rb") as file:
        return _layout(path, file.read(min(int.from_bytes(file.read(8), "little"), path.stat().st_size)))


def _layout(path: Path, header: bytes) -> tuple[np.dtype[np.integer[Any]], int, dict[str, str]]:
    """Type and number of the ids, and the metadata. Raises CheckpointError if the header is damaged."""
    try:
        values = json.loads(header)
        ids, metadata = values["ids"], values.get("__metadata__", {})
        dtype, (length,), (start, stop) = DTYPES[ids["dtype"]], ids["shape"], ids["data_offsets"]
        numbers = all(type(number) is int for number in (length, start, stop))
        strings = all(isinstance(text, str) for text in metadata.values())
        if numbers and strings and start == 0 and stop == length * dtype.itemsize and length >= 0:
            return dtype, length, metadata
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    raise CheckpointError(f"{path} is damaged: it does not begin as a file of token ids")


def _checked(
    path: Path, file: Any, dtype: np.dtype[np.integer[Any]], length: int, metadata: dict[str, str]
) -> TokenIds:
    """The ids that follow in `file`. Raises CheckpointError unless they have the digest that the metadata state."""
    offset, small = file.tell(), length * dtype.itemsize <= IN_MEMORY_BYTES
    ids = np.empty(length if small else READING_BYTES // dtype.itemsize, dtype=dtype)
    digest, left = RunningDigest(), length
    while left > 0:
        part = ids[:left]
        if _read_into(file, part) != part.nbytes:
            raise CheckpointError(f"{path} is damaged or cut short: its end is missing")
        digest.add(part)
        left -= part.size
    stated = metadata.pop("digest", None)
    name = next(name for name, known in DTYPES.items() if known == dtype)
    if stated is not None and stated != _digest(digest, name, length, metadata):
        raise CheckpointError(f"{path} is damaged: its token ids do not have the digest that was written with them")
    ids.flags.writeable = False
    return ids if small else TokenFile(path, dtype, offset, length)


def _read_into(file: Any, array: NDArray[Any]) -> int:
    """Fill `array` from an open file; returns the number of bytes read, fewer at the end of the file."""
    view, done = memoryview(cast(Any, array)).cast("B") if array.size else memoryview(b""), 0
    while done < len(view):
        count = cast(int, file.readinto(view[done:]))
        if not count:
            break
        done += count
    return done


def _digest(ids: RunningDigest, dtype: str, length: int, metadata: dict[str, str]) -> str:
    return digest_of(ids.digest(), json.dumps([dtype, length, sorted(metadata.items())]))
