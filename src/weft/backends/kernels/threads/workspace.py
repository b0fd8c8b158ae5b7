"""Memory that a thread keeps from one call to the next: new memory at every step costs more time than filling it."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

CACHE_LINE = 64
MAX_SHAPES, MAX_VIEWS = 500, 1000
"""For how many shapes it is remembered how held memory is cut up, and how many cuts of it are kept."""

Cut = TypeVar("Cut")

_thread = threading.local()


def aligned(size: int, dtype: Any) -> NDArray[Any]:
    """An empty array that begins on a cache line: vectors and tiles that straddle lines load at half the speed."""
    item = np.dtype(dtype).itemsize
    room = np.empty(size * item + CACHE_LINE, np.uint8)
    start = -room.__array_interface__["data"][0] % CACHE_LINE
    return room[start : start + size * item].view(dtype)


def aligned_floats(*shape: int) -> NDArray[np.float32]:
    """An empty array of float32 of this shape, aligned."""
    return aligned(math.prod(shape), np.float32).reshape(shape)


def buffer(role: str, size: int, dtype: Any) -> NDArray[Any]:
    """The first `size` elements of this thread's memory for `role`; what they hold is whatever was there."""
    dtype = np.dtype(dtype)
    own = _of_this_thread()
    array = own.arrays.get((role, dtype))
    if array is None or array.size < size:
        array = own.arrays[role, dtype] = aligned(size, dtype)
        own.cuts.clear()  # so that nobody keeps the memory that was given up
    return array[:size]


def cached_views(cutting: Callable[[], Cut]) -> Cut:
    """What `cutting` makes of held memory, made anew only when some of it was replaced: cutting takes microseconds."""
    cuts = _of_this_thread().cuts
    made = cuts.get(cutting)
    if made is None:
        made = cutting()
        if len(cuts) >= MAX_VIEWS:
            cuts.clear()
        cuts[cutting] = made
    return made


class _Own:
    """Memory by role and type, and what was made of it."""

    def __init__(self) -> None:
        self.arrays: dict[tuple[str, np.dtype[Any]], NDArray[Any]] = {}
        self.cuts: dict[Callable[[], Any], Any] = {}


def _of_this_thread() -> _Own:
    try:
        return _thread.own  # type: ignore[no-any-return]
    except AttributeError:
        own = _thread.own = _Own()
        return own
