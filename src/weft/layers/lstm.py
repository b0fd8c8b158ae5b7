"""Long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000).

    f = σ(h_{t-1} W_h^f + x_t W_x^f + b^f)         forget gate: the fraction of the memory that remains
    g = tanh(…^g)                                  candidate memory
    i = σ(…^i)                                     input gate: the fraction of the candidate that is added
    o = σ(…^o)                                     output gate: the fraction of the memory that is output

    c_t = f * c_{t-1} + g * i                      h_t = o * tanh(c_t)

x (N, D), h and c (N, H), W_x (D, 4H), W_h (H, 4H), b (4H,); the columns are in the order f, g, i, o.

Backward, with σ' = σ(1 - σ) and tanh' = 1 - tanh²:

    dc_t   = dc_t from step t+1 + dh_t * o * (1 - tanh²(c_t))
    da^f   = dc_t * c_{t-1} * f(1 - f)             da^g = dc_t * i * (1 - g²)
    da^i   = dc_t * g * i(1 - i)                   da^o = dh_t * tanh(c_t) * o(1 - o)
    dc_{t-1} = dc_t * f                            dh_{t-1} = [da^f da^g da^i da^o] W_hᵀ

Fused, over a block and in streaming: `weft.backends.kernels.cells.lstm`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weft.backends import Array, State
from weft.layers.cell import Cell, Tape, sigmoid
from weft.layers.recurrent import TimeRecurrent

if TYPE_CHECKING:
    import numpy as np


class LSTM(Cell):
    """One step.

    `forward(x, h_prev, c_prev) -> h_next, c_next`; `backward(dh_next, dc_next) -> dx, dh_prev, dc_prev`.
    """

    name = "lstm"
    gates = 4
    state_names = ("h", "c")

    def step(self, a: Array, state_prev: State) -> tuple[State, Tape]:
        _Wx, Wh, _b = self.params
        xp, H = self.xp, Wh.shape[0]
        h_prev, c_prev = state_prev
        a = h_prev @ Wh + a
        f = sigmoid(xp, a[:, :H])
        g = xp.tanh(a[:, H : 2 * H])
        i = sigmoid(xp, a[:, 2 * H : 3 * H])
        o = sigmoid(xp, a[:, 3 * H :])
        c_next = f * c_prev + g * i
        tanh_c = xp.tanh(c_next)
        h_next = o * tanh_c
        return (h_next, c_next), (h_prev, c_prev, f, g, i, o, tanh_c)

    def step_backward(self, dstate_next: State, tape: Tape) -> tuple[Array, State]:
        _Wx, Wh, _b = self.params
        dh_next, dc_next = dstate_next
        _h_prev, c_prev, f, g, i, o, tanh_c = tape
        dc = dc_next + dh_next * o * (1 - tanh_c**2)
        da_f = dc * c_prev * f * (1 - f)
        da_g = dc * i * (1 - g**2)
        da_i = dc * g * i * (1 - i)
        da_o = dh_next * tanh_c * o * (1 - o)
        da = self.xp.concat((da_f, da_g, da_i, da_o), axis=1)
        dh_prev = da @ Wh.T
        dc_prev = dc * f
        return da, (dh_prev, dc_prev)

    @classmethod
    def initial_parameters(cls, rng: np.random.Generator, D: int, H: int) -> list[np.ndarray[Any, Any]]:
        """As for every cell, but the bias of the forget gate is 1 (Jozefowicz et al. 2015)."""
        Wx, Wh, b = super().initial_parameters(rng, D, H)
        b[:H] = 1
        return [Wx, Wh, b]


class TimeLSTM(TimeRecurrent):
    """A block of steps of `LSTM`: see `TimeRecurrent`. It also has the memory `c` and its gradient `dc`."""

    cell_type = LSTM
    c: Array
    dc: Array
