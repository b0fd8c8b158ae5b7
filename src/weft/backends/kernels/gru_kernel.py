"""A whole block of the gated recurrent unit, forward and backward, in one call a worker.

The equations are those of `weft.layers.gru`. W_h is packed in two: what h_{t-1} multiplies (z, r), and what r * h_{t-1}
multiplies (h̃). Forward, for each t, where a already holds x W_x + b:

    a_t^{z,r} += h_{t-1} W_h^{z,r}          z, r = σ of it          s = r * h_{t-1}
    a_t^h̃     += s W_h^h̃                    h̃ = tanh of it          h_t = (1 - z) * h_{t-1} + z * h̃

Backward, for each t from the last: da_t^h̃, then ds = da_t^h̃ W_h^h̃ᵀ, then da_t^{z,r} and dh_{t-1}.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.backends.kernels.activations import ONE, sigmoid, tanh
from weft.backends.kernels.block import Floats, FusedBlock, Part, StepFactors, rows
from weft.backends.kernels.compiling import compiled
from weft.backends.kernels.micro_kernel import pointer_to
from weft.backends.kernels.products import Factor
from weft.backends.kernels.step_product import accumulate


@compiled
def gru_steps(Wh_zr: Any, Wh_c: Any, room: Any, a: Any, h: Any, s: Any) -> None:
    """Wh_zr, Wh_c and room: of `Products`; a (T, N, …); h (T+1, N, H), the first step's given; s (T, N, H)."""
    T, N, P = a.shape
    H = h.shape[2]
    for t in range(T):
        accumulate(pointer_to(h, t * N * H), H, N, H, Wh_zr, pointer_to(a, t * N * P), P, room)
        for n in range(N):
            row, h_prev, s_n = a[t, n], h[t, n], s[t, n]
            for j in range(2 * H):
                row[j] = sigmoid(row[j])
            r = row[H : 2 * H]
            for j in range(H):
                s_n[j] = r[j] * h_prev[j]
        accumulate(pointer_to(s, t * N * H), H, N, H, Wh_c, pointer_to(a, t * N * P + 2 * H), P, room)
        for n in range(N):
            row, h_prev, h_next = a[t, n], h[t, n], h[t + 1, n]
            z, h_tilde = row[:H], row[2 * H : 3 * H]
            for j in range(H):
                h_tilde[j] = tanh(h_tilde[j])
            for j in range(H):
                h_next[j] = (ONE - z[j]) * h_prev[j] + z[j] * h_tilde[j]


@compiled
def gru_steps_backward(
    Wh_zr_transposed: Any, Wh_c_transposed: Any, rooms: Any, a: Any, h: Any, dh: Any, ds: Any, dhs: Any
) -> None:
    """a: z, r and h̃, replaced by da. dhs (N, T, H). dh (N, padded H): of the last state, replaced by that of the first.
    ds (N, padded H): room."""
    T, N, P = a.shape
    H = h.shape[2]
    for t in range(T - 1, -1, -1):
        ds[:] = 0
        for n in range(N):
            row, h_prev, dh_n, dhs_n = a[t, n], h[t, n], dh[n], dhs[n, t]
            z, h_tilde = row[:H], row[2 * H : 3 * H]
            for j in range(H):
                dh_next = dh_n[j] + dhs_n[j]
                da_c = dh_next * z[j] * (ONE - h_tilde[j] * h_tilde[j])
                da_z = dh_next * (h_tilde[j] - h_prev[j]) * z[j] * (ONE - z[j])
                dh_n[j] = dh_next * (ONE - z[j])
                z[j] = da_z
                h_tilde[j] = da_c
        accumulate(pointer_to(a, t * N * P + 2 * H), P, N, H, Wh_c_transposed, pointer_to(ds, 0), ds.shape[1], rooms[1])
        for n in range(N):
            row, h_prev, dh_n, ds_n = a[t, n], h[t, n], dh[n], ds[n]
            r = row[H : 2 * H]
            for j in range(H):
                dh_n[j] += ds_n[j] * r[j]
                r[j] = ds_n[j] * h_prev[j] * r[j] * (ONE - r[j])
        accumulate(pointer_to(a, t * N * P), P, N, 2 * H, Wh_zr_transposed, pointer_to(dh, 0), dh.shape[1], rooms[0])


class GRUKernel(FusedBlock):
    """A block of `weft.layers.gru`; `extra` is [s]."""

    gates = 3

    def pack_forward(self, Wh: Floats) -> StepFactors:
        H = Wh.shape[0]
        return self.products.step_factor(Wh[:, : 2 * H]), self.products.step_factor(Wh[:, 2 * H :])

    def pack_backward(self, Wh: Floats) -> StepFactors:
        H = Wh.shape[0]
        return self.products.step_factor(Wh[:, : 2 * H].T), self.products.step_factor(Wh[:, 2 * H :].T)

    def steps(self, part: Part, Wh: StepFactors) -> None:
        h = part.states[0]
        part.extra = [np.empty(h[1:].shape, np.float32)]
        gru_steps(Wh[0], Wh[1], self.step_room(part, h.shape[2]), part.a, h, part.extra[0])

    def steps_backward(self, part: Part, Wh: StepFactors, dhs: Floats, dstate: list[Floats]) -> None:
        H = part.states[0].shape[2]
        rooms = self.step_room(part, 2 * H), self.step_room(part, H)
        gru_steps_backward(Wh[0], Wh[1], rooms, part.a, part.states[0], dstate[0], np.empty_like(dstate[0]), dhs)

    def recurrent_gradient(self, part: Part, da: Factor, dWh: Floats) -> None:
        h, (s,), H = part.states[0], part.extra, part.states[0].shape[2]
        da_zr, da_c = Factor(da.array[:, : 2 * H], "da zr"), Factor(da.array[:, 2 * H :], "da c")
        self.products.write(Factor(rows(h[:-1]).T, "h"), da_zr, dWh[:, : 2 * H])
        self.products.write(Factor(rows(s).T, "h"), da_c, dWh[:, 2 * H :])
