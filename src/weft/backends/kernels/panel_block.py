"""A block of a cell on panels: each pass one kernel, which all threads carry out together; see `panel_passes`.

Forward: x in the order of time; x W_x for all steps; the time loop, each thread some streams. Backward: the time loop
from the last step, which leaves da in place of the gates; then dW_x = Σ xᵀ da, dW_h = Σ (what W_h multiplied)ᵀ da and
dx = da W_xᵀ over all streams, each thread some columns, so that gradients are written once and right factors packed
once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.backend import State
from weft.backends.kernels.apart import Parts, make_ready
from weft.backends.kernels.block import FusedBlock
from weft.backends.kernels.held_memory import held
from weft.backends.kernels.left_factor import left_room
from weft.backends.kernels.packed_product import right_room
from weft.backends.kernels.panels import panel_shape
from weft.backends.kernels.tile_packing import DEPTH, SIDE
from weft.backends.kernels.together import Together
from weft.backends.kernels.words import FLOATS, row_distance
from weft.backends.row_inputs import RowInputs
from weft.errors import InputError

Floats = NDArray[np.float32]

SHARED_WORK = 400_000
"""Multiply-adds of a block from which on it pays to share them."""
BRIEF_WORK = 20_000_000
"""Multiply-adds of a block that take less than waiting for a helper that lost its core."""
PAIRS_WORK = 2_000_000
"""Multiply-adds of a block from which on making pairs of the factors pays."""


Rows = tuple[Floats, NDArray[np.int64], Floats]
NO_BLOCK: Floats = np.empty((0, 0, 0), np.float32)
NO_ROWS: Rows = np.empty((0, 0), np.float32), np.empty((0, 0), np.int64), np.empty((0, 0), np.float32)
"""In place of inputs (N, T, D) where few differ, and of `RowInputs` and room for their products where they do not."""


@dataclass(frozen=True)
class Passes:
    """A cell's two passes. Gates lie side by side; kept: arrays as large as the hidden states that the passes share.

    factors: the gates (first, count) whose columns of W_h are packed together; parts: those of the passes that are
    compiled apart.
    """

    gates: int
    kept: int
    factors: Sequence[tuple[int, int]]
    forward: Any
    backward: Any
    parts: Parts


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
    """A `BlockKernel` for float32. `otherwise` carries blocks of fewer streams than threads, whose threads share hidden
    units; kind: the words of large blocks."""

    def __init__(self, passes: Passes, together: Together, kind: np.dtype[Any], otherwise: FusedBlock) -> None:
        self.passes, self.together, self.kind, self.otherwise = passes, together, kind, otherwise

    def pays(self, cell: Any, streams: int, steps: int) -> bool:
        """Whether a block of such a shape is faster than in the plain loop, which packs no weights."""
        return self.otherwise.pays(cell, streams, steps)

    def reads_rows(self, cell: Any, streams: int, steps: int) -> bool:
        """Whether the inputs of a block of such a shape may be `RowInputs`."""
        return self._manner(streams, steps, *cell.params[0].shape).shares <= streams

    def forward(self, cell: Any, xs: Floats | RowInputs, state: State) -> tuple[Floats, State, Any]:
        (Wx, Wh, b), (N, T, D), H, gates = cell.params, xs.shape, cell.params[1].shape[0], self.passes.gates
        manner = self._manner(N, T, *Wx.shape)
        if manner.shares > N and not isinstance(xs, RowInputs):
            return self.otherwise.forward(cell, xs, state)
        make_ready(self.passes.parts, manner.kind)
        a = np.empty((T * N, row_distance(gates * H)), np.float32)
        if isinstance(xs, RowInputs):
            inputs, x = NO_BLOCK, NO_ROWS[0]
            rows = xs.values, xs.places, np.empty((len(xs.values), a.shape[1]), np.float32)
        else:
            inputs, x, rows = (
                np.ascontiguousarray(xs, np.float32),
                np.empty((T * N, row_distance(D)), np.float32),
                NO_ROWS,
            )
        states = tuple(np.empty(((T + 1) * N, H), np.float32) for _ in state)
        kept = tuple(np.empty((T * N, H), np.float32) for _ in range(self.passes.kept))
        hs, after = np.empty((N, T, H), np.float32), tuple(np.empty((N, H), np.float32) for _ in state)
        before = tuple(np.ascontiguousarray(part, np.float32) for part in state)
        left = manner.rooms("left", left_room(T * N, D, manner.kind))
        right = manner.rooms("right", right_room(D, manner.kind))
        loops = [
            manner.loop(index, N, (H, count * H), (first * H, count * H), (0, H))
            for index, (first, count) in enumerate(self.passes.factors)
        ]
        self.together.run(
            self.passes.forward, manner.shares, manner.brief,
            inputs, *rows, Wx, Wh, b, before, x, a, states, kept, hs, after, tuple(loops), left, right,
        )  # fmt: skip
        return hs, after, Tape(x, rows, a, states, kept)

    def backward(self, cell: Any, dhs: Floats, dstate: State, tape: Any) -> tuple[Floats, State]:
        if not isinstance(tape, Tape):
            return self.otherwise.backward(cell, dhs, dstate, tape)
        if not tape.states:
            raise InputError("the block was gone back through already, which used it up; call forward before backward")
        (Wx, Wh, _b), (N, T, H), D, gates = cell.params, dhs.shape, cell.params[0].shape[0], self.passes.gates
        manner = self._manner(N, T, *Wx.shape)
        R, width, kind = T * N, gates * H, manner.kind
        few = tape.rows is not NO_ROWS
        dxs = NO_BLOCK if few else np.empty((N, T, D), np.float32)
        dvalues = np.empty(tape.rows[0].shape, np.float32)
        first = tuple(np.array(part, np.float32, order="C") for part in dstate)
        dbs = np.empty((manner.shares, width), np.float32)
        left = manner.rooms("left", max(left_room(*shape, kind) for shape in ((D, R), (H, R), (R, width))))
        right = manner.rooms("right", right_room(max(R, width), kind))
        loops = [
            manner.loop(index, N, (count * H, H), (0, H), (first_gate * H, count * H))
            for index, (first_gate, count) in enumerate(self.passes.factors)
        ]
        self.together.run(
            self.passes.backward, manner.shares, manner.brief,
            np.ascontiguousarray(dhs, np.float32), Wx, Wh, tape.x, *tape.rows, tape.a, tape.states, tape.kept, dxs,
            dvalues, first, dbs, *cell.grads, tuple(loops), left, right,
        )  # fmt: skip
        tape.states = ()  # da stands where the gates were
        return dvalues if few else dxs, first

    def _manner(self, N: int, T: int, D: int, width: int) -> Manner:
        work = N * T * width * (D + width // self.passes.gates)
        shares = self.together.threads if work >= SHARED_WORK else 1
        return Manner(shares, work < BRIEF_WORK, self.kind if work >= PAIRS_WORK else FLOATS)


@dataclass(frozen=True)
class Manner:
    """How a block is carried out: in how many shares, whether it is brief, and with which words."""

    shares: int
    brief: bool
    kind: np.dtype[Any]

    def rooms(self, name: str, words: int) -> NDArray[Any]:
        """Room of so many words for each share."""
        words = -(-words // SIDE) * SIDE
        return held(f"block {name}", self.shares * words, self.kind).reshape(self.shares, words)

    def loop(
        self, index: int, N: int, factor: tuple[int, int], columns: tuple[int, int], segment: tuple[int, int]
    ) -> tuple[NDArray[Any], ...]:
        """What one product of a time loop needs: room for its right factor (K, N), which columns of C it is added to,
        which columns of the left factor it has, and room for two of these."""
        shape = (1, *panel_shape(*factor, self.kind))
        words = 0 if self.kind == FLOATS else -(-factor[0] // DEPTH) * SIDE
        streams = -(-N // self.shares)
        steps = held(f"block steps {index}", self.shares * 2 * streams * words, self.kind)
        return (
            held(f"block Wh {index}", math.prod(shape), self.kind).reshape(shape),
            table(*columns),
            table(*segment, 0),
            steps.reshape(self.shares, 2, streams, words),
        )


@cache
def table(*row: int) -> NDArray[np.int64]:
    """The table with this row."""
    return np.array([row], np.int64)
