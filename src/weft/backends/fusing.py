"""Switching the fused kernels on and off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from weft.backends import default_backend
from weft.backends.workers import Workers, available_cores
from weft.errors import InputError

if TYPE_CHECKING:
    from weft.backends.kernels.collection import Kernels


def why_not_fused() -> str | None:
    """Why the fused kernels cannot run here, or None if they can."""
    try:
        from weft.backends.kernels.processor import why_not
    except ImportError as error:
        return f"the package numba cannot be loaded ({error})"
    return why_not()


@cache
def _kernels(threads: int) -> Kernels:
    from weft.backends.kernels.collection import Kernels

    return Kernels.on(Workers(threads))


@contextmanager
def fused(threads: int | None = None) -> Iterator[None]:
    """Within the block, float32 layers on NumPy arrays run on the fused kernels, on so many threads (None: all cores).

    That holds for the thread that entered it; others go on as they were. Raises InputError where the kernels cannot
    run, and for fewer threads than 1.
    """
    reason = why_not_fused()
    if reason is not None:
        raise InputError(f"the fused kernels cannot be used: {reason}; use the plain ones (--kernels plain)")
    from threadpoolctl import threadpool_limits

    kernels = _kernels(available_cores() if threads is None else threads)
    before = default_backend.active.set(kernels)
    try:
        # Every worker multiplies on its own: threads of the linear algebra library would fight them for the cores.
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        default_backend.active.reset(before)
