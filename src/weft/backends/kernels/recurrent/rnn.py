"""A whole block of the simple recurrent network, forward and backward, in one call each.

The equations are those of `weft.layers.rnn`. Forward, for each t: a_t += h_{t-1} W_h, where a already holds x W_x,
and h_t = tanh(a_t + b). Backward, for each t from the last: da_t = dh_t (1 - h_t²), dh_{t-1} = da_t W_hᵀ.
"""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.jit.compile import full_vectors, jit
from weft.backends.kernels.jit.outlined import SIZE, floats, ints, outlined, packed
from weft.backends.kernels.jit.pointers import pointer_to
from weft.backends.kernels.jit.vector_math import ONE, tanh
from weft.backends.kernels.matmul.gemm import pack_chunk
from weft.backends.kernels.matmul.partition import stream_range
from weft.backends.kernels.matmul.step_gemm import step_gemm
from weft.backends.kernels.recurrent.block import Passes
from weft.backends.kernels.recurrent.input_projection import input_gradient, project, project_backward
from weft.backends.kernels.recurrent.passes import (
    add_up,
    copy_rows,
    exchange_axes,
    factor_of,
    group_of,
    pack_own,
    recurrent_gradient,
    stages_of,
)
from weft.backends.kernels.threads.parallel import (
    CHUNKS,
    PUBLISH,
    WORKER_LOST,
    first_chunk,
    first_chunk_in,
    next_chunk,
    next_chunk_in,
    publish_job,
)
from weft.backends.kernels.threads.thread_pool import run_job


@outlined(
    lambda words: [
        packed(words, 4), ints(2), packed(words, 2), floats(1), floats(3), floats(3), SIZE, SIZE, SIZE, SIZE,
    ]
)  # fmt: skip
def rnn_steps(
    Wh: Any, columns: Any, room: Any, b: Any, a: Any, h: Any, start: Any, stop: Any, first: Any, count: Any
) -> None:
    """The steps from `start` to `stop` of the units `first` …

    a (T, N, …); h (T+1, N, H), the first step's given. Wh, columns, room: see `step_gemm`.
    """
    full_vectors()
    N, P, H = a.shape[1], a.shape[2], h.shape[2]
    b = b[first : first + count]
    for t in range(start, stop):
        step_gemm(pointer_to(h, t * N * H), H, N, H, Wh, columns, pointer_to(a, t * N * P), P, room)
        for n in range(N):
            row, h_next = a[t, n, first : first + count], h[t + 1, n, first : first + count]
            for j in range(count):
                h_next[j] = tanh(row[j] + b[j])


@outlined(
    lambda words: [
        packed(words, 4), ints(2), packed(words, 2), floats(1), floats(3), floats(3), floats(2), floats(3),
        SIZE, SIZE, SIZE, SIZE,
    ]
)  # fmt: skip
def rnn_steps_backward(
    Wh_transposed: Any, columns: Any, room: Any, db: Any, a: Any, h: Any, dh: Any, dhs: Any, start: Any, stop: Any,
    first: Any, count: Any,
) -> None:  # fmt: skip
    """The stages from `start` to `stop` of T + 1: what a step's h had from the step after it, then its da.

    a becomes da. dhs (N, T, H). dh (N, H): of the last state, replaced by that of the first.
    """
    full_vectors()
    T, N, P = a.shape
    H = h.shape[2]
    own = slice(first, first + count)
    db = db[own]
    for stage in range(start, stop):
        t = T - 1 - stage
        if stage > 0:
            da_next = pointer_to(a, (t + 1) * N * P)
            step_gemm(da_next, P, N, H, Wh_transposed, columns, pointer_to(dh, 0), H, room)
        if t < 0:
            return
        for n in range(N):
            row, h_next, dh_n, dhs_n = a[t, n, own], h[t + 1, n, own], dh[n, own], dhs[n, t, own]
            for j in range(count):
                row[j] = (dh_n[j] + dhs_n[j]) * (ONE - h_next[j] * h_next[j])
            for j in range(count):
                db[j] += row[j]
            dh_n[:] = 0


