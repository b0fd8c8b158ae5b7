"""The output layer's two sweeps on panels, each one call; see `output_kernel` for the equations.

W is read through its transpose where that is what lies in memory (tied weights), V rows of H numbers; dW is laid out
as W is. The panels of a block of columns are made, used and forgotten while they are in the caches; what becomes of the
scores between the products, see `panel_scores`. The factor of a row's softmax is multiplied into h before the products
and into dh after them, not into every exponential:

    f = scale · exp(base - ln Σ exp x)          d = e - onehot(target) · exp(ln Σ exp x - base)
    dW = (f h)ᵀ d          db = Σ f d          dh = f (d Wᵀ)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.backends.kernels.jit.compile import inlined
from weft.backends.kernels.jit.outlined import FLAG, SIZE, floats, ints, outlined, packed
from weft.backends.kernels.jit.pointers import pointer_to
from weft.backends.kernels.jit.vector_math import exp
from weft.backends.kernels.matmul.element_types import row_stride
from weft.backends.kernels.matmul.operands import Destination, lhs_of_rows, lhs_row
from weft.backends.kernels.matmul.pack_lhs import lhs_from_panels, pack_lhs, pack_lhs_transposed
from weft.backends.kernels.matmul.pack_rhs import PANEL, pack_rhs, pack_rhs_transposed, panels_in, rhs_from_panels
from weft.backends.kernels.matmul.packed_gemm import packed_gemm
from weft.backends.kernels.output.exponentials import (
    HALF,
    ZERO,
    clear_filling,
    largest_score,
    leave_out,
    put_biases,
    scale_exponentials,
    subtract_targets,
    sum_of,
    take_targets,
    to_exponentials,
)
from weft.backends.kernels.output.workspace import (
    BASE,
    BIASES,
    FACTOR,
    H_COLUMNS,
    H_PANELS,
    H_ROWS,
    SCALED_H,
    SCORES,
    SUMS,
    TARGET,
    TOTAL,
    W_PANELS,
    X_WORDS,
    room_at,
    rows_at,
)

LARGEST_SUM = np.float32(1e15)
"""Of a row's exponentials in a block: a larger one means that a score is some 30 above base."""
FAR_ABOVE = np.float32(60)
"""How far above base the logarithm of a row's sum may be for its exponential to be a number that float32 has."""


@inlined
def weights(W: Any, transposed: Any, first: Any, n: Any, room: Any) -> Any:
    """Columns `first` … of W (H, V), or of the transpose of W (V, H), as the right factor (H, n)."""
    if transposed:
        H = W.shape[1]
        panels = panels_in(room, H, n)
        pack_rhs_transposed(pointer_to(W, first * H), H, H, n, panels)
    else:
        H, V = W.shape
        panels = panels_in(room, H, n)
        pack_rhs(pointer_to(W, first), V, H, n, panels)
    return panels


@inlined
def weights_transposed(W: Any, transposed: Any, first: Any, n: Any, room: Any) -> Any:
    """The transpose of the same as the right factor (n, H)."""
    if transposed:
        H = W.shape[1]
        panels = panels_in(room, n, H)
        pack_rhs(pointer_to(W, first * H), H, n, H, panels)
    else:
        H, V = W.shape
        panels = panels_in(room, n, H)
        pack_rhs_transposed(pointer_to(W, first), V, n, H, panels)
    return panels


@inlined
def scores_of(scores: Any, R: Any, start: Any, first: Any, n: Any, keep: Any) -> Any:
    """The panels for the scores of n columns from `first` on: at a place of their own where all are kept."""
    place, panels = R * (first - start) if keep else 0, (n + PANEL - 1) // PANEL
    return scores[place : place + R * panels * PANEL].reshape((panels, R, PANEL))


@inlined
def block_scores(
    rows: Any, H: Any, W_panels: Any, b: Any, excluded: Any, first: Any, x: Any, biases: Any
) -> None:  # fmt: skip
    """x <- h W, of the tokens from `first` on whose biases b are, with the tokens left out; biases <- b."""
    R, columns = x.shape[1], (b.size + HALF - 1) // HALF * HALF
    put_biases(b, biases)
    packed_gemm(rows, R, H, W_panels, columns, Destination(pointer_to(x, 0), PANEL, R * PANEL), False)
    for r in range(excluded.size):
        leave_out(x, r, excluded[r], first, b.size)


@inlined
def row_scores(
    rows: Any, H: Any, W_panels: Any, n: Any, excluded: Any, first: Any, x: Any, r: Any
) -> None:  # fmt: skip
    """The scores of one row once more."""
    R, columns = x.shape[1], (n + HALF - 1) // HALF * HALF
    destination = Destination(pointer_to(x, r * PANEL), PANEL, R * PANEL)
    packed_gemm(lhs_row(rows, r), 1, H, W_panels, columns, destination, False)
    if excluded.size > 0:
        leave_out(x, r, excluded[r], first, n)


