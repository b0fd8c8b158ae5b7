"""Workspace of the passes through a block: buffers that a thread uses again for every block of the same shape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.jit.dtypes import FLOATS
from weft.backends.kernels.matmul.element_types import row_stride
from weft.backends.kernels.matmul.gemm import rhs_buffer_size
from weft.backends.kernels.matmul.pack_lhs import lhs_buffer_size, packed_row_stride
from weft.backends.kernels.matmul.pack_rhs import panel_shape
from weft.backends.kernels.matmul.partition import column_range
from weft.backends.kernels.matmul.simd_packing import TILE_SIDE
from weft.backends.kernels.recurrent.driver import FusedCell
from weft.backends.kernels.threads.workspace import MAX_SHAPES, buffer

OperandArrays = tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64], NDArray[Any]]
Views = tuple[tuple[OperandArrays, ...], NDArray[np.int64], NDArray[Any], NDArray[Any]]
"""The last arguments of a pass: operands, units, lhs_buffer, rhs_buffer; see `passes.Forward` and `passes.Operand`."""

SMALL_WEIGHTS = 40_000
"""Weights of a layer up to which every chunk packs them for itself, in less time than it would wait for the others."""


class BlockWorkspace:
    """Buffers for blocks of N streams, T steps, D inputs and H hidden units; get one by `block_workspace`.

    chunks: of every phase; dtype: of the packed operands.
    """

    def __init__(self, cell: FusedCell, chunks: int, dtype: np.dtype[Any], N: int, T: int, D: int, H: int) -> None:
        self.chunks, self.dtype, self.operands = chunks, dtype, cell.operands
        self.N, self.T, self.D, self.H = N, T, D, H
        self.width = cell.gates * H
        self.groups = chunks if chunks <= N else 1
        """Groups of streams: one for each chunk; or a single one, and the chunks divide its hidden units."""
        self.copies = chunks if self.groups < chunks or (D + H) * self.width <= SMALL_WEIGHTS else 1
        """Number of times that W_h, or the parts of it, are packed."""
        self.units = np.array([self._units(chunk) for chunk in range(chunks)], np.int64)
        self.input_stride, self.gate_stride = int(row_stride(D)), int(row_stride(self.width))
        """Elements from one row of x, and of a, to the next."""

    def _units(self, chunk: int) -> tuple[int, int]:
        """First hidden unit and number of units of a chunk: whole panels of columns."""
        if self.groups == self.chunks:
            return 0, self.H
        first, last = column_range(self.H, chunk, self.chunks)
        return first, last - first

    def forward(self) -> Views:
        """The last arguments of the forward pass."""
        H = self.H
        operands = []
        for index, (first, count) in enumerate(self.operands):
            gates = range(first, first + count)
            columns = [[(gate * H + unit, units) for gate in gates] for unit, units in self.units.tolist()]
            if self.groups == self.chunks:
                columns = [[(first * H, count * H)]] * self.chunks
            operands.append(self._operand(index, H, columns, (first * H, count * H)))
        lhs, rhs = lhs_buffer_size(self.T * self.N, self.D, self.dtype), rhs_buffer_size(self.D, self.dtype)
        return tuple(operands), self.units, self._buffer("lhs", lhs), self._buffer("rhs", rhs)

    def backward(self) -> Views:
        """The last arguments of the backward pass."""
        H, R = self.H, self.T * self.N
        columns = [[units] for units in self.units.tolist()]
        operands = [
            self._operand(index, count * H, columns, (first * H, count * H))
            for index, (first, count) in enumerate(self.operands)
        ]
        lhs = max(lhs_buffer_size(*shape, self.dtype) for shape in ((self.D, R), (H, R), (R, self.width)))
        rhs = rhs_buffer_size(max(R, self.width), self.dtype)
        return tuple(operands), self.units, self._buffer("lhs", lhs), self._buffer("rhs", rhs)

    def _buffer(self, role: str, size: int) -> NDArray[Any]:
        """A buffer of at least `size` elements for each chunk."""
        size = -(-size // TILE_SIDE) * TILE_SIDE
        return buffer(f"block {role}", self.chunks * size, self.dtype).reshape(self.chunks, size)

    def _operand(
        self, index: int, K: int, columns: Sequence[Sequence[Sequence[int]]], gates: tuple[int, int]
    ) -> OperandArrays:
        """The arrays of a `passes.Operand` with K rows."""
        table = np.array(columns, np.int64)
        shape = (self.copies, table.shape[1], *panel_shape(K, int(table[..., 1].max()), self.dtype))
        size = 0 if self.dtype == FLOATS else packed_row_stride(K, self.dtype)
        streams = -(-self.N // self.groups)
        scratch = buffer(f"block lhs of a step {index}", self.chunks * streams * size, self.dtype)
        return (
            buffer(f"block Wh {index}", math.prod(shape), self.dtype).reshape(shape),
            table,
            np.array(gates, np.int64),
            scratch.reshape(self.chunks, streams, size),
        )


block_workspace = lru_cache(MAX_SHAPES)(BlockWorkspace)
"""The same object for the same arguments."""
