"""Arrays by name in safetensors files: synced to disk when written, and checked when read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from weft.errors import CheckpointError, nearest
from weft.training.interfaces import Floats, NamedArrays

FORMAT = 1
"""Version of the files that training writes. A file with a higher version is refused."""

Shapes = Mapping[str, tuple[int, ...]]


def write_tensors(path: Path, tensors: NamedArrays) -> None:
    """Write arrays by name to a new file and sync it to disk. Raises OSError or SafetensorError if that fails."""
    path.touch()
    mode = path.stat().st_mode
    save_file(
        {name: np.ascontiguousarray(array) for name, array in tensors.items()},
        path,
        metadata={"weft_format": str(FORMAT)},
    )
    path.chmod(mode)  # safetensors makes the file private; here the umask decides
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def read_tensors(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """All arrays of a file, by name. Raises CheckpointError if it is missing, damaged or from a newer version."""
    with _opened(path) as file:
        return {name: np.array(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118


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
        return {name: np.array(file.get_tensor(name)) for name in expected}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; the run folder is incomplete")
    try:
        with safe_open(path, framework="numpy") as file:
            _check_format(path, (file.metadata() or {}).get("weft_format", str(FORMAT)))
            yield file
    except SafetensorError as error:
        raise CheckpointError(f"{path} is truncated, damaged or not a safetensors file ({error})") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read ({error.strerror or error})") from error


def _check_format(path: Path, version: str) -> None:
    if not version.isdecimal() or int(version) < 1:
        raise CheckpointError(f"{path} has the format version {version!r}, expected a whole number from 1 to {FORMAT}")
    if int(version) > FORMAT:
        raise CheckpointError(
            f"{path} has format version {version}, this weft reads up to {FORMAT}: install a newer weft"
        )
