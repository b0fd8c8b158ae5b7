"""Clipping: gradients that exploded through time are scaled back to a length that does no harm.

    g <- g min(1, c / (|g| + 1e-6)),   |g| = sqrt(sum of every squared element of every gradient)

(Pascanu, Mikolov and Bengio 2013). All gradients are scaled alike, so the direction stays.
"""

from __future__ import annotations

import math

import numpy as np

from weft.backends import backend_of
from weft.training.interfaces import Floats, NamedArrays


def clip_by_global_norm(gradients: NamedArrays, max_norm: float) -> float:
    """Scale all gradients in place so that their global norm is at most `max_norm`; returns the norm before.

    A norm that is not finite is returned and the gradients are left as they are: the caller must look.
    """
    norm = global_norm(gradients)
    scale = max_norm / (norm + 1e-6)
    if math.isfinite(norm) and scale < 1:
        for gradient in gradients.values():
            kernel = backend_of(gradient).update_kernel(gradient.dtype)
            if kernel:
                kernel.scale(gradient, scale)
            else:
                gradient *= scale
    return norm


def global_norm(arrays: NamedArrays) -> float:
    """The square root of the sum of every squared element; not finite if any of them is not."""
    with np.errstate(over="ignore", invalid="ignore"):
        return math.sqrt(sum(map(_squared_norm, arrays.values())))


def _squared_norm(array: Floats) -> float:
    kernel = backend_of(array).update_kernel(array.dtype)
    return kernel.squared_norm(array) if kernel else float(np.vdot(array, array))
