"""Long short-term memory with layer normalisation (Ba, Kiros & Hinton 2016).

    f, g, i, o = σ, tanh, σ, σ of gain_h * v̂_t + a_t        v̂ = LN(h_{t-1} W_h)        a_t = gain_x * LN(x_t W_x) + b

    c_t = f * c_{t-1} + g * i                               h_t = o * tanh(m_t)        m_t = gain_c * LN(c_t) + bias_c

The four gates are normalised together. The memory is normalised only for the output h_t; c_t itself is carried on.
Shapes as in `weft.layers.lstm`; gain_x and gain_h (4H,), gain_c and bias_c (H,).

Backward: as the LSTM, with ĉ = LN(c), LN' of `weft.layers.layer_norm` and dv of `weft.layers.layer_norm_cell`:

    dm_t = dh_t * o * (1 - tanh²(m_t))            dgain_c = Σ dm * ĉ            dbias_c = Σ dm
    dc_t = dc_t from step t+1 + LN'(dm_t * gain_c)
    da^o = dh_t * tanh(m_t) * o(1 - o)            dh_{t-1} = dv_t W_hᵀ
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from weft.backends import Array, State
from weft.layers.cell import Tape, sigmoid
from weft.layers.layer_norm import normalized, normalized_backward
from weft.layers.layer_norm_cell import LayerNormCell
from weft.layers.lstm import LSTM
from weft.layers.recurrent import TimeRecurrent


class LayerNormLSTM(LayerNormCell, LSTM):
    """One step.

    `forward(x, h_prev, c_prev) -> h_next, c_next`; `backward(dh_next, dc_next) -> dx, dh_prev, dc_prev`.
    """

    name = "layer_norm_lstm"
    normalizes = LSTM
    groups = (4,)
    vectors: ClassVar[Mapping[str, int]] = {"gain_x": 4, "gain_h": 4, "gain_c": 1, "bias_c": 1}

    def step(self, a: Array, state_prev: State) -> tuple[State, Tape]:
        _Wx, Wh, _b, _gain_x, gain_h, gain_c, bias_c = self.params
        xp, H = self.xp, Wh.shape[0]
        h_prev, c_prev = state_prev
        v_hat, inverse = normalized(xp, h_prev @ Wh)
        a = gain_h * v_hat + a
        f = sigmoid(xp, a[:, :H])
        g = xp.tanh(a[:, H : 2 * H])
        i = sigmoid(xp, a[:, 2 * H : 3 * H])
        o = sigmoid(xp, a[:, 3 * H :])
        c_next = f * c_prev + g * i
        c_hat, inverse_c = normalized(xp, c_next)
        tanh_m = xp.tanh(gain_c * c_hat + bias_c)
        h_next = o * tanh_m
        return (h_next, c_next), (h_prev, v_hat, c_hat, inverse, inverse_c, c_prev, f, g, i, o, tanh_m)

    def step_backward(self, dstate_next: State, tape: Tape) -> tuple[Array, State]:
        """da, dv and dm, concatenated (N, 9H), and the gradient of the previous state."""
        _Wx, Wh, _b, _gain_x, gain_h, gain_c, _bias_c = self.params
        xp = self.xp
        dh_next, dc_next = dstate_next
        _h_prev, v_hat, c_hat, inverse, inverse_c, c_prev, f, g, i, o, tanh_m = tape
        dm = dh_next * o * (1 - tanh_m**2)
        dc = dc_next + normalized_backward(xp, dm * gain_c, c_hat, inverse_c)
        da_f = dc * c_prev * f * (1 - f)
        da_g = dc * i * (1 - g**2)
        da_i = dc * g * i * (1 - i)
        da_o = dh_next * tanh_m * o * (1 - o)
        da = xp.concat((da_f, da_g, da_i, da_o), axis=1)
        dv = normalized_backward(xp, da * gain_h, v_hat, inverse)
        dh_prev = dv @ Wh.T
        dc_prev = dc * f
        return xp.concat((da, dv, dm), axis=1), (dh_prev, dc_prev)

    def recurrent_inputs(self, tape: Tape) -> tuple[Array, ...]:
        h_prev, v_hat, c_hat, *_others = tape
        return h_prev, v_hat, c_hat

    def project_backward(self, x: Array, inputs: tuple[Array, ...], da: Array) -> Array:
        """dx (R, D) from da, dv and dm, concatenated (R, 9H); writes the gradients of all parameters."""
        *_others, dgain_c, dbias_c = self.grads
        H = dgain_c.shape[0]
        *gates_inputs, c_hat = inputs
        dm = da[:, 8 * H :]
        dgain_c[...] = self.xp.sum(dm * c_hat, axis=0)
        dbias_c[...] = self.xp.sum(dm, axis=0)
        return super().project_backward(x, tuple(gates_inputs), da[:, : 8 * H])


class TimeLayerNormLSTM(TimeRecurrent):
    """A block of steps of `LayerNormLSTM`: see `TimeRecurrent`. It also has `c` and `dc`."""

    cell_type = LayerNormLSTM
    c: Array
    dc: Array
