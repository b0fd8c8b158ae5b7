"""A text of any length as arrays on disk, for random access."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@contextmanager
def spooled(
    chunks: Iterable[tuple[NDArray[Any], NDArray[np.bool_]]],
) -> Iterator[tuple[NDArray[np.int32], NDArray[np.bool_]]]:
    """The ids (L,) and marks (L,) of a text given in chunks, as read-only memory maps that exist within the context."""
    with tempfile.TemporaryDirectory(prefix="weft-", ignore_cleanup_errors=True) as folder:
        ids_path, marks_path = Path(folder) / "ids", Path(folder) / "marks"
        with ids_path.open("wb") as ids_file, marks_path.open("wb") as marks_file:
            for ids, marks in chunks:
                ids_file.write(ids.astype(np.int32).tobytes())
                marks_file.write(marks.astype(np.bool_).tobytes())
        yield _mapped(ids_path, np.int32), _mapped(marks_path, np.bool_)


def _mapped(path: Path, dtype: Any) -> NDArray[Any]:
    if not path.stat().st_size:
        return np.empty(0, dtype=dtype)  # an empty file cannot be mapped
    return np.memmap(path, dtype=dtype, mode="r")
