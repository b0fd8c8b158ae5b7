"""Words that several threads read and write, and addresses as whole numbers: what kernels need to work side by side."""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from weft.backends.kernels.jit.compile import inlined, intrinsic

WORD = 8
LINE = 8
"""Bytes of a word, and words of a cache line: what different threads write should not share a line."""

SPINS_BEFORE_YIELD = 2048
"""Looks at a word before the core is offered to who else wants it; up to a tenth of a millisecond."""

LONG = 8
"""So many times that, a wait is longer than any work that is shared out: who is waited for must have lost its core."""

yield_core = types.ExternalFunction("sched_yield", types.int32())


def _address_of(kind: Any) -> Any:
    @intrinsic
    def convert(typing: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(types.CPointer(kind)))

        return types.CPointer(kind)(types.int64), generate

    return convert


words_at, floats_at, ints_at = (_address_of(kind) for kind in (types.int64, types.float32, types.int32))
halves_at, bytes_at = _address_of(types.uint16), _address_of(types.int8)


@intrinsic
def ints_in(typing: Any, floats: Any) -> Any:
    """The same memory as int32."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], context.get_value_type(types.CPointer(types.int32)))

    return types.CPointer(types.int32)(floats), generate


@intrinsic
def atomic_load(typing: Any, word: Any) -> Any:
    """The word, and after it everything that was written before the word was."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(args[0], "seq_cst", WORD)

    return types.int64(word), generate


@intrinsic
def atomic_store(typing: Any, word: Any, value: Any) -> Any:
    """Set the word; who reads it sees everything that was written before."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[1], args[0], "seq_cst", WORD)
        return context.get_dummy_value()

    return types.void(word, types.int64), generate


def _change(operation: str) -> Any:
    @intrinsic
    def change(typing: Any, word: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.atomic_rmw(operation, args[0], args[1], "seq_cst")

        return types.int64(word, types.int64), generate

    return change


atomic_add, exchange = _change("add"), _change("xchg")
"""(word, value): add to the word, or replace it; what it was."""


@intrinsic
def compare_and_swap(typing: Any, word: Any, old: Any, new: Any) -> Any:
    """Set the word to `new` where it is `old`; whether it was."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.extract_value(builder.cmpxchg(*args, "seq_cst", "seq_cst"), 1)

    return types.boolean(word, types.int64, types.int64), generate


@intrinsic
def pause(typing: Any) -> Any:
    """Tell the processor that this thread waits for a word to change."""
    on_x86 = platform.machine().lower() in ("x86_64", "amd64", "i686", "x86")

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if on_x86:
            kind, name, arguments = ir.FunctionType(ir.VoidType(), []), "llvm.x86.sse2.pause", []
        else:
            number = ir.IntType(32)
            kind, name, arguments = ir.FunctionType(ir.VoidType(), [number]), "llvm.aarch64.hint", [number(1)]
        builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def call_pointer(typing: Any, function: Any, job: Any, number: Any) -> Any:
    """Call the function at the address `function` with (job, number)."""
    index = ir.IntType(64)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [index, index])
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@inlined
def spin_until(word: Any, value: Any) -> Any:
    """Return when the word is `value`; whether that took long. Meanwhile the core is offered to who else wants one."""
    looks = offers = 0
    while atomic_load(word) != value:
        pause()
        looks += 1
        if looks == SPINS_BEFORE_YIELD:
            yield_core()
            looks, offers = 0, offers + 1
    return offers >= LONG
