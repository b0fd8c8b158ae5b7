"""What the fused blocks of all cells share: the work before and after the time loop, and the split over workers.

Each worker owns some of the streams for the whole block. Its arrays are time-major, (T, N, …), so that the rows of a
step lie side by side. Forward: x W_x + b for all steps, then the cell's time loop. Backward: the cell's time loop from
the last step, which leaves da_t in place of the gates; then dx = da W_xᵀ, dW_x = Σ xᵀ da, dW_h = Σ (what W_h
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
from weft.backends.kernels.micro_kernel import pointer_to
from weft.backends.kernels.product import (
    PANEL,
    accumulate,
    accumulate_gradient,
    packed,
    packed_transposed,
    padded,
)
from weft.backends.workers import Workers, split

Floats = NDArray[np.float32]

SMALL_WORK = 2_000_000
"""Multiply-adds of a block below which handing half of it to another thread costs more than it saves."""


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

    def __init__(self, workers: Workers) -> None:
        self.workers = workers

    @abstractmethod
    def pack_forward(self, Wh: Floats) -> tuple[Floats, ...]:
        """W_h as panels for `steps`."""

    @abstractmethod
    def pack_backward(self, Wh: Floats) -> tuple[Floats, ...]:
        """W_hᵀ as panels for `steps_backward`."""

    @abstractmethod
    def steps(self, part: Part, Wh: tuple[Floats, ...]) -> None:
        """The time loop: `part.a` holds x W_x + b; fill `part.states`, and `part.extra` with what backward needs."""

    @abstractmethod
    def steps_backward(self, part: Part, Wh: tuple[Floats, ...], dhs: Floats, dstate: list[Floats]) -> None:
        """The time loop backward: `part.a` becomes da, `dstate`, each (N, padded H), the first state's gradient."""

    def recurrent_gradient(self, part: Part, dWh: Floats, buffer: Floats) -> None:
        """dW_h += Σ h_{t-1}ᵀ da_t."""
        h, a = part.states[0], part.a
        rows = a.shape[0] * a.shape[1]
        accumulate_gradient(h[:-1].reshape(rows, -1), a.reshape(rows, -1), buffer, dWh)

    def columns(self, H: int) -> int:
        """Room for a row of `a`: whole panels from wherever a product begins in it."""
        return max(padded(self.gates * H), (self.gates - 1) * H + padded(H))

    def forward(self, cell: Any, xs: Floats, state: State) -> tuple[Floats, State, list[Part]]:
        Wx, Wh, b = cell.params
        N, T, D = xs.shape
        H = Wh.shape[0]
        panels_x = packed(Wx)
        panels_h = self.pack_forward(Wh)
        hs = np.empty((N, T, H), np.float32)
        xs = np.ascontiguousarray(xs)
        shares = split(N, self._count(N, T, D, H))
        parts = [Part(xs[share], tuple(array[share] for array in state), self.columns(H)) for share in shares]

        def work(part: Part, share: slice) -> Callable[[], None]:
            def run() -> None:
                project(part.xs, panels_x, b, part.x, part.a)
                self.steps(part, panels_h)
                to_stream_major(part.states[0], hs[share])

            return run

        self.workers.run([work(part, share) for part, share in zip(parts, shares, strict=True)])
        ends = ([states[-1] for states in part.states] for part in parts)
        last = tuple(np.concatenate(end) for end in zip(*ends, strict=True))
        return hs, last, parts

    def backward(self, cell: Any, dhs: Floats, dstate: State, tape: list[Part]) -> tuple[Floats, State]:
        Wx, Wh, _b = cell.params
        D, H = Wx.shape[0], Wh.shape[0]
        panels_x = packed_transposed(Wx)
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
                for grad in part.grads:
                    grad[...] = 0
                rows = part.a.shape[0] * part.a.shape[1]
                buffer = np.empty((rows + max(D, H), PANEL), np.float32)
                a, x = part.a.reshape(rows, -1), part.x.reshape(rows, D)
                accumulate_gradient(x, a, buffer, dWx)
                self.recurrent_gradient(part, dWh, buffer)
                add_rows_up(a, db)
                project_backward(part.a, self.gates * H, panels_x, dxs[share])

            return run

        self.workers.run([work(number) for number in range(len(tape))])
        for part in tape[1:]:
            for grad, more in zip(cell.grads, part.grads, strict=True):
                grad += more
        return dxs, tuple(np.concatenate(states)[:, :H] for states in zip(*firsts, strict=True))

    def _count(self, N: int, T: int, D: int, H: int) -> int:
        return 1 if N * T * self.gates * H * (D + H) < SMALL_WORK else self.workers.count


@compiled
def project(xs: Any, Wx: Any, b: Any, x: Any, a: Any) -> None:
    """x = xs time-major, a = x W_x + b; Wx: panels."""
    T, N, D = x.shape
    M = b.shape[0]
    for n in range(N):
        for t in range(T):
            x[t, n] = xs[n, t]
    for t in range(T):
        for n in range(N):
            a[t, n, :M] = b
            a[t, n, M:] = 0
    P = a.shape[2]
    accumulate(pointer_to(x, 0), D, 1, T * N, Wx, pointer_to(a, 0), P)


@compiled
def project_backward(da: Any, columns: Any, Wx: Any, dxs: Any) -> None:
    """dxs = da W_xᵀ, stream-major; Wx: panels of the transpose; the first `columns` of da count."""
    T, N, P = da.shape
    D = dxs.shape[2]
    room = Wx.shape[0] * PANEL
    dx = np.zeros((T * N, room), np.float32)
    accumulate(pointer_to(da, 0), P, 1, T * N, Wx, pointer_to(dx, 0), room)
    for t in range(T):
        for n in range(N):
            dxs[n, t] = dx[t * N + n, :D]


@compiled
def to_stream_major(states: Any, hs: Any) -> None:
    """hs (N, T, H) from the states (T+1, N, H), without the first."""
    N, T, _H = hs.shape
    for t in range(T):
        for n in range(N):
            hs[n, t] = states[t + 1, n]


@compiled
def add_rows_up(rows: Any, total: Any) -> None:
    """total += the sum of the rows, as far as it is long."""
    M = total.shape[0]
    for r in range(rows.shape[0]):
        row = rows[r]
        for j in range(M):
            total[j] += row[j]
