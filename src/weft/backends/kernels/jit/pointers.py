"""Pointers within kernels: to elements of arrays, to buffers on the stack, and prefetching of cache lines."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from weft.backends.kernels.jit.compile import intrinsic

FLOAT = ir.FloatType()
LINE = 16
"""float32 elements of a cache line."""


@intrinsic
def stack_floats(typing: Any) -> Any:
    """A buffer of 1,024 float32 on the stack, for sums of whole tiles that exceed their destination."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        with builder.goto_entry_block():  # not `cgutils.alloca_once`, which clears the memory at every call
            buffer = builder.alloca(ir.ArrayType(FLOAT, 1024))
        return builder.bitcast(buffer, FLOAT.as_pointer())

    return types.CPointer(types.float32)(), generate


@intrinsic
def pointer_to(typing: Any, array: Any, offset: Any) -> Any:
    """A pointer to element `offset` of an array's data."""
    signature = types.CPointer(array.dtype)(array, types.intp)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.gep(data, [args[1]])

    return signature, generate


@intrinsic
def offset(typing: Any, pointer: Any, elements: Any) -> Any:
    """pointer + elements, counted in elements."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.gep(args[0], [args[1]])

    return pointer(pointer, types.intp), generate


def opaque(builder: Any, value: Any) -> Any:
    """The same pointer or integer, hidden from LLVM's analysis: LLVM cannot derive it from other values."""
    function_type = ir.FunctionType(value.type, [value.type])
    return builder.asm(function_type, "", "=r,0", [value], False)


def prefetch(builder: Any, address: Any, to_write: bool) -> None:
    """Emit the instruction that loads a cache line into the first-level cache."""
    byte_pointer, int32 = ir.IntType(8).as_pointer(), ir.IntType(32)
    nearest, data = int32(3), int32(1)
    function_type = ir.FunctionType(ir.VoidType(), [byte_pointer, int32, int32, int32])
    function = cgutils.get_or_insert_function(builder.module, function_type, "llvm.prefetch")
    builder.call(function, [builder.bitcast(address, byte_pointer), int32(int(to_write)), nearest, data])


def _prefetching(to_write: bool) -> Any:
    @intrinsic
    def request(typing: Any, pointer: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            prefetch(builder, args[0], to_write)
            return context.get_dummy_value()

        return types.void(pointer), generate

    return request


prefetch_read, prefetch_write = _prefetching(to_write=False), _prefetching(to_write=True)
"""(pointer): load a cache line into the first-level cache, to be read or to be written; to be written, the line is
removed from the caches of other cores. A pointer to unmapped memory has no effect."""
