"""Parallel kernels: one compiled call that several threads execute, cut into phases, and phases into chunks.

A phase is cut into as many chunks as there are threads, and any thread claims any chunk that is still free: first the
one of its own number, then the others. When no chunk is free, a thread spins until those that run have finished, and
goes on to the next phase. A thread that arrives late therefore delays no other, one that never arrives is not needed,
and the result of a chunk does not depend on the thread that computes it.

    @parallel
    def scale(chunk, chunks, x, factor):            # one phase: this body once for every chunk
        ...

    output = parallel_kernel("output", Sweep, Phase(sweep), Phase(merge), Phase(loop, rounds))

A phase may have several rounds, as a time loop has in which every chunk needs the results of all chunks of the step
before: in each round all chunks are executed again, after all of the round before have finished.

A job is an array of words that holds a function pointer, the arguments, and counters of the chunks claimed and done.
Publishing it to spinning workers takes a microsecond, where waking a thread takes fifty.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple

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
from weft.backends.kernels.jit.compile import external, full_vectors, inlined, intrinsic, jit
from weft.backends.kernels.jit.pointers import offset
from weft.backends.kernels.jit.struct_pointer import StructPointer
from weft.backends.kernels.threads.thread_pool import run_job, thread_pool
from weft.backends.kernels.threads.workspace import aligned

MAX_PHASES, MAX_ARGUMENT_WORDS = 6, 512
FUNCTION, CHUNKS, FAILED, WORKER_LOST = range(4)
ARGUMENTS = LINE
DONE = ARGUMENTS + MAX_ARGUMENT_WORDS
"""Words of a job. From DONE on: for every phase a cache line with the number of chunks done, then for every chunk a
word with the number of rounds in which it has been claimed."""

PUBLISH, ALONE = -1, -2
"""In place of a worker's number, for a call from Python: publish it to the thread pool, or run all chunks here."""
ALL_DONE = 1 << 40
"""Added to the chunks done of every phase once a thread has failed, so that no other thread waits for it."""

WORD, WORD_BYTES = ir.IntType(64), 8


class Phase(NamedTuple):
    """A phase of a parallel kernel: `body(chunk, chunks, *arguments)` for every chunk.

    With `rounds(chunks, *arguments) -> int` the phase has that number of rounds, none included, and the body is
    `body(chunk, chunks, round, *arguments)`.
    """

    body: Callable[..., None]
    rounds: Callable[..., int] | None = None


def parallel(body: Callable[..., None]) -> Any:
    """A parallel kernel of one phase."""
    return parallel_kernel(body.__name__, None, Phase(body))


def parallel_kernel(name: str, arguments: Any, *phases: Phase) -> Any:
    """A kernel for `ParallelRunner.run` out of its phases; `name` is that of its file in the compile cache.

    arguments: None, or a NamedTuple class: the bodies then take a `StructPointer` to its fields in place of them all.
    """
    assert 0 < len(phases) <= MAX_PHASES
    runners = {f"phase_{number}": _no_phase for number in range(MAX_PHASES)}
    for number, phase in enumerate(phases):
        template = _phase if phase.rounds is None else _phase_of_rounds
        rounds = None if phase.rounds is None else inlined(phase.rounds)
        runners[f"phase_{number}"] = _from_template(template, name, body=inlined(phase.body), rounds=rounds)
    return jit(
        _from_template(
            _kernel, name, stored=stored_arguments(None if arguments is None else arguments._fields), **runners
        )
    )


def _from_template(template: Any, name: str, **parts: Any) -> Any:
    """The function `template` with other globals; templates, whose parts differ, are inlined into the kernel."""
    function = FunctionType(template.__code__, {**template.__globals__, **parts}, name)
    function.__qualname__ = name
    return function if template is _kernel else inlined(function)


# Templates: the names in lower case that are defined nowhere here are the parts that `_from_template` puts in.


