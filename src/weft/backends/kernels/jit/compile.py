"""How kernels are compiled: without Python's global lock, division as in C, the result kept on disk.

Numba finds a kept result again by the function's name and file, and knows nothing of what the function calls in other
files. So all kernels bear a mark in their names that changes with any of their files, and with the instructions that
they may use.
"""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numba.extending
from llvmlite import binding
from numba import types
from numba.core import event
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering

from weft.backends.kernels.jit.cpu_features import chosen_instructions

Function = TypeVar("Function", bound=Callable[..., Any])


KERNELS = Path(__file__).parents[1]
"""The root of the kernels: the compile cache's key covers every Python file below it."""

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
"""Without Python's lock, division as in C, and no entry as a function of C, which nobody uses but which is compiled."""


def intrinsic(function: Callable[..., Any]) -> Any:
    """A function (typing context, argument types) that writes LLVM instructions, as one that kernels can call."""
    return numba.extending.intrinsic(function)


@intrinsic
def full_vectors(typing: Any) -> Any:
    """Has LLVM take the widest vectors there are for the loops of the function that begins with this.

    For some processors it would take half of them, so that the clock stays high; the products around such a loop have
    them at any rate.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        # llvmlite knows attributes without a value only, and would refuse to add this one.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), generate


class _InlinedLibrary(JITCodeLibrary):  # type: ignore[misc]
    """LLVM code of a function that is linked into its callers and never becomes machine code of its own.

    By default Numba generates machine code for every function that a kernel calls, which nothing ever runs: about half
    of the time of a compilation.
    """

    def _optimize_final_module(self) -> None: ...  # its callers are optimized, with this code in them

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
        entry_point = functions.append  # a built-in function of its own, by which callers find what was lowered
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
    """Decorates what chooses, by the types of the arguments, the function that kernels call in place of `function`."""
    decorator = numba.extending.overload(function, jit_options={"pipeline_class": _InlinedCompiler, **OPTIONS})
    return cast(Callable[[Function], Function], decorator)


def jit(function: Function) -> Function:
    """The function compiled by Numba at its first call, for the types it is called with."""
    kernel = cached_on_disk(numba.njit, function, fastmath={"contract"}, **OPTIONS)
    return cast(Function, kernel)


def inlined(function: Function) -> Function:
    """A function that kernels call and become part of: without an entry from Python, which costs time to compile."""
    return _inlined(function, {"contract"})


def inlined_reassociating(function: Function) -> Function:
    """The same for a sum: its terms may be added in any order, as a vector at a time."""
    return _inlined(function, {"contract", "reassoc", "nsz"})


def _inlined(function: Function, liberties: set[str]) -> Function:
    part = numba.extending.register_jitable(fastmath=liberties, pipeline_class=_InlinedCompiler, **OPTIONS)(function)
    return cast(Function, part)


def cached_on_disk(compiler: Any, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """`function` compiled and kept for the next time, where there is a folder that can be written."""
    function.__qualname__ = f"{function.__qualname__}_{cache_key(KERNELS)}"
    try:
        return compiler(*arguments, cache=True, **options)(function)
    except RuntimeError:  # Numba found no place for it
        return compiler(*arguments, **options)(function)


def external(name: str, function: Callable[..., Any], signature: Any, deferred: bool = False) -> Any:
    """`function` compiled now. Kernels call it by its name, as they would one of a C library: compiled once, it is not
    compiled again into each of them. later: it is compiled by the first call of `compile_deferred`, before which
    no kernel that calls it may be."""
    _deferred.append((name, function, signature))
    if not deferred:
        _name(*_deferred.pop())
    return types.ExternalFunction(name, signature)


def compile_deferred() -> None:
    """Compile what was to be compiled later."""
    while _deferred:
        _name(*_deferred.pop(0))


def _name(name: str, function: Callable[..., Any], signature: Any) -> None:
    compilation = cached_on_disk(numba.cfunc, function, signature)
    bind_symbol(name, compilation.address, compilation)


def bind_symbol(name: str, address: int, compilation: Any) -> None:
    """Let kernels call what is at an address by a name."""
    _bound.append(compilation)  # it has to live as long as its callers
    binding.add_symbol(name, address)


_deferred: list[tuple[str, Callable[..., Any], Any]] = []
_bound: list[Any] = []


@cache
def cache_key(folder: Path) -> str:
    """Eight digits that stand for the Python files of a folder as they are, and for the chosen instructions."""
    states = [
        (path.relative_to(folder).as_posix(), path.stat().st_mtime_ns, path.stat().st_size)
        for path in sorted(folder.rglob("*.py"))
    ]
    return hashlib.blake2b(repr((states, chosen_instructions())).encode(), digest_size=4).hexdigest()


def source_key(*functions: Callable[..., Any]) -> str:
    """What the cache key lacks for kernels made of these functions: the state of their files outside the kernels' tree.

    Empty for functions of that tree; otherwise an underscore and eight digits.
    """
    states = []
    for function in functions:
        path = Path(function.__code__.co_filename)
        if path.is_file() and not path.is_relative_to(KERNELS):
            states.append((function.__module__, str(path), path.stat().st_mtime_ns, path.stat().st_size))
        elif not path.is_file():
            states.append((function.__module__, marshal.dumps(function.__code__).hex(), 0, 0))
    return f"_{hashlib.blake2b(repr(states).encode(), digest_size=4).hexdigest()}" if states else ""


@contextmanager
def on_first_compilation(act: Callable[[], None]) -> Iterator[None]:
    """Within the block, `act` is called once, when something has to be compiled."""

    class Acting(event.Listener):  # type: ignore[misc]
        done = False

        def on_start(self, _event: Any) -> None:
            if not self.done:
                self.done = True
                act()

        def on_end(self, _event: Any) -> None: ...

    with event.install_listener("numba:compile", Acting()):
        yield
