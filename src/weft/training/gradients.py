"""Clipping: gradients that exploded through time are scaled back to a length that does no harm.

    g <- f g,      f = min(1, c / (|g| + 1e-6)),      |g| = sqrt(sum of every squared element of every gradient)

(Pascanu, Mikolov and Bengio 2013). All gradients are scaled alike, so the direction stays. Nothing is scaled here: the
optimizer takes f with the gradients, which it reads in any case.
"""

from __future__ import annotations

import math

import numpy as np

from weft.backends import update_kernel
from weft.layers.sparse_gradient import RowGradient
from weft.training.interfaces import NamedGradients


def clip_factor(norm: float, max_norm: float) -> float:
    """f, for the norm |g| and c = `max_norm`; 1 where the norm is not finite, at which the caller must look."""
    return min(1.0, max_norm / (norm + 1e-6)) if math.isfinite(norm) else 1.0


def global_norm(gradients: NamedGradients) -> float:
    """|g|, of gradients or of any arrays by name; not finite if any element is not."""
    arrays = [gradient.values if isinstance(gradient, RowGradient) else gradient for gradient in gradients.values()]
    kernel = update_kernel(arrays[0])
    if kernel:
        return math.sqrt(kernel.squared_norm(arrays))
    with np.errstate(over="ignore", invalid="ignore"):
        return math.sqrt(sum(float(np.vdot(array, array)) for array in arrays))
