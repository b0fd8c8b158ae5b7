"""LayerNormCell: the common part of the cells with layer normalisation (Ba, Kiros & Hinton 2016).

    u_t = x_t W_x          v_t = h_{t-1} W_h          û, v̂: u and v, normalised
    a_t = gain_x * û_t + b                            the argument of the gates is a_t + gain_h * v̂_t

The two biases of the paper are one here. Gates in one group are normalised together. gain_x and gain_h (G·H,).

Backward: da_t is the gradient of the argument of the gates; LN' is the backward pass of `weft.layers.layer_norm`.

    du = LN'(da * gain_x)          dW_x = Σ xᵀ du          dx = du W_xᵀ          dgain_x = Σ da * û          db = Σ da
    dv = LN'(da * gain_h)          dW_h = Σ h_{t-1}ᵀ dv                          dgain_h = Σ da * v̂
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from weft.backends import Array
from weft.layers.cell import Cell
from weft.layers.layer_norm import normalized, normalized_backward

if TYPE_CHECKING:
    import numpy as np


class LayerNormCell(Cell):
    """Base class of the cells with layer normalisation. A subclass derives from it and from the cell it normalises.

    The subclass's `step_backward` returns da and dv concatenated, (N, 2 G·H), and the last of its `recurrent_inputs`
    is v̂ (N, G·H).
    """

    normalizes: ClassVar[type[Cell]]
    """The cell without layer normalisation."""
    groups: ClassVar[tuple[int, ...]]
    """Numbers of consecutive gates that are normalised together."""

    @property
    def saved_size(self) -> int:
        """About how many numbers are saved for the backward pass, per step and stream."""
        return int(super().saved_size + (3 * self.gates + 3) * self.params[1].shape[0])

    def project(self, x: Array) -> Array:
        """a = gain_x * û + b (R, G·H) for rows of inputs (R, D)."""
        Wx, _Wh, b, gain_x, *_others = self.params
        u = x @ Wx
        u_hat = [normalized(self.xp, u[:, group])[0] for group in self._columns()]
        return self.xp.concat(u_hat, axis=1) * gain_x + b

    def project_backward(self, x: Array, inputs: tuple[Array, ...], da: Array) -> Array:
        """dx (R, D) from da and dv, concatenated (R, 2 G·H); writes the gradients of the parameters."""
        Wx, _Wh, b, gain_x, *_others = self.params
        dWx, dWh, db, dgain_x, dgain_h, *_others = self.grads
        xp, columns = self.xp, b.shape[0]
        *multiplied, v_hat = inputs
        da, dv = da[:, :columns], da[:, columns:]
        u, du_hat = x @ Wx, da * gain_x
        u_hats, dus = [], []
        for group in self._columns():
            u_hat, inverse = normalized(xp, u[:, group])
            u_hats.append(u_hat)
            dus.append(normalized_backward(xp, du_hat[:, group], u_hat, inverse))
        du = xp.concat(dus, axis=1)
        dWx[...] = x.T @ du
        dWh[...] = self.recurrent_gradient(tuple(multiplied), dv)
        db[...] = xp.sum(da, axis=0)
        dgain_x[...] = xp.sum(da * xp.concat(u_hats, axis=1), axis=0)
        dgain_h[...] = xp.sum(da * v_hat, axis=0)
        return du @ Wx.T

    def _columns(self) -> list[slice]:
        """The columns of each group."""
        H, first, columns = self.params[1].shape[0], 0, []
        for gates in self.groups:
            columns.append(slice(first * H, (first + gates) * H))
            first += gates
        return columns

    @classmethod
    def initial_parameters(cls, rng: np.random.Generator, D: int, H: int) -> list[np.ndarray[Any, Any]]:
        """Initial Wx, Wh and b of the cell without normalisation; gains are 1, further biases 0."""
        Wx, Wh, b = super().initial_parameters(rng, D, H)
        vectors = [0 * b[:H].repeat(times) + name.startswith("gain") for name, times in cls.vectors.items()]
        return [Wx, Wh, b, *vectors]
