"""Clipping: gradients that exploded through time are scaled back to a length that does no harm.

    g <- g min(1, c / (|g| + 1e-6)),   |g| = sqrt(sum of every squared element of every gradient)

(Pascanu, Mikolov and Bengio 2013). All gradients are scaled alike, so the direction stays.
"""

from __future__ import annotations

import math

import numpy as np

from weft.backends import backend_of
from weft.layers.row_gradient import RowGradient
from weft.training.interfaces import Floats, Gradient, NamedArrays, NamedGradients


def clip_by_global_norm(gradients: NamedGradients, max_norm: float) -> float:
    """Scale all gradients in place so that their global norm is at most `max_norm`; returns the norm before.

    A norm that is not finite is returned and the gradients are left as they are: the caller must look.
    """
    arrays = [_numbers(gradient) for gradient in gradients.values()]
    norm = _norm(arrays)
    scale = max_norm / (norm + 1e-6)
    if math.isfinite(norm) and scale < 1:
        kernel = backend_of(arrays[0]).update_kernel(arrays[0].dtype)
        if kernel:
            kernel.scale(arrays, scale)
        else:
            for array in arrays:
                array *= scale
    return norm


def global_norm(arrays: NamedArrays) -> float:
    """The square root of the sum of every squared element; not finite if any of them is not."""
    return _norm(list(arrays.values()))


def _norm(arrays: list[Floats]) -> float:
    kernel = backend_of(arrays[0]).update_kernel(arrays[0].dtype)
    if kernel:
        return math.sqrt(kernel.squared_norm(arrays))
    with np.errstate(over="ignore", invalid="ignore"):
        return math.sqrt(sum(float(np.vdot(array, array)) for array in arrays))


def _numbers(gradient: Gradient) -> Floats:
    return gradient.values if isinstance(gradient, RowGradient) else gradient
