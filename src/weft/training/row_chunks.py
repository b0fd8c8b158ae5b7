"""Large arrays a few rows at a time, so that what is computed from them stays in the processor's cache."""

from __future__ import annotations

from collections.abc import Iterator

from weft.layers.sparse_gradient import RowGradient
from weft.training.interfaces import Floats, Gradient

PIECE = 1 << 15
"""Elements at a time: few enough for every temporary array to stay in the processor's cache."""

LARGE_PIECE = 1 << 20
"""The same for kernels, which have no temporary arrays."""


def pieces(gradient: Gradient, *arrays: Floats, size: int = PIECE) -> Iterator[tuple[Floats, ...]]:
    """The same few rows of every array and of the gradient, (array, gradient, other arrays …), until all were seen."""
    rows = arrays[0].shape[0]
    step = max(1, size * rows // max(1, arrays[0].size))
    for start in range(0, rows, step):
        stop = min(start + step, rows)
        first, *others = (array[start:stop] for array in arrays)
        yield (
            first,
            gradient.between(start, stop) if isinstance(gradient, RowGradient) else gradient[start:stop],
            *others,
        )
