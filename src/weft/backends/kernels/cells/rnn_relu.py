"""Fused block and streaming step of the ReLU network; the equations of a step are in `weft.layers.rnn_relu`.

Forward, for each t, where a_t already holds x_t W_x:  a_t += h_{t-1} W_h,  h_t = max(0, a_t + b).
Backward, for each t from the last:                     da_t = dh_t where h_t > 0,  dh_{t-1} = da_t W_hᵀ.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.backends.kernels.jit.compile import full_vectors
from weft.backends.kernels.recurrent.driver import FusedCell, register
from weft.backends.kernels.recurrent.passes import add_product
from weft.backends.kernels.streaming.cell import CellPhase, StreamingCell
from weft.backends.kernels.streaming.cell import register as register_streaming

ZERO = np.float32(0)


def relu_steps(s: Any, start: Any, stop: Any, first: Any, count: Any) -> None:
    """Steps t from `start` to `stop`."""
    full_vectors()
    (Wh,), a, (h,) = s.products, s.a, s.states
    own = slice(first, first + count)
    b = s.b[own]
    for t in range(start, stop):
        add_product(h[t], Wh, a[t])
        for n in range(a.shape[1]):
            a_n, h_next = a[t, n, own], h[t + 1, n, own]
            for j in range(count):
                z = a_n[j] + b[j]
                h_next[j] = ZERO if z < ZERO else z  # a NaN stays one


def relu_steps_backward(s: Any, start: Any, stop: Any, first: Any, count: Any) -> None:
    """Stages from `start` to `stop` of T + 1: the gradient of h_t from the step after it, then da_t in place of a_t."""
    full_vectors()
    (Wh_transposed,), a, (h,), (dh,), dhs = s.products, s.a, s.states, s.dstates, s.dhs
    T, N, _ = a.shape
    own = slice(first, first + count)
    db = s.db[own]
    for stage in range(start, stop):
        t = T - 1 - stage
        if stage > 0:
            add_product(a[t + 1, :, : h.shape[2]], Wh_transposed, dh)
        if t < 0:
            return
        for n in range(N):
            da, h_next, dh_n, dhs_n = a[t, n, own], h[t + 1, n, own], dh[n, own], dhs[n, t, own]
            for j in range(count):
                da[j] = dh_n[j] + dhs_n[j] if h_next[j] > ZERO else ZERO
            for j in range(count):
                db[j] += da[j]
            dh_n[:] = 0


def relu_update(a: Any, state: Any, scratch: Any) -> Any:
    """h_t = max(0, a)."""
    return (ZERO if a[0] < ZERO else a[0],)


register(FusedCell("rnn-relu", gates=1, steps=relu_steps, steps_backward=relu_steps_backward, operands=((0, 1),)))
register_streaming(StreamingCell("rnn-relu", state_parts=1, phases=(CellPhase((0,), relu_update),)))
