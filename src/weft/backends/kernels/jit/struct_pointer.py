"""Pointers to named arguments in memory, as kernels receive them.

A NamedTuple of twenty arrays that is passed by value is two hundred LLVM parameters, which are taken apart and put
together at every call: most of the time of a compilation. A `StructPointer` is one parameter, and `p.name` is one load.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.imputils import impl_ret_borrowed
from numba.core.typing.templates import AttributeTemplate
from numba.extending import infer_getattr, lower_getattr_generic, register_model


class StructPointer(types.Type):
    """Type of a pointer to a tuple in memory whose elements have names. Its arrays are borrowed, not owned."""

    def __init__(self, names: tuple[str, ...], elements: Any) -> None:
        self.names, self.elements = names, elements
        super().__init__(f"StructPointer({names}, {elements})")


@register_model(StructPointer)
class _StructPointerModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, ir.IntType(8).as_pointer())


@infer_getattr
class _Elements(AttributeTemplate):  # type: ignore[misc]
    key = StructPointer

    def generic_resolve(self, pointer: Any, name: str) -> Any:
        return pointer.elements[pointer.names.index(name)] if name in pointer.names else None


@lower_getattr_generic(StructPointer)  # type: ignore[untyped-decorator]
def _load_element(context: Any, builder: Any, pointer: Any, value: Any, name: str) -> Any:
    index = pointer.names.index(name)
    kind = context.get_value_type(pointer.elements)
    element = builder.load(cgutils.gep_inbounds(builder, builder.bitcast(value, kind.as_pointer()), 0, index))
    return impl_ret_borrowed(context, builder, pointer.elements[index], element)
