"""Gated recurrent unit with the reset gate applied after the product: that of PyTorch, cuDNN and Keras.

    z = σ(h_{t-1} W_h^z + x_t W_x^z + b^z)                      update gate: the fraction of the state that is replaced
    r = σ(h_{t-1} W_h^r + x_t W_x^r + b^r)                      reset gate: the fraction of v that enters the candidate
    v = h_{t-1} W_h^h̃ + b_h                                     the candidate's product, with a bias of its own
    h̃ = tanh(r * v + x_t W_x^h̃ + b^h̃)                           candidate state

    h_t = (1 - z) * h_{t-1} + z * h̃

x (N, D), h (N, H), W_x (D, 3H), W_h (H, 3H), b (3H,), b_h (H,); the columns are in the order z, r, h̃. One product with
W_h suffices for a step. In the other libraries z is the fraction that is kept: the columns of z have the opposite sign.

Backward:

    da^h̃ = dh_t * z * (1 - h̃²)                     dv = da^h̃ * r
    da^z = dh_t * (h̃ - h_{t-1}) * z(1 - z)         da^r = da^h̃ * v * r(1 - r)
    dh_{t-1} = dh_t * (1 - z) + [da^z da^r dv] W_hᵀ
    dW_h = Σ h_{t-1}ᵀ [da^z da^r dv]               db_h = Σ dv
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from weft.backends import Array, State
from weft.layers.cell import Cell, Tape, sigmoid
from weft.layers.recurrent import TimeRecurrent

if TYPE_CHECKING:
    import numpy as np


class GRUAfter(Cell):
    """One step: `forward(x, h_prev) -> h_next`; `backward(dh_next) -> dx, dh_prev`."""

    name = "gru-after"
    gates = 3
    vectors: ClassVar[Mapping[str, int]] = {"b_h": 1}

    def step(self, a: Array, state_prev: State) -> tuple[State, Tape]:
        _Wx, Wh, _b, b_h = self.params
        H = Wh.shape[0]
        (h_prev,) = state_prev
        product = h_prev @ Wh
        zr = sigmoid(self.xp, product[:, : 2 * H] + a[:, : 2 * H])
        z, r = zr[:, :H], zr[:, H:]
        v = product[:, 2 * H :] + b_h
        h_tilde = self.xp.tanh(r * v + a[:, 2 * H :])
        h_next = (1 - z) * h_prev + z * h_tilde
        return (h_next,), (h_prev, r, z, v, h_tilde)

    def step_backward(self, dstate_next: State, tape: Tape) -> tuple[Array, State]:
        _Wx, Wh, _b, _b_h = self.params
        (dh_next,) = dstate_next
        h_prev, r, z, v, h_tilde = tape
        da_h = dh_next * z * (1 - h_tilde**2)
        da_z = dh_next * (h_tilde - h_prev) * z * (1 - z)
        da_r = da_h * v * r * (1 - r)
        dproduct = self.xp.concat((da_z, da_r, da_h * r), axis=1)
        dh_prev = dh_next * (1 - z) + dproduct @ Wh.T
        return self.xp.concat((da_z, da_r, da_h), axis=1), (dh_prev,)

    def recurrent_inputs(self, tape: Tape) -> tuple[Array, ...]:
        h_prev, r, *_others = tape
        return h_prev, r

    def recurrent_gradient(self, inputs: tuple[Array, ...], da: Array) -> Array:
        h_prev, r = inputs
        H = r.shape[1]
        return h_prev.T @ self.xp.concat((da[:, : 2 * H], da[:, 2 * H :] * r), axis=1)

    def project(self, x: Array) -> Array:
        Wx, _Wh, b, _b_h = self.params
        return x @ Wx + b

    def project_backward(self, x: Array, inputs: tuple[Array, ...], da: Array) -> Array:
        """dx (R, D) from da (R, 3H); writes the gradients of all four parameters."""
        Wx, _Wh, _b, _b_h = self.params
        dWx, dWh, db, db_h = self.grads
        _h_prev, r = inputs
        dWx[...] = x.T @ da
        dWh[...] = self.recurrent_gradient(inputs, da)
        db[...] = self.xp.sum(da, axis=0)
        db_h[...] = self.xp.sum(da[:, 2 * r.shape[1] :] * r, axis=0)
        return da @ Wx.T

    @classmethod
    def initial_parameters(cls, rng: np.random.Generator, D: int, H: int) -> list[np.ndarray[Any, Any]]:
        """As for every cell; b_h is zero."""
        Wx, Wh, b = super().initial_parameters(rng, D, H)
        return [Wx, Wh, b, 0 * b[:H]]


class TimeGRUAfter(TimeRecurrent):
    """A block of steps of `GRUAfter`: see `TimeRecurrent`."""

    cell_type = GRUAfter
