"""Token ids on disk: a safetensors file with one tensor `ids`, written as a stream and read as a memory map.

The file is 8 bytes (little-endian: the length of the header), the header (JSON, padded with spaces) and the ids. The
header names the number of ids, so room for it is kept at the front and filled in last.
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
TYPES: dict[str, np.dtype[np.integer[Any]]] = {"U16": np.dtype("<u2"), "I32": np.dtype("<i4")}


def write_tokens(path: Path | str, chunks: Iterable[NDArray[np.integer[Any]]], vocab_size: int, kind: str = "") -> int:
    """Write the ids of all `chunks`, replacing the file in one step; returns how many there are.

    vocab_size  V; ids take 2 bytes each where V <= 65,536, else 4
    kind        the kind of the tokenizer, or of other ids; stored in the file's metadata

    Raises InputError when an id is not in 0 ... V - 1.
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
            file.write(chunk.astype(TYPES[name]).tobytes())
            length += chunk.size
        metadata = {"vocab_size": str(vocab_size), "kind": kind}
        ids = {"dtype": name, "shape": [length], "data_offsets": [0, length * TYPES[name].itemsize]}
        header = json.dumps({"__metadata__": metadata, "ids": ids}).encode("utf-8")
        file.seek(0)
        file.write(HEADER_BYTES.to_bytes(8, "little") + header.ljust(HEADER_BYTES))
    return length


def open_tokens(path: Path | str) -> NDArray[np.integer[Any]]:
    """The ids of a file of `write_tokens`: a read-only memory map of shape (L,).

    Raises MissingFileError when there is no such file, CheckpointError when it is damaged or cut short.
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
        kind, (length,), (start, stop) = TYPES[ids["dtype"]], ids["shape"], ids["data_offsets"]
        sound = start == 0 and stop == length * kind.itemsize and length >= 0
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CheckpointError(f"{path} is damaged: it does not begin as a file of token ids") from None
    expected, actual = 8 + header_bytes + stop, path.stat().st_size
    if not sound or expected != actual:
        raise CheckpointError(f"{path} is damaged or cut short: it has {actual:,} bytes instead of {expected:,}")
    if length == 0:
        return np.empty(0, dtype=kind)  # nothing cannot be mapped
    return np.memmap(path, dtype=kind, mode="r", offset=8 + header_bytes, shape=(length,))
