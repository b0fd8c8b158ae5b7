"""A step of a whole model, in one call: the embedding, every layer, the scores, for some streams side by side.

Whoever takes part goes through the phases of the plan in order, takes chunks of each until there are none, and waits at
its end for those that others took. A chunk is some vectors of hidden units with all their gates: its product, and at
once its part of the new state. What a chunk gives does not depend on who takes it, so any number of threads gives the
same bits.

The equations are those of `weft.layers`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from numba import cfunc, types

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
from weft.backends.kernels.jit.compile import cached_on_disk, inlined
from weft.backends.kernels.jit.pointers import offset
from weft.backends.kernels.streaming.activation_packing import left_factor, row_of_factor
from weft.backends.kernels.streaming.cells import gru_gates, gru_units, lstm_units, rnn_units
from weft.backends.kernels.streaming.embedding import embed
from weft.backends.kernels.streaming.plan import (
    BIAS,
    BLOCKS,
    C_NEXT,
    C_PREV,
    CHUNK,
    CHUNKS,
    EMBEDDING,
    FIELDS,
    GATE,
    GRU_GATES,
    H_NEXT,
    H_PREV,
    INPUT,
    INPUT_MATRIX,
    INPUT_ROW,
    KIND,
    LSTM,
    OUTPUT,
    PANELS,
    RECURRENT,
    RECURRENT_MATRIX,
    RNN,
    SEEN,
    SUMS,
    SUMS_ROW,
    UNITS_ROW,
)  # fmt: skip
from weft.backends.kernels.streaming.skinny_gemm import CELLS, WIDTH, add_product

(
    FUNCTION, THREADS, TURN, PLAN, PHASES, WEIGHTS, CONSTANTS, IDS, ROWS, ROOM, SCORES, SCORES_ROW, OWN, OWN_ROW, LOST,
) = range(15)  # fmt: skip
DONE = 2 * LINE
"""Words of a job; from DONE on a line a phase, the chunks done, and then a word a chunk: the last turn it was taken."""


@inlined
def take_chunk(
    weights: Any, phase: Any, constants: Any, rows: Any, room: Any, scores: Any, scores_row: Any,
    x: Any, x_row: Any, x_scale: Any, h: Any, h_row: Any, h_scale: Any, chunk: Any,
) -> None:  # fmt: skip
    """The product of a chunk's blocks, and their part of the new state."""
    kind, panels, row = phase[KIND], phase[PANELS], phase[UNITS_ROW]
    first = chunk * phase[CHUNK]
    last = min(first + phase[CHUNK], phase[BLOCKS])
    panel, count, column = first * panels, (last - first) * panels, first * panels * WIDTH
    bias, a, a_row = offset(constants, phase[BIAS] + column), offset(room, phase[SUMS] * rows + column), phase[SUMS_ROW]
    if kind == OUTPUT:
        a, a_row = offset(scores, column), scores_row
    matrix = offset(phase, INPUT_MATRIX)
    add_product(x, x_row, x_scale, rows, weights, matrix, constants, panel, count, bias, 0, a, a_row)
    if kind == OUTPUT:
        return
    matrix = offset(phase, RECURRENT_MATRIX)
    add_product(h, h_row, h_scale, rows, weights, matrix, constants, panel, count, a, a_row, a, a_row)
    for n in range(rows):
        for block in range(first, last):
            place = n * row + block * WIDTH
            gates = offset(a, n * a_row + (block - first) * panels * WIDTH)
            h_prev, h_next = offset(room, phase[H_PREV] * rows + place), offset(room, phase[H_NEXT] * rows + place)
            if kind == LSTM:
                c_prev, c_next = offset(room, phase[C_PREV] * rows + place), offset(room, phase[C_NEXT] * rows + place)
                lstm_units(gates, c_prev, c_next, h_next)
            elif kind == RNN:
                rnn_units(gates, h_next)
            else:
                z, seen = offset(room, phase[GATE] * rows + place), offset(room, phase[SEEN] * rows + place)
                if kind == GRU_GATES:
                    gru_gates(gates, h_prev, z, seen)
                else:
                    gru_units(gates, h_prev, z, h_next)


