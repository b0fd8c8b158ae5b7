"""A whole block of the LSTM, forward and backward, in one call a worker.

The equations are those of `weft.layers.lstm`; the order of the work is another. All of a block's arrays lie time-major,
(T, N, …), so that a step's rows are neighbours. Forward, for each t:

    a_t   += h_{t-1} W_h              micro-kernels, on the packed W_h; a already holds x W_x + b
    f, g, i, o = σ, tanh, σ, σ of a_t in place
    c_t, h_t                          all in one pass over the row

Backward, for each t from the last: da_t in place of the gates, then dh_{t-1} = da_t W_hᵀ.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.backends.kernels.activations import ONE, sigmoid, tanh
from weft.backends.kernels.block import Floats, FusedBlock, Part, StepFactors
from weft.backends.kernels.compiling import compiled
from weft.backends.kernels.micro_kernel import pointer_to
from weft.backends.kernels.step_product import accumulate


@compiled
def lstm_steps(Wh: Any, room: Any, a: Any, h: Any, c: Any, tanh_c: Any) -> None:
    """Wh, room: of `Products`; a (T, N, padded 4H); h and c (T+1, N, H), the first step's given; tanh_c (T, N, H)."""
    T, N, P = a.shape
    H = h.shape[2]
    for t in range(T):
        accumulate(pointer_to(h, t * N * H), H, N, H, Wh, pointer_to(a, t * N * P), P, room)
        for n in range(N):
            row = a[t, n]
            f, g, i, o = row[:H], row[H : 2 * H], row[2 * H : 3 * H], row[3 * H : 4 * H]
            for j in range(H):
                f[j] = sigmoid(f[j])
            for j in range(H):
                g[j] = tanh(g[j])
            for j in range(2 * H):
                row[2 * H + j] = sigmoid(row[2 * H + j])
            c_prev, c_next, tanh_c_next, h_next = c[t, n], c[t + 1, n], tanh_c[t, n], h[t + 1, n]
            for j in range(H):
                c_next[j] = f[j] * c_prev[j] + g[j] * i[j]
            for j in range(H):
                tanh_c_next[j] = tanh(c_next[j])
            for j in range(H):
                h_next[j] = o[j] * tanh_c_next[j]


@compiled
def lstm_steps_backward(Wh_transposed: Any, room: Any, a: Any, c: Any, tanh_c: Any, dh: Any, dc: Any, dhs: Any) -> None:
    """a: the gates, replaced by da. dhs (N, T, H). dh and dc (N, padded H): of the last state, replaced by those of
    the first."""
    T, N, P = a.shape
    H = c.shape[2]
    for t in range(T - 1, -1, -1):
        for n in range(N):
            row = a[t, n]
            f, g, i, o = row[:H], row[H : 2 * H], row[2 * H : 3 * H], row[3 * H : 4 * H]
            c_prev, tanh_c_next, dh_n, dc_n, dhs_n = c[t, n], tanh_c[t, n], dh[n], dc[n], dhs[n, t]
            for j in range(H):
                dh_n[j] += dhs_n[j]
            for j in range(H):
                dc_n[j] += dh_n[j] * o[j] * (ONE - tanh_c_next[j] * tanh_c_next[j])
            for j in range(H):
                o[j] = dh_n[j] * tanh_c_next[j] * o[j] * (ONE - o[j])
            for j in range(H):
                da_f = dc_n[j] * c_prev[j] * f[j] * (ONE - f[j])
                dc_prev = dc_n[j] * f[j]
                f[j] = da_f
                da_g = dc_n[j] * i[j] * (ONE - g[j] * g[j])
                i[j] = dc_n[j] * g[j] * i[j] * (ONE - i[j])
                g[j] = da_g
                dc_n[j] = dc_prev
        dh[:] = 0
        accumulate(pointer_to(a, t * N * P), P, N, 4 * H, Wh_transposed, pointer_to(dh, 0), dh.shape[1], room)


class LSTMKernel(FusedBlock):
    """A block of `weft.layers.lstm`; `extra` is [tanh c]."""

    gates = 4

    def steps(self, part: Part, Wh: StepFactors) -> None:
        h, c = part.states
        part.extra = [np.empty(c[1:].shape, np.float32)]
        lstm_steps(Wh[0], self.step_room(part, h.shape[2]), part.a, h, c, part.extra[0])

    def steps_backward(self, part: Part, Wh: StepFactors, dhs: Floats, dstate: list[Floats]) -> None:
        _h, c = part.states
        dh, dc = dstate
        lstm_steps_backward(Wh[0], self.step_room(part, 4 * c.shape[2]), part.a, c, part.extra[0], dh, dc, dhs)
