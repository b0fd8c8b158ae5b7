"""Switching the fused kernels on and off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import TYPE_CHECKING, Any

from weft.backends import default_backend
from weft.backends.workers import Workers, available_cores
from weft.errors import InputError

if TYPE_CHECKING:
    from weft.backends.kernels.collection import Kernels


PRECISIONS = ("float32", "bfloat16")


def why_not_fused() -> str | None:
    """Why the fused kernels cannot run here, or None if they can."""
    try:
        from weft.backends.kernels.processor import why_not
    except (ImportError, OSError) as error:  # OSError: its library of compiled code
        return f"the package numba cannot be loaded ({error})"
    return why_not()


def why_not_bfloat16() -> str | None:
    """Why the fused kernels cannot multiply in bfloat16 here, or None if they can."""
    reason = why_not_fused()
    if reason is not None:
        return reason
    from weft.backends.kernels import processor

    return processor.why_not_bfloat16()


@cache
def _kernels(threads: int, precision: str) -> Kernels:
    from weft.backends.kernels.collection import Kernels

    return Kernels.on(Workers(threads), precision)


@contextmanager
def fused(threads: int | None = None, precision: str = "float32") -> Iterator[None]:
    """Within the block, float32 layers on NumPy arrays run on the fused kernels, on so many threads (None: all cores).

    precision: "float32", or "bfloat16" for factors of the large matrix products rounded to bfloat16; everything else,
    the sums in the products too, is float32. That holds for the thread that entered it; others go on as they were, but
    for the linear algebra library, which uses one thread for each of them as long as anybody is within. Raises
    InputError where the kernels cannot run so, and for fewer threads than 1.
    """
    reason = why_not_fused()
    if reason is not None:
        raise InputError(f"the fused kernels cannot be used: {reason}; use the plain ones (--kernels plain)")
    if precision not in PRECISIONS:
        raise InputError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    if precision == "bfloat16" and (reason := why_not_bfloat16()):
        raise InputError(f"--precision bfloat16 cannot be used: {reason}; use float32")
    kernels = _kernels(available_cores() if threads is None else threads, precision)
    before = default_backend.active.set(kernels)
    try:
        with one_library_thread():
            yield
    finally:
        default_backend.active.reset(before)


class _LibraryThreads:
    """How many are within `one_library_thread`, and what takes its limit back when the last one leaves."""

    def __init__(self) -> None:
        self.lock, self.within = threading.Lock(), 0
        self.limit: AbstractContextManager[Any] = nullcontext()


_library_threads = _LibraryThreads()


@contextmanager
def one_library_thread() -> Iterator[None]:
    """Within the block, the linear algebra library multiplies on one thread: with more it would fight the workers."""
    from threadpoolctl import threadpool_limits

    threads = _library_threads
    with threads.lock:
        if not threads.within:
            threads.limit = threadpool_limits(limits=1, user_api="blas")
        threads.within += 1
    try:
        yield
    finally:
        with threads.lock:
            threads.within -= 1
            if not threads.within:
                threads.limit.__exit__(None, None, None)


@contextmanager
def saying_when_compiling(say: Callable[[str], None]) -> Iterator[None]:
    """Within the block, `say` is told once, as soon as a kernel has to be compiled."""
    from numba.core import event

    class Saying(event.Listener):  # type: ignore[misc]
        said = False

        def on_start(self, _event: Any) -> None:
            if not self.said:
                self.said = True
                say("compiling the fused kernels; they are kept for the next time")

        def on_end(self, _event: Any) -> None: ...

    with event.install_listener("numba:compile", Saying()):
        yield
