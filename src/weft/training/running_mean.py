"""Running means of arrays, kept in one pass: each moves towards a new value by a fraction of the distance.

    mean <- mean + f (value - mean)

With f = n_k / (n_1 + … + n_k) at the k-th value, mean is that of all values so far, each weighted by its n.
"""

from __future__ import annotations

from collections.abc import Sequence

from weft.backends import update_kernel
from weft.training.interfaces import Floats
from weft.training.row_chunks import pieces


def move_towards(means: Sequence[Floats], values: Sequence[Floats], fraction: float) -> None:
    """Move every array of `means` in place towards the one of `values`; the n-th arrays of both are alike."""
    if not means:
        return
    kernel = update_kernel(means[0])
    if kernel:
        kernel.move_towards(means, values, fraction)
        return
    for whole_mean, whole_value in zip(means, values, strict=True):
        for mean, value in pieces(whole_value, whole_mean):
            mean += fraction * (value - mean)
