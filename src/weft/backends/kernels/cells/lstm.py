"""Fused block and streaming step of the LSTM; the equations of a step are in `weft.layers.lstm`.

Forward, for each t, where a_t already holds x_t W_x:

    a_t  += h_{t-1} W_h                f, g, i, o = σ, tanh, σ, σ of a_t + b, in place of a_t
    c_t   = f * c_{t-1} + g * i        h_t = o * tanh(c_t)

Backward, for each t from the last: da_t in place of the gates, then dh_{t-1} = da_t W_hᵀ.
"""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.jit.compile import full_vectors, inlined
from weft.backends.kernels.jit.vector_math import ONE, sigmoid, tanh
from weft.backends.kernels.recurrent.driver import FusedCell, register
from weft.backends.kernels.recurrent.passes import add_product
from weft.backends.kernels.streaming.cell import CellPhase, StreamingCell
from weft.backends.kernels.streaming.cell import register as register_streaming


@inlined
def gates(row: Any, H: Any, first: Any, count: Any) -> Any:
    """f, g, i and o of the units `first` … in a row of all gates."""
    return (
        row[first : first + count],
        row[H + first : H + first + count],
        row[2 * H + first : 2 * H + first + count],
        row[3 * H + first : 3 * H + first + count],
    )


def lstm_steps(s: Any, start: Any, stop: Any, first: Any, count: Any) -> None:
    """Steps t from `start` to `stop`."""
    full_vectors()
    (Wh,), a, (h, c), (tanh_c,) = s.products, s.a, s.states, s.saved
    N, H = a.shape[1], h.shape[2]
    own = slice(first, first + count)
    b_f, b_g, b_i, b_o = gates(s.b, H, first, count)
    for t in range(start, stop):
        add_product(h[t], Wh, a[t])
        for n in range(N):
            f, g, i, o = gates(a[t, n], H, first, count)
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


def lstm_steps_backward(s: Any, start: Any, stop: Any, first: Any, count: Any) -> None:
    """Stages from `start` to `stop` of T + 1: the gradient of h_t from the step after it, then da_t in place of a_t."""
    full_vectors()
    (Wh_transposed,), a, (_h, c), (tanh_c,), (dh, dc), dhs = s.products, s.a, s.states, s.saved, s.dstates, s.dhs
    T, N, _ = a.shape
    H = c.shape[2]
    own = slice(first, first + count)
    db_f, db_g, db_i, db_o = gates(s.db, H, first, count)
    for stage in range(start, stop):
        t = T - 1 - stage
        if stage > 0:
            add_product(a[t + 1, :, : 4 * H], Wh_transposed, dh)
        if t < 0:
            return
        for n in range(N):
            f, g, i, o = gates(a[t, n], H, first, count)
            c_prev, tanh_c_next, dh_n, dc_n = c[t, n, own], tanh_c[t, n, own], dh[n, own], dc[n, own]
            dhs_n = dhs[n, t, own]
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


def lstm_update(a: Any, state: Any, scratch: Any) -> Any:
    """f, g, i, o = σ, tanh, σ, σ of a; c_t = f * c_{t-1} + g * i; h_t = o * tanh c_t."""
    f, g, i, o = sigmoid(a[0]), tanh(a[1]), sigmoid(a[2]), sigmoid(a[3])
    c = f * state[1] + g * i
    return o * tanh(c), c


register(FusedCell("lstm", gates=4, steps=lstm_steps, steps_backward=lstm_steps_backward, operands=((0, 4),), saved=1))
register_streaming(StreamingCell("lstm", state_parts=2, phases=(CellPhase((0, 1, 2, 3), lstm_update),)))
