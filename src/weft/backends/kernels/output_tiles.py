"""The output layer's two sweeps on bfloat16 tiles, each one call; see `output_kernel` for the equations.

W is read through its transpose where that is what lies in memory (tied weights), V rows of H numbers; dW is laid out
as W is. All tiles of a block of columns are made, used and forgotten while they are in the caches.
"""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.compiling import compiled
from weft.backends.kernels.micro_kernel import pointer_to
from weft.backends.kernels.output_sweeps import leave_out, take_scores, to_gradients
from weft.backends.kernels.tile_packing import CELLS, DEPTH, SIDE
from weft.backends.kernels.tile_product import multiply_tiles
from weft.backends.kernels.tiles import pack_columns_at, pack_rows_at


@compiled
def tiles_in(room: Any, rows: Any, height: Any, K: Any, terms: Any) -> Any:
    """Tiles for `rows` rows or columns and K, at the beginning of the room."""
    tiles, k_tiles = (rows + height - 1) // height, (K + DEPTH - 1) // DEPTH
    return room[: tiles * k_tiles * terms * CELLS].reshape((tiles, k_tiles, terms, CELLS))


@compiled
def even_height(rows: Any) -> Any:
    """The height of row tiles over which `rows` rows are spread evenly."""
    count = (rows + SIDE - 1) // SIDE
    return (rows + count - 1) // count


@compiled
def weights(W: Any, transposed: Any, first: Any, n: Any, room: Any, terms: Any) -> Any:
    """Columns `first` … of W (H, V), or of the transpose of W (V, H), as the right factor (H, n)."""
    if transposed:
        H = W.shape[1]
        cells = tiles_in(room, n, SIDE, H, terms)
        pack_rows_at(pointer_to(W, first * H), H, n, H, SIDE, cells, True)
    else:
        H, V = W.shape
        cells = tiles_in(room, n, SIDE, H, terms)
        pack_columns_at(pointer_to(W, first), V, H, n, SIDE, cells, False)
    return cells


@compiled
def weights_transposed(W: Any, transposed: Any, first: Any, n: Any, room: Any, terms: Any) -> Any:
    """The transpose of the same as the right factor (n, H)."""
    if transposed:
        H = W.shape[1]
        cells = tiles_in(room, H, SIDE, n, terms)
        pack_columns_at(pointer_to(W, first * H), H, n, H, SIDE, cells, False)
    else:
        H, V = W.shape
        cells = tiles_in(room, H, SIDE, n, terms)
        pack_rows_at(pointer_to(W, first), V, H, n, SIDE, cells, True)
    return cells


@compiled
def first_sweep(
    h: Any, height: Any, W: Any, transposed: Any, b: Any, t: Any, left_out: Any, start: Any, stop: Any, width: Any,
    scores: Any, keep: Any, room: Any, largest: Any, total: Any, target: Any,
) -> None:  # fmt: skip
    """Every row's record (see `take_scores`) over the columns from `start` to `stop`, `width` at a time.

    h: the rows as left factor; scores: room for all scores where they are to be kept, else for those of one block.
    """
    R, terms = t.shape[0], h.shape[2]
    for first in range(start, stop, width):
        n = min(width, stop - first)
        place = R * (first - start) if keep else 0
        x = scores[place : place + R * n].reshape((R, n))
        multiply_tiles(h, height, R, weights(W, transposed, first, n, room, terms), n, pointer_to(x, 0), n, True)
        leave_out(x, left_out, first)
        take_scores(x, b[first : first + n], t, first, largest, total, target)


@compiled
def second_sweep(
    h: Any, height: Any, h_other: Any, W: Any, transposed: Any, b: Any, t: Any, left_out: Any, start: Any, stop: Any,
    width: Any, scores: Any, keep: Any, room: Any, log_sum: Any, scale: Any, dW: Any, db: Any, dh: Any,
) -> None:  # fmt: skip
    """dW and db of the columns are overwritten, dh (R, H) is added to.

    h_other: the rows' transpose as left factor or, where W is transposed, the rows as right factor.
    """
    R, terms, H = t.shape[0], h.shape[2], dh.shape[1]
    for first in range(start, stop, width):
        n = min(width, stop - first)
        place = R * (first - start) if keep else 0
        x = scores[place : place + R * n].reshape((R, n))
        own_b = b[first : first + n]
        if not keep:
            multiply_tiles(h, height, R, weights(W, transposed, first, n, room, terms), n, pointer_to(x, 0), n, True)
            leave_out(x, left_out, first)
            for r in range(R):
                row = x[r]
                for j in range(n):
                    row[j] += own_b[j]
        own_db = db[first : first + n]
        own_db[:] = 0
        to_gradients(x, t, first, log_sum, scale, own_db)
        if transposed:
            column_height = even_height(n)
            dx = tiles_in(room, n, column_height, R, terms)
            pack_columns_at(pointer_to(x, 0), n, R, n, column_height, dx, True)
            multiply_tiles(dx, column_height, n, h_other, H, pointer_to(dW, first * H), H, True)
        else:
            dx = tiles_in(room, n, SIDE, R, terms)
            pack_columns_at(pointer_to(x, 0), n, R, n, SIDE, dx, False)
            multiply_tiles(h_other, even_height(H), H, dx, n, pointer_to(dW, first), dW.shape[1], True)
        dx = tiles_in(room, R, height, n, terms)
        pack_rows_at(pointer_to(x, 0), n, R, n, height, dx, False)
        rest = room[dx.size :]
        W_tiles = weights_transposed(W, transposed, first, n, rest, terms)
        multiply_tiles(dx, height, R, W_tiles, H, pointer_to(dh, 0), H, False)


def room_size(R: int, H: int, width: int, terms: int) -> int:
    """Cells that the sweeps need for their tiles."""

    def cells(rows: int, K: int) -> int:
        return -(-rows // SIDE) * -(-K // DEPTH) * terms * CELLS

    return max(cells(width, R), cells(R, width) + cells(H, width), cells(width, H))
