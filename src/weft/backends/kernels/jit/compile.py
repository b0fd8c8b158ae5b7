"""Compilation of kernels by Numba, and the compile cache on disk.

Numba looks up cached machine code by the name and the file of a function; it does not know the functions of other files
that the function calls. So the name of every kernel ends with a cache key: a hash of the states of all files below
kernels/ and of the instruction sets in use. `disk_cache` reads and writes the files.
"""

from __future__ import annotations

import hashlib
import marshal
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar, cast

import numba
import numba.extending
from llvmlite import binding
from numba import types
from numba.core import event
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_lock import global_compiler_lock
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering

from weft.backends.kernels.jit.cpu_features import chosen_instructions
from weft.backends.kernels.jit.disk_cache import CachedCallback, disk_cache

Function = TypeVar("Function", bound=Callable[..., Any])

KERNELS = Path(__file__).parents[1]
"""The root of the kernels; the cache key covers every Python file below it."""

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
"""Compile without Python's global lock, with division as in C, and without an unused C wrapper."""


def intrinsic(function: Callable[..., Any]) -> Any:
    """Makes a function (typing context, argument types) that emits LLVM instructions callable from kernels."""
    return numba.extending.intrinsic(function)


@intrinsic
def full_vectors(typing: Any) -> Any:
    """Makes LLVM use vectors of up to 512 bits in the loops of the calling function.

    For some processors LLVM prefers 256 bits, which keep the clock rate high. The matrix products next to these loops
    use 512 bits in any case.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        # llvmlite accepts only attributes without a value; `set.add` bypasses its check.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), generate


class _InlinedLibrary(JITCodeLibrary):  # type: ignore[misc]
    """LLVM code of a function that is linked into its callers and never becomes machine code of its own.

    By default Numba also generates machine code for every function that a kernel calls. That code is never executed and
    takes about half of the compile time.
    """

    def _optimize_final_module(self) -> None: ...  # optimized as part of its callers

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


@register_pass(mutates_CFG=True, analysis_only=False)
class _InlinedLowering(NativeLowering):  # type: ignore[misc]
    """Lowers a function to LLVM code for its callers only."""

    _name = "weft_inlined_lowering"

    def run_pass(self, state: Any) -> bool:
        state.library = _InlinedLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        functions: list[Any] = []
        entry_point = functions.append  # a new built-in function: the key by which callers find the lowered code
        state.targetctx.insert_user_function(entry_point, state["cr"].fndesc, [state.library])
        state.reload_init.extend(state.library._reload_init)
        state["cr"] = state["cr"]._replace(cfunc=entry_point)
        return True


class _InlinedCompiler(CompilerBase):  # type: ignore[misc]
    """Numba's compiler with `_InlinedLowering`."""

    def define_pipelines(self) -> list[Any]:
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
        manager.passes = [
            (_InlinedLowering, about) if step is NativeLowering else (step, about) for step, about in manager.passes
        ]
        manager.finalize()
        return [manager]


def overload(function: Callable[..., Any]) -> Callable[[Function], Function]:
    """Decorates a function (argument types) that returns the implementation kernels call in place of `function`."""
    decorator = numba.extending.overload(function, jit_options={"pipeline_class": _InlinedCompiler, **OPTIONS})
    return cast(Callable[[Function], Function], decorator)


def jit(function: Function) -> Function:
    """A kernel callable from Python, compiled at its first call for the types of the arguments."""
    kernel = numba.njit(fastmath={"contract"}, **OPTIONS)(_with_cache_key(function))
    kernel._cache = disk_cache(function)
    return cast(Function, kernel)


def c_function(function: Callable[..., Any], signature: Any, **options: Any) -> Any:
    """A function for calls by `address`, compiled now for one signature."""
    return CachedCallback(_with_cache_key(function), signature, options)


def inlined(function: Function) -> Function:
    """A function that kernels call: part of its callers' machine code, not callable in compiled form from Python."""
    return _inlined(function, {"contract"})


