"""Arrays by name in safetensors files: synced to disk when written, and checked when read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from weft.errors import CheckpointError, nearest
from weft.files.digests import tensors_digest
from weft.training.interfaces import Floats, NamedArrays

FORMAT = 1
"""Version of the files that training writes. A file with a higher version is refused."""

WEFT = "weft"
"""The only key of the metadata, as the library writes several in random order: `format=1 digest=…`."""

Shapes = Mapping[str, tuple[int, ...]]


def write_tensors(path: Path, tensors: NamedArrays) -> None:
    """Write arrays by name and their digest to a new file, and sync it to disk.

    Raises OSError or SafetensorError if that fails.
    """
    path.touch()
    mode = path.stat().st_mode
    arrays = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    save_file(arrays, path, metadata={WEFT: f"format={FORMAT} digest={tensors_digest(arrays)}"})
    path.chmod(mode)  # safetensors makes the file private; here the umask decides
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def read_tensors(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """All arrays of a file, by name. Raises CheckpointError if it is missing, damaged or from a newer version."""
    with _opened(path) as file:
        return _checked_tensors(path, file, list(file.keys()))


def load_weights(path: Path, expected: Shapes) -> dict[str, Floats]:
    """The weights of a model: writable arrays by name, with the names and shapes of `expected`.

    Raises CheckpointError, naming the file, the tensor and both shapes, if the file is missing, truncated, not a
    safetensors file or from a newer version of weft, or if it lacks a tensor or has an additional one or one of another
    shape.
    """
    with _opened(path) as file:
        found = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        for name, shape in expected.items():
            if name not in found:
                raise CheckpointError(
                    f"{path} lacks the weights {name!r} {tuple(shape)}; it has {', '.join(found) or 'none'}"
                )
            if tuple(found[name].get_shape()) != tuple(shape):
                raise CheckpointError(
                    f"{path}: {name!r} has shape {tuple(found[name].get_shape())}, the model expects {tuple(shape)}"
                )
            if found[name].get_dtype() not in ("F32", "F64"):
                raise CheckpointError(f"{path}: {name!r} has type {found[name].get_dtype()}, expected F32 or F64")
        for name in found:
            if name not in expected:
                raise CheckpointError(f"{path} has weights {name!r} that the model does not{nearest(name, expected)}")
        return _checked_tensors(path, file, list(expected))


def stated_digest(path: Path) -> str | None:
    """The digest in the file; None if it was written by an earlier version. Raises CheckpointError as reading does."""
    with _opened(path) as file:
        return _stated(file).get("digest")


def _checked_tensors(path: Path, file: Any, names: list[str]) -> dict[str, np.ndarray[Any, Any]]:
    """All tensors of an open file, writable; raises CheckpointError unless they have the digest that it states."""
    tensors = {name: np.require(file.get_tensor(name), requirements="W") for name in names}
    stated = _stated(file).get("digest")
    if stated is not None and stated != tensors_digest(tensors):
        raise CheckpointError(f"{path} is damaged: its numbers do not have the digest that was written with them")
    return tensors


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; the run folder is incomplete")
    try:
        with safe_open(path, framework="numpy") as file:
            _check_format(path, _stated(file).get("format", str(FORMAT)))
            yield file
    except SafetensorError as error:
        raise CheckpointError(f"{path} is truncated, damaged or not a safetensors file ({error})") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror or error})") from error


def _stated(file: Any) -> dict[str, str]:
    """What the metadata of an open file state: `format`, and `digest` unless an earlier version has written it."""
    metadata = file.metadata() or {}
    stated = dict(re.findall(r"(\w+)=(\S+)", metadata.get(WEFT, "")))
    return {"format": metadata["weft_format"], **stated} if "weft_format" in metadata else stated


def _check_format(path: Path, version: str) -> None:
    if not version.isdecimal() or int(version) < 1:
        raise CheckpointError(f"{path} has the format version {version!r}, expected a whole number from 1 to {FORMAT}")
    if int(version) > FORMAT:
        raise CheckpointError(
            f"{path} has format version {version}, this weft reads up to {FORMAT}: install a newer weft"
        )