@jit
def rnn_forward(
    number: Any, tasks: Any, control: Any, groups: Any, xs: Any, values: Any, places: Any, products: Any, Wx: Any,
    Wh: Any, b: Any, before: Any, x: Any, a: Any, states: Any, kept: Any, hs: Any, after: Any, loops: Any, units: Any,
    lhs_buffer: Any, rhs_buffer: Any,
) -> None:  # fmt: skip
    """A block forward on panels; see `panel_block`."""
    if number == PUBLISH:
        publish_job(
            tasks, control,
            (groups, xs, values, places, products, Wx, Wh, b, before, x, a, states, kept, hs, after, loops, units,
             lhs_buffer, rhs_buffer),
        )  # fmt: skip
        tasks[WORKER_LOST] = run_job(control, tasks.ctypes.data)
        return
    chunks, (N, T, _H) = tasks[CHUNKS], hs.shape
    (h,), ((factor, columns, source, rooms),) = states, loops
    packs_own, shared = len(factor) > 1, groups < chunks
    chunk = -1 if packs_own else first_chunk(tasks, 0, number)
    while chunk >= 0:
        pack_chunk(Wh, False, factor[0, 0], chunk, chunks)
        chunk = next_chunk(tasks, 0, number)
    project(
        number, tasks, 1, groups, packs_own and not shared, xs, values, places, products, Wx, x, a, lhs_buffer,
        rhs_buffer,
    )  # fmt: skip
    rounds = T + 2 if shared else 1
    for round in range(rounds):
        start, stop = stages_of(round - 1, T, shared)
        chunk = first_chunk_in(tasks, 3, number, round)
        while chunk >= 0:
            group = 0 if shared else chunk
            own = slice(*stream_range(N, group, groups))
            h_own = group_of(h, N, group, groups)
            if round == 0:
                pack_own(factor, Wh, False, columns, source, chunk)
                if group == chunk:
                    copy_rows(before[0][own], h_own[0])
            rnn_steps(
                factor_of(factor, chunk), columns[chunk], rooms[chunk], b, group_of(a, N, group, groups), h_own,
                start, stop, units[chunk, 0], units[chunk, 1],
            )  # fmt: skip
            if round == rounds - 1 and group == chunk:
                exchange_axes(h_own[1:], hs[own])
                copy_rows(h_own[-1], after[0][own])
            chunk = next_chunk_in(tasks, 3, number, round)


@jit
def rnn_backward(
    number: Any, tasks: Any, control: Any, groups: Any, dhs: Any, Wx: Any, Wh: Any, x: Any, values: Any, places: Any,
    sums: Any, a: Any, states: Any, kept: Any, dxs: Any, dvalues: Any, dstates: Any, dbs: Any, dWx: Any, dWh: Any,
    db: Any, loops: Any, units: Any, lhs_buffer: Any, rhs_buffer: Any,
) -> None:  # fmt: skip
    """A block backward on panels; see `panel_block`."""
    if number == PUBLISH:
        publish_job(
            tasks, control,
            (groups, dhs, Wx, Wh, x, values, places, sums, a, states, kept, dxs, dvalues, dstates, dbs, dWx, dWh, db,
             loops, units, lhs_buffer, rhs_buffer),
        )  # fmt: skip
        tasks[WORKER_LOST] = run_job(control, tasks.ctypes.data)
        return
    chunks, (N, T, _H) = tasks[CHUNKS], dhs.shape
    (h,), (dh,), ((factor, columns, source, rooms),) = states, dstates, loops
    packs_own, shared = len(factor) > 1, groups < chunks
    chunk = -1 if packs_own else first_chunk(tasks, 0, number)
    while chunk >= 0:
        pack_chunk(Wh, True, factor[0, 0], chunk, chunks)
        chunk = next_chunk(tasks, 0, number)
    for round in range(T + 1 if shared else 1):
        start, stop = stages_of(round, T + 1, shared)
        chunk = first_chunk_in(tasks, 1, number, round)
        while chunk >= 0:
            group = 0 if shared else chunk
            own = slice(*stream_range(N, group, groups))
            if round == 0:
                pack_own(factor, Wh, True, columns, source, chunk)
                dbs[chunk] = 0
            rnn_steps_backward(
                factor_of(factor, chunk), columns[chunk], rooms[chunk], dbs[chunk], group_of(a, N, group, groups),
                group_of(h, N, group, groups), dh[own], dhs[own], start, stop, units[chunk, 0], units[chunk, 1],
            )  # fmt: skip
            chunk = next_chunk_in(tasks, 1, number, round)
    chunk = first_chunk(tasks, 2, number)
    while chunk >= 0:
        input_gradient(x, values, places, groups, sums, a, dWx, chunk, chunks, lhs_buffer, rhs_buffer)
        other = chunks - 1 - chunk  # one of the shares of columns is the larger
        recurrent_gradient(h, N, groups, a, dWh, other, chunks, lhs_buffer[chunk], rhs_buffer[chunk])
        add_up(dbs, db, chunk, chunks)
        chunk = next_chunk(tasks, 2, number)
    project_backward(
        number, tasks, 3, groups, packs_own and not shared, Wx, x, places, sums, a, dxs, dvalues, lhs_buffer,
        rhs_buffer,
    )  # fmt: skip


PARTS = (project, rnn_steps, rnn_steps_backward, input_gradient, project_backward)
PASSES = Passes(1, 0, ((0, 1),), rnn_forward, rnn_backward, PARTS)