def inlined_reassociating(function: Function) -> Function:
    """As `inlined`, for sums: terms may be added in any order, which allows vector instructions."""
    return _inlined(function, {"contract", "reassoc", "nsz"})


def _inlined(function: Function, fastmath: set[str]) -> Function:
    decorator = numba.extending.register_jitable(fastmath=fastmath, pipeline_class=_InlinedCompiler, **OPTIONS)
    return cast(Function, decorator(function))


def _with_cache_key(function: Function) -> Function:
    """`function`, whose name, by which the compile cache finds it, now ends with the cache key."""
    function.__qualname__ = f"{function.__qualname__}_{cache_key(KERNELS)}"
    return function


def external(name: str, function: Callable[..., Any], signature: Any, deferred: bool = False) -> Any:
    """An out-of-line function for kernels: compiled once, linked by the symbol `name`, not compiled into each caller.

    deferred: compile it at the first call of `compile_deferred`, not now; kernels that call it must be compiled later.
    """
    if deferred:
        _deferred.append((name, function, signature))
    else:
        _compile_external(name, function, signature)
    return types.ExternalFunction(name, signature)


def compile_deferred() -> None:
    """Compile the deferred external functions."""
    while _deferred:
        _compile_external(*_deferred.pop(0))


def _compile_external(name: str, function: Callable[..., Any], signature: Any) -> None:
    compilation = c_function(function, signature)
    _bound.append(compilation)  # the machine code lives as long as it
    binding.add_symbol(name, compilation.address)


_deferred: list[tuple[str, Callable[..., Any], Any]] = []
_bound: list[Any] = []

if hasattr(os, "register_at_fork"):  # a process forked while another thread compiles would wait for the lock for ever
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )


@cache
def cache_key(folder: Path) -> str:
    """Eight hexadecimal digits: a hash of the Python files below a folder and of the instruction sets in use.

    The state of a file is its path, modification time and size; reading the files would delay every import.
    """
    states = [
        (path.relative_to(folder).as_posix(), path.stat().st_mtime_ns, path.stat().st_size)
        for path in sorted(folder.rglob("*.py"))
    ]
    return hashlib.blake2b(repr((states, chosen_instructions())).encode(), digest_size=4).hexdigest()


def source_key(*functions: Callable[..., Any]) -> str:
    """A suffix for the name of a kernel that these functions are part of, for those whose file is not below kernels/.

    The functions that they refer to in closures, as the passes refer to those of a cell, are included. The suffix is an
    underscore and eight hexadecimal digits: a hash of the states of these files, or of the functions' bytecode if they
    have no file. It is empty if the cache key covers all files.
    """
    states = []
    for function in _with_closures(functions):
        path = Path(function.__code__.co_filename)
        if path.is_file() and not path.is_relative_to(KERNELS):
            states.append((function.__module__, str(path), path.stat().st_mtime_ns, path.stat().st_size))
        elif not path.is_file():
            states.append((function.__module__, marshal.dumps(function.__code__).hex(), 0, 0))
    return f"_{hashlib.blake2b(repr(states).encode(), digest_size=4).hexdigest()}" if states else ""


def _with_closures(functions: Iterable[Callable[..., Any]]) -> Iterator[Callable[..., Any]]:
    for function in functions:
        yield function
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        yield from _with_closures(value for value in cells if isinstance(value, FunctionType))


@contextmanager
def on_first_compilation(callback: Callable[[], None]) -> Iterator[None]:
    """Within the block, `callback` is called once, before the first compilation."""

    class FirstCompilation(event.Listener):  # type: ignore[misc]
        called = False

        def on_start(self, _event: Any) -> None:
            if not self.called:
                self.called = True
                callback()

        def on_end(self, _event: Any) -> None: ...

    with event.install_listener("numba:compile", FirstCompilation()):
        yield
