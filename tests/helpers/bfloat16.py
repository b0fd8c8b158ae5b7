"""Numbers rounded to bfloat16, and sizes of products that fill tiles and panels or do not."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.backends import random_generator

SIZES = [(1, 1, 1), (2, 33, 17), (16, 32, 16), (17, 64, 33), (40, 100, 50), (130, 70, 250), (20, 1100, 31)]
"""(M, K, N) of products (M, K)(K, N)."""


def normal(*shape: int, seed: int = 0) -> Any:
    """Normally distributed float32."""
    return random_generator(seed).normal(size=shape).astype(np.float32)


def nearest_bfloat16(x: Any) -> Any:
    """Round to 8 bits of precision, half to even, in float64 arithmetic."""
    fraction, exponent = np.frexp(x.astype(np.float64))
    return np.ldexp(np.rint(fraction * 256) / 256, exponent)
