"""A whole block of the simple recurrent network, forward and backward, in one call a worker.

The equations are those of `weft.layers.rnn`. Forward, for each t: a_t += h_{t-1} W_h on the packed W_h, where a already
holds x W_x + b, and h_t = tanh a_t. Backward, for each t from the last: da_t = dh_t (1 - h_t²), dh_{t-1} = da_t W_hᵀ.
"""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.activations import ONE, tanh
from weft.backends.kernels.block import Floats, FusedBlock, Part, StepFactors
from weft.backends.kernels.compiling import compiled
from weft.backends.kernels.micro_kernel import pointer_to
from weft.backends.kernels.step_product import accumulate


@compiled
def rnn_steps(Wh: Any, room: Any, a: Any, h: Any) -> None:
    """Wh and room: of `Products`; a (T, N, padded H); h (T+1, N, H), the first step's given."""
    T, N, P = a.shape
    H = h.shape[2]
    for t in range(T):
        accumulate(pointer_to(h, t * N * H), H, N, H, Wh, pointer_to(a, t * N * P), P, room)
        for n in range(N):
            row, h_next = a[t, n], h[t + 1, n]
            for j in range(H):
                h_next[j] = tanh(row[j])


@compiled
def rnn_steps_backward(Wh_transposed: Any, room: Any, a: Any, h: Any, dh: Any, dhs: Any) -> None:
    """a becomes da. dhs (N, T, H). dh (N, padded H): of the last state, replaced by that of the first."""
    T, N, P = a.shape
    H = h.shape[2]
    for t in range(T - 1, -1, -1):
        for n in range(N):
            row, h_next, dh_n, dhs_n = a[t, n], h[t + 1, n], dh[n], dhs[n, t]
            for j in range(H):
                row[j] = (dh_n[j] + dhs_n[j]) * (ONE - h_next[j] * h_next[j])
        dh[:] = 0
        accumulate(pointer_to(a, t * N * P), P, N, H, Wh_transposed, pointer_to(dh, 0), dh.shape[1], room)


class RNNKernel(FusedBlock):
    """A block of `weft.layers.rnn`."""

    gates = 1

    def steps(self, part: Part, Wh: StepFactors) -> None:
        rnn_steps(Wh[0], self.step_room(part, part.states[0].shape[2]), part.a, part.states[0])

    def steps_backward(self, part: Part, Wh: StepFactors, dhs: Floats, dstate: list[Floats]) -> None:
        rnn_steps_backward(Wh[0], self.step_room(part, part.states[0].shape[2]), part.a, part.states[0], dstate[0], dhs)
