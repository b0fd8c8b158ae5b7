"""A whole block of the LSTM, forward and backward, in one call a worker.

The equations are those of `weft.layers.lstm`; the order of the work is another. All of a block's arrays lie time-major,
(T, N, …), so that a step's rows are neighbours. Forward, for each t:

    a_t   += h_{t-1} W_h              on the packed W_h; a already holds x W_x
    f, g, i, o = σ, tanh, σ, σ of a_t + b in place
    c_t, h_t                          all in one pass over the row

Backward, for each t from the last: da_t in place of the gates, then dh_{t-1} = da_t W_hᵀ.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.backends.kernels.activations import ONE, sigmoid, tanh
from weft.backends.kernels.apart import SIZE, apart, array, integers, numbers
from weft.backends.kernels.block import Floats, FusedBlock, Group
from weft.backends.kernels.compiling import compiled, within_kernels
from weft.backends.kernels.crew import carry_out
from weft.backends.kernels.meeting import meet
from weft.backends.kernels.micro_kernel import pointer_to
from weft.backends.kernels.packed_product import pack_share
from weft.backends.kernels.panel_block import Passes
from weft.backends.kernels.panel_passes import (
    ALONE,
    add_up,
    copy_rows,
    exchange_axes,
    factor_of,
    group_of,
    recurrent_gradient,
    streams_of,
)
from weft.backends.kernels.panel_projection import input_gradient, project, project_backward
from weft.backends.kernels.recurrent_weights import RecurrentWeights
from weft.backends.kernels.sharing import segments
from weft.backends.kernels.step_product import accumulate, put
from weft.backends.kernels.together import LOST, OPENING, SHARES, become_job, first_share, next_share

GATES = [0, 1, 2, 3]


@within_kernels
def gate(row: Any, number: Any, H: Any, first: Any, count: Any) -> Any:
    """Units `first` … of one gate in a row of gates."""
    start = number * H + first
    return row[start : start + count]


def lstm_steps(
    Wh: Any, columns: Any, segments: Any, room: Any, meeting: Any, b: Any, a: Any, h: Any, c: Any,
    tanh_c: Any, first: Any, count: Any,
) -> None:  # fmt: skip
    """a (T, N, …); h and c (T+1, N, H), the first step's given; tanh_c (T, N, H); units `first` … are the
    worker's own. Wh, columns, segments, room: see `products`."""
    T, N, P = a.shape
    H = h.shape[2]
    own = slice(first, first + count)
    b_f, b_g = gate(b, 0, H, first, count), gate(b, 1, H, first, count)
    b_i, b_o = gate(b, 2, H, first, count), gate(b, 3, H, first, count)
    for t in range(T):
        h_start = pointer_to(h, t * N * H)
        put(h_start, H, N, segments, Wh, room[t % 2])
        meet(meeting)
        accumulate(h_start, H, N, Wh, columns, pointer_to(a, t * N * P), P, room[t % 2])
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
    meet(meeting)


def lstm_steps_backward(
    Wh_transposed: Any, columns: Any, segments: Any, room: Any, meeting: Any, db: Any, a: Any, c: Any,
    tanh_c: Any, dh: Any, dc: Any, dhs: Any, first: Any, count: Any,
) -> None:  # fmt: skip
    """a: the gates, replaced by da. dhs (N, T, H). dh and dc (N, H): of the last state, replaced by those of
    the first."""
    T, N, P = a.shape
    H = c.shape[2]
    own = slice(first, first + count)
    db_f, db_g = gate(db, 0, H, first, count), gate(db, 1, H, first, count)
    db_i, db_o = gate(db, 2, H, first, count), gate(db, 3, H, first, count)
    for t in range(T - 1, -1, -1):
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
        a_start = pointer_to(a, t * N * P)
        put(a_start, P, N, segments, Wh_transposed, room[t % 2])
        meet(meeting)
        accumulate(a_start, P, N, Wh_transposed, columns, pointer_to(dh, 0), dh.shape[1], room[t % 2])
    meet(meeting)


steps = apart(
    lambda words: [
        array(words, 4), integers(2), integers(2), array(words, 3), integers(1), numbers(1), numbers(3), numbers(3),
        numbers(3), numbers(3), SIZE, SIZE,
    ]
)(lstm_steps)  # fmt: skip
steps_backward = apart(
    lambda words: [
        array(words, 4), integers(2), integers(2), array(words, 3), integers(1), numbers(1), numbers(3), numbers(3),
        numbers(3), numbers(2), numbers(2), numbers(3), SIZE, SIZE,
    ]
)(lstm_steps_backward)  # fmt: skip
worker_steps, worker_steps_backward = compiled(lstm_steps), compiled(lstm_steps_backward)
"""The same for the workers of a `FusedBlock`, who call them from Python."""


