"""The simple recurrent network with layer normalisation (Ba, Kiros & Hinton 2016).

    h_t = tanh(gain_h * v̂_t + a_t)          v̂ = LN(h_{t-1} W_h)          a_t = gain_x * LN(x_t W_x) + b

Shapes as in `weft.layers.rnn`; gain_x and gain_h (H,).

Backward, with dv of `weft.layers.layer_norm_cell`:

    da_t = dh_t * (1 - h_t²)          dh_{t-1} = dv_t W_hᵀ
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from weft.backends import Array, State
from weft.layers.cell import Tape
from weft.layers.layer_norm import normalized, normalized_backward
from weft.layers.layer_norm_cell import LayerNormCell
from weft.layers.recurrent import TimeRecurrent
from weft.layers.rnn import RNN


class LayerNormRNN(LayerNormCell, RNN):
    """One step: `forward(x, h_prev) -> h_next`; `backward(dh_next) -> dx, dh_prev`."""

    name = "layer_norm_rnn"
    normalizes = RNN
    groups = (1,)
    vectors: ClassVar[Mapping[str, int]] = {"gain_x": 1, "gain_h": 1}

    def step(self, a: Array, state_prev: State) -> tuple[State, Tape]:
        _Wx, Wh, _b, _gain_x, gain_h = self.params
        (h_prev,) = state_prev
        v_hat, inverse = normalized(self.xp, h_prev @ Wh)
        h_next = self.xp.tanh(gain_h * v_hat + a)
        return (h_next,), (h_prev, v_hat, inverse, h_next)

    def step_backward(self, dstate_next: State, tape: Tape) -> tuple[Array, State]:
        _Wx, Wh, _b, _gain_x, gain_h = self.params
        (dh_next,) = dstate_next
        _h_prev, v_hat, inverse, h_next = tape
        da = dh_next * (1 - h_next**2)
        dv = normalized_backward(self.xp, da * gain_h, v_hat, inverse)
        dh_prev = dv @ Wh.T
        return self.xp.concat((da, dv), axis=1), (dh_prev,)

    def recurrent_inputs(self, tape: Tape) -> tuple[Array, ...]:
        h_prev, v_hat, *_others = tape
        return h_prev, v_hat


class TimeLayerNormRNN(TimeRecurrent):
    """A block of steps of `LayerNormRNN`: see `TimeRecurrent`."""

    cell_type = LayerNormRNN
