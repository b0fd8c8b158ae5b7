"""Gated recurrent unit (Cho et al. 2014), with the reset gate applied before the product.

    z = σ(h_{t-1} W_h^z + x_t W_x^z + b^z)                 update gate: the fraction of the state that is replaced
    r = σ(h_{t-1} W_h^r + x_t W_x^r + b^r)                 reset gate: the fraction that enters the candidate
    h̃ = tanh((r * h_{t-1}) W_h^h̃ + x_t W_x^h̃ + b^h̃)       candidate state

    h_t = (1 - z) * h_{t-1} + z * h̃

x (N, D), h (N, H), W_x (D, 3H), W_h (H, 3H), b (3H,); the columns are in the order z, r, h̃.

Backward, with s = r * h_{t-1}:

    da^h̃ = dh_t * z * (1 - h̃²)                    ds = da^h̃ W_h^h̃ᵀ
    da^z = dh_t * (h̃ - h_{t-1}) * z(1 - z)         da^r = ds * h_{t-1} * r(1 - r)
    dh_{t-1} = dh_t * (1 - z) + ds * r + [da^z da^r] W_h^{z,r}ᵀ

Fused, over a block and in streaming: `weft.backends.kernels.cells.gru`.
"""

from __future__ import annotations

from weft.backends import Array, State
from weft.layers.cell import Cell, Tape, sigmoid
from weft.layers.recurrent import TimeRecurrent


class GRU(Cell):
    """One step: `forward(x, h_prev) -> h_next`; `backward(dh_next) -> dx, dh_prev`."""

    name = "gru"
    gates = 3

    def step(self, a: Array, state_prev: State) -> tuple[State, Tape]:
        _Wx, Wh, _b = self.params
        H = Wh.shape[0]
        (h_prev,) = state_prev
        zr = sigmoid(self.xp, h_prev @ Wh[:, : 2 * H] + a[:, : 2 * H])
        z, r = zr[:, :H], zr[:, H:]
        s = r * h_prev
        h_tilde = self.xp.tanh(s @ Wh[:, 2 * H :] + a[:, 2 * H :])
        h_next = (1 - z) * h_prev + z * h_tilde
        return (h_next,), (h_prev, s, z, r, h_tilde)

    def step_backward(self, dstate_next: State, tape: Tape) -> tuple[Array, State]:
        _Wx, Wh, _b = self.params
        H = Wh.shape[0]
        (dh_next,) = dstate_next
        h_prev, _s, z, r, h_tilde = tape
        da_h = dh_next * z * (1 - h_tilde**2)
        ds = da_h @ Wh[:, 2 * H :].T
        da_z = dh_next * (h_tilde - h_prev) * z * (1 - z)
        da_r = ds * h_prev * r * (1 - r)
        da_zr = self.xp.concat((da_z, da_r), axis=1)
        dh_prev = dh_next * (1 - z) + ds * r + da_zr @ Wh[:, : 2 * H].T
        return self.xp.concat((da_zr, da_h), axis=1), (dh_prev,)

    def recurrent_inputs(self, tape: Tape) -> tuple[Array, ...]:
        h_prev, s, *_gates = tape
        return h_prev, s

    def recurrent_gradient(self, inputs: tuple[Array, ...], da: Array) -> Array:
        h_prev, s = inputs
        H = s.shape[1]
        return self.xp.concat((h_prev.T @ da[:, : 2 * H], s.T @ da[:, 2 * H :]), axis=1)


class TimeGRU(TimeRecurrent):
    """A block of steps of `GRU`: see `TimeRecurrent`."""

    cell_type = GRU
