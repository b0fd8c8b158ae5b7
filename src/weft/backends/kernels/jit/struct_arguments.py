"""External functions that take structures: NamedTuples of pointers and numbers, passed by value.

A call of `types.ExternalFunction` cannot pass a tuple. The calls here pass each NamedTuple as one LLVM structure, which
LLVM spreads over the registers and the stack as it would its fields.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from weft.backends.kernels.jit.compile import external, intrinsic


def external_with_structs(name: str, function: Callable[..., Any], signature: Any, deferred: bool = False) -> Any:
    """As `external`; the arguments of `signature` may be NamedTuple types."""
    external(name, function, signature, deferred)
    wanted = signature.args

    def call(typing: Any, *given: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            arguments = [_cast(context, builder, *each) for each in zip(values, given, wanted, strict=True)]
            kind = ir.FunctionType(ir.VoidType(), [context.get_value_type(each) for each in wanted])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)
            return context.get_dummy_value()

        return types.void(*given), generate

    context = inspect.Parameter("typing", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    call.__signature__ = inspect.Signature([context, *parameters])  # type: ignore[attr-defined]
    return intrinsic(call)


def struct_type(fields: type, *field_types: Any) -> Any:
    """The Numba type of a NamedTuple class with fields of these types."""
    return types.NamedTuple(list(field_types), fields)


def struct_fields(context: Any, builder: Any, value: Any, given: Any, wanted: Any) -> list[Any]:
    """The fields of a NamedTuple value as LLVM values of the types in `wanted`."""
    fields = [builder.extract_value(value, i) for i in range(len(given.types))]
    return [_cast(context, builder, *each) for each in zip(fields, given.types, wanted, strict=True)]


def _cast(context: Any, builder: Any, value: Any, given: Any, wanted: Any) -> Any:
    if not isinstance(wanted, types.BaseTuple):
        return context.cast(builder, value, given, wanted)
    return context.make_tuple(builder, wanted, struct_fields(context, builder, value, given, wanted.types))
