"""Token ids on disk: a safetensors file with one tensor `ids`, written as a stream and read as a memory map.

The file consists of 8 bytes (the length of the header, little-endian), the header (JSON, padded with spaces) and the
ids. The header contains the number of ids, so its space is reserved at the beginning and filled last.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.errors import CheckpointError, InputError, MissingFileError
from weft.files import replace_atomically

HEADER_BYTES = 504
DTYPES: dict[str, np.dtype[np.integer[Any]]] = {"U16": np.dtype("<u2"), "I32": np.dtype("<i4")}


def write_tokens(path: Path | str, chunks: Iterable[NDArray[np.integer[Any]]], vocab_size: int, kind: str = "") -> int:
    """Write the ids of all `chunks`, replacing the file atomically. Returns the number of ids.

    vocab_size  V; an id takes 2 bytes if V <= 65,536, else 4
    kind        kind of the tokenizer or of the ids, stored in the metadata

    Raises InputError for an id outside 0 ... V - 1.
    """
    name = "U16" if vocab_size <= 1 << 16 else "I32"
    length = 0
    with replace_atomically(Path(path)) as file:
        file.write(bytes(8 + HEADER_BYTES))
        for chunk in chunks:
            if chunk.size and not (chunk.min() >= 0 and chunk.max() < vocab_size):
                raise InputError(
                    f"token ids must be from 0 to {vocab_size - 1}, got ids from {chunk.min()} to {chunk.max()}"
                )
            file.write(chunk.astype(DTYPES[name]).tobytes())
            length += chunk.size
        metadata = {"vocab_size": str(vocab_size), "kind": kind}
        ids = {"dtype": name, "shape": [length], "data_offsets": [0, length * DTYPES[name].itemsize]}
        header = json.dumps({"__metadata__": metadata, "ids": ids}).encode("utf-8")
        file.seek(0)
        file.write(HEADER_BYTES.to_bytes(8, "little") + header.ljust(HEADER_BYTES))
    return length


def open_tokens(path: Path | str) -> NDArray[np.integer[Any]]:
    """The ids in a file of `write_tokens`: a read-only memory map of shape (L,).

    Raises MissingFileError if there is no file, InputError if it cannot be read, and CheckpointError if it is damaged
    or truncated.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            header_bytes = int.from_bytes(file.read(8), "little")
            header = file.read(min(header_bytes, path.stat().st_size))
    except FileNotFoundError:
        raise MissingFileError(f"there are no tokens at {path}") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    try:
        ids = json.loads(header)["ids"]
        dtype, (length,), (start, stop) = DTYPES[ids["dtype"]], ids["shape"], ids["data_offsets"]
        consistent = start == 0 and stop == length * dtype.itemsize and length >= 0
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CheckpointError(f"{path} is damaged: it does not begin as a file of token ids") from None
    expected, actual = 8 + header_bytes + stop, path.stat().st_size
    if not consistent or expected != actual:
        raise CheckpointError(f"{path} is damaged or cut short: it has {actual:,} bytes instead of {expected:,}")
    if length == 0:
        return np.empty(0, dtype=dtype)  # an empty file region cannot be mapped
    return np.memmap(path, dtype=dtype, mode="r", offset=8 + header_bytes, shape=(length,))
