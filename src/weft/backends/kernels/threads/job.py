"""A job: an array of words that holds a call of a kernel, and counters of the chunks claimed and done.

The words are shared by the threads that run the job. Publishing it to spinning workers takes a microsecond, where
waking a thread takes fifty; see `thread_pool`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.imputils import impl_ret_borrowed
from numpy.typing import NDArray

from weft.backends.kernels.jit.atomics import (
    LINE,
    SPINS_BEFORE_YIELD,
    atomic_add,
    atomic_load,
    compare_and_swap,
    pause,
    yield_core,
)
from weft.backends.kernels.jit.compile import external, intrinsic
from weft.backends.kernels.jit.pointers import offset
from weft.backends.kernels.jit.structs import StructPointer
from weft.backends.kernels.threads.workspace import aligned

MAX_PHASES, MAX_ARGUMENT_WORDS = 6, 512
FUNCTION, CHUNKS, FAILED, WORKER_LOST = range(4)
ARGUMENTS = LINE
DONE = ARGUMENTS + MAX_ARGUMENT_WORDS
"""Words of a job. From DONE on: for every phase a cache line with the number of chunks done, then for every chunk a
word with the number of rounds in which it has been claimed."""

PUBLISH, RUN_ALONE = -1, -2
"""In place of a worker's number, for a call from Python: publish it to the thread pool, or run all chunks here."""
ALL_DONE = 1 << 40
"""Added to the chunks done of every phase once a thread has failed, so that no other thread waits for it."""

WORD, WORD_BYTES = ir.IntType(64), 8


def stored_arguments(names: tuple[str, ...] | None) -> Any:
    """The arguments that are stored in a job, for the bodies: one `StructPointer`, or all of them where it has no
    names.

    `arguments` is only there for its type: the workers of a thread pool are not given the values.
    """

    @intrinsic
    def stored(typing: Any, job: Any, arguments: Any) -> Any:
        result = arguments if names is None else types.Tuple((StructPointer(names, arguments),))

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            call = _stored_call(context, builder, (job, arguments), args[0])
            pointer = cgutils.gep_inbounds(builder, call, 0, 2)
            if names is None:
                return impl_ret_borrowed(context, builder, result, builder.load(pointer))
            value = builder.bitcast(pointer, ir.IntType(8).as_pointer())
            return context.make_tuple(builder, result, [value])

        return result(job, arguments), generate

    return stored


def _first_chunk(job, phase, worker, round):  # type: ignore[no-untyped-def]
    """Claim a free chunk of this round of the phase; -1 once all are done, or will never be since a thread failed."""
    count, done = job[CHUNKS], offset(job, DONE + LINE * phase)
    claims = offset(job, DONE + LINE * MAX_PHASES + phase * count)
    for n in range(count):
        chunk = (worker + n) % count
        if compare_and_swap(offset(claims, chunk), round, round + 1):
            return chunk
    spins = 0
    while atomic_load(done) < count * (round + 1):
        pause()
        spins += 1
        if spins == SPINS_BEFORE_YIELD:
            yield_core()
            spins = 0
    return -1


def _next_chunk(job, phase, worker, round):  # type: ignore[no-untyped-def]
    """The same, after one chunk is done."""
    atomic_add(offset(job, DONE + LINE * phase), 1)
    return _first_by_name(job, phase, worker, round)


def _claiming(name: str) -> Any:
    """The external function `name` (job words, phase, worker, round) for kernels that have the job as an array."""

    @intrinsic
    def claim(typing: Any, job: Any, phase: Any, worker: Any, round: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            words = context.make_array(job)(context, builder, args[0]).data
            kind = ir.FunctionType(WORD, [words.type, WORD, WORD, WORD])
            return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [words, *args[1:]])

        return types.int64(job, types.int64, types.int64, types.int64), generate

    return claim


