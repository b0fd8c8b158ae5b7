"""The simple recurrent network with rectified linear units.

    h_t = max(0, h_{t-1} W_h + x_t W_x + b)

x (N, D), h (N, H), W_x (D, H), W_h (H, H), b (H,). It is `RNN_RELU` of PyTorch and cuDNN. Its states are not bounded.

Backward, with a_t the argument of max:

    da_t = dh_t where h_t > 0, else 0          dh_{t-1} = da_t W_hᵀ

Fused, over a block and in streaming: `weft.backends.kernels.cells.rnn_relu`.
"""

from __future__ import annotations

from weft.backends import Array, State
from weft.layers.cell import Cell, Tape
from weft.layers.recurrent import TimeRecurrent


class ReluRNN(Cell):
    """One step: `forward(x, h_prev) -> h_next`; `backward(dh_next) -> dx, dh_prev`."""

    name = "rnn-relu"
    gates = 1

    def step(self, a: Array, state_prev: State) -> tuple[State, Tape]:
        _Wx, Wh, _b = self.params
        (h_prev,) = state_prev
        a = h_prev @ Wh + a
        h_next = self.xp.maximum(a, self.xp.zeros_like(a))
        return (h_next,), (h_prev, h_next)

    def step_backward(self, dstate_next: State, tape: Tape) -> tuple[Array, State]:
        _Wx, Wh, _b = self.params
        (dh_next,) = dstate_next
        _h_prev, h_next = tape
        da = self.xp.where(h_next > 0, dh_next, self.xp.zeros_like(dh_next))
        dh_prev = da @ Wh.T
        return da, (dh_prev,)


class TimeReluRNN(TimeRecurrent):
    """A block of steps of `ReluRNN`: see `TimeRecurrent`."""

    cell_type = ReluRNN
