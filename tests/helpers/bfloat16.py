"""Rounding to bfloat16 in NumPy, and sizes of products with whole and partial tiles and panels."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.backends import random_generator

SIZES = [(1, 1, 1), (2, 33, 17), (16, 32, 16), (17, 64, 33), (40, 100, 50), (130, 70, 250), (20, 1100, 31)]
"""(M, K, N) of products (M, K)(K, N)."""


def normal(*shape: int, seed: int = 0) -> Any:
    """Normally distributed float32 of a shape."""
    return random_generator(seed).normal(size=shape).astype(np.float32)


def nearest_bfloat16(x: Any) -> Any:
    """x rounded to 8 bits of precision, ties to even, as float64."""
    fraction, exponent = np.frexp(x.astype(np.float64))
    return np.ldexp(np.rint(fraction * 256) / 256, exponent)
