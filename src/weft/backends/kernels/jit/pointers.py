"""Addresses within kernels: of the elements of arrays, of room on the stack, of cache lines that will be needed."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from weft.backends.kernels.jit.compile import intrinsic

FLOAT = ir.FloatType()
LINE = 16
"""Numbers in a cache line."""


@intrinsic
def stack_floats(typing: Any) -> Any:
    """The address of room for 1,024 float32, sums that do not fit where they are to go."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        room = cgutils.alloca_once(builder, ir.ArrayType(FLOAT, 1024))
        return builder.bitcast(room, FLOAT.as_pointer())

    return types.CPointer(types.float32)(), generate


@intrinsic
def pointer_to(typing: Any, array: Any, offset: Any) -> Any:
    """The address of element `offset` of an array's data."""
    signature = types.CPointer(array.dtype)(array, types.intp)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.gep(data, [args[1]])

    return signature, generate


@intrinsic
def offset(typing: Any, pointer: Any, elements: Any) -> Any:
    """The address `elements` elements on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.gep(args[0], [args[1]])

    return pointer(pointer, types.intp), generate


def opaque(builder: Any, value: Any) -> Any:
    """The same address or whole number, of which LLVM does not know what it has to do with others."""
    kind = ir.FunctionType(value.type, [value.type])
    return builder.asm(kind, "", "=r,0", [value], False)


def prefetch(builder: Any, address: Any, to_write: bool) -> None:
    """The instruction that has a cache line brought near."""
    byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
    nearest, data = number(3), number(1)
    kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch")
    builder.call(function, [builder.bitcast(address, byte), number(int(to_write)), nearest, data])


def _prefetching(to_write: bool) -> Any:
    @intrinsic
    def request(typing: Any, place: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            prefetch(builder, args[0], to_write)
            return context.get_dummy_value()

        return types.void(place), generate

    return request


prefetch_read, prefetch_write = _prefetching(to_write=False), _prefetching(to_write=True)
"""Have the cache line of an address brought near, to be read or to be written, which takes it from other cores; nothing
happens where there is no memory."""
