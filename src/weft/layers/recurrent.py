"""TimeRecurrent: a cell unrolled over a block of T steps, and back-propagation through time.

    forward   for t = 0 … T-1:     state_t = step(x_t W_x + b, state_{t-1})                    hs[:, t] = h_t
    backward  for t = T-1 … 0:     dh_t = dhs[:, t] + the gradient of h_t from step t+1

This is the only time loop. The products with W_x and the gradients of the parameters do not depend on the order of the
steps: each is one product over all N·T rows, before or after the loop. Truncated back-propagation through time ends the
backward pass at the first step of the block, while the forward state continues into the next block.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from weft.backends import Array, BlockKernel, State
from weft.errors import InputError
from weft.layers.cell import Cell
from weft.layers.dropout import WeightDropout
from weft.layers.layer import Layer, check_shape


class PlainLoop:
    """A `BlockKernel` that calls the cell step by step; every fused kernel must give the same numbers."""

    def forward(self, cell: Cell, xs: Array, state: State) -> tuple[Array, State, Any]:
        xp = cell.xp
        N, T, D = xs.shape
        a = xp.reshape(cell.project(xp.reshape(xs, (N * T, D))), (N, T, -1))
        hs, tapes = [], []
        for t in range(T):
            state, tape = cell.step(a[:, t, :], state)
            hs.append(state[0])
            tapes.append(tape)
        return xp.stack(hs, axis=1), state, (xs, tapes)

    def backward(self, cell: Cell, dhs: Array, dstate: State, tape: Any) -> tuple[Array, State]:
        xp = cell.xp
        xs, tapes = tape
        N, T, D = xs.shape
        das, inputs = [], []
        for t in reversed(range(T)):
            dh, *rest = dstate
            da, dstate = cell.step_backward((dhs[:, t, :] + dh, *rest), tapes[t])
            das.append(da)
            inputs.append(cell.recurrent_inputs(tapes[t]))
        rows = [_rows(xp, steps) for steps in zip(*inputs, strict=True)]
        dx = cell.project_backward(xp.reshape(xs, (N * T, D)), tuple(rows), _rows(xp, das))
        return xp.reshape(dx, (N, T, D)), dstate


def _rows(xp: Any, steps_backwards: Any) -> Array:
    """Arrays (N, M) of the steps T-1 … 0 as rows (N·T, M), in the order of a reshaped (N, T, M)."""
    stacked = xp.stack(list(reversed(steps_backwards)), axis=1)
    N, T, M = stacked.shape
    return xp.reshape(stacked, (N * T, M))


class TimeRecurrent(Layer):
    """A block of steps: `forward(xs (N, T, D)) -> hs (N, T, H)`; `backward(dhs (N, T, H)) -> dxs (N, T, D)`.

    `TimeX(Wx, Wh, b, stateful=False)`; further parameters of the cell are keyword arguments. A subclass only names its
    cell. After a `forward`, `h` is the last hidden state; after a `backward`, `dh` is the gradient of the state that
    the block started from. A cell with a memory has `c` and `dc` as well. Stateful: every `forward` starts from `h`.
    Stateless: every `forward` starts from zeros. With a `weight_dropout`, every `forward` drops recurrent weights;
    `unroll` does not.
    """

    cell_type: ClassVar[type[Cell]]
    plain_block: ClassVar[type[BlockKernel]] = PlainLoop
    """What computes a block if the backend has no fused kernel for the cell."""
    h: Array
    dh: Array

    def __init__(self, Wx: Array, Wh: Array, b: Array, stateful: bool = False, **vectors: Array) -> None:
        super().__init__()
        self.cell = self.cell_type(Wx, Wh, b, **vectors)
        self.params, self.grads = self.cell.params, self.cell.grads
        self.backend = self.cell.backend
        self.stateful = stateful
        self.weight_dropout: WeightDropout | None = None
        self.tape: Any = None  # what `backward` needs of the last `forward`
        self._shape: tuple[int, ...] = ()
        self.reset_state()
        for name in self.cell.state_names:
            setattr(self, f"d{name}", None)

    def forward(self, xs: Array) -> Array:
        """A training pass over a block, from the state of the last one if the layer is stateful.

        Raises InputError for an empty block, for inputs of another shape, and if the state is of other streams.
        """
        self.tape = None  # frees the last block's intermediates before this block's are allocated
        if 0 in xs.shape[:2]:
            raise InputError(f"a block has at least one stream and one step, got xs of shape {tuple(xs.shape)}")
        self._kernel = self._block_kernel(xs)
        self._block_cell = self.weight_dropout.forward(self.cell) if self.weight_dropout else self.cell
        hs, state, self.tape = self._kernel.forward(self._block_cell, xs, self.initial_state(xs.shape[0]))
        self.set_state(*state)
        self._shape = tuple(hs.shape)
        return hs

    def backward(self, dhs: Array, *dstate: Array) -> Array:
        """dhs (N, T, H) -> dxs (N, T, D); writes `grads`, `dh` and `dc`.

        `dstate` is the gradient of each part of the last state from later blocks, zero by default. Raises InputError
        without a `forward` before it and for gradients of other shapes.
        """
        if self.tape is None:
            raise InputError(f"{type(self).__name__}.backward needs a forward before it")
        if dstate and len(dstate) != len(self.cell.state_names):
            raise InputError(
                f"{type(self).__name__}.backward takes the gradients of all of {', '.join(self.cell.state_names)}"
                f" at the last state or none, got {len(dstate)}"
            )
        check_shape("dhs", dhs, self._shape)
        dstate = dstate or self.cell.zero_state(dhs.shape[0])
        for name, size, gradient in zip(self.cell.state_names, self.cell.state_sizes, dstate, strict=True):
            check_shape(f"d{name}", gradient, (dhs.shape[0], size))
        dxs, dfirst = self._kernel.backward(self._block_cell, dhs, dstate, self.tape)
        if self.weight_dropout:
            self.weight_dropout.backward(self.grads[1])
        self.dstate = dfirst
        return dxs

    def unroll(self, xs: Array, state: State) -> tuple[Array, State]:
        """The pure forward: xs (N, T, D) and the initial state -> hs (N, T, H) and the last state.

        The layer does not change. Raises InputError for inputs and states of other shapes.
        """
        kernel, state = self._block_kernel(xs), self._checked(state, xs.shape[0])
        if 0 in xs.shape[:2]:
            return self.xp.zeros((*xs.shape[:2], self.cell.state_sizes[0]), dtype=xs.dtype), state
        hs, state, _tape = kernel.forward(self.cell, xs, state)
        return hs, state

    @property
    def state(self) -> State | None:
        """(h,) or (h, c) after the last `forward`; None before the first."""
        state = tuple(getattr(self, name) for name in self.cell.state_names)
        return None if state[0] is None else state

    @property
    def dstate(self) -> State:
        """(dh,) or (dh, dc) after the last `backward`."""
        return tuple(getattr(self, f"d{name}") for name in self.cell.state_names)

    @dstate.setter
    def dstate(self, dstate: State) -> None:
        for name, gradient in zip(self.cell.state_names, dstate, strict=True):
            setattr(self, f"d{name}", gradient)

    def initial_state(self, N: int) -> State:
        """The state from which the next block of N streams starts; raises InputError if `h` has other streams."""
        state = self.state if self.stateful else None
        return self.cell.zero_state(N) if state is None else self._checked(state, N)

    def set_state(self, h: Array, *memory: Array) -> None:
        """The next `forward` of a stateful layer starts from h (N, H) and, if the cell has one, from c (default: 0)."""
        given = (h, *memory)
        if len(given) < len(self.cell.state_names):
            given += self.cell.zero_state(h.shape[0])[len(given) :]
        for name, part in zip(self.cell.state_names, given, strict=True):
            setattr(self, name, part)

    def reset_state(self) -> None:
        """The next `forward` starts from zeros."""
        for name in self.cell.state_names:
            setattr(self, name, None)

    def __getstate__(self) -> dict[str, Any]:
        """What copies have: parameters, gradients and state, but nothing of the last `forward` for a `backward`."""
        return {**vars(self), "tape": None, "_kernel": None, "_block_cell": None}

    def _parameter_names(self) -> Iterable[str]:
        return self.cell.named(self.params)

    def _checked(self, state: State, N: int) -> State:
        for name, size, part in zip(self.cell.state_names, self.cell.state_sizes, state, strict=True):
            if tuple(part.shape) != (N, size):
                raise InputError(
                    f"the state {name} has shape {tuple(part.shape)}, but this block needs "
                    f"({N}, {size}); call reset_state() before changing the number of streams"
                )
        return state

    def _block_kernel(self, xs: Array) -> BlockKernel:
        check_shape("xs", xs, ("N", "T", self.params[0].shape[0]))
        fused = self.backend.fused
        kernel = fused.block_kernel(self.cell, *xs.shape[:2]) if fused else None
        return kernel or self.plain_block()
