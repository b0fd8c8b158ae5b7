"""What the fused blocks of all cells share: the work before and after the time loop, and its sharing among workers.

So a block runs where its workers share hidden units. Any other: see `panel_block`.

A group of streams goes through the block together, carried by one worker or by several that share its hidden units
(see `sharing`). Its arrays are time-major, (T, N, …), so that the rows of a step lie side by side. Forward: x W_x + b
for all steps in one product, then the cell's time loop. Backward: the time loop from the last step, which leaves da_t
in place of the gates; then dx = da W_xᵀ, dW_x = Σ xᵀ da, dW_h = Σ (what W_h multiplied)ᵀ da, db = Σ da. Within a group
each worker takes some columns of these products, so that they are written once; the gradients of several groups are
added.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from weft.backends.backend import State
from weft.backends.kernels.compiling import compiled
from weft.backends.kernels.meeting import Meeting
from weft.backends.kernels.products import PanelProducts
from weft.backends.kernels.recurrent_weights import RecurrentWeights
from weft.backends.kernels.sharing import Units, shared_units
from weft.backends.kernels.words import row_distance
from weft.backends.workers import Workers, split
from weft.errors import InputError

Floats = NDArray[np.float32]

SMALL_WORK = 2_000_000
"""Multiply-adds of a block below which handing half of it to another thread costs more than it saves."""

PACKED_A_STEP = 40_000
"""Recurrent weights that are packed in the time that the plain loop takes for what is around a step's product."""


def rows(steps: Floats) -> Floats:
    """(T, N, M) as (T·N, M)."""
    return steps.reshape(-1, steps.shape[2])


class Group:
    """Some streams during one block, and the units of every worker; the arrays are the tape for the backward pass."""

    def __init__(
        self,
        number: int,
        products: PanelProducts,
        streams: slice,
        xs: Floats,
        state: State,
        columns: int,
        units: Sequence[Units],
    ) -> None:
        N, T, D = xs.shape
        H = state[0].shape[1]
        self.number, self.products, self.streams, self.xs, self.units = number, products, streams, xs, units
        self.x = np.empty((T, N, D), np.float32)
        self.a = np.empty((T, N, columns), np.float32)
        self.states = [np.empty((T + 1, N, H), np.float32) for _ in state]
        for array, first in zip(self.states, state, strict=True):
            array[0] = first
        self.extra: list[Floats] = []
        self.shared: list[Any] = []
        self.grads: list[Floats] = []
        self.meeting = Meeting(len(units))

    def steps_of(self, worker: int) -> slice:
        """A worker's share of the steps, for work that goes by rows."""
        return _share(self.x.shape[0], worker, len(self.units))

    def columns_of(self, worker: int, columns: int) -> slice:
        """A worker's share of the columns of a product."""
        return _share(columns, worker, len(self.units))