def _kernel(worker, job, control, arguments):  # type: ignore[no-untyped-def]
    full_vectors()
    if worker < 0:
        store_call(job, control, arguments)
        if worker == PUBLISH:
            job[WORKER_LOST] = run_job(control, job.ctypes.data)
            return
        worker = 0
    given = stored(job, arguments)  # type: ignore[name-defined]  # noqa: F821
    phase_0(worker, job, 0, given)  # type: ignore[name-defined]  # noqa: F821
    phase_1(worker, job, 1, given)  # type: ignore[name-defined]  # noqa: F821
    phase_2(worker, job, 2, given)  # type: ignore[name-defined]  # noqa: F821
    phase_3(worker, job, 3, given)  # type: ignore[name-defined]  # noqa: F821
    phase_4(worker, job, 4, given)  # type: ignore[name-defined]  # noqa: F821
    phase_5(worker, job, 5, given)  # type: ignore[name-defined]  # noqa: F821


def _phase(worker, job, number, arguments):  # type: ignore[no-untyped-def]
    chunks = job[CHUNKS]
    chunk = first_chunk(job, number, worker, 0)
    while chunk >= 0:
        body(chunk, chunks, *arguments)  # type: ignore[name-defined]  # noqa: F821
        chunk = next_chunk(job, number, worker, 0)


def _phase_of_rounds(worker, job, number, arguments):  # type: ignore[no-untyped-def]
    chunks = job[CHUNKS]
    for round in range(rounds(chunks, *arguments)):  # type: ignore[name-defined]  # noqa: F821
        chunk = first_chunk(job, number, worker, round)
        while chunk >= 0:
            body(chunk, chunks, round, *arguments)  # type: ignore[name-defined]  # noqa: F821
            chunk = next_chunk(job, number, worker, round)


@inlined
def _no_phase(worker, job, number, arguments):  # type: ignore[no-untyped-def]
    pass


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


class ParallelRunner:
    """Runs parallel kernels on `threads` threads, the caller's included."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._own = threading.local()

    def run(self, kernel: Any, chunks: int, short: bool, *arguments: Any) -> None:
        """Run a parallel kernel in `chunks` chunks: 1, or one a thread.

        short: the job takes less time than a worker that has lost its core is waited for. Raises MemoryError where a
        thread fails.
        """
        job, pool = self._job(chunks), thread_pool(self.threads)
        if chunks == 1 or not pool.acquire(patient=not short):
            kernel(ALONE, job, pool.control, arguments)
            return
        try:
            kernel(PUBLISH, job, pool.control, arguments)
        finally:
            pool.release(bool(job[WORKER_LOST]))
        if job[FAILED]:
            raise failure(f"the kernel {kernel.__name__}")

    def _job(self, chunks: int) -> NDArray[np.int64]:
        """The words of this thread's job in that number of chunks, none of which is claimed."""
        words: NDArray[np.int64]
        try:
            words, claims = self._own.jobs[chunks]
        except (AttributeError, KeyError):
            words, claims = self._new_job(chunks)
        words[FAILED] = 0
        claims.fill(0)
        return words

    def _new_job(self, chunks: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The words of a job that this thread uses again, and those of them that count the chunks claimed and done."""
        words = empty_job(chunks)
        jobs: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]] = self._own.__dict__.setdefault("jobs", {})
        jobs[chunks] = words, words[DONE:]
        return jobs[chunks]


def empty_job(chunks: int) -> NDArray[np.int64]:
    """The words of a job in that number of chunks."""
    words = aligned(job_size(chunks), np.int64)
    words[CHUNKS] = chunks
    return words


def job_size(chunks: int) -> int:
    """The number of words of a job in that number of chunks."""
    return DONE + MAX_PHASES * (LINE + chunks)


def failure(what: str) -> MemoryError:
    """The error for a thread that failed."""
    return MemoryError(f"a thread of {what} failed: there may be too little memory")
