"""A whole block of the LSTM, forward and backward, in one call each.

The equations are those of `weft.layers.lstm`; the order of the work is another. All of a block's arrays lie time-major,
(T, N, …), so that a step's rows are neighbours. Forward, for each t:

    a_t   += h_{t-1} W_h              on the packed W_h; a already holds x W_x
    f, g, i, o = σ, tanh, σ, σ of a_t + b in place
    c_t, h_t                          all in one pass over the row

Backward, for each t from the last: da_t in place of the gates, then dh_{t-1} = da_t W_hᵀ.
"""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.jit.compile import full_vectors, inlined, jit
from weft.backends.kernels.jit.outlined import SIZE, floats, ints, outlined, packed
from weft.backends.kernels.jit.pointers import pointer_to
from weft.backends.kernels.jit.vector_math import ONE, sigmoid, tanh
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


@inlined
def gate(row: Any, number: Any, H: Any, first: Any, count: Any) -> Any:
    """Units `first` … of one gate in a row of gates."""
    start = number * H + first
    return row[start : start + count]


@outlined(
    lambda words: [
        packed(words, 4), ints(2), packed(words, 2), floats(1), floats(3), floats(3), floats(3), floats(3),
        SIZE, SIZE, SIZE, SIZE,
    ]
)  # fmt: skip
def lstm_steps(
    Wh: Any, columns: Any, room: Any, b: Any, a: Any, h: Any, c: Any, tanh_c: Any, start: Any, stop: Any, first: Any,
    count: Any,
) -> None:  # fmt: skip
    """The steps from `start` to `stop` of the units `first` …

    a (T, N, …); h and c (T+1, N, H), the first step's given; tanh_c (T, N, H). Wh, columns, room: see `step_gemm`.
    """
    full_vectors()
    N, P, H = a.shape[1], a.shape[2], h.shape[2]
    own = slice(first, first + count)
    b_f, b_g = gate(b, 0, H, first, count), gate(b, 1, H, first, count)
    b_i, b_o = gate(b, 2, H, first, count), gate(b, 3, H, first, count)
    for t in range(start, stop):
        step_gemm(pointer_to(h, t * N * H), H, N, H, Wh, columns, pointer_to(a, t * N * P), P, room)
        for n in range(N):
            row = a[t, n]
            f, g = gate(row, 0, H, first, count), gate(row, 1, H, first, count)
            i, o = gate(row, 2, H, first, count), gate(row, 3, H, first, count)
            for j in range(count):
                f[j] = sigmoid(f[j] + b_f[j])
            for j in range(count):
                g[j] = tanh(g[j] + b_g[j])
            for j in range(count):
                i[j] = sigmoid(i[j] + b_i[j])
            for j in range(count):
                o[j] = sigmoid(o[j] + b_o[j])
            c_prev, c_next, tanh_c_next, h_next = c[t, n, own], c[t + 1, n, own], tanh_c[t, n, own], h[t + 1, n, own]
            for j in range(count):
                c_next[j] = f[j] * c_prev[j] + g[j] * i[j]
            for j in range(count):
                tanh_c_next[j] = tanh(c_next[j])
            for j in range(count):
                h_next[j] = o[j] * tanh_c_next[j]


