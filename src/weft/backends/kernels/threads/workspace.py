"""Workspaces: buffers that a thread reuses from one call to the next, since allocating costs more time than filling."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

CACHE_LINE = 64
MAX_SHAPES, MAX_VIEWS = 500, 1000
"""Number of shapes whose workspace layout is cached, and of cached views of a thread's buffers."""

Views = TypeVar("Views")

_local = threading.local()


def aligned(size: int, dtype: Any) -> NDArray[Any]:
    """An empty array that begins on a cache line: vectors and tiles that straddle lines load at half the speed."""
    item = np.dtype(dtype).itemsize
    memory = np.empty(size * item + CACHE_LINE, np.uint8)
    start = -memory.__array_interface__["data"][0] % CACHE_LINE
    return memory[start : start + size * item].view(dtype)


def aligned_floats(*shape: int) -> NDArray[np.float32]:
    """An empty float32 array of this shape that begins on a cache line."""
    return aligned(math.prod(shape), np.float32).reshape(shape)


def buffer(role: str, size: int, dtype: Any) -> NDArray[Any]:
    """The first `size` elements of this thread's buffer for `role`, with undefined contents."""
    dtype = np.dtype(dtype)
    own = _this_thread()
    array = own.buffers.get((role, dtype))
    if array is None or array.size < size:
        array = own.buffers[role, dtype] = aligned(size, dtype)
        own.views.clear()  # they would keep the replaced buffer alive
    return array[:size]


def cached_views(make: Callable[[], Views]) -> Views:
    """The views of buffers that `make` returns, cached until a buffer is replaced: making them takes microseconds."""
    cached = _this_thread().views
    views = cached.get(make)
    if views is None:
        views = make()
        if len(cached) >= MAX_VIEWS:
            cached.clear()
        cached[make] = views
    return views


class _ThreadBuffers:
    """A thread's buffers by role and dtype, and the cached views of them."""

    def __init__(self) -> None:
        self.buffers: dict[tuple[str, np.dtype[Any]], NDArray[Any]] = {}
        self.views: dict[Callable[[], Any], Any] = {}


def _this_thread() -> _ThreadBuffers:
    try:
        return _local.buffers  # type: ignore[no-any-return]
    except AttributeError:
        buffers = _local.buffers = _ThreadBuffers()
        return buffers
