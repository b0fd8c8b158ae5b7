"""Switching the fused operations on and off."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache

from weft.backends import default_backend
from weft.backends.cpu_cores import available_cores
from weft.backends.numpy_fused import NumpyFused
from weft.errors import InputError

PRECISIONS = ("float32", "bfloat16")


def why_not_fused() -> str | None:
    """The reason why the fused kernels cannot run on this machine, or None if they can."""
    try:
        from weft.backends.kernels.jit.cpu_features import why_not
    except (ImportError, OSError) as error:  # OSError: the shared library of llvmlite cannot be loaded
        return f"the package numba cannot be loaded ({error})"
    return why_not()


def why_not_bfloat16() -> str | None:
    """The reason why the fused kernels cannot multiply in bfloat16 on this machine, or None if they can."""
    reason = why_not_fused()
    if reason is not None:
        return reason
    from weft.backends.kernels.jit import cpu_features

    return cpu_features.why_not_bfloat16()


@cache
def _operations(threads: int, precision: str) -> NumpyFused:
    from weft.backends.kernels.kernel_set import KernelSet
    from weft.backends.kernels.threads.parallel import ParallelRunner

    return NumpyFused(KernelSet(ParallelRunner(threads), precision), default_backend.active)


def check_fused(threads: int | None, precision: str) -> None:
    """Raise InputError if the fused kernels cannot run here in this precision, and for fewer threads than 1."""
    reason = why_not_fused()
    if reason is not None:
        raise InputError(f"the fused kernels cannot be used: {reason}; use the plain ones (--kernels plain)")
    if precision not in PRECISIONS:
        raise InputError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    if precision == "bfloat16" and (reason := why_not_bfloat16()):
        raise InputError(f"--precision bfloat16 cannot be used: {reason}; use float32")
    if threads is not None and threads < 1:
        raise InputError(f"threads must be at least 1, got {threads}")


@contextmanager
def fused(threads: int | None = None, precision: str = "float32") -> Iterator[None]:
    """Within the block, float32 layers on NumPy arrays use the fused operations on `threads` threads (None: all cores).

    precision: "float32", or "bfloat16" to round the operands of large matrix products to bfloat16; all else, including
    the sums within the products, is float32. Only the thread that enters the block is affected, except that the linear
    algebra library uses one thread in the whole process. Raises InputError if the kernels cannot run here in this
    precision, and for fewer threads than 1.
    """
    check_fused(threads, precision)
    operations = _operations(available_cores() if threads is None else threads, precision)
    before = default_backend.active.set(operations)
    try:
        with one_library_thread():
            yield
    finally:
        default_backend.active.reset(before)


_limiting = threading.Lock()


@contextmanager
def one_library_thread() -> Iterator[None]:
    """Within the block, the linear algebra library uses one thread; more would compete with the kernels' threads.

    The limit applies to the whole process. A block that is entered while another one holds the limit changes nothing.
    """
    from threadpoolctl import threadpool_limits

    if not _limiting.acquire(blocking=False):
        yield
        return
    try:
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        _limiting.release()


def saying_when_compiling(say: Callable[[str], None]) -> AbstractContextManager[None]:
    """Within the block, `say` is called once with a message when the first kernel has to be compiled."""
    from weft.backends.kernels.jit.compile import on_first_compilation

    return on_first_compilation(lambda: say("compiling the fused kernels; they are kept for the next time"))
