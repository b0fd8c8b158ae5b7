"""A kernel that several threads carry out together, in one call, without Python's lock in between.

Such a kernel is called by every thread with the thread's number and the same arguments; the first call has PUBLISH in
place of a number, and makes all of it a job for a crew:

    if number == PUBLISH:
        publish_job(tasks, control, (…))
        tasks[WORKER_LOST] = carry_out(control, tasks.ctypes.data)
        return

It goes through phases; a phase is cut into as many shares as there are threads, and a share is done by whoever claims
it first: each thread its own, then those of others. When none is left, a thread waits for those that are being done,
and goes on with the next phase. So a thread that comes late keeps nobody waiting, and one that does not come at all is
not missed; what a share gives does not depend on who does it.

    share = first_chunk(tasks, PHASE, number)
    while share >= 0:
        …
        share = next_chunk(tasks, PHASE, number)

A phase may have several turns, as the steps of a time loop in which every share needs what all have done in the step
before: in each of them all shares are done once more.

Handing a job to a crew takes a microsecond, where waking a thread takes fifty.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
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
from weft.backends.kernels.threads.thread_pool import thread_pool
from weft.backends.kernels.threads.workspace import aligned

MAX_PHASES, MAX_ARGUMENT_WORDS = 6, 512
FUNCTION, CHUNKS, FAILED, WORKER_LOST = range(4)
ARGUMENTS = LINE
DONE = ARGUMENTS + MAX_ARGUMENT_WORDS
"""Words of a job; from DONE on a line a phase, the shares done, and then a word a share: whether it is claimed."""

PUBLISH = -1
MORE_THAN_ALL = 1 << 40
"""Shares that count as done in every phase once a thread has failed, so that nobody waits for it."""

WORD, WORD_BYTES = ir.IntType(64), 8


def _first_chunk(tasks, phase, number, round):  # type: ignore[no-untyped-def]
    """A share of the phase that nobody has claimed yet in this turn, or -1 when all are done, or never will be: a
    thread failed. A word of claims is how many turns of a share have been claimed."""
    count, done = tasks[CHUNKS], offset(tasks, DONE + LINE * phase)
    claims = offset(tasks, DONE + LINE * MAX_PHASES + phase * count)
    for n in range(count):
        chunk = (number + n) % count
        if compare_and_swap(offset(claims, chunk), round, round + 1):
            return chunk
    looks = 0
    while atomic_load(done) < count * (round + 1):
        pause()
        looks += 1
        if looks == SPINS_BEFORE_YIELD:
            yield_core()
            looks = 0
    return -1


def _next_chunk(tasks, phase, number, round):  # type: ignore[no-untyped-def]
    """The same, after one share is done."""
    atomic_add(offset(tasks, DONE + LINE * phase), 1)
    return _first_by_name(tasks, phase, number, round)


def _call(context: Any, builder: Any, tasks: Any, name: str, words: Any, numbers: list[Any]) -> Any:
    """The instructions of a call of a function of that name with the address of the words `tasks` and whole numbers."""
    address = context.make_array(tasks)(context, builder, words).data
    kind = ir.FunctionType(WORD, [address.type, *[WORD] * len(numbers)])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [address, *numbers])


def _in_the_only_turn(name: str) -> Any:
    @intrinsic
    def call(typing: Any, tasks: Any, phase: Any, number: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return _call(context, builder, tasks, name, args[0], [*args[1:], WORD(0)])

        return types.int64(tasks, types.int64, types.int64), generate

    return call


def _in_a_turn(name: str) -> Any:
    @intrinsic
    def call(typing: Any, tasks: Any, phase: Any, number: Any, round: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return _call(context, builder, tasks, name, args[0], args[1:])

        return types.int64(tasks, types.int64, types.int64, types.int64), generate

    return call


_of_words = types.int64(types.CPointer(types.int64), types.int64, types.int64, types.int64)
_first_by_name = external("weft_first_share", _first_chunk, _of_words)
external("weft_next_share", _next_chunk, _of_words)
first_chunk, next_chunk = _in_the_only_turn("weft_first_share"), _in_the_only_turn("weft_next_share")
first_chunk_in, next_chunk_in = _in_a_turn("weft_first_share"), _in_a_turn("weft_next_share")
"""The same (tasks, phase, number, turn) for a phase of several turns, which are 0, 1, … in this order."""


@intrinsic
def publish_job(typing: Any, tasks: Any, control: Any, arguments: Any) -> Any:
    """Make the words `tasks` a job for a crew: everybody calls the kernel that this is called in, with its own number,
    `tasks`, `control` and the other arguments, which are among these words."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        words = context.make_array(tasks)(context, builder, args[0]).data
        given = types.Tuple((tasks, control, *arguments.types))
        values = [*args[:2], *cgutils.unpack_tuple(builder, args[2], len(arguments))]
        kind = context.get_value_type(given)
        if context.get_abi_sizeof(kind) > MAX_ARGUMENT_WORDS * WORD_BYTES:
            raise ValueError(f"a job has room for {MAX_ARGUMENT_WORDS} words of arguments")
        room = builder.bitcast(builder.gep(words, [WORD(ARGUMENTS)]), kind.as_pointer())
        for place, value in enumerate(values):
            value = _borrowed(builder, given[place], value)
            builder.store(value, cgutils.gep_inbounds(builder, room, 0, place))
        function = _calling(context, builder, given, room.type)
        builder.store(builder.ptrtoint(function, WORD), builder.gep(words, [WORD(FUNCTION)]))
        return context.get_dummy_value()

    return types.void(tasks, control, arguments), generate