_of_words = types.int64(types.CPointer(types.int64), types.int64, types.int64, types.int64)
_first_by_name = external("weft_first_chunk", _first_chunk, _of_words)
external("weft_next_chunk", _next_chunk, _of_words)
first_chunk, next_chunk = _claiming("weft_first_chunk"), _claiming("weft_next_chunk")


@intrinsic
def store_call(typing: Any, job: Any, control: Any, arguments: Any) -> Any:
    """Store a call of the kernel that this is called in: a function pointer and the arguments, in the words `job`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        words = context.make_array(job)(context, builder, args[0]).data
        call = _stored_call(context, builder, (job, arguments), args[0])
        if context.get_abi_sizeof(call.type.pointee) > MAX_ARGUMENT_WORDS * WORD_BYTES:
            raise ValueError(f"a job has space for {MAX_ARGUMENT_WORDS} words of arguments")
        for index, (kind, value) in enumerate(zip((job, control, arguments), args, strict=True)):
            builder.store(_borrowed(builder, kind, value), cgutils.gep_inbounds(builder, call, 0, index))
        function = _calling(context, builder, (job, control, arguments))
        builder.store(builder.ptrtoint(function, WORD), builder.gep(words, [WORD(FUNCTION)]))
        return context.get_dummy_value()

    return types.void(job, control, arguments), generate


def _stored_call(context: Any, builder: Any, kinds: tuple[Any, Any], job: Any) -> Any:
    """A pointer to the tuple (job, control, arguments) in the words of a job; control is an array as the job is."""
    kind = context.get_value_type(types.Tuple((kinds[0], kinds[0], kinds[1])))
    words = context.make_array(kinds[0])(context, builder, job).data
    return builder.bitcast(builder.gep(words, [WORD(ARGUMENTS)]), kind.as_pointer())


def _borrowed(builder: Any, kind: Any, value: Any) -> Any:
    """A value without the reference counters of its arrays: the caller of the kernel owns them until it returns."""
    if isinstance(kind, types.Array):
        owner = builder.extract_value(value, 0)
        return builder.insert_value(value, owner.type(None), 0)
    if isinstance(kind, types.BaseTuple):
        for index, part in enumerate(kind):
            borrowed = _borrowed(builder, part, builder.extract_value(value, index))
            value = builder.insert_value(value, borrowed, index)
    return value


def _calling(context: Any, builder: Any, given: tuple[Any, Any, Any]) -> Any:
    """A function (job, worker) that calls the function which is being built, for a worker of a thread pool.

    That function finds its arguments in the job, so that zeros are passed for them here.
    """
    kind = ir.FunctionType(ir.VoidType(), [WORD, WORD])
    function = ir.Function(builder.module, kind, builder.module.get_unique_name("run_chunks"))
    function.linkage = "internal"
    inside = ir.IRBuilder(function.append_basic_block())
    address, worker = function.args
    words = inside.inttoptr(address, WORD.as_pointer())
    stored = inside.bitcast(
        inside.gep(words, [WORD(ARGUMENTS)]), context.get_value_type(types.Tuple(given)).as_pointer()
    )
    job, control = (inside.load(cgutils.gep_inbounds(inside, stored, 0, index)) for index in range(2))
    arguments = context.get_value_type(given[2])(None)
    status, _ = context.call_conv.call_function(
        inside, builder.function, types.none, (types.intp, *given), [worker, job, control, arguments]
    )
    with cgutils.if_unlikely(inside, status.is_error):
        for word in (FAILED, *range(DONE, DONE + LINE * MAX_PHASES, LINE)):
            inside.atomic_rmw("add", inside.gep(words, [WORD(word)]), WORD(ALL_DONE), "seq_cst")
    inside.ret_void()
    return function


def empty_job(chunks: int) -> NDArray[np.int64]:
    """The words of a job in that number of chunks."""
    words = aligned(job_size(chunks), np.int64)
    words[CHUNKS] = chunks
    return words


def job_size(chunks: int) -> int:
    """The number of words of a job in that number of chunks."""
    return DONE + MAX_PHASES * (LINE + chunks)
