"""Matrix products as this processor does them best: in float32 by the linear algebra library, or in bfloat16 tiles.

    precision     without matrix tiles                                   with them
    float32       large products by the library, those of a time step    three bfloat16 terms a number, six products:
                  by the micro-kernel                                    the same rounding, twice as fast
    bfloat16      —                                                      one term a number

Sums are float32 everywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.product import packed, packed_transposed
from weft.backends.kernels.tile_product import multiply_into
from weft.backends.kernels.tiles import Tiles

Floats = NDArray[np.float32]

WORTH_TILES = {1: 24, 3: 64}
"""Terms -> M·N / (M + N) of a product (M, K)(K, N) from which on tiles save more than
putting the factors into them costs."""


class Factor:
    """A left factor (M, K) or a right factor (K, N). `role` names the place where its tiles are kept until the next
    factor of that role in the same thread."""

    def __init__(self, array: Floats, role: str) -> None:
        self.array, self.role = array, role
        self.tiles: Tiles | None = None


class Products(ABC):
    """How matrices are multiplied."""

    @abstractmethod
    def step_factor(self, B: Floats) -> NDArray[Any]:
        """B (K, N) as the right factor of the products within a time loop."""

    @abstractmethod
    def step_room(self, rows: int, K: int) -> NDArray[Any]:
        """What a time loop needs for the left factors (rows, K) of its products."""

    @abstractmethod
    def write(self, left: Factor, right: Factor, out: Floats) -> None:
        """out (M, N) = left · right; the rows of `out` are contiguous."""

    @abstractmethod
    def add(self, left: Factor, right: Factor, out: Floats) -> None:
        """out (M, N) += left · right; the rows of `out` are contiguous."""


class FloatProducts(Products):
    """float32 by the linear algebra library and the micro-kernel."""

    def step_factor(self, B: Floats) -> NDArray[Any]:
        return packed(B) if B.flags.c_contiguous else packed_transposed(np.ascontiguousarray(B.T))

    def step_room(self, rows: int, K: int) -> NDArray[Any]:
        return np.empty((0, 0, 1, 0), np.int32)

    def write(self, left: Factor, right: Factor, out: Floats) -> None:
        np.matmul(left.array, right.array, out=out)

    def add(self, left: Factor, right: Factor, out: Floats) -> None:
        out += left.array @ right.array


class TileProducts(FloatProducts):
    """Tiles of `terms` bfloat16 terms a number; small products as in float32."""

    def __init__(self, terms: int) -> None:
        self.terms = terms

    def step_factor(self, B: Floats) -> NDArray[Any]:
        return Tiles(self.terms).set_right(B).cells

    def step_room(self, rows: int, K: int) -> NDArray[Any]:
        return Tiles(self.terms).make_left_room(rows, K).cells

    def write(self, left: Factor, right: Factor, out: Floats) -> None:
        if self._is_small(left, right):
            super().write(left, right, out)
        else:
            self._multiply(left, right, out, True)

    def add(self, left: Factor, right: Factor, out: Floats) -> None:
        if self._is_small(left, right):
            super().add(left, right, out)
        else:
            self._multiply(left, right, out, False)

    def _multiply(self, left: Factor, right: Factor, out: Floats, fresh: bool) -> None:
        a = left.tiles = left.tiles or Tiles(self.terms, left.role + " left").set_left(left.array)
        b = right.tiles = right.tiles or Tiles(self.terms, right.role + " right").set_right(right.array)
        multiply_into(a.cells, a.height, a.rows, b.cells, b.rows, out, fresh)

    def _is_small(self, left: Factor, right: Factor) -> bool:
        M, N = left.array.shape[0], right.array.shape[1]
        return bool(M * N < WORTH_TILES[self.terms] * (M + N))
