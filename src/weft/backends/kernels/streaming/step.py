"""One step of a whole model in one call: embedding, layers and scores for N streams, divided among threads.

Every thread goes through the phases of the plan in order. It computes chunks of a phase until all are claimed, then
waits at the end of the phase for the chunks that other threads have claimed. A chunk is some blocks of hidden units
with all their gates: the product, then at once the cell's update of these units (see `cell`). The result of a chunk
does not depend on the thread, so any number of threads gives the same bits.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from numba import types

from weft.backends.kernels.jit.atomics import (
    LINE,
    atomic_add,
    atomic_load,
    bytes_at,
    exchange,
    floats_at,
    halves_at,
    spin_until,
    words_at,
)
from weft.backends.kernels.jit.compile import c_function, inlined
from weft.backends.kernels.jit.pointers import offset
from weft.backends.kernels.streaming.activation_packing import buffer_row, pack_activations
from weft.backends.kernels.streaming.cell import call_update
from weft.backends.kernels.streaming.embedding import embed
from weft.backends.kernels.streaming.operands import Rows, weight_panels
from weft.backends.kernels.streaming.plan import (
    BIAS,
    BLOCKS,
    CHUNK_BLOCKS,
    CHUNKS,
    DEPTH,
    EMBEDDING,
    FIELDS,
    GATE_SUMS,
    GATE_SUMS_STRIDE,
    INPUT,
    INPUT_MATRIX,
    INPUT_STRIDE,
    KIND,
    LAYER,
    PANELS,
    RECURRENT,
    RECURRENT_MATRIX,
    STATE_STRIDE,
    UPDATE,
    WIDTH,
)
from weft.backends.kernels.streaming.skinny_gemm import add_product

(
    FUNCTION,  # the address of the step function, where a job of a thread pool has it
    THREADS,
    ROUND,  # counts the steps; a chunk whose claim word has this value is claimed
    PLAN,
    PHASES,
    WEIGHTS,
    CONSTANTS,
    IDS,
    VOCABULARY,
    STREAMS,
    ACTIVATIONS,
    JOB_STATE_STRIDE,
    SCORES,
    SCORES_STRIDE,
    PACKED,  # offset of the threads' packed activations among the activations, for one stream
    PACKED_STRIDE,  # and from one thread's to the next
    WORKER_LOST,
) = range(17)
DONE = 3 * LINE
"""Words of a job. From DONE on: one cache line for each phase, its finished chunks; then one claim word per chunk."""


class StepArrays(NamedTuple):
    """Addresses of what the phases of a step read and write, and the number of streams."""

    weights: Any
    constants: Any
    activations: Any
    scores: Rows
    N: Any


@inlined
def compute_chunk(arrays: Any, phase: Any, x: Any, h: Any, chunk: Any) -> None:
    """The products of a chunk's blocks and the update of their hidden units; x, h: `Activations`."""
    N, constants, panels = arrays.N, arrays.constants, phase[PANELS]
    first = chunk * phase[CHUNK_BLOCKS]
    last = min(first + phase[CHUNK_BLOCKS], phase[BLOCKS])
    panel, count, column = first * panels, (last - first) * panels, first * panels * WIDTH
    bias = Rows(offset(constants, phase[BIAS] + column), 0)
    a = Rows(offset(arrays.activations, phase[GATE_SUMS] * N + column), phase[GATE_SUMS_STRIDE])
    if phase[KIND] != LAYER:
        a = Rows(offset(arrays.scores.address, column), arrays.scores.stride)
    add_product(x, N, weight_panels(arrays.weights, offset(phase, INPUT_MATRIX), constants, panel), count, bias, a)
    if phase[KIND] == LAYER:
        recurrent = weight_panels(arrays.weights, offset(phase, RECURRENT_MATRIX), constants, panel)
        add_product(h, N, recurrent, count, a, a)
        call_update(phase[UPDATE], phase, arrays.activations, a.address, N, first, last)


@inlined
def run_chunks(weights: Any, job: Any, thread: Any, p: Any, claimed: Any) -> Any:
    """Compute chunks of phase p until all are claimed; returns how many this thread computed.

    A thread begins with a fixed part of the chunks, so that their weights stay in its cache, and then helps the others.
    Every other step goes through the chunks backwards, so that those read last are read first.
    """
    threads, round, N = job[THREADS], job[ROUND], job[STREAMS]
    phase = offset(words_at(job[PLAN]), p * FIELDS)
    constants, activations = floats_at(job[CONSTANTS]), floats_at(job[ACTIVATIONS])
    chunks = phase[CHUNKS]
    if phase[KIND] == EMBEDDING:
        if exchange(claimed, round) == round:
            return 0
        embed(weights, phase, constants, words_at(job[IDS]), offset(activations, phase[INPUT] * N), N)
        return 1
    arrays = StepArrays(weights, constants, activations, Rows(floats_at(job[SCORES]), job[SCORES_STRIDE]), N)
    packed = offset(activations, (job[PACKED] + thread * job[PACKED_STRIDE]) * N)
    depth = offset(phase, INPUT_MATRIX)[DEPTH]
    x = pack_activations(weights, offset(activations, phase[INPUT] * N), phase[INPUT_STRIDE], N, depth, packed)
    h = x
    if phase[KIND] == LAYER:
        packed = offset(packed, N * buffer_row(depth))
        depth = offset(phase, RECURRENT_MATRIX)[DEPTH]
        recurrent = offset(activations, phase[RECURRENT] * N)
        h = pack_activations(weights, recurrent, phase[STATE_STRIDE], N, depth, packed)
    first, last = chunks * thread // threads, chunks * (thread + 1) // threads
    done = 0
    for n in range(last - first + (chunks if threads > 1 else 0)):
        if n < last - first:
            chunk = first + n if round % 2 == 0 else last - 1 - n
        else:
            n -= last - first
            chunk = chunks - 1 - n if round % 2 == 0 else n
        if threads > 1 and (claimed[chunk] == round or exchange(offset(claimed, chunk), round) == round):
            continue
        compute_chunk(arrays, phase, x, h, chunk)
        done += 1
    return done


@inlined
def run_phases(weights: Any, job: Any, thread: Any) -> None:
    """Go through all phases of a job as thread number `thread`."""
    phases = job[PHASES]
    claimed = offset(job, DONE + LINE * phases)
    for p in range(phases):
        chunks = words_at(job[PLAN])[p * FIELDS + CHUNKS]
        done = offset(job, DONE + LINE * p)
        if atomic_load(done) < chunks:
            atomic_add(done, run_chunks(weights, job, thread, p, claimed))
            if spin_until(done, chunks) and thread == 0:
                job[WORKER_LOST] = 1
        claimed = offset(claimed, chunks)


def _float32_step(job, thread):  # type: ignore[no-untyped-def]
    job = words_at(job)
    run_phases(floats_at(job[WEIGHTS]), job, thread)


def _bfloat16_step(job, thread):  # type: ignore[no-untyped-def]
    job = words_at(job)
    run_phases(halves_at(job[WEIGHTS]), job, thread)


def _int8_step(job, thread):  # type: ignore[no-untyped-def]
    job = words_at(job)
    run_phases(bytes_at(job[WEIGHTS]), job, thread)


@cache
def step_function(weight_format: str) -> Any:
    """The C function (job, thread) that runs a step on weights of a format; one for all cells."""
    function = {"float32": _float32_step, "bfloat16": _bfloat16_step, "int8": _int8_step}[weight_format]
    return c_function(function, types.void(types.int64, types.int64))
