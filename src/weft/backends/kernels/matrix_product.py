"""The product of two matrices on all workers, for layers that multiply large ones by themselves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from weft.backends.kernels.products import Factor, Floats, Products
from weft.backends.workers import Workers, split

SMALL_WORK = 4_000_000
"""Multiply-adds below which handing half of them to another thread costs more than it saves."""


class MatrixProduct:
    """A B in float32; each worker takes some rows of A."""

    def __init__(self, workers: Workers, products: Products) -> None:
        self.workers, self.products = workers, products

    def multiply(self, A: Floats, B: Floats) -> Floats:
        """A (M, K) times B (K, N); of both one axis must be contiguous."""
        (M, K), N = A.shape, B.shape[1]
        out = np.empty((M, N), np.float32)
        if not out.size or not K:
            out[...] = 0
            return out
        shares = split(M, 1 if M * K * N < SMALL_WORK else self.workers.count)

        def task(rows: slice) -> Callable[[], None]:
            return lambda: self.products.write(Factor(A[rows], "product"), Factor(B, "product"), out[rows])

        self.workers.run([task(rows) for rows in shares])
        return out