@outlined(
    lambda words: [
        floats(2), floats(2), FLAG, floats(1), ints(1), ints(1), SIZE, SIZE, SIZE, FLAG, packed(words, 1),
        floats(1), ints(1), floats(2, "A"),
    ]
)  # fmt: skip
def first_sweep(
    h: Any, W: Any, transposed: Any, b: Any, t: Any, excluded: Any, start: Any, stop: Any, width: Any, keep: Any,
    own_words: Any, own_numbers: Any, places: Any, records: Any,
) -> None:  # fmt: skip
    """Every row's base, Σ e and score of its target over the columns from `start` to `stop`, `width` at a time, which
    is whole panels.

    excluded: see `leave_out`; keep: whether the exponentials of all columns stay; own_words, own_numbers, places,
    records (RECORDS, R): see `output_rooms`.
    """
    (R, H), (base, total, target) = h.shape, (records[BASE], records[TOTAL], records[TARGET])
    rows = pack_lhs(pointer_to(h, 0), H, R, H, room_at(own_words, places, H_ROWS))
    rhs_buffer, scores = room_at(own_words, places, W_PANELS), room_at(own_numbers, places, SCORES)
    sums, biases = rows_at(own_numbers, places, SUMS, R, PANEL), room_at(own_numbers, places, BIASES)
    for first in range(start, stop, width):
        n = min(width, stop - first)
        x = scores_of(scores, R, start, first, n, keep)
        W_panels = weights(W, transposed, first, n, rhs_buffer)
        block_scores(rows, H, W_panels, b[first : first + n], excluded, first, x, biases)
        take_targets(x, biases[:n], t, first, target)
        if first == start:
            for r in range(R):
                base[r] = largest_score(x, biases, r, min(n, PANEL))
        to_exponentials(x, biases, base, 0, R, sums)
        for r in range(R):
            sum_r = sum_of(sums[r])
            if sum_r > LARGEST_SUM:
                row_scores(rows, H, W_panels, n, excluded, first, x, r)
                before, base[r] = base[r], largest_score(x, biases, r, n)
                lowered = exp(before - base[r])
                total[r] *= lowered
                if keep:
                    scale_exponentials(scores_of(scores, R, start, start, first - start, keep), r, lowered)
                to_exponentials(x, biases, base, r, r + 1, sums)
                sum_r = sum_of(sums[r])
            total[r] += sum_r


@outlined(
    lambda words: [
        floats(2), floats(2), FLAG, floats(1), ints(1), ints(1), SIZE, SIZE, SIZE, FLAG, packed(words, 1),
        floats(1), ints(1), floats(2, "A"), floats(1), floats(1), floats(2), floats(1), floats(2),
    ]
)  # fmt: skip
def second_sweep(
    h: Any, W: Any, transposed: Any, b: Any, t: Any, excluded: Any, start: Any, stop: Any, width: Any, keep: Any,
    own_words: Any, own_numbers: Any, places: Any, records: Any, log_sum: Any, scale: Any, dW: Any, db: Any, dh: Any,
) -> None:  # fmt: skip
    """dW and db of the columns, and dh (R, H), are overwritten."""
    (R, H), (base, factor) = h.shape, (records[BASE], records[FACTOR])
    rhs_buffer, x_words = room_at(own_words, places, W_PANELS), room_at(own_words, places, X_WORDS)
    scores, biases = room_at(own_numbers, places, SCORES), room_at(own_numbers, places, BIASES)
    sums, distance = rows_at(own_numbers, places, SUMS, R, PANEL), row_stride(H)
    scaled_h = rows_at(own_numbers, places, SCALED_H, R, distance)
    for r in range(R):
        if log_sum[r] - base[r] > FAR_ABOVE:
            if keep and stop > start:
                scale_exponentials(scores_of(scores, R, start, start, stop - start, keep), r, exp(base[r] - log_sum[r]))
            base[r] = log_sum[r]
        factor[r] = exp(base[r] - log_sum[r]) * scale[r]
        for j in range(H):
            scaled_h[r, j] = h[r, j] * factor[r]
            dh[r, j] = ZERO
    h_start = pointer_to(scaled_h, 0)
    h_panels = panels_in(room_at(own_words, places, H_PANELS), R, H)
    if transposed:
        pack_rhs(h_start, distance, R, H, h_panels)
    h_columns = pack_lhs_transposed(h_start, distance, H, R, room_at(own_words, places, H_COLUMNS))
    rows = pack_lhs(pointer_to(h, 0), H, R, H, room_at(own_words, places, H_ROWS))
    factors = lhs_of_rows(pointer_to(factor, 0), R)
    for first in range(start, stop, width):
        n = min(width, stop - first)
        x = scores_of(scores, R, start, first, n, keep)
        if not keep:
            W_panels = weights(W, transposed, first, n, rhs_buffer)
            block_scores(rows, H, W_panels, b[first : first + n], excluded, first, x, biases)
            to_exponentials(x, biases, base, 0, R, sums)
        clear_filling(x, n)
        subtract_targets(x, t, first, n, base, log_sum)
        if transposed:
            for i in range(x.shape[0]):
                tokens, place = min(PANEL, n - i * PANEL), pointer_to(dW, (first + i * PANEL) * H)
                x_columns = pack_lhs_transposed(pointer_to(x, i * R * PANEL), PANEL, tokens, R, x_words)
                packed_gemm(x_columns, tokens, R, h_panels, H, Destination(place, H, PANEL), False)
        else:
            x_panels = rhs_from_panels(x, x_words)
            packed_gemm(h_columns, H, R, x_panels, n, Destination(pointer_to(dW, first), dW.shape[1], PANEL), False)
        W_panels = weights_transposed(W, transposed, first, n, rhs_buffer)
        packed_gemm(factors, 1, R, x, n, Destination(pointer_to(db, first), n, PANEL), False)
        x_rows = lhs_from_panels(x, n, x_words)
        packed_gemm(x_rows, R, n, W_panels, H, Destination(pointer_to(dh, 0), H, PANEL), first > start)
    for r in range(R):
        for j in range(H):
            dh[r, j] *= factor[r]


PARTS = (first_sweep, second_sweep)
