"""Structures as kernel arguments: NamedTuples that external functions receive by value, and pointers to named fields.

By value (`external_with_structs`, `struct_fields`): for a few pointers and numbers in the innermost calls, which LLVM
keeps in registers. A call of `types.ExternalFunction` cannot pass a tuple; the calls here pass each NamedTuple as one
LLVM structure.

By pointer (`StructPointer`): for the many arrays of a parallel kernel. A NamedTuple of twenty arrays passed by value is
two hundred LLVM parameters, which are unpacked and packed again at every call: most of the time of a compilation. A
`StructPointer` is one parameter, and `p.name` is one load.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.imputils import impl_ret_borrowed
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, lower_getattr_generic, register_model

from weft.backends.kernels.jit.compile import external, intrinsic


def external_with_structs(name: str, function: Callable[..., Any], signature: Any, deferred: bool = False) -> Any:
    """As `external`; the arguments of `signature` may be NamedTuple types."""
    external(name, function, signature, deferred)
    wanted = signature.args

    def call(typing: Any, *given: Any) -> Any:
        def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
            arguments = [_cast(context, builder, *each) for each in zip(values, given, wanted, strict=True)]
            function_type = ir.FunctionType(ir.VoidType(), [context.get_value_type(each) for each in wanted])
            builder.call(cgutils.get_or_insert_function(builder.module, function_type, name), arguments)
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


class StructPointer(types.Type):  # type: ignore[misc]
    """Type of a pointer to a tuple in memory whose elements have names.

    Arrays loaded from it are borrowed: kernels do not count references to them, and their owner must outlive the call.
    """

    def __init__(self, names: tuple[str, ...], elements: Any) -> None:
        self.names, self.elements = names, elements
        super().__init__(f"StructPointer({names}, {elements})")


@register_model(StructPointer)
class _StructPointerModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, ir.IntType(8).as_pointer())


@infer_getattr
class _StructPointerFields(AttributeTemplate):  # type: ignore[misc]
    key = StructPointer

    def generic_resolve(self, pointer: Any, name: str) -> Any:
        return pointer.elements[pointer.names.index(name)] if name in pointer.names else None


@lower_getattr_generic(StructPointer)  # type: ignore[untyped-decorator]
def _load_field(context: Any, builder: Any, pointer: Any, value: Any, name: str) -> Any:
    index = pointer.names.index(name)
    elements = builder.bitcast(value, context.get_value_type(pointer.elements).as_pointer())
    element = builder.load(cgutils.gep_inbounds(builder, elements, 0, index))
    return impl_ret_borrowed(context, builder, pointer.elements[index], element)
