"""A whole block of the simple recurrent network, forward and backward, in one call a worker.

The equations are those of `weft.layers.rnn`. Forward, for each t: a_t += h_{t-1} W_h, where a already holds x W_x,
and h_t = tanh(a_t + b). Backward, for each t from the last: da_t = dh_t (1 - h_t²), dh_{t-1} = da_t W_hᵀ.
"""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.activations import ONE, tanh
from weft.backends.kernels.apart import SIZE, apart, array, integers, numbers
from weft.backends.kernels.block import Floats, FusedBlock, Group
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


def rnn_steps(
    Wh: Any, columns: Any, segments: Any, room: Any, meeting: Any, b: Any, a: Any, h: Any, first: Any, count: Any
) -> None:
    """a (T, N, …); h (T+1, N, H), the first step's given; units `first` … are the worker's own.

    Wh, columns, segments, room: see `products`.
    """
    T, N, P = a.shape
    H = h.shape[2]
    b = b[first : first + count]
    for t in range(T):
        h_start = pointer_to(h, t * N * H)
        put(h_start, H, N, segments, Wh, room[t % 2])
        meet(meeting)
        accumulate(h_start, H, N, Wh, columns, pointer_to(a, t * N * P), P, room[t % 2])
        for n in range(N):
            row, h_next = a[t, n, first : first + count], h[t + 1, n, first : first + count]
            for j in range(count):
                h_next[j] = tanh(row[j] + b[j])
    meet(meeting)


def rnn_steps_backward(
    Wh_transposed: Any, columns: Any, segments: Any, room: Any, meeting: Any, db: Any, a: Any, h: Any, dh: Any,
    dhs: Any, first: Any, count: Any,
) -> None:  # fmt: skip
    """a becomes da. dhs (N, T, H). dh (N, H): of the last state, replaced by that of the first."""
    T, N, P = a.shape
    own = slice(first, first + count)
    db = db[own]
    for t in range(T - 1, -1, -1):
        for n in range(N):
            row, h_next, dh_n, dhs_n = a[t, n, own], h[t + 1, n, own], dh[n, own], dhs[n, t, own]
            for j in range(count):
                row[j] = (dh_n[j] + dhs_n[j]) * (ONE - h_next[j] * h_next[j])
            for j in range(count):
                db[j] += row[j]
            dh_n[:] = 0
        a_start = pointer_to(a, t * N * P)
        put(a_start, P, N, segments, Wh_transposed, room[t % 2])
        meet(meeting)
        accumulate(a_start, P, N, Wh_transposed, columns, pointer_to(dh, 0), dh.shape[1], room[t % 2])
    meet(meeting)


steps = apart(
    lambda words: [
        array(words, 4), integers(2), integers(2), array(words, 3), integers(1), numbers(1), numbers(3), numbers(3),
        SIZE, SIZE,
    ]
)(rnn_steps)  # fmt: skip
steps_backward = apart(
    lambda words: [
        array(words, 4), integers(2), integers(2), array(words, 3), integers(1), numbers(1), numbers(3), numbers(3),
        numbers(2), numbers(3), SIZE, SIZE,
    ]
)(rnn_steps_backward)  # fmt: skip
worker_steps, worker_steps_backward = compiled(rnn_steps), compiled(rnn_steps_backward)
"""The same for the workers of a `FusedBlock`, who call them from Python."""


@compiled
def rnn_forward(
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
    (h,), ((factor, columns, segments, rooms),) = states, loops
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
        copy_rows(before[0][own], h_own[0])
        weights = factor_of(factor, Wh, False, share)
        steps(weights, columns, segments, rooms[share], ALONE, b, group_of(a, N, share, shares), h_own, 0, H)
        exchange_axes(h_own[1:], hs[own])
        copy_rows(h_own[-1], after[0][own])
        share = next_share(tasks, 3, number)


@compiled
def rnn_backward(
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
    (h,), (dh,), ((factor, columns, segments, rooms),) = states, dstates, loops
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
            group_of(h, N, share, shares), dh[own], dhs[own], 0, H,
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


class RNNKernel(FusedBlock):
    """A block of `weft.layers.rnn`."""

    gates = 1

    def prepare_forward(self, group: Group) -> None:
        sources = segments(group.units, [0])
        group.shared = [sources, group.products.step_room(group.x.shape[1], sources)]

    prepare_backward = prepare_forward

    def steps(self, group: Group, worker: int, Wh: RecurrentWeights, b: Floats) -> None:
        own, (sources, room) = group.units[worker], group.shared
        columns = own.columns([0])
        factor = Wh.packed(group.number, columns, sources.all)
        worker_steps(
            factor, columns, sources.of[worker], room, group.meeting.words, b, group.a, group.states[0],
            own.first, own.count,
        )  # fmt: skip

    def steps_backward(
        self, group: Group, worker: int, Wh: RecurrentWeights, db: Floats, dhs: Floats, dstate: list[Floats]
    ) -> None:
        own, (sources, room) = group.units[worker], group.shared
        columns = own.columns([0])
        factor = Wh.packed(group.number, columns, sources.all)
        worker_steps_backward(
            factor, columns, sources.of[worker], room, group.meeting.words, db, group.a, group.states[0],
            dstate[0], dhs, own.first, own.count,
        )  # fmt: skip


PARTS = (project, steps, steps_backward, input_gradient, project_backward)
PASSES = Passes(1, 0, ((0, 1),), rnn_forward, rnn_backward, PARTS)