@inlined
def take_chunks(weights: Any, job: Any, number: Any, p: Any, taken: Any) -> Any:
    """Take chunks of phase p until there are none left; how many it were.

    A thread has a part of its own, so that its weights stay in the cache beside it, and then helps the others. Every
    other step it goes through it backwards: what was read last is still in the cache.
    """
    threads, turn, rows = job[THREADS], job[TURN], job[ROWS]
    phase = offset(words_at(job[PLAN]), p * FIELDS)
    constants, room, scores = floats_at(job[CONSTANTS]), floats_at(job[ROOM]), floats_at(job[SCORES])
    own = offset(room, (job[OWN] + number * job[OWN_ROW]) * rows)
    kind, chunks = phase[KIND], phase[CHUNKS]
    if kind == EMBEDDING:
        if exchange(taken, turn) == turn:
            return 0
        embed(weights, phase, constants, words_at(job[IDS]), offset(room, phase[INPUT] * rows), rows)
        return 1
    cells = offset(phase, INPUT_MATRIX)[CELLS]
    x, x_row, x_scale = left_factor(weights, offset(room, phase[INPUT] * rows), phase[INPUT_ROW], rows, cells, own)
    h, h_row, h_scale = x, x_row, x_scale
    if kind != OUTPUT:
        more = offset(own, rows * row_of_factor(cells))
        cells = offset(phase, RECURRENT_MATRIX)[CELLS]
        seen = offset(room, phase[RECURRENT] * rows)
        h, h_row, h_scale = left_factor(weights, seen, phase[UNITS_ROW], rows, cells, more)
    first, last = chunks * number // threads, chunks * (number + 1) // threads
    done = 0
    for n in range(last - first + (chunks if threads > 1 else 0)):
        if n < last - first:
            chunk = first + n if turn % 2 == 0 else last - 1 - n
        else:
            n -= last - first
            chunk = chunks - 1 - n if turn % 2 == 0 else n
        if threads > 1 and (taken[chunk] == turn or exchange(offset(taken, chunk), turn) == turn):
            continue
        take_chunk(
            weights, phase, constants, rows, room, scores, job[SCORES_ROW],
            x, x_row, x_scale, h, h_row, h_scale, chunk,
        )  # fmt: skip
        done += 1
    return done


@inlined
def take_part(weights: Any, job: Any, number: Any) -> None:
    """Go through all phases of a job as thread `number`."""
    phases = job[PHASES]
    taken = offset(job, DONE + LINE * phases)
    for p in range(phases):
        chunks = words_at(job[PLAN])[p * FIELDS + CHUNKS]
        word = offset(job, DONE + LINE * p)
        if atomic_load(word) < chunks:
            atomic_add(word, take_chunks(weights, job, number, p, taken))
            if spin_until(word, chunks) and number == 0:
                job[LOST] = 1
        taken = offset(taken, chunks)


def _floats(job, number):  # type: ignore[no-untyped-def]
    job = words_at(job)
    take_part(floats_at(job[WEIGHTS]), job, number)


def _halves(job, number):  # type: ignore[no-untyped-def]
    job = words_at(job)
    take_part(halves_at(job[WEIGHTS]), job, number)


def _bytes(job, number):  # type: ignore[no-untyped-def]
    job = words_at(job)
    take_part(bytes_at(job[WEIGHTS]), job, number)


@cache
def part_in(dtype: str) -> Any:
    """What takes part in jobs of weights of a type, as a C function of (job, number)."""
    function = {"float32": _floats, "uint16": _halves, "int8": _bytes}[dtype]
    return cached_on_disk(cfunc, function, types.void(types.int64, types.int64))
