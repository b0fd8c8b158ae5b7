"""Parts of kernels that are compiled by themselves, once, whichever kernels call them.

What a kernel calls becomes part of it as a rule, and is compiled twice: alone, and once more with every kernel. For
large parts that is half of the time of the first start. These have a name instead, as a function of a C library has;
unlike `compiling.called_by_name`, they take arrays.

A kernel that was kept on disk knows a part by its name only, so `link` comes before the first call of a kernel.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import cgutils, typing
from numba.np.numpy_support import from_dtype

from weft.backends.kernels.jit.compile import OPTIONS, bind_symbol, cached_on_disk, intrinsic
from weft.backends.kernels.jit.dtypes import FLOATS, PAIRS

OutlinedFunctions = tuple[Any, ...]

SIZE, FLAG = types.int64, types.boolean


def packed(dtype: Any, dimensions: int, rows: str = "C") -> Any:
    """The type of an array; rows: "C" where they lie one after the other, "A" where they may lie apart."""
    return types.Array(dtype, dimensions, rows)


def floats(dimensions: int, rows: str = "C") -> Any:
    """The type of an array of float32."""
    return packed(types.float32, dimensions, rows)


def ints(dimensions: int) -> Any:
    """The type of an array of int64."""
    return packed(types.int64, dimensions)


class _Variant:
    """A part for one kind of words."""

    def __init__(self, function: Any, types_of: Callable[[Any], list[Any]], kind: np.dtype[Any]) -> None:
        self.name, self.ready = f"weft_{function.__name__}_{kind.name}", False
        self.arguments = types_of(from_dtype(kind))
        # A function of its own: on disk it is another one than what may be compiled of the same for Python.
        self.function = FunctionType(function.__code__, function.__globals__, self.name)
        self.function.__qualname__ = self.name

    def takes(self, given: tuple[Any, ...]) -> bool:
        """Whether the part can be called with such arguments."""
        return len(given) == len(self.arguments) and all(map(_fits, given, self.arguments))

    def link(self) -> None:
        """Compile it, or fetch it from the disk, and give it its name."""
        if self.ready:
            return
        signature = types.void(*self.arguments)
        kernel = cached_on_disk(
            numba.njit, self.function, signature, fastmath={"contract"}, no_cpython_wrapper=True, **OPTIONS
        )
        compiled = kernel.overloads[signature.args]
        bind_symbol(self.name, compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name), kernel)
        self.ready = True

    def call(self, context: Any, builder: Any, given: Any, values: Any) -> Any:
        """The instructions of a call."""
        kind = context.call_conv.get_function_type(types.none, self.arguments)
        function = cgutils.get_or_insert_function(builder.module, kind, self.name)
        passed = [
            value if isinstance(to, types.Array) else context.cast(builder, value, of, to)
            for value, of, to in zip(values, given, self.arguments, strict=True)
        ]
        status, _ = context.call_conv.call_function(builder, function, types.none, self.arguments, passed)
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return context.get_dummy_value()


def _fits(given: Any, wanted: Any) -> bool:
    if not isinstance(wanted, types.Array):
        return not isinstance(given, types.Array)
    same = isinstance(given, types.Array) and (given.ndim, given.dtype) == (wanted.ndim, wanted.dtype)
    return same and wanted.layout in ("A", given.layout)


def outlined(types_of: Callable[[Any], list[Any]]) -> Callable[[Any], Any]:
    """Makes a function such a part. types_of: from the type of the words of factors to those of its arguments."""

    def decorate(function: Any) -> Any:
        variants = {kind: _Variant(function, types_of, kind) for kind in (FLOATS, PAIRS)}

        def part(typing_context: Any, *given: Any) -> Any:
            variant = next((variant for variant in variants.values() if variant.takes(given)), None)
            if variant is None:
                return None
            variant.link()

            def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
                return variant.call(context, builder, given, values)

            return typing.signature(types.none, *given), generate

        context = inspect.Parameter("typing_context", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        own = inspect.signature(function).parameters.values()
        part.__signature__ = inspect.Signature([context, *own])  # type: ignore[attr-defined]
        called = intrinsic(part)
        _variants[called] = variants
        return called

    return decorate


@cache
def link(parts: OutlinedFunctions, kind: np.dtype[Any]) -> None:
    """Make parts ready for words of this kind; needed once in a process."""
    for part in parts:
        _variants[part][kind].link()


_variants: dict[Any, dict[np.dtype[Any], _Variant]] = {}
