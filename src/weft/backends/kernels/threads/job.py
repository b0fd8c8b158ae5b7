"""A job: an int64 array that holds a call of a kernel, and counters of the chunks claimed and done.

The threads that run a job share its array. Publishing a job to spinning workers takes a microsecond, waking a thread
takes fifty; see `thread_pool`.
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
"""Elements of a job. From DONE on: for every phase a cache line whose first element is the number of chunks done, then
for every chunk of every phase the number of rounds in which it has been claimed."""

PUBLISH, RUN_ALONE = -1, -2
"""Calls from Python pass one of these in place of a worker's index: publish the job to the thread pool, or run all
chunks on the calling thread."""
ALL_DONE = 1 << 40
"""Added to the number of chunks done of every phase after a failure, so that no thread waits for the failed one."""

INT64, WORD_BYTES = ir.IntType(64), 8


def stored_arguments(names: tuple[str, ...] | None) -> Any:
    """The intrinsic (job, arguments) that returns a job's stored arguments, as a tuple for the bodies of the kernel.

    With `names` the tuple has one element, a `StructPointer` to the arguments under these names. The value of
    `arguments` is ignored, only its type is used: workers of the thread pool pass zeros.
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
    """Claim a free chunk of a round of a phase; if there is none, wait until all are done or a thread has failed.

    Returns the chunk, or -1 after the wait. The search for a free chunk begins at the index of the worker.
    """
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
    """Count the current chunk as done, and claim another one as `_first_chunk` does."""
    atomic_add(offset(job, DONE + LINE * phase), 1)
    return _external_first_chunk(job, phase, worker, round)


def _with_job_array(name: str) -> Any:
    """The external function `name`(job, phase, worker, round) for kernels, which have the job as an array."""

    @intrinsic
    def claim(typing: Any, job: Any, phase: Any, worker: Any, round: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            words = context.make_array(job)(context, builder, args[0]).data
            function_type = ir.FunctionType(INT64, [words.type, INT64, INT64, INT64])
            return builder.call(cgutils.get_or_insert_function(builder.module, function_type, name), [words, *args[1:]])

        return types.int64(job, types.int64, types.int64, types.int64), generate

    return claim


_claim_signature = types.int64(types.CPointer(types.int64), types.int64, types.int64, types.int64)
_external_first_chunk = external("weft_first_chunk", _first_chunk, _claim_signature)
external("weft_next_chunk", _next_chunk, _claim_signature)
first_chunk, next_chunk = _with_job_array("weft_first_chunk"), _with_job_array("weft_next_chunk")


@intrinsic
def store_call(typing: Any, job: Any, control: Any, arguments: Any) -> Any:
    """Store the current call of the calling kernel in a job: the address of its function, and the arguments.

    Raises ValueError, when the kernel is compiled, if the arguments exceed MAX_ARGUMENT_WORDS.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        words = context.make_array(job)(context, builder, args[0]).data
        call = _stored_call(context, builder, (job, arguments), args[0])
        if context.get_abi_sizeof(call.type.pointee) > MAX_ARGUMENT_WORDS * WORD_BYTES:
            raise ValueError(f"a job has space for {MAX_ARGUMENT_WORDS} words of arguments")
        for index, (value_type, value) in enumerate(zip((job, control, arguments), args, strict=True)):
            builder.store(_borrowed(builder, value_type, value), cgutils.gep_inbounds(builder, call, 0, index))
        function = _worker_function(context, builder, (job, control, arguments))
        builder.store(builder.ptrtoint(function, INT64), builder.gep(words, [INT64(FUNCTION)]))
        return context.get_dummy_value()

    return types.void(job, control, arguments), generate


def _stored_call(context: Any, builder: Any, numba_types: tuple[Any, Any], job: Any) -> Any:
    """A pointer to the tuple (job, control, arguments) in a job. numba_types: of job, which control shares, and
    arguments."""
    job_type, arguments_type = numba_types
    call_type = context.get_value_type(types.Tuple((job_type, job_type, arguments_type)))
    words = context.make_array(job_type)(context, builder, job).data
    return builder.bitcast(builder.gep(words, [INT64(ARGUMENTS)]), call_type.as_pointer())


def _borrowed(builder: Any, value_type: Any, value: Any) -> Any:
    """A value without the reference counters of its arrays: the caller of the kernel owns them until it returns."""
    if isinstance(value_type, types.Array):
        owner = builder.extract_value(value, 0)
        return builder.insert_value(value, owner.type(None), 0)
    if isinstance(value_type, types.BaseTuple):
        for index, element_type in enumerate(value_type):
            borrowed = _borrowed(builder, element_type, builder.extract_value(value, index))
            value = builder.insert_value(value, borrowed, index)
    return value


def _worker_function(context: Any, builder: Any, call_types: tuple[Any, Any, Any]) -> Any:
    """A function (job, worker) for the thread pool, which calls the kernel that is being compiled.

    The kernel reads its arguments from the job, so this function passes zeros for them. If the kernel raises, the
    function marks the job as failed.
    """
    function_type = ir.FunctionType(ir.VoidType(), [INT64, INT64])
    function = ir.Function(builder.module, function_type, builder.module.get_unique_name("run_chunks"))
    function.linkage = "internal"
    inside = ir.IRBuilder(function.append_basic_block())
    address, worker = function.args
    words = inside.inttoptr(address, INT64.as_pointer())
    stored = inside.bitcast(
        inside.gep(words, [INT64(ARGUMENTS)]), context.get_value_type(types.Tuple(call_types)).as_pointer()
    )
    job, control = (inside.load(cgutils.gep_inbounds(inside, stored, 0, index)) for index in range(2))
    arguments = context.get_value_type(call_types[2])(None)
    status, _ = context.call_conv.call_function(
        inside, builder.function, types.none, (types.intp, *call_types), [worker, job, control, arguments]
    )
    with cgutils.if_unlikely(inside, status.is_error):
        for word in (FAILED, *range(DONE, DONE + LINE * MAX_PHASES, LINE)):
            inside.atomic_rmw("add", inside.gep(words, [INT64(word)]), INT64(ALL_DONE), "seq_cst")
    inside.ret_void()
    return function


def empty_job(chunks: int) -> NDArray[np.int64]:
    """The array of a job with this number of chunks."""
    job = aligned(job_size(chunks), np.int64)
    job[CHUNKS] = chunks
    return job


def job_size(chunks: int) -> int:
    """The number of elements of a job with this number of chunks."""
    return DONE + MAX_PHASES * (LINE + chunks)
