"""A whole block of the gated recurrent unit, forward and backward, in one call a worker.

The equations are those of `weft.layers.gru`. W_h is packed in two: what h_{t-1} multiplies (z, r), and what r * h_{t-1}
multiplies (h̃). Forward, for each t, where a already holds x W_x:

    a_t^{z,r} += h_{t-1} W_h^{z,r}          z, r = σ of it + b      s = r * h_{t-1}
    a_t^h̃     += s W_h^h̃                    h̃ = tanh of it + b      h_t = (1 - z) * h_{t-1} + z * h̃

Backward, for each t from the last: da_t^h̃, then ds = da_t^h̃ W_h^h̃ᵀ, then da_t^{z,r} and dh_{t-1}.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.backends.kernels.activations import ONE, sigmoid, tanh
from weft.backends.kernels.apart import SIZE, apart, array, integers, numbers
from weft.backends.kernels.block import Floats, FusedBlock, Group, rows
from weft.backends.kernels.compiling import compiled
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

ZR, C = [0, 1], [2]


def gru_steps(
    Wh_zr: Any, Wh_c: Any, columns_zr: Any, columns_c: Any, segments: Any, room_h: Any, room_s: Any, meeting: Any,
    b: Any, a: Any, h: Any, s: Any, first: Any, count: Any,
) -> None:  # fmt: skip
    """a (T, N, …); h (T+1, N, H), the first step's given; s (T, N, H); units `first` … are the worker's own.

    Wh_zr, Wh_c, columns, segments, rooms: see `products`.
    """
    T, N, P = a.shape
    H = h.shape[2]
    own = slice(first, first + count)
    b_z, b_r, b_c = b[own], b[H + first : H + first + count], b[2 * H + first : 2 * H + first + count]
    for t in range(T):
        a_start, h_start, s_start = pointer_to(a, t * N * P), pointer_to(h, t * N * H), pointer_to(s, t * N * H)
        put(h_start, H, N, segments, Wh_zr, room_h[t % 2])
        meet(meeting)
        accumulate(h_start, H, N, Wh_zr, columns_zr, a_start, P, room_h[t % 2])
        for n in range(N):
            row, h_prev, s_n = a[t, n], h[t, n, own], s[t, n, own]
            z, r = row[first : first + count], row[H + first : H + first + count]
            for j in range(count):
                z[j] = sigmoid(z[j] + b_z[j])
            for j in range(count):
                r[j] = sigmoid(r[j] + b_r[j])
            for j in range(count):
                s_n[j] = r[j] * h_prev[j]
        put(s_start, H, N, segments, Wh_c, room_s[t % 2])
        meet(meeting)
        accumulate(s_start, H, N, Wh_c, columns_c, a_start, P, room_s[t % 2])
        for n in range(N):
            row, h_prev, h_next = a[t, n], h[t, n, own], h[t + 1, n, own]
            z, h_tilde = row[first : first + count], row[2 * H + first : 2 * H + first + count]
            for j in range(count):
                h_tilde[j] = tanh(h_tilde[j] + b_c[j])
            for j in range(count):
                h_next[j] = (ONE - z[j]) * h_prev[j] + z[j] * h_tilde[j]
    meet(meeting)


def gru_steps_backward(
    Wh_zr_transposed: Any, Wh_c_transposed: Any, columns: Any, segments_zr: Any, segments_c: Any, room_zr: Any,
    room_c: Any, meeting: Any, db: Any, a: Any, h: Any, dh: Any, ds: Any, dhs: Any, first: Any, count: Any,
) -> None:  # fmt: skip
    """a: z, r and h̃, replaced by da. dhs (N, T, H). dh (N, H): of the last state, replaced by that of the first.
    ds (N, H): room."""
    T, N, P = a.shape
    H = h.shape[2]
    own = slice(first, first + count)
    db_z, db_r, db_c = db[own], db[H + first : H + first + count], db[2 * H + first : 2 * H + first + count]
    for t in range(T - 1, -1, -1):
        a_start = pointer_to(a, t * N * P)
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
            ds[n, own] = 0
        put(a_start, P, N, segments_c, Wh_c_transposed, room_c[t % 2])
        meet(meeting)
        a_c_start = pointer_to(a, t * N * P + 2 * H)
        accumulate(a_c_start, P, N, Wh_c_transposed, columns, pointer_to(ds, 0), ds.shape[1], room_c[t % 2])
        for n in range(N):
            row, h_prev, dh_n, ds_n = a[t, n], h[t, n, own], dh[n, own], ds[n, own]
            r = row[H + first : H + first + count]
            for j in range(count):
                dh_n[j] += ds_n[j] * r[j]
                r[j] = ds_n[j] * h_prev[j] * r[j] * (ONE - r[j])
            for j in range(count):
                db_r[j] += r[j]
        put(a_start, P, N, segments_zr, Wh_zr_transposed, room_zr[t % 2])
        meet(meeting)
        accumulate(a_start, P, N, Wh_zr_transposed, columns, pointer_to(dh, 0), dh.shape[1], room_zr[t % 2])
    meet(meeting)


steps = apart(
    lambda words: [
        array(words, 4), array(words, 4), integers(2), integers(2), integers(2), array(words, 3), array(words, 3),
        integers(1), numbers(1), numbers(3), numbers(3), numbers(3), SIZE, SIZE,
    ]
)(gru_steps)  # fmt: skip
steps_backward = apart(
    lambda words: [
        array(words, 4), array(words, 4), integers(2), integers(2), integers(2), array(words, 3), array(words, 3),
        integers(1), numbers(1), numbers(3), numbers(3), numbers(2), numbers(2), numbers(3), SIZE, SIZE,
    ]
)(gru_steps_backward)  # fmt: skip
worker_steps, worker_steps_backward = compiled(gru_steps), compiled(gru_steps_backward)
"""The same for the workers of a `FusedBlock`, who call them from Python."""


@compiled
def gru_forward(
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
    (h,), (s,), (of_zr, of_c) = states, kept, loops
    packs_own = len(of_c[0]) > 1
    share = -1 if packs_own else first_share(tasks, 0, number)
    while share >= 0:
        pack_share(Wh[:, : 2 * H], False, of_zr[0][0], share, shares)
        pack_share(Wh[:, 2 * H :], False, of_c[0][0], share, shares)
        share = next_share(tasks, 0, number)
    project(number, tasks, 1, packs_own, xs, values, places, products, Wx, x, a, left_words, right_words)
    share = first_share(tasks, 3, number)
    while share >= 0:
        own = slice(*streams_of(N, share, shares))
        h_own = group_of(h, N, share, shares)
        copy_rows(before[0][own], h_own[0])
        zr = factor_of(of_zr[0], Wh[:, : 2 * H], False, share)
        c = factor_of(of_c[0], Wh[:, 2 * H :], False, share)
        steps(
            zr, c, of_zr[1], of_c[1], of_zr[2], of_zr[3][share], of_c[3][share], ALONE, b,
            group_of(a, N, share, shares), h_own, group_of(s, N, share, shares), 0, H,
        )  # fmt: skip
        exchange_axes(h_own[1:], hs[own])
        copy_rows(h_own[-1], after[0][own])
        share = next_share(tasks, 3, number)


@compiled
def gru_backward(
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
    (h,), (s,), (dh,), (of_zr, of_c) = states, kept, dstates, loops
    packs_own = len(of_c[0]) > 1
    share = -1 if packs_own else first_share(tasks, 0, number)
    while share >= 0:
        pack_share(Wh[:, : 2 * H], True, of_zr[0][0], share, shares)
        pack_share(Wh[:, 2 * H :], True, of_c[0][0], share, shares)
        share = next_share(tasks, 0, number)
    share = first_share(tasks, 1, number)
    while share >= 0:
        own = slice(*streams_of(N, share, shares))
        dbs[share] = 0
        zr = factor_of(of_zr[0], Wh[:, : 2 * H], True, share)
        c = factor_of(of_c[0], Wh[:, 2 * H :], True, share)
        steps_backward(
            zr, c, of_zr[1], of_zr[2], of_c[2], of_zr[3][share], of_c[3][share], ALONE, dbs[share],
            group_of(a, N, share, shares), group_of(h, N, share, shares), dh[own], np.empty_like(dh[own]), dhs[own],
            0, H,
        )  # fmt: skip
        share = next_share(tasks, 1, number)
    share = first_share(tasks, 2, number)
    while share >= 0:
        input_gradient(x, values, places, sums, a, dWx, share, shares, left_words, right_words)
        other = shares - 1 - share  # one of the shares of columns is the larger
        left, right = left_words[share], right_words[share]
        recurrent_gradient(h, N, a, dWh[:, : 2 * H], other, shares, left, right)
        recurrent_gradient(s, N, a[:, 2 * H :], dWh[:, 2 * H :], other, shares, left, right)
        add_up(dbs, db, share, shares)
        share = next_share(tasks, 2, number)
    project_backward(number, tasks, 3, packs_own, Wx, x, places, sums, a, dxs, dvalues, left_words, right_words)


class GRUKernel(FusedBlock):
    """A block of `weft.layers.gru`; `extra` is [s]."""

    gates = 3

    def prepare_forward(self, group: Group) -> None:
        sources = segments(group.units, [0])
        rooms = [group.products.step_room(group.x.shape[1], sources) for _ in range(2)]
        group.shared = [sources, *rooms]
        group.extra = [np.empty(group.states[0][1:].shape, np.float32)]

    def prepare_backward(self, group: Group) -> None:
        both = segments(group.units, ZR), segments(group.units, C)
        rooms = [group.products.step_room(group.x.shape[1], sources) for sources in both]
        group.shared = [*both, *rooms, np.empty((group.x.shape[1], group.states[0].shape[2]), np.float32)]

    def steps(self, group: Group, worker: int, Wh: RecurrentWeights, b: Floats) -> None:
        own, (sources, room_h, room_s) = group.units[worker], group.shared
        columns = own.columns(ZR), own.columns(C)
        zr, c = (Wh.packed(group.number, some, sources.all) for some in columns)
        worker_steps(
            zr, c, *columns, sources.of[worker], room_h, room_s, group.meeting.words,
            b, group.a, group.states[0], group.extra[0], own.first, own.count,
        )  # fmt: skip

    def steps_backward(
        self, group: Group, worker: int, Wh: RecurrentWeights, db: Floats, dhs: Floats, dstate: list[Floats]
    ) -> None:
        own, (zr, c, room_zr, room_c, ds) = group.units[worker], group.shared
        columns = own.columns([0])
        factor_zr, factor_c = (Wh.packed(group.number, columns, sources.all) for sources in (zr, c))
        worker_steps_backward(
            factor_zr, factor_c, columns, zr.of[worker], c.of[worker], room_zr, room_c, group.meeting.words,
            db, group.a, group.states[0], dstate[0], ds, dhs, own.first, own.count,
        )  # fmt: skip

    def recurrent_gradient(self, group: Group, columns: slice, da: Floats, dWh: Floats) -> None:
        h, (s,), H = group.states[0], group.extra, group.states[0].shape[2]
        for source, first, last in ((h[:-1], 0, 2 * H), (s, 2 * H, 3 * H)):
            start, stop = max(first, columns.start), min(last, columns.stop)
            if start < stop:
                part = da[:, start - columns.start : stop - columns.start]
                group.products.write(rows(source).T, part, dWh[:, start:stop])


PARTS = (project, steps, steps_backward, input_gradient, project_backward)
PASSES = Passes(3, 1, ((0, 2), (2, 1)), gru_forward, gru_backward, PARTS)
