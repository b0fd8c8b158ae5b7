"""Shapes of initial parameters without the memory for them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class ShapeGenerator:
    """In place of a `numpy.random.Generator`: arrays of the right shape with one element of memory.

    The shapes of a model's parameters follow from the code that draws them, before any of them is allocated.
    """

    def normal(self, loc: float = 0.0, scale: float = 1.0, size: tuple[int, ...] = ()) -> NDArray[Any]:
        """A read-only array of zeros of shape `size`."""
        return np.broadcast_to(np.zeros(()), size)
