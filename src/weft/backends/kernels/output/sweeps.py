"""The two sweeps of the output layer over one chunk's columns of W; `fused_output` has the equations.

W is (H, V), or its transpose (V, H) if that is the contiguous one (tied weights); dW has the layout of W. The panels of
a block of columns are packed, used and overwritten while they are in the caches. `exponentials` has the element-wise
parts between the products. The factor f of a row's softmax multiplies h before the products and dh after them, not
every exponential:

    f = scale · exp(base - ln Σ exp x)          d = e - onehot(target) · exp(ln Σ exp x - base)
    dW = (f h)ᵀ d          db = Σ f d          dh = f (d Wᵀ)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from weft.backends.kernels.jit.compile import full_vectors, inlined
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
    clear_padding,
    copy_biases,
    exclude,
    exponential_of,
    gather_target_scores,
    largest_score,
    scale_exponentials,
    subtract_targets,
    sum_of,
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
    TARGET_EXP,
    TOTAL,
    W_PANELS,
    X_PACKED,
    buffer_at,
    rows_at,
)

LARGEST_SUM = np.float32(1e15)
"""Largest sum of a row's exponentials in a block before base is raised: some score is then about 30 above base."""
FAR_ABOVE = np.float32(60)
"""Largest ln Σ exp x - base whose exponential is within the range of float32."""


class SweepChunk(NamedTuple):
    """Arguments of a sweep over one chunk: R rows and the columns [start, stop), in blocks of `width` columns.

    h (R, H); W (H, V), or (V, H) if transposed; b (V,); t (R,): targets; excluded (R,): see `exclude`;
    keep: True if the exponentials of all columns stay in memory, else those of one block; packed, scratch, starts: the
    chunk's buffers, see `workspace`; records (RECORDS, R)
    """

    h: Any
    W: Any
    transposed: Any
    b: Any
    t: Any
    excluded: Any
    start: Any
    stop: Any
    width: Any
    keep: Any
    packed: Any
    scratch: Any
    starts: Any
    records: Any


@inlined
def weights(W: Any, transposed: Any, first: Any, n: Any, panels_buffer: Any) -> Any:
    """Columns `first` … `first + n - 1` of W (H, V), packed as a right operand (H, n); W is (V, H) if transposed."""
    if transposed:
        H = W.shape[1]
        panels = panels_in(panels_buffer, H, n)
        pack_rhs_transposed(pointer_to(W, first * H), H, H, n, panels)
    else:
        H, V = W.shape
        panels = panels_in(panels_buffer, H, n)
        pack_rhs(pointer_to(W, first), V, H, n, panels)
    return panels


@inlined
def weights_transposed(W: Any, transposed: Any, first: Any, n: Any, panels_buffer: Any) -> Any:
    """The transpose of the same columns, packed as a right operand (n, H)."""
    if transposed:
        H = W.shape[1]
        panels = panels_in(panels_buffer, n, H)
        pack_rhs(pointer_to(W, first * H), H, n, H, panels)
    else:
        H, V = W.shape
        panels = panels_in(panels_buffer, n, H)
        pack_rhs_transposed(pointer_to(W, first), V, n, H, panels)
    return panels


@inlined
def scores_of(scores: Any, R: Any, start: Any, first: Any, n: Any, keep: Any) -> Any:
    """The panels for the scores of n columns from `first` on: the same ones for every block unless keep."""
    begin, panels = R * (first - start) if keep else 0, (n + PANEL - 1) // PANEL
    return scores[begin : begin + R * panels * PANEL].reshape((panels, R, PANEL))


@inlined
def block_scores(
    rows: Any, H: Any, W_panels: Any, b: Any, excluded: Any, first: Any, x: Any, biases: Any
) -> None:  # fmt: skip
    """x <- h W for the tokens from `first` on, without the excluded ones; biases <- b, the biases of these tokens."""
    R, columns = x.shape[1], (b.size + HALF - 1) // HALF * HALF
    copy_biases(b, biases)
    packed_gemm(rows, R, H, W_panels, columns, Destination(pointer_to(x, 0), PANEL, R * PANEL), False)
    for r in range(excluded.size):
        exclude(x, r, excluded[r], first, b.size)


@inlined
def row_scores(
    rows: Any, H: Any, W_panels: Any, n: Any, excluded: Any, first: Any, x: Any, r: Any
) -> None:  # fmt: skip
    """Compute the scores of one row again."""
    R, columns = x.shape[1], (n + HALF - 1) // HALF * HALF
    destination = Destination(pointer_to(x, r * PANEL), PANEL, R * PANEL)
    packed_gemm(lhs_row(rows, r), 1, H, W_panels, columns, destination, False)
    if excluded.size > 0:
        exclude(x, r, excluded[r], first, n)


