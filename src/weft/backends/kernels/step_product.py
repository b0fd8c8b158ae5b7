"""The product within a time loop: C += A B, where B was packed before the loop, as panels or as tiles.

Which of the two is known from B's type when a loop is compiled, so that the loops are written once.
"""

from __future__ import annotations

from typing import Any

from numba import types

from weft.backends.kernels.compiling import compiled, overloading
from weft.backends.kernels.product import accumulate as accumulate_panels
from weft.backends.kernels.tile_product import multiply_tiles
from weft.backends.kernels.tiles import pack_rows_at


@compiled
def accumulate_tiles(a: Any, a_row: Any, M: Any, K: Any, tiles: Any, c: Any, c_row: Any, room: Any) -> None:
    """C += A B for tiles of B; c must have room for whole tiles in each of its rows."""
    row_tiles = room.shape[0]
    height = (M + row_tiles - 1) // row_tiles
    pack_rows_at(a, a_row, M, K, height, room, False)
    multiply_tiles(room, height, M, tiles, tiles.shape[0] * 16, c, c_row, False)


def accumulate(a: Any, a_row: Any, M: Any, K: Any, B: Any, c: Any, c_row: Any, room: Any) -> None:
    """C += A B for a (M, K) and c, addresses of float32 with the distances of their rows; B: from `step_factor`."""


@overloading(accumulate)
def _accumulate(a: Any, a_row: Any, M: Any, K: Any, B: Any, c: Any, c_row: Any, room: Any) -> Any:
    if B.dtype == types.int32:

        def with_tiles(a: Any, a_row: Any, M: Any, K: Any, B: Any, c: Any, c_row: Any, room: Any) -> None:
            accumulate_tiles(a, a_row, M, K, B, c, c_row, room)

        return with_tiles

    def with_panels(a: Any, a_row: Any, M: Any, K: Any, B: Any, c: Any, c_row: Any, room: Any) -> None:
        accumulate_panels(a, a_row, 1, M, B, c, c_row)

    return with_panels