def _borrowed(builder: Any, kind: Any, value: Any) -> Any:
    """A value without the counters of references that arrays have during a call: who has them called keeps them."""
    if isinstance(kind, types.Array):
        owner = builder.extract_value(value, 0)
        return builder.insert_value(value, owner.type(None), 0)
    if isinstance(kind, types.BaseTuple):
        for place, part in enumerate(kind):
            borrowed = _borrowed(builder, part, builder.extract_value(value, place))
            value = builder.insert_value(value, borrowed, place)
    return value


def _calling(context: Any, builder: Any, given: Any, place: Any) -> Any:
    """A function (job, number) that calls the function which is being built."""
    kind = ir.FunctionType(ir.VoidType(), [WORD, WORD])
    function = ir.Function(builder.module, kind, builder.module.get_unique_name("part"))
    function.linkage = "internal"
    inside = ir.IRBuilder(function.append_basic_block())
    job, number = function.args
    words = inside.inttoptr(job, WORD.as_pointer())
    room = inside.bitcast(inside.gep(words, [WORD(ARGUMENTS)]), place)
    values = [inside.load(cgutils.gep_inbounds(inside, room, 0, place)) for place in range(len(given))]
    status, _ = context.call_conv.call_function(
        inside, builder.function, types.none, (types.intp, *given.types), [number, *values]
    )
    with cgutils.if_unlikely(inside, status.is_error):
        for word in (FAILED, *range(DONE, DONE + LINE * MAX_PHASES, LINE)):
            inside.atomic_rmw("add", inside.gep(words, [WORD(word)]), WORD(MORE_THAN_ALL), "seq_cst")
    inside.ret_void()
    return function


class ParallelRunner:
    """Has kernels carried out by so many threads."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self._own = threading.local()

    def run(self, kernel: Any, chunks: int, short: bool, *arguments: Any) -> None:
        """kernel(number, tasks, control, *arguments), in so many shares, 1 or one a thread.

        brief: the job takes less than a helper that lost its core would be waited for. Raises MemoryError where a
        thread fails.
        """
        tasks, helpers = self._tasks(chunks), thread_pool(self.threads)
        if chunks == 1 or not helpers.acquire(patient=not short):
            kernel(0, tasks, helpers.control, *arguments)
            return
        try:
            kernel(PUBLISH, tasks, helpers.control, *arguments)
        finally:
            helpers.release(bool(tasks[WORKER_LOST]))
        if tasks[FAILED]:
            raise failure(f"the kernel {kernel.__name__}")

    def _tasks(self, chunks: int) -> NDArray[np.int64]:
        """The words of a job of phases in so many shares, none of which is claimed."""
        words: NDArray[np.int64]
        try:
            words, claims = self._own.jobs[chunks]
        except (AttributeError, KeyError):
            words, claims = self._new_job(chunks)
        words[FAILED] = 0
        claims.fill(0)
        return words

    def _new_job(self, chunks: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The words of this thread's jobs of so many shares, and those of them that tell what is claimed and done."""
        words = empty_job(chunks)
        jobs: dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]] = self._own.__dict__.setdefault("jobs", {})
        jobs[chunks] = words, words[DONE:]
        return jobs[chunks]


def empty_job(chunks: int) -> NDArray[np.int64]:
    """The words of a job of phases in so many shares."""
    words = aligned(job_size(chunks), np.int64)
    words[CHUNKS] = chunks
    return words


def job_size(chunks: int) -> int:
    """How many words a job of so many shares has."""
    return DONE + MAX_PHASES * (LINE + chunks)


def failure(whose: str) -> MemoryError:
    """That a thread failed."""
    return MemoryError(f"a thread of {whose} failed: there may be too little memory")