@inlined
def first_sweep(s: Any) -> None:
    """Compute base, Σ e, and x and e of the target of every row over the chunk's columns, into its records.

    Σ e is at least the target's e, whatever the rounding: it is a sum with that very number in it, and both are scaled
    by the same factors.
    """
    full_vectors()
    h, W, transposed, b, t, excluded, start, stop, width, keep, packed, scratch, starts, records = s
    (R, H), (base, total, target) = h.shape, (records[BASE], records[TOTAL], records[TARGET])
    target_exp = records[TARGET_EXP]
    rows = pack_lhs(pointer_to(h, 0), H, R, H, buffer_at(packed, starts, H_ROWS))
    rhs_buffer, scores = buffer_at(packed, starts, W_PANELS), buffer_at(scratch, starts, SCORES)
    sums, biases = rows_at(scratch, starts, SUMS, R, PANEL), buffer_at(scratch, starts, BIASES)
    for first in range(start, stop, width):
        n = min(width, stop - first)
        x = scores_of(scores, R, start, first, n, keep)
        W_panels = weights(W, transposed, first, n, rhs_buffer)
        block_scores(rows, H, W_panels, b[first : first + n], excluded, first, x, biases)
        gather_target_scores(x, biases[:n], t, first, target)
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
                target_exp[r] *= lowered
                if keep:
                    scale_exponentials(scores_of(scores, R, start, start, first - start, keep), r, lowered)
                to_exponentials(x, biases, base, r, r + 1, sums)
                sum_r = sum_of(sums[r])
            total[r] += sum_r
            target_exp[r] = exponential_of(x, t[r], r, first, n, target_exp[r])


@inlined
def second_sweep(s: Any, log_sum: Any, scale: Any, dW: Any, db: Any, dh: Any) -> None:
    """Compute dW and db of the chunk's columns, and dh (R, H) over them; log_sum (R,) = ln Σ exp x and scale (R,)."""
    full_vectors()
    h, W, transposed, b, t, excluded, start, stop, width, keep, packed, scratch, starts, records = s
    (R, H), (base, factor) = h.shape, (records[BASE], records[FACTOR])
    rhs_buffer, x_packed = buffer_at(packed, starts, W_PANELS), buffer_at(packed, starts, X_PACKED)
    scores, biases = buffer_at(scratch, starts, SCORES), buffer_at(scratch, starts, BIASES)
    sums, stride = rows_at(scratch, starts, SUMS, R, PANEL), row_stride(H)
    scaled_h = rows_at(scratch, starts, SCALED_H, R, stride)
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
    h_panels = panels_in(buffer_at(packed, starts, H_PANELS), R, H)
    if transposed:
        pack_rhs(h_start, stride, R, H, h_panels)
    h_columns = pack_lhs_transposed(h_start, stride, H, R, buffer_at(packed, starts, H_COLUMNS))
    rows = pack_lhs(pointer_to(h, 0), H, R, H, buffer_at(packed, starts, H_ROWS))
    factors = lhs_of_rows(pointer_to(factor, 0), R)
    for first in range(start, stop, width):
        n = min(width, stop - first)
        x = scores_of(scores, R, start, first, n, keep)
        if not keep:
            W_panels = weights(W, transposed, first, n, rhs_buffer)
            block_scores(rows, H, W_panels, b[first : first + n], excluded, first, x, biases)
            to_exponentials(x, biases, base, 0, R, sums)
        clear_padding(x, n)
        subtract_targets(x, t, first, n, base, log_sum)
        if transposed:
            for i in range(x.shape[0]):
                tokens, dW_rows = min(PANEL, n - i * PANEL), pointer_to(dW, (first + i * PANEL) * H)
                x_columns = pack_lhs_transposed(pointer_to(x, i * R * PANEL), PANEL, tokens, R, x_packed)
                packed_gemm(x_columns, tokens, R, h_panels, H, Destination(dW_rows, H, PANEL), False)
        else:
            x_panels = rhs_from_panels(x, x_packed)
            packed_gemm(h_columns, H, R, x_panels, n, Destination(pointer_to(dW, first), dW.shape[1], PANEL), False)
        W_panels = weights_transposed(W, transposed, first, n, rhs_buffer)
        packed_gemm(factors, 1, R, x, n, Destination(pointer_to(db, first), n, PANEL), False)
        x_rows = lhs_from_panels(x, n, x_packed)
        packed_gemm(x_rows, R, n, W_panels, H, Destination(pointer_to(dh, 0), H, PANEL), first > start)
    for r in range(R):
        for j in range(H):
            dh[r, j] *= factor[r]