@outlined(
    lambda words: [
        packed(words, 4), ints(2), packed(words, 2), floats(1), floats(3), floats(3), floats(3), floats(2),
        floats(2), floats(3), SIZE, SIZE, SIZE, SIZE,
    ]
)  # fmt: skip
def lstm_steps_backward(
    Wh_transposed: Any, columns: Any, room: Any, db: Any, a: Any, c: Any, tanh_c: Any, dh: Any, dc: Any, dhs: Any,
    start: Any, stop: Any, first: Any, count: Any,
) -> None:  # fmt: skip
    """The stages from `start` to `stop` of T + 1: what a step's h had from the step after it, then its da.

    a: the gates, replaced by da. dhs (N, T, H). dh and dc (N, H): of the last state, replaced by those of the first.
    """
    full_vectors()
    T, N, P = a.shape
    H = c.shape[2]
    own = slice(first, first + count)
    db_f, db_g = gate(db, 0, H, first, count), gate(db, 1, H, first, count)
    db_i, db_o = gate(db, 2, H, first, count), gate(db, 3, H, first, count)
    for stage in range(start, stop):
        t = T - 1 - stage
        if stage > 0:
            da_next = pointer_to(a, (t + 1) * N * P)
            step_gemm(da_next, P, N, 4 * H, Wh_transposed, columns, pointer_to(dh, 0), H, room)
        if t < 0:
            return
        for n in range(N):
            row = a[t, n]
            f, g = gate(row, 0, H, first, count), gate(row, 1, H, first, count)
            i, o = gate(row, 2, H, first, count), gate(row, 3, H, first, count)
            c_prev, tanh_c_next, dh_n, dc_n, dhs_n = (
                c[t, n, own],
                tanh_c[t, n, own],
                dh[n, own],
                dc[n, own],
                dhs[n, t, own],
            )
            for j in range(count):
                dh_n[j] += dhs_n[j]
            for j in range(count):
                dc_n[j] += dh_n[j] * o[j] * (ONE - tanh_c_next[j] * tanh_c_next[j])
            for j in range(count):
                o[j] = dh_n[j] * tanh_c_next[j] * o[j] * (ONE - o[j])
            for j in range(count):
                da_f = dc_n[j] * c_prev[j] * f[j] * (ONE - f[j])
                dc_prev = dc_n[j] * f[j]
                f[j] = da_f
                da_g = dc_n[j] * i[j] * (ONE - g[j] * g[j])
                i[j] = dc_n[j] * g[j] * i[j] * (ONE - i[j])
                g[j] = da_g
                dc_n[j] = dc_prev
            for j in range(count):
                db_f[j] += f[j]
            for j in range(count):
                db_g[j] += g[j]
            for j in range(count):
                db_i[j] += i[j]
            for j in range(count):
                db_o[j] += o[j]
            dh_n[:] = 0


@jit
def lstm_forward(
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
    (h, c), (tanh_c,), ((factor, columns, source, rooms),) = states, kept, loops
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
            h_own, c_own = group_of(h, N, group, groups), group_of(c, N, group, groups)
            if round == 0:
                pack_own(factor, Wh, False, columns, source, chunk)
                if group == chunk:
                    copy_rows(before[0][own], h_own[0])
                    copy_rows(before[1][own], c_own[0])
            lstm_steps(
                factor_of(factor, chunk), columns[chunk], rooms[chunk], b, group_of(a, N, group, groups), h_own, c_own,
                group_of(tanh_c, N, group, groups), start, stop, units[chunk, 0], units[chunk, 1],
            )  # fmt: skip
            if round == rounds - 1 and group == chunk:
                exchange_axes(h_own[1:], hs[own])
                copy_rows(h_own[-1], after[0][own])
                copy_rows(c_own[-1], after[1][own])
            chunk = next_chunk_in(tasks, 3, number, round)


@jit
def lstm_backward(
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
    (h, c), (tanh_c,), (dh, dc), ((factor, columns, source, rooms),) = states, kept, dstates, loops
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
            lstm_steps_backward(
                factor_of(factor, chunk), columns[chunk], rooms[chunk], dbs[chunk], group_of(a, N, group, groups),
                group_of(c, N, group, groups), group_of(tanh_c, N, group, groups), dh[own], dc[own], dhs[own],
                start, stop, units[chunk, 0], units[chunk, 1],
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


PARTS = (project, lstm_steps, lstm_steps_backward, input_gradient, project_backward)
PASSES = Passes(4, 1, ((0, 4),), lstm_forward, lstm_backward, PARTS)
