"""Fused block and streaming step of the simple recurrent network; the equations of a step are in `weft.layers.rnn`.

Forward, for each t, where a_t already holds x_t W_x:  a_t += h_{t-1} W_h,  h_t = tanh(a_t + b).
Backward, for each t from the last:                     da_t = dh_t (1 - h_t²),  dh_{t-1} = da_t W_hᵀ.
"""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.jit.compile import full_vectors
from weft.backends.kernels.jit.vector_math import ONE, tanh
from weft.backends.kernels.recurrent.driver import FusedCell, register
from weft.backends.kernels.recurrent.passes import add_product
from weft.backends.kernels.streaming.cell import CellPhase, StreamingCell
from weft.backends.kernels.streaming.cell import register as register_streaming


def rnn_steps(s: Any, start: Any, stop: Any, first: Any, count: Any) -> None:
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
                h_next[j] = tanh(a_n[j] + b[j])


def rnn_steps_backward(s: Any, start: Any, stop: Any, first: Any, count: Any) -> None:
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
                da[j] = (dh_n[j] + dhs_n[j]) * (ONE - h_next[j] * h_next[j])
            for j in range(count):
                db[j] += da[j]
            dh_n[:] = 0


def rnn_update(a: Any, state: Any, scratch: Any) -> Any:
    """h_t = tanh a."""
    return (tanh(a[0]),)


register(FusedCell("rnn", gates=1, steps=rnn_steps, steps_backward=rnn_steps_backward, operands=((0, 1),)))
register_streaming(StreamingCell("rnn", state_parts=1, phases=(CellPhase((0,), rnn_update),)))
