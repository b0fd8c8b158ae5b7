"""A fixed window (Bengio, Ducharme, Vincent & Jauvin 2003): one hidden layer on the last n inputs, concatenated.

    h_t = tanh(x_t W_x + [x_{t-n+1} … x_{t-1}] W_h + b)

x (N, D), h (N, H), W_x (D, H), W_h ((n-1)·D, H), b (H,). The layer is not recurrent: its state is the last n - 1
inputs, zeros before the first token. The optional direct connections from the inputs to the output layer are left out.

Backward, with a_t the argument of tanh and tanh'(a) = 1 - tanh(a)²:

    da_t = dh_t * (1 - h_t²)          dx_s = Σ_t da_t W_(t,s)ᵀ

where W_(t,s) are the D rows of [W_h; W_x] that x_s is multiplied by at step t.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weft.backends import Array, State
from weft.layers.cell import Cell, Tape
from weft.layers.layer import check_shape
from weft.layers.recurrent import TimeRecurrent

if TYPE_CHECKING:
    import numpy as np


class Window(Cell):
    """One step: `forward(x, h_prev, past) -> h_next, past_next`; `backward(dh_next, dpast_next) -> dx, dh_prev, dpast`.

    past (N, (n-1)·D): the inputs before x, the oldest first. h_prev is not used.
    """

    name = "window"
    gates = 1
    state_names = ("h", "past")
    settings = ("window",)
    recurs = False

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """H, and (n-1)·D for the past inputs."""
        _Wx, Wh, _b = self.params
        return Wh.shape[1], Wh.shape[0]

    @property
    def saved_size(self) -> int:
        """About the size of the windows and of their gradients."""
        Wx, Wh, _b = self.params
        return int(2 * (Wx.shape[0] + Wh.shape[0]) + 4 * Wx.shape[1])

    def step(self, a: Array, state_prev: State) -> tuple[State, Tape]:
        Wx, Wh, _b = self.params
        D, H = Wx.shape
        _h_prev, past = state_prev
        a, x = a[:, :H], a[:, H:]
        h_next = self.xp.tanh(past @ Wh + a)
        past_next = self.xp.concat((past, x), axis=1)[:, D:]
        return (h_next, past_next), (past, h_next)

    def step_backward(self, dstate_next: State, tape: Tape) -> tuple[Array, State]:
        Wx, Wh, _b = self.params
        dh_next, dpast_next = dstate_next
        _past, h_next = tape
        da = dh_next * (1 - h_next**2)
        dfirst = self.xp.zeros((da.shape[0], Wx.shape[0]), dtype=da.dtype)  # the oldest input leaves the window
        dwindow = self.xp.concat((dfirst, dpast_next), axis=1)
        dpast = dwindow[:, : Wh.shape[0]] + da @ Wh.T
        return self.xp.concat((da, dwindow[:, Wh.shape[0] :]), axis=1), (self.xp.zeros_like(h_next), dpast)

    def project(self, x: Array) -> Array:
        """[x W_x + b, x] (R, H + D): the step also needs its input, which becomes part of the state."""
        return self.xp.concat((super().project(x), x), axis=1)

    def project_backward(self, x: Array, inputs: tuple[Array, ...], da: Array) -> Array:
        """dx (R, D) from the gradient of [x W_x + b, x]; writes the gradients of all three parameters."""
        H = self.params[0].shape[1]
        return super().project_backward(x, inputs, da[:, :H]) + da[:, H:]

    def _check_parameters(self, Wx: Array, Wh: Array, b: Array) -> None:
        check_shape("b of Window", b, ("H",))
        check_shape("Wx of Window", Wx, ("D", b.shape[0]))
        check_shape("Wh of Window", Wh, ("(n-1)·D", b.shape[0]))
        D = Wx.shape[0]
        check_shape("Wh of Window", Wh, (round(Wh.shape[0] / D) * D, b.shape[0]))

    @classmethod
    def initial_parameters(
        cls, rng: np.random.Generator, D: int, H: int, window: int = 4
    ) -> list[np.ndarray[Any, Any]]:
        """Initial Wx, Wh and b in float64: normal with standard deviation 1/√(n·D), and zero; `window` is n."""
        W = rng.normal(0, (window * D) ** -0.5, (window * D, H))
        return [W[-D:], W[:-D], 0 * W[0]]


class WindowBlock:
    """A block in one product: the windows of all its steps, rows [x_{t-n+1} … x_t], times [W_h; W_x]."""

    def forward(self, cell: Window, xs: Array, state: State) -> tuple[Array, State, Any]:
        xp = cell.xp
        Wx, Wh, b = cell.params
        (N, T, D), H = xs.shape, b.shape[0]
        _h, past = state
        before = Wh.shape[0] // D
        inputs = xp.concat((xp.reshape(past, (N, before, D)), xs), axis=1)
        windows = xp.concat([inputs[:, k : k + T, :] for k in range(before + 1)], axis=2)
        rows = xp.reshape(windows, (N * T, (before + 1) * D))
        hs = xp.reshape(xp.tanh(rows @ xp.concat((Wh, Wx), axis=0) + b), (N, T, H))
        past_next = xp.reshape(inputs[:, T:, :], (N, before * D))
        return hs, (hs[:, -1, :], past_next), (rows, hs)

    def backward(self, cell: Window, dhs: Array, dstate: State, tape: Any) -> tuple[Array, State]:
        xp = cell.xp
        Wx, Wh, _b = cell.params
        dWx, dWh, db = cell.grads
        rows, hs = tape
        (N, T, H), D = hs.shape, Wx.shape[0]
        dh, dpast = dstate
        before = Wh.shape[0] // D
        dhs = xp.concat((dhs[:, :-1, :], dhs[:, -1:, :] + dh[:, None, :]), axis=1)
        da = xp.reshape(dhs * (1 - hs**2), (N * T, H))
        dW = rows.T @ da
        dWh[...] = dW[: before * D, :]
        dWx[...] = dW[before * D :, :]
        db[...] = xp.sum(da, axis=0)
        dwindows = xp.reshape(da @ xp.concat((Wh, Wx), axis=0).T, (N, T, (before + 1) * D))
        zero = xp.zeros((N, T, D), dtype=hs.dtype)
        dinputs = xp.concat((zero, xp.reshape(dpast, (N, before, D))), axis=1)
        for k in range(before + 1):
            dinputs[:, k : k + T, :] += dwindows[:, :, k * D : (k + 1) * D]
        dfirst = xp.reshape(dinputs[:, :before, :], (N, before * D))
        return dinputs[:, before:, :], (xp.zeros_like(dh), dfirst)


class TimeWindow(TimeRecurrent):
    """A block of steps of `Window`: see `TimeRecurrent`. It also has the past inputs `past`, gradient `dpast`."""

    cell_type = Window
    plain_block = WindowBlock
    past: Array
    dpast: Array
