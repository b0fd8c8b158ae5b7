"""A whole block of the gated recurrent unit, forward and backward, in one call each.

The equations are those of `weft.layers.gru`. W_h is packed in two: what h_{t-1} multiplies (z, r), and what r * h_{t-1}
multiplies (h̃). Forward, for each t, where a already holds x W_x:

    a_t^{z,r} += h_{t-1} W_h^{z,r}          z, r = σ of it + b      s = r * h_{t-1}
    a_t^h̃     += s W_h^h̃                    h̃ = tanh of it + b      h_t = (1 - z) * h_{t-1} + z * h̃

Backward, for each t from the last: da_t^h̃, then ds = da_t^h̃ W_h^h̃ᵀ, then da_t^{z,r} and dh_{t-1}.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.backends.kernels.jit.compile import full_vectors, jit
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


@outlined(
    lambda words: [
        packed(words, 4), packed(words, 4), ints(2), ints(2), packed(words, 2), packed(words, 2), floats(1),
        floats(3), floats(3), floats(3), SIZE, SIZE, SIZE, SIZE,
    ]
)  # fmt: skip
def gru_steps(
    Wh_zr: Any, Wh_c: Any, columns_zr: Any, columns_c: Any, room_h: Any, room_s: Any, b: Any, a: Any, h: Any, s: Any,
    start: Any, stop: Any, first: Any, count: Any,
) -> None:  # fmt: skip
    """The stages from `start` to `stop` of the units `first` …: of each step z, r and s, then h̃ and h.

    a (T, N, …); h (T+1, N, H), the first step's given; s (T, N, H). Wh, columns, rooms: see `step_gemm`.
    """
    full_vectors()
    N, P, H = a.shape[1], a.shape[2], h.shape[2]
    own = slice(first, first + count)
    b_z, b_r, b_c = b[own], b[H + first : H + first + count], b[2 * H + first : 2 * H + first + count]
    for stage in range(start, stop):
        t = stage // 2
        a_start = pointer_to(a, t * N * P)
        if stage % 2 == 0:
            step_gemm(pointer_to(h, t * N * H), H, N, H, Wh_zr, columns_zr, a_start, P, room_h)
            for n in range(N):
                row, h_prev, s_n = a[t, n], h[t, n, own], s[t, n, own]
                z, r = row[first : first + count], row[H + first : H + first + count]
                for j in range(count):
                    z[j] = sigmoid(z[j] + b_z[j])
                for j in range(count):
                    r[j] = sigmoid(r[j] + b_r[j])
                for j in range(count):
                    s_n[j] = r[j] * h_prev[j]
        else:
            step_gemm(pointer_to(s, t * N * H), H, N, H, Wh_c, columns_c, a_start, P, room_s)
            for n in range(N):
                row, h_prev, h_next = a[t, n], h[t, n, own], h[t + 1, n, own]
                z, h_tilde = row[first : first + count], row[2 * H + first : 2 * H + first + count]
                for j in range(count):
                    h_tilde[j] = tanh(h_tilde[j] + b_c[j])
                for j in range(count):
                    h_next[j] = (ONE - z[j]) * h_prev[j] + z[j] * h_tilde[j]


@outlined(
    lambda words: [
        packed(words, 4), packed(words, 4), ints(2), packed(words, 2), packed(words, 2), floats(1), floats(3),
        floats(3), floats(2), floats(2), floats(3), SIZE, SIZE, SIZE, SIZE,
    ]
)  # fmt: skip
def gru_steps_backward(
    Wh_zr_transposed: Any, Wh_c_transposed: Any, columns: Any, room_zr: Any, room_c: Any, db: Any, a: Any, h: Any,
    dh: Any, ds: Any, dhs: Any, start: Any, stop: Any, first: Any, count: Any,
) -> None:  # fmt: skip
    """The stages from `start` to `stop` of 2 T + 1: what a step's h had from the step after it, then da of h̃ and of z;
    da of r.

    a: z, r and h̃, replaced by da. dhs (N, T, H). dh (N, H): of the last state, replaced by that of the first.
    ds (N, H): room.
    """
    full_vectors()
    T, N, P = a.shape
    H = h.shape[2]
    own = slice(first, first + count)
    db_z, db_r, db_c = db[own], db[H + first : H + first + count], db[2 * H + first : 2 * H + first + count]
    for stage in range(start, stop):
        t = T - 1 - stage // 2
        if stage % 2 == 0:
            if stage > 0:
                da_next = pointer_to(a, (t + 1) * N * P)
                step_gemm(da_next, P, N, 2 * H, Wh_zr_transposed, columns, pointer_to(dh, 0), H, room_zr)
            if t < 0:
                return
            for n in range(N):
                row, h_prev, dh_n, dhs_n = a[t, n], h[t, n, own], dh[n, own], dhs[n, t, own]
                z, h_tilde = row[first : first + count], row[2 * H + first : 2 * H + first + count]
                for j in range(count):
                    dh_next = dh_n[j] + dhs_n[j]
                    da_c = dh_next * z[j] * (ONE - h_tilde[j] * h_tilde[j])
                    da_z = dh_next * (h_tilde[j] - h_prev[j]) * z[j] * (ONE - z[j])
                    dh_n[j] = dh_next * (ONE - z[j])
                    z[j] = da_z
                    h_tilde[j] = da_c
                for j in range(count):
                    db_z[j] += z[j]
                for j in range(count):
                    db_c[j] += h_tilde[j]
        else:
            for n in range(N):
                ds[n, own] = 0
            da_c_start = pointer_to(a, t * N * P + 2 * H)
            step_gemm(da_c_start, P, N, H, Wh_c_transposed, columns, pointer_to(ds, 0), H, room_c)
            for n in range(N):
                row, h_prev, dh_n, ds_n = a[t, n], h[t, n, own], dh[n, own], ds[n, own]
                r = row[H + first : H + first + count]
                for j in range(count):
                    dh_n[j] += ds_n[j] * r[j]
                    r[j] = ds_n[j] * h_prev[j] * r[j] * (ONE - r[j])
                for j in range(count):
                    db_r[j] += r[j]


@jit
def gru_forward(
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
    chunks, (N, T, H) = tasks[CHUNKS], hs.shape
    (h,), (s,), (of_zr, of_c) = states, kept, loops
    (zr, columns_zr, source, room_h), (c, columns_c, _source, room_s) = of_zr, of_c
    packs_own, shared = len(c) > 1, groups < chunks
    chunk = -1 if packs_own else first_chunk(tasks, 0, number)
    while chunk >= 0:
        pack_chunk(Wh[:, : 2 * H], False, zr[0, 0], chunk, chunks)
        pack_chunk(Wh[:, 2 * H :], False, c[0, 0], chunk, chunks)
        chunk = next_chunk(tasks, 0, number)
    project(
        number, tasks, 1, groups, packs_own and not shared, xs, values, places, products, Wx, x, a, lhs_buffer,
        rhs_buffer,
    )  # fmt: skip
    rounds = 2 * T + 2 if shared else 1
    for round in range(rounds):
        start, stop = stages_of(round - 1, 2 * T, shared)
        chunk = first_chunk_in(tasks, 3, number, round)
        while chunk >= 0:
            group = 0 if shared else chunk
            own = slice(*stream_range(N, group, groups))
            h_own = group_of(h, N, group, groups)
            if round == 0:
                pack_own(zr, Wh, False, columns_zr, source, chunk)
                pack_own(c, Wh, False, columns_c, source, chunk)
                if group == chunk:
                    copy_rows(before[0][own], h_own[0])
            gru_steps(
                factor_of(zr, chunk), factor_of(c, chunk), columns_zr[chunk], columns_c[chunk], room_h[chunk],
                room_s[chunk], b, group_of(a, N, group, groups), h_own, group_of(s, N, group, groups), start, stop,
                units[chunk, 0], units[chunk, 1],
            )  # fmt: skip
            if round == rounds - 1 and group == chunk:
                exchange_axes(h_own[1:], hs[own])
                copy_rows(h_own[-1], after[0][own])
            chunk = next_chunk_in(tasks, 3, number, round)


@jit
def gru_backward(
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
    chunks, (N, T, H) = tasks[CHUNKS], dhs.shape
    (h,), (s,), (dh,), (of_zr, of_c) = states, kept, dstates, loops
    (zr, columns, source_zr, room_zr), (c, _columns, source_c, room_c) = of_zr, of_c
    packs_own, shared = len(c) > 1, groups < chunks
    chunk = -1 if packs_own else first_chunk(tasks, 0, number)
    while chunk >= 0:
        pack_chunk(Wh[:, : 2 * H], True, zr[0, 0], chunk, chunks)
        pack_chunk(Wh[:, 2 * H :], True, c[0, 0], chunk, chunks)
        chunk = next_chunk(tasks, 0, number)
    for round in range(2 * T + 1 if shared else 1):
        start, stop = stages_of(round, 2 * T + 1, shared)
        chunk = first_chunk_in(tasks, 1, number, round)
        while chunk >= 0:
            group = 0 if shared else chunk
            own = slice(*stream_range(N, group, groups))
            if round == 0:
                pack_own(zr, Wh, True, columns, source_zr, chunk)
                pack_own(c, Wh, True, columns, source_c, chunk)
                dbs[chunk] = 0
            gru_steps_backward(
                factor_of(zr, chunk), factor_of(c, chunk), columns[chunk], room_zr[chunk], room_c[chunk], dbs[chunk],
                group_of(a, N, group, groups), group_of(h, N, group, groups), dh[own], np.empty_like(dh[own]),
                dhs[own], start, stop, units[chunk, 0], units[chunk, 1],
            )  # fmt: skip
            chunk = next_chunk_in(tasks, 1, number, round)
    chunk = first_chunk(tasks, 2, number)
    while chunk >= 0:
        input_gradient(x, values, places, groups, sums, a, dWx, chunk, chunks, lhs_buffer, rhs_buffer)
        other = chunks - 1 - chunk  # one of the shares of columns is the larger
        left, right = lhs_buffer[chunk], rhs_buffer[chunk]
        recurrent_gradient(h, N, groups, a, dWh[:, : 2 * H], other, chunks, left, right)
        recurrent_gradient(s, N, groups, a[:, 2 * H :], dWh[:, 2 * H :], other, chunks, left, right)
        add_up(dbs, db, chunk, chunks)
        chunk = next_chunk(tasks, 2, number)
    project_backward(
        number, tasks, 3, groups, packs_own and not shared, Wx, x, places, sums, a, dxs, dvalues, lhs_buffer,
        rhs_buffer,
    )  # fmt: skip


PARTS = (project, gru_steps, gru_steps_backward, input_gradient, project_backward)
PASSES = Passes(3, 1, ((0, 2), (2, 1)), gru_forward, gru_backward, PARTS)
