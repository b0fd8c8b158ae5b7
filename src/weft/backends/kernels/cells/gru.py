"""Fused block and streaming step of the gated recurrent unit; the equations of a step are in `weft.layers.gru`.

W_h is packed as two operands: the part that h_{t-1} multiplies (z, r), and the part that r * h_{t-1} multiplies (h̃).
Forward, for each t in two stages, where a_t already holds x_t W_x:

    a_t^{z,r} += h_{t-1} W_h^{z,r}          z, r = σ(a_t + b)       s = r * h_{t-1}
    a_t^h̃     += s W_h^h̃                    h̃ = tanh(a_t + b)       h_t = (1 - z) * h_{t-1} + z * h̃

Backward, for each t from the last: da_t^h̃, then ds = da_t^h̃ W_h^h̃ᵀ, then da_t^{z,r} and dh_{t-1}.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.backends.kernels.jit.compile import full_vectors, inlined
from weft.backends.kernels.jit.vector_math import ONE, sigmoid, tanh
from weft.backends.kernels.recurrent.driver import FusedCell, register
from weft.backends.kernels.recurrent.passes import add_product
from weft.backends.kernels.streaming.cell import CellPhase, StreamingCell
from weft.backends.kernels.streaming.cell import register as register_streaming


@inlined
def gates(row: Any, H: Any, first: Any, count: Any) -> Any:
    """z, r and h̃ of the units `first` … in a row of all gates."""
    return (
        row[first : first + count],
        row[H + first : H + first + count],
        row[2 * H + first : 2 * H + first + count],
    )


def gru_steps(s: Any, start: Any, stop: Any, first: Any, count: Any) -> None:
    """Stages from `start` to `stop`: of each step z, r and s, then h̃ and h."""
    full_vectors()
    (Wh_zr, Wh_c), a, (h,), (s_all,) = s.products, s.a, s.states, s.saved
    N = a.shape[1]
    H = h.shape[2]
    own = slice(first, first + count)
    b_z, b_r, b_c = gates(s.b, H, first, count)
    for stage in range(start, stop):
        t = stage // 2
        if stage % 2 == 0:
            add_product(h[t], Wh_zr, a[t])
            for n in range(N):
                h_prev, s_n = h[t, n, own], s_all[t, n, own]
                z, r, _h_tilde = gates(a[t, n], H, first, count)
                for j in range(count):
                    z[j] = sigmoid(z[j] + b_z[j])
                for j in range(count):
                    r[j] = sigmoid(r[j] + b_r[j])
                for j in range(count):
                    s_n[j] = r[j] * h_prev[j]
        else:
            add_product(s_all[t], Wh_c, a[t])
            for n in range(N):
                h_prev, h_next = h[t, n, own], h[t + 1, n, own]
                z, _r, h_tilde = gates(a[t, n], H, first, count)
                for j in range(count):
                    h_tilde[j] = tanh(h_tilde[j] + b_c[j])
                for j in range(count):
                    h_next[j] = (ONE - z[j]) * h_prev[j] + z[j] * h_tilde[j]


def gru_steps_backward(s: Any, start: Any, stop: Any, first: Any, count: Any) -> None:
    """Stages from `start` to `stop` of 2 T + 1: dh from the step after it, then da of h̃ and z; then da of r."""
    full_vectors()
    (Wh_zr_transposed, Wh_c_transposed), a, (h,), (dh,), dhs = s.products, s.a, s.states, s.dstates, s.dhs
    T, N, _ = a.shape
    H = h.shape[2]
    own = slice(first, first + count)
    db_z, db_r, db_c = gates(s.db, H, first, count)
    ds = np.empty_like(dh)
    for stage in range(start, stop):
        t = T - 1 - stage // 2
        if stage % 2 == 0:
            if stage > 0:
                add_product(a[t + 1, :, : 2 * H], Wh_zr_transposed, dh)
            if t < 0:
                return
            for n in range(N):
                h_prev, dh_n, dhs_n = h[t, n, own], dh[n, own], dhs[n, t, own]
                z, _r, h_tilde = gates(a[t, n], H, first, count)
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
            add_product(a[t, :, 2 * H : 3 * H], Wh_c_transposed, ds)
            for n in range(N):
                h_prev, dh_n, ds_n = h[t, n, own], dh[n, own], ds[n, own]
                _z, r, _h_tilde = gates(a[t, n], H, first, count)
                for j in range(count):
                    dh_n[j] += ds_n[j] * r[j]
                    r[j] = ds_n[j] * h_prev[j] * r[j] * (ONE - r[j])
                for j in range(count):
                    db_r[j] += r[j]


def gru_gates_update(a: Any, state: Any, scratch: Any) -> Any:
    """z, r = σ of a; the reset state r * h_{t-1} is what W_h of the candidate is multiplied with."""
    return sigmoid(a[0]), sigmoid(a[1]) * state[0]


def gru_candidate_update(a: Any, state: Any, scratch: Any) -> Any:
    """h_t = (1 - z) * h_{t-1} + z * tanh a."""
    z = scratch[0]
    return ((ONE - z) * state[0] + z * tanh(a[0]),)


register(
    FusedCell(
        "gru", gates=3, steps=gru_steps, steps_backward=gru_steps_backward, operands=((0, 2), (2, 1)), saved=1,
        multiplied=(-1, 0), stages=2,
    )
)  # fmt: skip
register_streaming(
    StreamingCell(
        "gru", state_parts=1, scratch=2,
        phases=(CellPhase((0, 1), gru_gates_update), CellPhase((2,), gru_candidate_update, recurrent=1)),
    )
)  # fmt: skip
