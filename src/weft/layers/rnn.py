"""The simple recurrent network (Elman 1990).

    h_t = tanh(h_{t-1} W_h + x_t W_x + b)

x (N, D), h (N, H), W_x (D, H), W_h (H, H), b (H,).

Backward, with a_t the argument of tanh and tanh'(a) = 1 - tanh(a)²:

    da_t = dh_t * (1 - h_t²)          dh_{t-1} = da_t W_hᵀ

Fused, over a block and in streaming: `weft.backends.kernels.cells.rnn`.
"""

from __future__ import annotations

from weft.backends import Array, State
from weft.layers.cell import Cell, Tape
from weft.layers.recurrent import TimeRecurrent


class RNN(Cell):
    """One step: `forward(x, h_prev) -> h_next`; `backward(dh_next) -> dx, dh_prev`."""

    name = "rnn"
    gates = 1

    def step(self, a: Array, state_prev: State) -> tuple[State, Tape]:
        _Wx, Wh, _b = self.params
        (h_prev,) = state_prev
        h_next = self.xp.tanh(h_prev @ Wh + a)  # h_t; a = x_t W_x + b, from Cell.project
        return (h_next,), (h_prev, h_next)

    def step_backward(self, dstate_next: State, tape: Tape) -> tuple[Array, State]:
        _Wx, Wh, _b = self.params
        (dh_next,) = dstate_next
        _h_prev, h_next = tape
        da = dh_next * (1 - h_next**2)
        dh_prev = da @ Wh.T
        return da, (dh_prev,)


class TimeRNN(TimeRecurrent):
    """A block of steps of `RNN`: see `TimeRecurrent`."""

    cell_type = RNN
