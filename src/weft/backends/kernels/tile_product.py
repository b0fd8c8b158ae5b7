"""Products of matrices in bfloat16 tiles: C = A B or C += A B.

k is cut so that the tiles of two row tiles stay in the nearest caches while column tiles pass by them, and the columns
are cut so that those stay in the next one. So C is filled along its rows: down its columns every line of it would be on
another page, and waiting for these lines would take longer than the products. The lines of the next sums are sent for
while the processor multiplies. What does not fill its tiles goes through a small buffer.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding
from numba import cfunc, types

from weft.backends.kernels.amx_kernel import amx_block, begin_tiles, end_tiles
from weft.backends.kernels.compiling import compiled, kept_on_disk
from weft.backends.kernels.micro_kernel import floats_on_stack, pointer_to, send_for, shift
from weft.backends.kernels.processor import has_amx
from weft.backends.kernels.tile_packing import CELLS, SIDE

K_PIECE_TILES = 72
"""Most tiles of k at a time, terms counted: two row tiles then take 144 KB."""

COLUMN_PIECE_TILES = 768
"""Most tiles (1 KB each) of B that a piece of columns has."""


_cells = types.CPointer(types.int32)
_floats = types.CPointer(types.float32)
_size = types.intp


def _multiply(a, height, M, b, N, k_tiles, terms, c, c_row, fresh):  # type: ignore[no-untyped-def]
    row_tiles, column_tiles = (M + height - 1) // height, (N + SIDE - 1) // SIDE
    distance = k_tiles * terms * CELLS
    begin_tiles(height)
    room = floats_on_stack()
    k_piece = K_PIECE_TILES // terms
    for k in range(0, k_tiles, k_piece):
        K = min(k_piece, k_tiles - k)
        skipped = k * terms * CELLS
        new = fresh and k == 0
        piece = max(COLUMN_PIECE_TILES // (K * terms), 2) // 2 * 2
        for first in range(0, column_tiles, piece):
            last = min(first + piece, column_tiles)
            for i in range(0, row_tiles, 2):
                rows = min(2, row_tiles - i)
                a_tile = shift(a, i * distance + skipped)
                for j in range(first, last, 2):
                    columns = min(2, last - j)
                    b_tile = shift(b, j * distance + skipped)
                    c_tile = shift(c, i * height * c_row + j * SIDE)
                    m, n = min(rows * height, M - i * height), min(columns * SIDE, N - j * SIDE)
                    whole = m == rows * height and n == columns * SIDE
                    sums, sums_row = (c_tile, c_row) if whole else (room, 2 * SIDE)
                    clean = new or not whole
                    # These are written when they are ready; sums that are added to are read first, so their next ones.
                    ahead = 0 if clean else 2 * SIDE
                    for r in range(m):
                        send_for(shift(c_tile, r * c_row + ahead))
                        send_for(shift(c_tile, r * c_row + ahead + SIDE))
                    amx_block(
                        terms, height, rows, columns, a_tile, distance, b_tile, distance, K, sums, sums_row, clean
                    )
                    if not whole:
                        for r in range(m):
                            for s in range(n):
                                if new:
                                    c_tile[r * c_row + s] = room[r * sums_row + s]
                                else:
                                    c_tile[r * c_row + s] += room[r * sums_row + s]
    end_tiles()


# Called by its name, as `panel_product.multiply` is.
_signature = types.void(_cells, _size, _size, _cells, _size, _size, _size, _floats, _size, types.boolean)
if has_amx():
    _in_c = kept_on_disk(cfunc, _multiply, _signature)
    binding.add_symbol("weft_multiply_tiles", _in_c.address)
_by_name = types.ExternalFunction("weft_multiply_tiles", _signature)


@compiled
def multiply_tiles(a: Any, height: Any, M: Any, b: Any, N: Any, c: Any, c_row: Any, fresh: Any) -> None:
    """C += A B, or C = A B where fresh; a and b: arrays of cells (tiles, k tiles, terms, 256), c: an address."""
    _tiles, k_tiles, terms, _cells = b.shape
    _by_name(pointer_to(a, 0), height, M, pointer_to(b, 0), N, k_tiles, terms, c, c_row, fresh)


@compiled
def multiply_into(a: Any, height: Any, M: Any, b: Any, N: Any, C: Any) -> None:
    """C = A B for an array C (M, N) whose rows are contiguous."""
    multiply_tiles(a, height, M, b, N, pointer_to(C, 0), C.strides[0] // 4, True)
