"""Clipping: gradients that exploded through time are scaled back to a length that does no harm.

    g <- g min(1, c / (|g| + 1e-6)),   |g| = sqrt(sum of every squared element of every gradient)

(Pascanu, Mikolov and Bengio 2013). All gradients are scaled alike, so the direction stays.
"""

from __future__ import annotations

import math

import numpy as np

from weft.training.interfaces import NamedArrays


def clip_by_global_norm(gradients: NamedArrays, max_norm: float) -> float:
    """Scale all gradients in place so that their global norm is at most `max_norm`; returns the norm before.

    A norm that is not finite is returned and the gradients are left as they are: the caller must look.
    """
    norm = global_norm(gradients)
    scale = max_norm / (norm + 1e-6)
    if math.isfinite(norm) and scale < 1:
        for gradient in gradients.values():
            gradient *= scale
    return norm


def global_norm(arrays: NamedArrays) -> float:
    """The square root of the sum of every squared element; not finite if any of them is not."""
    with np.errstate(over="ignore", invalid="ignore"):
        return math.sqrt(sum(float(np.vdot(array, array)) for array in arrays.values()))