@compiled
def lstm_forward(
    number: Any, tasks: Any, control: Any, xs: Any, values: Any, places: Any, products: Any, Wx: Any, Wh: Any, b: Any,
    before: Any, x: Any, a: Any, states: Any, kept: Any, hs: Any, after: Any, loops: Any, left_words: Any,
    right_words: Any,
) -> None:  # fmt: skip
    """A block forward on panels; see `panel_block`."""
    if number == OPENING:
        become_job(
            tasks, control,
            (xs, values, places, products, Wx, Wh, b, before, x, a, states, kept, hs, after, loops, left_words,
             right_words),
        )  # fmt: skip
        tasks[LOST] = carry_out(control, tasks.ctypes.data)
        return
    shares, N, H = tasks[SHARES], hs.shape[0], Wh.shape[0]
    (h, c), (tanh_c,), ((factor, columns, segments, rooms),) = states, kept, loops
    packs_own = len(factor) > 1
    share = -1 if packs_own else first_share(tasks, 0, number)
    while share >= 0:
        pack_share(Wh, False, factor[0], share, shares)
        share = next_share(tasks, 0, number)
    project(number, tasks, 1, packs_own, xs, values, places, products, Wx, x, a, left_words, right_words)
    share = first_share(tasks, 3, number)
    while share >= 0:
        own = slice(*streams_of(N, share, shares))
        h_own = group_of(h, N, share, shares)
        c_own = group_of(c, N, share, shares)
        copy_rows(before[0][own], h_own[0])
        copy_rows(before[1][own], c_own[0])
        weights = factor_of(factor, Wh, False, share)
        steps(
            weights, columns, segments, rooms[share], ALONE, b, group_of(a, N, share, shares), h_own, c_own,
            group_of(tanh_c, N, share, shares), 0, H,
        )  # fmt: skip
        exchange_axes(h_own[1:], hs[own])
        copy_rows(h_own[-1], after[0][own])
        copy_rows(c_own[-1], after[1][own])
        share = next_share(tasks, 3, number)


@compiled
def lstm_backward(
    number: Any, tasks: Any, control: Any, dhs: Any, Wx: Any, Wh: Any, x: Any, values: Any, places: Any, sums: Any,
    a: Any, states: Any, kept: Any, dxs: Any, dvalues: Any, dstates: Any, dbs: Any, dWx: Any, dWh: Any, db: Any,
    loops: Any, left_words: Any, right_words: Any,
) -> None:  # fmt: skip
    """A block backward on panels; see `panel_block`."""
    if number == OPENING:
        become_job(
            tasks, control,
            (dhs, Wx, Wh, x, values, places, sums, a, states, kept, dxs, dvalues, dstates, dbs, dWx, dWh, db, loops,
             left_words, right_words),
        )  # fmt: skip
        tasks[LOST] = carry_out(control, tasks.ctypes.data)
        return
    shares, N, H = tasks[SHARES], dhs.shape[0], Wh.shape[0]
    (h, c), (tanh_c,), (dh, dc), ((factor, columns, segments, rooms),) = states, kept, dstates, loops
    packs_own = len(factor) > 1
    share = -1 if packs_own else first_share(tasks, 0, number)
    while share >= 0:
        pack_share(Wh, True, factor[0], share, shares)
        share = next_share(tasks, 0, number)
    share = first_share(tasks, 1, number)
    while share >= 0:
        own = slice(*streams_of(N, share, shares))
        dbs[share] = 0
        weights = factor_of(factor, Wh, True, share)
        steps_backward(
            weights, columns, segments, rooms[share], ALONE, dbs[share], group_of(a, N, share, shares),
            group_of(c, N, share, shares), group_of(tanh_c, N, share, shares), dh[own], dc[own], dhs[own], 0, H,
        )  # fmt: skip
        share = next_share(tasks, 1, number)
    share = first_share(tasks, 2, number)
    while share >= 0:
        input_gradient(x, values, places, sums, a, dWx, share, shares, left_words, right_words)
        other = shares - 1 - share  # one of the shares of columns is the larger
        recurrent_gradient(h, N, a, dWh, other, shares, left_words[share], right_words[share])
        add_up(dbs, db, share, shares)
        share = next_share(tasks, 2, number)
    project_backward(number, tasks, 3, packs_own, Wx, x, places, sums, a, dxs, dvalues, left_words, right_words)


class LSTMKernel(FusedBlock):
    """A block of `weft.layers.lstm`; `extra` is [tanh c]."""

    gates = 4

    def prepare_forward(self, group: Group) -> None:
        sources = segments(group.units, [0])
        group.shared = [sources, group.products.step_room(group.x.shape[1], sources)]
        group.extra = [np.empty(group.states[0][1:].shape, np.float32)]

    def prepare_backward(self, group: Group) -> None:
        sources = segments(group.units, GATES)
        group.shared = [sources, group.products.step_room(group.x.shape[1], sources)]

    def steps(self, group: Group, worker: int, Wh: RecurrentWeights, b: Floats) -> None:
        own, (sources, room), (h, c) = group.units[worker], group.shared, group.states
        columns = own.columns(GATES)
        factor = Wh.packed(group.number, columns, sources.all)
        worker_steps(
            factor, columns, sources.of[worker], room, group.meeting.words, b, group.a, h, c, group.extra[0],
            own.first, own.count,
        )  # fmt: skip

    def steps_backward(
        self, group: Group, worker: int, Wh: RecurrentWeights, db: Floats, dhs: Floats, dstate: list[Floats]
    ) -> None:
        own, (sources, room), (dh, dc) = group.units[worker], group.shared, dstate
        columns = own.columns([0])
        factor = Wh.packed(group.number, columns, sources.all)
        worker_steps_backward(
            factor, columns, sources.of[worker], room, group.meeting.words, db, group.a, group.states[1],
            group.extra[0], dh, dc, dhs, own.first, own.count,
        )  # fmt: skip


PARTS = (project, steps, steps_backward, input_gradient, project_backward)
PASSES = Passes(4, 1, ((0, 4),), lstm_forward, lstm_backward, PARTS)
