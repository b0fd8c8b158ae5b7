"""The fused operations on NumPy arrays: which compiled kernel runs for which arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.deduplicated_inputs import DeduplicatedInputs
from weft.backends.fused_operations import BlockKernel, Capture, OutputKernel, UpdateKernel

if TYPE_CHECKING:
    from weft.backends.kernels.kernel_set import KernelSet

Floats = NDArray[Any]
Integers = NDArray[Any]

MIN_IDS = 200
"""Ids in a block from which on deduplicating them can save time."""
MAX_DISTINCT = 0.75
"""Fraction of distinct ids up to which multiplying the distinct rows alone is faster."""
IDS_PER_ROW = 4
"""Ids per row of W from which on projecting all rows of W is cheaper than finding the distinct ids."""


class NumpyFused:
    """`FusedOperations` for float32 arrays, by the kernels of one set; see `weft.backends.fused_operations`.

    `active` is the variable through which the backend finds the operations in use; `capture` replaces its value for
    the duration of a capture.
    """

    def __init__(self, kernels: KernelSet, active: ContextVar[NumpyFused | None]) -> None:
        self._kernels, self._active = kernels, active
        self.rounding, self.rows = kernels.rounding, kernels.update

    def block_kernel(self, cell: Any, streams: int, steps: int) -> BlockKernel | None:
        if not all(map(_is_readable, cell.params)):
            return None
        kernel = self._kernels.block(cell.name)
        return kernel if kernel is not None and kernel.is_faster(cell, streams, steps) else None

    def output_kernel(self, dtype: Any) -> OutputKernel | None:
        return self._kernels.output if dtype == np.float32 else None

    def update_kernel(self, dtype: Any) -> UpdateKernel | None:
        return self._kernels.update if dtype == np.float32 else None

    def deduplicate(self, W: Floats, ids: Integers, cell: Any) -> DeduplicatedInputs | None:
        if ids.ndim != 2 or ids.size < MIN_IDS or self.block_kernel(cell, *ids.shape) is None:
            return None
        flat, V = np.ascontiguousarray(ids, np.int64).reshape(-1), W.shape[0]
        lowest, highest = self.rows.bounds(flat)
        if lowest < 0 or highest >= V:
            return None
        if _projects_all_rows(ids.size, V):
            return DeduplicatedInputs(np.arange(V), W, flat.reshape(ids.shape))
        rows, places = self.rows.unique(flat, V)
        if len(rows) > MAX_DISTINCT * ids.size:
            return None
        return DeduplicatedInputs(rows, np.take(W, rows, axis=0), places.reshape(ids.shape))

    def copy_if_in_range(self, ids: Integers, count: int, target: Integers) -> bool:
        return self.rows.copy_if_in_range(ids, count, target)

    def can_capture(
        self, embedding: Floats, cells: Sequence[Any], output: Sequence[Floats], streams: int, steps: int
    ) -> bool:
        ids = streams * steps
        if ids >= MIN_IDS and not _projects_all_rows(ids, embedding.shape[0]):
            return False  # `deduplicate` depends on the ids
        W, b = output
        return (
            _is_readable(embedding)
            and _is_readable(b)
            and W.dtype == np.float32
            and (W.flags.c_contiguous or W.flags.f_contiguous)
            and all(self.block_kernel(cell, streams, steps) is not None for cell in cells)
        )

    @contextmanager
    def capture(self) -> Iterator[Capture]:
        capture, kernels = self._kernels.capturing()
        before = self._active.set(NumpyFused(kernels, self._active))
        try:
            yield capture
        finally:
            capture.stop()
            self._active.reset(before)


def _projects_all_rows(ids: int, V: int) -> bool:
    """True if projecting all rows of W (V, D) is cheaper than deduplicating that number of ids."""
    return ids >= IDS_PER_ROW * V


def _is_readable(parameter: Floats) -> bool:
    """True if the kernels can read the array in place: float32, in C order."""
    return parameter.dtype == np.float32 and parameter.flags.c_contiguous