def _share(total: int, worker: int, workers: int) -> slice:
    return slice(total * worker // workers, total * (worker + 1) // workers)


class FusedBlock(ABC):
    """A `BlockKernel` for float32; a subclass gives the time loop. `small_products`: for blocks of little work."""

    gates: ClassVar[int]

    def __init__(self, workers: Workers, products: PanelProducts, small_products: PanelProducts) -> None:
        self.workers, self.products, self.small_products = workers, products, small_products

    @abstractmethod
    def prepare_forward(self, group: Group) -> None:
        """Make what the workers of a group share in the time loop, `extra` and `shared`."""

    @abstractmethod
    def prepare_backward(self, group: Group) -> None:
        """The same for the time loop backward."""

    @abstractmethod
    def steps(self, group: Group, worker: int, Wh: RecurrentWeights, b: Floats) -> None:
        """The time loop: `group.a` holds x W_x; fill the worker's units of `group.states` and `group.extra`."""

    @abstractmethod
    def steps_backward(
        self, group: Group, worker: int, Wh: RecurrentWeights, db: Floats, dhs: Floats, dstate: list[Floats]
    ) -> None:
        """The time loop backward, with W_hᵀ: the worker's columns of `group.a` become da and are added to db; its units
        of `dstate`, each (N, H), become the gradient at the first state."""

    def recurrent_gradient(self, group: Group, columns: slice, da: Floats, dWh: Floats) -> None:
        """Those columns of dW_h = Σ h_{t-1}ᵀ da_t, for da (T·N, these columns)."""
        group.products.write(rows(group.states[0][:-1]).T, da, dWh[:, columns])

    def pays(self, cell: Any, streams: int, steps: int) -> bool:
        """Whether a block of such a shape is faster than in the plain loop, which packs no weights.

        Packing them costs as much as multiplying with them a few times: too much for few steps of a single stream.
        """
        return streams > 1 or cell.params[1].size <= steps * PACKED_A_STEP

    def forward(self, cell: Any, xs: Floats, state: State) -> tuple[Floats, State, list[Group]]:
        Wx, Wh, b = cell.params
        N, T, _D = xs.shape
        H = Wh.shape[0]
        hs = np.empty((N, T, H), np.float32)
        groups = self._groups(np.ascontiguousarray(xs), state, Wx.shape[0], H)
        weights = RecurrentWeights(Wh, groups[0].products, len(groups))
        for group in groups:
            self.prepare_forward(group)

        def run(group: Group, worker: int) -> None:
            steps = group.steps_of(worker)
            to_time_major(group.xs, group.x, steps.start, steps.stop)
            group.meeting.wait()
            columns = group.columns_of(worker, self.gates * H)
            group.products.write(rows(group.x), Wx[:, columns], rows(group.a)[:, columns])
            group.meeting.wait()
            self.steps(group, worker, weights, b)
            to_stream_major(group.states[0][1:], hs[group.streams], steps.start, steps.stop)

        self._run(run, groups, weights)
        ends = ([states[-1] for states in group.states] for group in groups)
        last = tuple(np.concatenate(end) for end in zip(*ends, strict=True))
        return hs, last, groups

    def backward(self, cell: Any, dhs: Floats, dstate: State, tape: list[Group]) -> tuple[Floats, State]:
        if not tape:
            raise InputError("the block was gone back through already, which used it up; call forward before backward")
        Wx, Wh, _b = cell.params
        D, H = Wx.shape[0], Wh.shape[0]
        N, T, _H = dhs.shape
        dhs = np.ascontiguousarray(dhs)
        dxs = np.empty((N, T, D), np.float32)
        first = [np.array(last, np.float32, order="C") for last in dstate]
        weights = RecurrentWeights(Wh.T, tape[0].products, len(tape))
        for number, group in enumerate(tape):
            self.prepare_backward(group)
            group.grads = list(cell.grads) if number == 0 else [np.empty_like(grad) for grad in cell.grads]
            group.grads[2][...] = 0

        def run(group: Group, worker: int) -> None:
            own = group.streams
            dWx, dWh, db = group.grads
            self.steps_backward(group, worker, weights, db, dhs[own], [array[own] for array in first])
            steps, columns = group.steps_of(worker), group.columns_of(worker, self.gates * H)
            da = rows(group.a)[:, columns]
            group.products.write(rows(group.x).T, da, dWx[:, columns])
            self.recurrent_gradient(group, columns, da, dWh)
            dx = np.empty_like(group.x[steps])
            da_of_steps = rows(group.a[steps])[:, : self.gates * H]
            group.products.write(da_of_steps, Wx.T, rows(dx))
            to_stream_major(dx, dxs[own, steps], 0, len(dx))

        self._run(run, tape, weights)
        for group in tape[1:]:
            for grad, more in zip(cell.grads, group.grads, strict=True):
                grad += more
        tape.clear()  # da stands where the gates were
        return dxs, tuple(first)

    def _groups(self, xs: Floats, state: State, D: int, H: int) -> list[Group]:
        N, T, _D = xs.shape
        small = N * T * self.gates * H * (D + H) < SMALL_WORK
        workers, products = (1, self.small_products) if small else (self.workers.count, self.products)
        if products.shares_units(N, workers):
            shares, units = [slice(0, N)], shared_units(H, workers)
        else:
            shares, units = split(N, workers), [Units(0, H, H)]
        return [
            Group(
                number,
                products,
                share,
                xs[share],
                tuple(array[share] for array in state),
                row_distance(self.gates * H),
                units,
            )
            for number, share in enumerate(shares)
        ]

    def _run(self, run: Callable[[Group, int], None], groups: list[Group], weights: RecurrentWeights) -> None:
        """Let all workers run; where one fails, nobody waits for it."""

        def task(group: Group, worker: int) -> None:
            try:
                run(group, worker)
            except BaseException:
                group.meeting.abandon()
                weights.meeting.abandon()
                raise

        self.workers.run([partial(task, group, worker) for group in groups for worker in range(len(group.units))])


@compiled
def to_time_major(xs: Any, x: Any, first: Any, last: Any) -> None:
    """Steps `first` to `last` of x (T, N, D) from xs (N, T, D)."""
    _T, N, _D = x.shape
    for t in range(first, last):
        for n in range(N):
            x[t, n] = xs[n, t]


@compiled
def to_stream_major(steps: Any, xs: Any, first: Any, last: Any) -> None:
    """Steps `first` to `last` of xs (N, T, D) from steps (T, N, D)."""
    N, _T, _D = xs.shape
    for t in range(first, last):
        for n in range(N):
            xs[n, t] = steps[t, n]
