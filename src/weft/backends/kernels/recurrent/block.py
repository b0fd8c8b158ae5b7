"""A block of a recurrent layer on the fused kernels: chooses how to share the work, and calls the two passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.array_types import State
from weft.backends.deduplicated_inputs import DeduplicatedInputs
from weft.backends.kernels.jit.dtypes import FLOATS
from weft.backends.kernels.recurrent.driver import FusedCell, block_passes
from weft.backends.kernels.recurrent.workspace import BlockWorkspace, block_workspace
from weft.backends.kernels.threads.parallel import ParallelRunner
from weft.backends.kernels.threads.workspace import aligned_floats, cached_views
from weft.errors import InputError

Floats = NDArray[np.float32]

SHARED_WORK = 400_000
"""Multiply-adds of a block above which several threads are faster than one."""
ALONE_WEIGHTS = 500_000
"""Recurrent weights up to which a thread with one stream is as fast as several threads that share its hidden units."""
SHORT_WORK = 20_000_000
"""Multiply-adds of a block that take less time than a worker that has lost its core is waited for."""
PACKED_A_STEP = 40_000
"""Recurrent weights that are packed in the time of the plain loop's overhead for one step."""
PAIRS_WORK = 2_000_000
"""Multiply-adds of a block above which rounding the operands to pairs of bfloat16 is faster than float32."""

Rows = tuple[Floats, NDArray[np.int64], Floats]
NO_BLOCK: Floats = np.empty((0, 0, 0), np.float32)
NO_ROWS: Rows = np.empty((0, 0), np.float32), np.empty((0, 0), np.int64), np.empty((0, 0), np.float32)
"""Empty arrays in place of the inputs (N, T, D), or of deduplicated inputs and their products, when unused."""


@dataclass
class Tape:
    """What the backward pass needs of the forward pass; arrays by rows, as in `passes.Forward`.

    x: all inputs; rows: the deduplicated values, their places and scratch, if the inputs were deduplicated.
    """

    x: Floats
    rows: Rows
    a: Floats
    states: tuple[Floats, ...]
    saved: tuple[Floats, ...]


class FusedBlock:
    """A `BlockKernel` for float32; dtype: of the packed operands in large blocks (float32, or pairs of bfloat16)."""

    def __init__(self, cell: FusedCell, runner: ParallelRunner, dtype: np.dtype[Any]) -> None:
        self.fused_cell, self.runner, self.dtype = cell, runner, dtype
        self._forward, self._backward = block_passes(cell)

    def is_faster(self, cell: Any, streams: int, steps: int) -> bool:
        """True if a block of this shape is faster than in the plain loop, which packs no weights.

        Packing the weights costs as much as a few products with them: too much for few steps of a single stream.
        """
        return streams > 1 or bool(cell.params[1].size <= steps * PACKED_A_STEP)

    def forward(self, cell: Any, xs: Floats | DeduplicatedInputs, state: State) -> tuple[Floats, State, Tape]:
        """xs (N, T, D) and the initial state -> hs (N, T, H), the last state, and the tape for `backward`."""
        (Wx, Wh, b), (N, T, _D) = cell.params, xs.shape
        workspace, short = self._workspace(N, T, *Wx.shape)
        R, H = T * N, workspace.H
        if isinstance(xs, DeduplicatedInputs):
            inputs, x = NO_BLOCK, NO_ROWS[0]
            values, places = np.ascontiguousarray(xs.values, np.float32), np.ascontiguousarray(xs.places, np.int64)
            rows = values, places, aligned_floats(len(values), workspace.gate_stride)
        else:
            inputs, x = np.ascontiguousarray(xs, np.float32), aligned_floats(R, workspace.input_stride)
            rows = NO_ROWS
        a = aligned_floats(R, workspace.gate_stride)
        states = tuple([aligned_floats(R + N, H) for _ in state])
        saved = tuple([aligned_floats(R, H) for _ in range(self.fused_cell.saved)])
        hs, after = aligned_floats(N, T, H), tuple([np.empty((N, H), np.float32) for _ in state])
        before = tuple([np.ascontiguousarray(part, np.float32) for part in state])
        self.runner.run(
            self._forward, workspace.chunks, short,
            workspace.groups, inputs, *rows, Wx, Wh, b, before, x, a, states, saved, hs, after,
            *cached_views(workspace.forward),
        )  # fmt: skip
        return hs, after, Tape(x, rows, a, states, saved)

    def backward(self, cell: Any, dhs: Floats, dstate: State, tape: Tape) -> tuple[Floats, State]:
        """dhs (N, T, H) and the gradient of the last state -> dxs (N, T, D) and the gradient of the initial state.

        The first is the gradient of the values (U, D) where the inputs were deduplicated. The parameter gradients are
        written into `cell.grads`. Raises InputError if the tape was used before: da has replaced the gates in it.
        """
        if not tape.states:
            raise InputError("this block's gates were replaced by an earlier backward; call forward before backward")
        (Wx, Wh, _b), (N, T, _H), D = cell.params, dhs.shape, cell.params[0].shape[0]
        workspace, short = self._workspace(N, T, *Wx.shape)
        deduplicated = tape.rows is not NO_ROWS
        dxs = NO_BLOCK if deduplicated else aligned_floats(N, T, D)
        dvalues = np.empty(tape.rows[0].shape, np.float32)
        first = tuple([np.array(part, np.float32, order="C") for part in dstate])
        dbs = np.empty((workspace.chunks, workspace.width), np.float32)
        multiplied = tuple([tape.states[0] if k < 0 else tape.saved[k] for k in self.fused_cell.multiplied])
        self.runner.run(
            self._backward, workspace.chunks, short,
            workspace.groups, np.ascontiguousarray(dhs, np.float32), Wx, Wh, tape.x, *tape.rows, tape.a, tape.states,
            tape.saved, multiplied, dxs, dvalues, first, dbs, *cell.grads, *cached_views(workspace.backward),
        )  # fmt: skip
        tape.states = ()
        return dvalues if deduplicated else dxs, first

    def _workspace(self, N: int, T: int, D: int, width: int) -> tuple[BlockWorkspace, bool]:
        """The workspace of a block, which holds the number of chunks and the operands' dtype; True for a short job."""
        H = width // self.fused_cell.gates
        work = N * T * width * (D + H)
        chunks = self.runner.threads if work >= SHARED_WORK else 1
        if chunks > N and H * width <= ALONE_WEIGHTS:
            chunks = N
        dtype = self.dtype if work >= PAIRS_WORK else FLOATS
        return block_workspace(self.fused_cell, chunks, dtype, N, T, D, H), work < SHORT_WORK
