"""Atomic operations on the 64-bit words that threads share, and pointers made from integer addresses."""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from weft.backends.kernels.jit.compile import inlined, intrinsic

WORD = 8
LINE = 8
"""Bytes of a word, and words of a cache line: words that different threads write should not be in one line."""

SPINS_BEFORE_YIELD = 2048
"""Reads of a word before a spinning thread yields its core once; up to a tenth of a millisecond."""

STALL_YIELDS = 8
"""Yields after which a wait counts as a stall: no chunk takes this long, so a thread must have lost its core."""

yield_core = types.ExternalFunction("sched_yield", types.int32())


def _address_of(element_type: Any) -> Any:
    @intrinsic
    def convert(typing: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(types.CPointer(element_type)))

        return types.CPointer(element_type)(types.int64), generate

    return convert


words_at, floats_at, ints_at = (_address_of(each) for each in (types.int64, types.float32, types.int32))
halves_at, bytes_at = _address_of(types.uint16), _address_of(types.int8)
"""The pointer for an integer address, to elements of int64, float32, int32, uint16 or int8."""


@intrinsic
def ints_in(typing: Any, floats: Any) -> Any:
    """A pointer to the same memory as int32."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.CPointer(types.int32)))

    return types.CPointer(types.int32)(floats), generate


@intrinsic
def atomic_load(typing: Any, word: Any) -> Any:
    """The value of a word; later reads see all memory that was written before that value was stored."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(args[0], "seq_cst", WORD)

    return types.int64(word), generate


@intrinsic
def atomic_store(typing: Any, word: Any, value: Any) -> Any:
    """Set a word; a thread that loads the value sees all memory that was written before."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[1], args[0], "seq_cst", WORD)
        return context.get_dummy_value()

    return types.void(word, types.int64), generate


def _read_modify_write(operation: str) -> Any:
    @intrinsic
    def modify(typing: Any, word: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.atomic_rmw(operation, args[0], args[1], "seq_cst")

        return types.int64(word, types.int64), generate

    return modify


atomic_add, exchange = _read_modify_write("add"), _read_modify_write("xchg")
"""(word, value): add to the word, or replace its value; both return the previous value."""


@intrinsic
def compare_and_swap(typing: Any, word: Any, old: Any, new: Any) -> Any:
    """Set a word to `new` if its value is `old`; returns True if it was."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.extract_value(builder.cmpxchg(*args, "seq_cst", "seq_cst"), 1)

    return types.boolean(word, types.int64, types.int64), generate


@intrinsic
def pause(typing: Any) -> Any:
    """The processor's hint for spin loops."""
    on_x86 = platform.machine().lower() in ("x86_64", "amd64", "i686", "x86")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if on_x86:
            function_type, name, arguments = ir.FunctionType(ir.VoidType(), []), "llvm.x86.sse2.pause", []
        else:
            int32 = ir.IntType(32)
            function_type, name, arguments = ir.FunctionType(ir.VoidType(), [int32]), "llvm.aarch64.hint", [int32(1)]
        builder.call(cgutils.get_or_insert_function(builder.module, function_type, name), arguments)
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def call_pointer(typing: Any, function: Any, job: Any, worker: Any) -> Any:
    """Call the function at the address `function` with (job, worker), two int64."""
    int64 = ir.IntType(64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function_type = ir.FunctionType(ir.VoidType(), [int64, int64])
        builder.call(builder.inttoptr(args[0], function_type.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@inlined
def spin_until(word: Any, value: Any) -> Any:
    """Spin until a word has this value, yielding the core at intervals; returns True if the wait was a stall."""
    spins = yields = 0
    while atomic_load(word) != value:
        pause()
        spins += 1
        if spins == SPINS_BEFORE_YIELD:
            yield_core()
            spins, yields = 0, yields + 1
    return yields >= STALL_YIELDS
