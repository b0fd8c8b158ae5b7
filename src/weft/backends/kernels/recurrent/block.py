"""A block of a cell on panels: each pass one kernel, which all threads carry out together; see `panel_passes`.

Forward: x in the order of time; x W_x for all steps; the time loop, each thread some streams, or some hidden units
where there are fewer streams than threads. Backward: the time loop from the last step, which leaves da in place of the
gates; then dW_x = Σ xᵀ da, dW_h = Σ (what W_h multiplied)ᵀ da and dx = da W_xᵀ over all streams, each thread some
columns, so that gradients are written once and right factors packed once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.array_types import State
from weft.backends.deduplicated_inputs import DeduplicatedInputs
from weft.backends.kernels.jit.dtypes import FLOATS
from weft.backends.kernels.jit.outlined import OutlinedFunctions, link
from weft.backends.kernels.recurrent.workspace import BlockWorkspace, block_workspace
from weft.backends.kernels.threads.parallel import ParallelRunner
from weft.backends.kernels.threads.workspace import aligned_floats, cached_views
from weft.errors import InputError

Floats = NDArray[np.float32]

SHARED_WORK = 400_000
"""Multiply-adds of a block from which on it pays to share them."""
ALONE_WEIGHTS = 500_000
"""Recurrent weights up to which a thread that has a stream for itself is as fast as several that share its units."""
SHORT_WORK = 20_000_000
"""Multiply-adds of a block that take less than waiting for a helper that lost its core."""
PACKED_A_STEP = 40_000
"""Recurrent weights that are packed in the time that the plain loop takes for what is around a step's product."""
PAIRS_WORK = 2_000_000
"""Multiply-adds of a block from which on making pairs of the factors pays."""


Rows = tuple[Floats, NDArray[np.int64], Floats]
NO_BLOCK: Floats = np.empty((0, 0, 0), np.float32)
NO_ROWS: Rows = np.empty((0, 0), np.float32), np.empty((0, 0), np.int64), np.empty((0, 0), np.float32)
"""Empty arrays that stand in for the inputs (N, T, D), or for `DeduplicatedInputs` and their products, when unused."""


@dataclass(frozen=True)
class Passes:
    """A cell's two passes. Gates lie side by side; kept: arrays as large as the hidden states that the passes share.

    factors: the gates (first, count) whose columns of W_h are multiplied with the same; parts: those of the passes that
    are compiled apart.
    """

    gates: int
    kept: int
    factors: tuple[tuple[int, int], ...]
    forward: Any
    backward: Any
    parts: OutlinedFunctions


@dataclass
class Tape:
    """What the pass backward needs of the one forward: arrays of rows, the group's of a thread after another.

    x: all inputs; rows: values, places and room instead, where few differ.
    """

    x: Floats
    rows: Rows
    a: Floats
    states: tuple[Floats, ...]
    kept: tuple[Floats, ...]


class PanelBlock:
    """A `BlockKernel` for float32; kind: the words of large blocks."""

    def __init__(self, passes: Passes, runner: ParallelRunner, kind: np.dtype[Any]) -> None:
        self.passes, self.runner, self.kind = passes, runner, kind

    def is_faster(self, cell: Any, streams: int, steps: int) -> bool:
        """Whether a block of such a shape is faster than in the plain loop, which packs no weights.

        Packing them costs as much as multiplying with them a few times: too much for few steps of a single stream.
        """
        return streams > 1 or bool(cell.params[1].size <= steps * PACKED_A_STEP)

    def forward(self, cell: Any, xs: Floats | DeduplicatedInputs, state: State) -> tuple[Floats, State, Tape]:
        (Wx, Wh, b), (N, T, _D) = cell.params, xs.shape
        rooms, short = self._manner(N, T, *Wx.shape)
        link(self.passes.parts, rooms.kind)
        R, H = T * N, rooms.H
        if isinstance(xs, DeduplicatedInputs):
            inputs, x = NO_BLOCK, NO_ROWS[0]
            values, places = np.ascontiguousarray(xs.values, np.float32), np.ascontiguousarray(xs.places, np.int64)
            rows = values, places, aligned_floats(len(values), rooms.gates)
        else:
            inputs, x, rows = np.ascontiguousarray(xs, np.float32), aligned_floats(R, rooms.inputs), NO_ROWS
        a = aligned_floats(R, rooms.gates)
        states = tuple([aligned_floats(R + N, H) for _ in state])
        kept = tuple([aligned_floats(R, H) for _ in range(self.passes.kept)])
        hs, after = aligned_floats(N, T, H), tuple([np.empty((N, H), np.float32) for _ in state])
        before = tuple([np.ascontiguousarray(part, np.float32) for part in state])
        self.runner.run(
            self.passes.forward, rooms.chunks, short,
            rooms.groups, inputs, *rows, Wx, Wh, b, before, x, a, states, kept, hs, after, *cached_views(rooms.forward),
        )  # fmt: skip
        return hs, after, Tape(x, rows, a, states, kept)

    def backward(self, cell: Any, dhs: Floats, dstate: State, tape: Tape) -> tuple[Floats, State]:
        if not tape.states:
            raise InputError("the block was gone back through already, which used it up; call forward before backward")
        (Wx, Wh, _b), (N, T, _H), D = cell.params, dhs.shape, cell.params[0].shape[0]
        rooms, short = self._manner(N, T, *Wx.shape)
        few = tape.rows is not NO_ROWS
        dxs = NO_BLOCK if few else aligned_floats(N, T, D)
        dvalues = np.empty(tape.rows[0].shape, np.float32)
        first = tuple([np.array(part, np.float32, order="C") for part in dstate])
        dbs = np.empty((rooms.chunks, rooms.width), np.float32)
        self.runner.run(
            self.passes.backward, rooms.chunks, short,
            rooms.groups, np.ascontiguousarray(dhs, np.float32), Wx, Wh, tape.x, *tape.rows, tape.a, tape.states,
            tape.kept, dxs, dvalues, first, dbs, *cell.grads, *cached_views(rooms.backward),
        )  # fmt: skip
        tape.states = ()  # da stands where the gates were
        return dvalues if few else dxs, first

    def _manner(self, N: int, T: int, D: int, width: int) -> tuple[BlockWorkspace, bool]:
        """Room for a block, which says in how many shares and with which words it is carried out; whether it is
        brief."""
        gates = self.passes.gates
        H = width // gates
        work = N * T * width * (D + H)
        chunks = self.runner.threads if work >= SHARED_WORK else 1
        if chunks > N and H * width <= ALONE_WEIGHTS:
            chunks = N
        kind = self.kind if work >= PAIRS_WORK else FLOATS
        return block_workspace(chunks, kind, gates, self.passes.factors, N, T, D, H), work < SHORT_WORK
