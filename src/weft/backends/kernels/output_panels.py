"""The output layer's two sweeps on panels, each one call; see `output_kernel` for the equations.

W is read through its transpose where that is what lies in memory (tied weights), V rows of H numbers; dW is laid out
as W is. The panels of a block of columns are made, used and forgotten while they are in the caches.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.backends.kernels.compiling import compiled
from weft.backends.kernels.micro_kernel import pointer_to, shift
from weft.backends.kernels.output_sweeps import (
    exponentials_to_gradients,
    leave_out,
    take_exponentials,
    take_scores,
    to_gradients,
)
from weft.backends.kernels.panel_product import multiply
from weft.backends.kernels.panels import left, left_transposed, pack, pack_transposed, panels_in
from weft.backends.kernels.tile_packing import CELLS, SIDE, copy_vector, transpose_tile


@compiled
def weights(W: Any, transposed: Any, first: Any, n: Any, room: Any) -> Any:
    """Columns `first` … of W (H, V), or of the transpose of W (V, H), as the right factor (H, n)."""
    if transposed:
        H = W.shape[1]
        panels = panels_in(room, H, n)
        pack_transposed(pointer_to(W, first * H), H, H, n, panels)
    else:
        H, V = W.shape
        panels = panels_in(room, H, n)
        pack(pointer_to(W, first), V, H, n, panels)
    return panels


@compiled
def weights_transposed(W: Any, transposed: Any, first: Any, n: Any, room: Any) -> Any:
    """The transpose of the same as the right factor (n, H)."""
    if transposed:
        H = W.shape[1]
        panels = panels_in(room, n, H)
        pack(pointer_to(W, first * H), H, n, H, panels)
    else:
        H, V = W.shape
        panels = panels_in(room, n, H)
        pack_transposed(pointer_to(W, first), V, n, H, panels)
    return panels


@compiled
def first_sweep(
    h: Any, W: Any, transposed: Any, b: Any, t: Any, left_out: Any, start: Any, stop: Any, width: Any,
    scores: Any, keep: Any, highest: Any, left_words: Any, right_words: Any, largest: Any, total: Any, target: Any,
) -> None:  # fmt: skip
    """Every row's record (see `take_scores`) over the columns from `start` to `stop`, `width` at a time.

    left_out: see `leave_out`; scores: room for all scores where they are to be kept, else for those of one block;
    highest (blocks, R): where they are, see `take_exponentials`; left_words, right_words: room for factors.
    """
    R, H = h.shape
    rows = left(pointer_to(h, 0), H, R, H, left_words)
    for first in range(start, stop, width):
        n = min(width, stop - first)
        place = R * (first - start) if keep else 0
        x = scores[place : place + R * n].reshape((R, n))
        multiply(rows, R, H, weights(W, transposed, first, n, right_words), n, pointer_to(x, 0), n, True)
        leave_out(x, left_out, first)
        own_b = b[first : first + n]
        if keep:
            take_exponentials(x, own_b, t, first, largest, total, target, highest[(first - start) // width])
        else:
            take_scores(x, own_b, t, first, largest, total, target)


@compiled
def second_sweep(
    h: Any, W: Any, transposed: Any, b: Any, t: Any, left_out: Any, start: Any, stop: Any, width: Any,
    scores: Any, keep: Any, highest: Any, left_words: Any, x_words: Any, right_words: Any, h_words: Any,
    own_dW: Any, log_sum: Any, scale: Any, dW: Any, db: Any, dh: Any,
) -> None:  # fmt: skip
    """dW and db of the columns are overwritten, dh (R, H) is added to.

    x_words: room for dx as a left factor; h_words: for h as the right factor; own_dW (width, H): room.
    """
    R, H = h.shape
    h_panels = panels_in(h_words, R, H)
    pack(pointer_to(h, 0), H, R, H, h_panels)
    rows = left(pointer_to(h, 0), H, R, H, left_words)
    for first in range(start, stop, width):
        n = min(width, stop - first)
        place = R * (first - start) if keep else 0
        x = scores[place : place + R * n].reshape((R, n))
        x_start, own_b = pointer_to(x, 0), b[first : first + n]
        own_db = db[first : first + n]
        own_db[:] = 0
        if keep:
            exponentials_to_gradients(x, highest[(first - start) // width], t, first, log_sum, scale, own_db)
        else:
            multiply(rows, R, H, weights(W, transposed, first, n, right_words), n, x_start, n, True)
            leave_out(x, left_out, first)
            for r in range(R):
                row = x[r]
                for j in range(n):
                    row[j] += own_b[j]
            to_gradients(x, t, first, log_sum, scale, own_db)
        dx_transposed = left_transposed(x_start, n, n, R, x_words)
        if transposed:
            multiply(dx_transposed, n, R, h_panels, H, pointer_to(dW, first * H), H, True)
        else:
            multiply(dx_transposed, n, R, h_panels, H, pointer_to(own_dW, 0), H, True)
            write_transposed(own_dW, n, H, pointer_to(dW, first), dW.shape[1])
        dx = left(x_start, n, R, n, x_words)
        W_panels = weights_transposed(W, transposed, first, n, right_words)
        multiply(dx, R, n, W_panels, H, pointer_to(dh, 0), H, False)


@compiled
def write_transposed(A: Any, M: Any, N: Any, place: Any, distance: Any) -> None:
    """The transpose of A (M, N) as rows of M numbers at an address, `distance` apart."""
    tile = np.empty(CELLS, np.float32)
    start = pointer_to(tile, 0)
    for n in range(0, N, SIDE):
        for m in range(0, M, SIDE):
            if m + SIDE <= M and n + SIDE <= N:
                for r in range(SIDE):
                    copy_vector(pointer_to(A, (m + r) * N + n), shift(start, r * SIDE))
                transpose_tile(start)
                for r in range(SIDE):
                    copy_vector(shift(start, r * SIDE), shift(place, (n + r) * distance + m))
                continue
            for r in range(m, min(M, m + SIDE)):
                for s in range(n, min(N, n + SIDE)):
                    place[s * distance + r] = A[r, s]
