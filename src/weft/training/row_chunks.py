"""Large arrays in chunks of a few rows, so that the temporary arrays computed from a chunk stay in the CPU cache."""

from __future__ import annotations

from collections.abc import Iterator

from weft.layers.sparse_gradient import RowGradient
from weft.training.interfaces import Floats, Gradient

CHUNK_ELEMENTS = 1 << 15
"""Elements in a chunk, about: every temporary array fits into the CPU cache."""

KERNEL_CHUNK_ELEMENTS = 1 << 20
"""Elements in a chunk for a fused kernel, which has no temporary arrays."""


def row_chunks(gradient: Gradient, *arrays: Floats, elements: int = CHUNK_ELEMENTS) -> Iterator[tuple[Floats, ...]]:
    """The same rows of the first array, of the gradient and of the other arrays, as views, chunk by chunk.

    All have the same shape. Only a chunk of a `RowGradient` is ever expanded.
    """
    rows = arrays[0].shape[0]
    step = max(1, elements * rows // max(1, arrays[0].size))
    for start in range(0, rows, step):
        stop = min(start + step, rows)
        first, *others = (array[start:stop] for array in arrays)
        yield (
            first,
            gradient.between(start, stop) if isinstance(gradient, RowGradient) else gradient[start:stop],
            *others,
        )
