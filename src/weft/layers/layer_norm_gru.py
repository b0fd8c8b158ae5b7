"""Gated recurrent unit with layer normalisation (Ba, Kiros & Hinton 2016); the reset gate precedes the product.

    z, r = σ(gain_h^{zr} * LN(h_{t-1} W_h^{zr}) + a^{zr})                  a = gain_x * LN(x_t W_x) + b
    h̃ = tanh(gain_h^h̃ * LN((r * h_{t-1}) W_h^h̃) + a^h̃)

    h_t = (1 - z) * h_{t-1} + z * h̃

The gates z and r are normalised together, the candidate h̃ separately. Shapes as in `weft.layers.gru`; gain_x and
gain_h (3H,).

Backward: as the GRU, but dv = LN'(da * gain_h) of `weft.layers.layer_norm_cell` is multiplied by W_hᵀ instead of da:

    ds = dv^h̃ W_h^h̃ᵀ          dh_{t-1} = dh_t * (1 - z) + ds * r + dv^{zr} W_h^{zr}ᵀ
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from weft.backends import Array, State
from weft.layers.cell import Tape, sigmoid
from weft.layers.gru import GRU
from weft.layers.layer_norm import normalized, normalized_backward
from weft.layers.layer_norm_cell import LayerNormCell
from weft.layers.recurrent import TimeRecurrent


class LayerNormGRU(LayerNormCell, GRU):
    """One step: `forward(x, h_prev) -> h_next`; `backward(dh_next) -> dx, dh_prev`."""

    name = "layer_norm_gru"
    normalizes = GRU
    groups = (2, 1)
    vectors: ClassVar[Mapping[str, int]] = {"gain_x": 3, "gain_h": 3}

    def step(self, a: Array, state_prev: State) -> tuple[State, Tape]:
        _Wx, Wh, _b, _gain_x, gain_h = self.params
        xp, H = self.xp, Wh.shape[0]
        (h_prev,) = state_prev
        v_zr, inverse_zr = normalized(xp, h_prev @ Wh[:, : 2 * H])
        zr = sigmoid(xp, gain_h[: 2 * H] * v_zr + a[:, : 2 * H])
        z, r = zr[:, :H], zr[:, H:]
        s = r * h_prev
        v_h, inverse_h = normalized(xp, s @ Wh[:, 2 * H :])
        h_tilde = xp.tanh(gain_h[2 * H :] * v_h + a[:, 2 * H :])
        h_next = (1 - z) * h_prev + z * h_tilde
        return (h_next,), (h_prev, s, v_zr, v_h, inverse_zr, inverse_h, z, r, h_tilde)

    def step_backward(self, dstate_next: State, tape: Tape) -> tuple[Array, State]:
        _Wx, Wh, _b, _gain_x, gain_h = self.params
        xp, H = self.xp, Wh.shape[0]
        (dh_next,) = dstate_next
        h_prev, _s, v_zr, v_h, inverse_zr, inverse_h, z, r, h_tilde = tape
        da_h = dh_next * z * (1 - h_tilde**2)
        dv_h = normalized_backward(xp, da_h * gain_h[2 * H :], v_h, inverse_h)
        ds = dv_h @ Wh[:, 2 * H :].T
        da_z = dh_next * (h_tilde - h_prev) * z * (1 - z)
        da_r = ds * h_prev * r * (1 - r)
        da_zr = xp.concat((da_z, da_r), axis=1)
        dv_zr = normalized_backward(xp, da_zr * gain_h[: 2 * H], v_zr, inverse_zr)
        dh_prev = dh_next * (1 - z) + ds * r + dv_zr @ Wh[:, : 2 * H].T
        return xp.concat((da_zr, da_h, dv_zr, dv_h), axis=1), (dh_prev,)

    def recurrent_inputs(self, tape: Tape) -> tuple[Array, ...]:
        h_prev, s, v_zr, v_h, *_others = tape
        return h_prev, s, self.xp.concat((v_zr, v_h), axis=1)


class TimeLayerNormGRU(TimeRecurrent):
    """A block of steps of `LayerNormGRU`: see `TimeRecurrent`."""

    cell_type = LayerNormGRU
