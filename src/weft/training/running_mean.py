"""The running mean of arrays: each mean moves towards a new value by a fraction f of the difference.

    mean <- mean + f (value - mean)

With f = n_k / (n_1 + … + n_k) for the k-th value, mean is the average of all values so far, weighted by n.
"""

from __future__ import annotations

from collections.abc import Sequence

from weft.backends import update_kernel
from weft.training.interfaces import Floats
from weft.training.row_chunks import row_chunks


def move_towards(means: Sequence[Floats], values: Sequence[Floats], fraction: float) -> None:
    """Update every array of `means` in place by the array of `values` at the same index, of the same shape."""
    if not means:
        return
    kernel = update_kernel(means[0])
    if kernel:
        kernel.move_towards(means, values, fraction)
        return
    for whole_mean, whole_value in zip(means, values, strict=True):
        for mean, value in row_chunks(whole_value, whole_mean):
            mean += fraction * (value - mean)
