"""Memory that a thread keeps from one call to the next: new memory at every step costs more time than filling it."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

CACHE_LINE = 64

_of_this_thread = threading.local()


def aligned(size: int, dtype: Any) -> NDArray[Any]:
    """An empty array that begins on a cache line: vectors and tiles that straddle lines load at half the speed."""
    item = np.dtype(dtype).itemsize
    room = np.empty(size * item + CACHE_LINE, np.uint8)
    start = -room.__array_interface__["data"][0] % CACHE_LINE
    return room[start : start + size * item].view(dtype)


def held(role: str, size: int, dtype: Any) -> NDArray[Any]:
    """The first `size` elements of this thread's memory for `role`; what they hold is whatever was there."""
    arrays: dict[str, NDArray[Any]] = _of_this_thread.__dict__
    array = arrays.get(role)
    if array is None or array.size < size or array.dtype != dtype:
        array = arrays[role] = aligned(size, dtype)
    return array[:size]
