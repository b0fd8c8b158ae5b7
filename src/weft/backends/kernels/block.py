"""What the fused blocks of all cells share: the work before and after the time loop, and the split over workers.

Each worker owns some of the streams for the whole block. Its arrays are time-major, (T, N, …), so that the rows of a
step lie side by side. Forward: x W_x + b for all steps in one product, then the cell's time loop. Backward: the time
loop from the last step, which leaves da_t in place of the gates; then dx = da W_xᵀ, dW_x = Σ xᵀ da, dW_h = Σ (what W_h
multiplied)ᵀ da, db = Σ da. The workers' parameter gradients are added at the end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from weft.backends.backend import State
from weft.backends.kernels.compiling import compiled
from weft.backends.kernels.product import padded
from weft.backends.kernels.products import Factor, Products
from weft.backends.workers import Workers, split
from weft.errors import InputError

Floats = NDArray[np.float32]

StepFactors = tuple[NDArray[Any], ...]
"""What the products of a time loop multiply by; see `Products.step_factor`."""

StepRoom = NDArray[Any]

SMALL_WORK = 2_000_000
"""Multiply-adds of a block below which handing half of it to another thread costs more than it saves."""


def rows(steps: Floats) -> Floats:
    """(T, N, M) as (T·N, M)."""
    return steps.reshape(-1, steps.shape[2])


class Part:
    """The streams of one worker during one block; the arrays are the tape for the backward pass."""

    def __init__(self, xs: Floats, state: State, columns: int) -> None:
        N, T, D = xs.shape
        H = state[0].shape[1]
        self.xs = xs
        self.x = np.empty((T, N, D), np.float32)
        self.a = np.empty((T, N, columns), np.float32)
        self.states = [np.empty((T + 1, N, H), np.float32) for _ in state]
        for array, first in zip(self.states, state, strict=True):
            array[0] = first
        self.extra: list[Floats] = []
        self.grads: list[Floats] = []


class FusedBlock(ABC):
    """A `BlockKernel` for float32; a subclass gives the cell's time loop."""

    gates: ClassVar[int]

    def __init__(self, workers: Workers, products: Products) -> None:
        self.workers, self.products = workers, products

    def pack_forward(self, Wh: Floats) -> StepFactors:
        """W_h for `steps`."""
        return (self.products.step_factor(Wh),)

    def pack_backward(self, Wh: Floats) -> StepFactors:
        """W_hᵀ for `steps_backward`."""
        return (self.products.step_factor(Wh.T),)

    @abstractmethod
    def steps(self, part: Part, Wh: StepFactors) -> None:
        """The time loop: `part.a` holds x W_x + b; fill `part.states`, and `part.extra` with what backward needs."""

    @abstractmethod
    def steps_backward(self, part: Part, Wh: StepFactors, dhs: Floats, dstate: list[Floats]) -> None:
        """The time loop backward: `part.a` becomes da, `dstate`, each (N, padded H), the first state's gradient."""

    def recurrent_gradient(self, part: Part, da: Factor, dWh: Floats) -> None:
        """dW_h = Σ h_{t-1}ᵀ da_t, for da (T·N, G·H)."""
        self.products.write(Factor(rows(part.states[0][:-1]).T, "h"), da, dWh)

    def step_room(self, part: Part, K: int) -> StepRoom:
        """Room for the left factors (N, K) of a part's time loop."""
        return self.products.step_room(part.x.shape[1], K)

    def columns(self, H: int) -> int:
        """Room for a row of `a`: whole panels from wherever a product begins in it."""
        return max(padded(self.gates * H), (self.gates - 1) * H + padded(H))

    def forward(self, cell: Any, xs: Floats, state: State) -> tuple[Floats, State, list[Part]]:
        Wx, Wh, b = cell.params
        N, T, D = xs.shape
        H = Wh.shape[0]
        panels_h = self.pack_forward(Wh)
        hs = np.empty((N, T, H), np.float32)
        xs = np.ascontiguousarray(xs)
        shares = split(N, self._count(N, T, D, H))
        parts = [Part(xs[share], tuple(array[share] for array in state), self.columns(H)) for share in shares]

        def work(part: Part, share: slice) -> Callable[[], None]:
            def run() -> None:
                to_time_major(part.xs, part.x, b, part.a)
                self.products.add(Factor(rows(part.x), "x"), Factor(Wx, "Wx"), rows(part.a)[:, : b.size])
                self.steps(part, panels_h)
                to_stream_major(part.states[0][1:], hs[share])

            return run

        self.workers.run([work(part, share) for part, share in zip(parts, shares, strict=True)])
        ends = ([states[-1] for states in part.states] for part in parts)
        last = tuple(np.concatenate(end) for end in zip(*ends, strict=True))
        return hs, last, parts

    def backward(self, cell: Any, dhs: Floats, dstate: State, tape: list[Part]) -> tuple[Floats, State]:
        if not tape:
            raise InputError("the block was gone back through already, which used it up; call forward before backward")
        Wx, Wh, _b = cell.params
        D, H = Wx.shape[0], Wh.shape[0]
        panels_h = self.pack_backward(Wh)
        N, T, _H = dhs.shape
        dhs = np.ascontiguousarray(dhs)
        dxs = np.empty((N, T, D), np.float32)
        ends = np.cumsum([0] + [part.xs.shape[0] for part in tape])
        firsts = []
        for start, stop in pairwise(ends):
            first = [np.zeros((stop - start, padded(H)), np.float32) for _ in dstate]
            for array, last in zip(first, dstate, strict=True):
                array[:, :H] = last[start:stop]
            firsts.append(first)

        def work(number: int) -> Callable[[], None]:
            part, share = tape[number], slice(ends[number], ends[number + 1])

            def run() -> None:
                self.steps_backward(part, panels_h, dhs[share], firsts[number])
                part.grads = list(cell.grads) if number == 0 else [np.empty_like(grad) for grad in cell.grads]
                dWx, dWh, db = part.grads
                da = rows(part.a)[:, : self.gates * H]
                right = Factor(da, "da")
                self.products.write(Factor(rows(part.x).T, "x"), right, dWx)
                self.recurrent_gradient(part, right, dWh)
                sum_of_rows(part.a, db)
                dx = np.empty_like(part.x)
                self.products.write(Factor(da, "da"), Factor(Wx.T, "Wx"), rows(dx))
                to_stream_major(dx, dxs[share])

            return run

        self.workers.run([work(number) for number in range(len(tape))])
        for part in tape[1:]:
            for grad, more in zip(cell.grads, part.grads, strict=True):
                grad += more
        tape.clear()  # da stands where the gates were
        return dxs, tuple(np.concatenate(states)[:, :H] for states in zip(*firsts, strict=True))

    def _count(self, N: int, T: int, D: int, H: int) -> int:
        return 1 if N * T * self.gates * H * (D + H) < SMALL_WORK else self.workers.count


@compiled
def to_time_major(xs: Any, x: Any, b: Any, a: Any) -> None:
    """x (T, N, D) from xs (N, T, D), and every row of a (T, N, …) begins as the bias, zeros beyond it."""
    T, N, _D = x.shape
    M = b.shape[0]
    for t in range(T):
        for n in range(N):
            x[t, n] = xs[n, t]
            a[t, n, :M] = b
            a[t, n, M:] = 0


@compiled
def sum_of_rows(a: Any, db: Any) -> None:
    """db (M,) = Σ a (T, N, at least M) over its rows."""
    T, N, _P = a.shape
    M = db.shape[0]
    db[:] = 0
    for t in range(T):
        for n in range(N):
            row = a[t, n]
            for j in range(M):
                db[j] += row[j]


@compiled
def to_stream_major(steps: Any, xs: Any) -> None:
    """xs (N, T, D) from steps (T, N, D)."""
    N, T, _D = xs.shape
    for t in range(T):
        for n in range(N):
            xs[n, t] = steps[t, n]
