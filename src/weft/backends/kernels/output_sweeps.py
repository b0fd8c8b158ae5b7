"""What the fused output layer does between its matrix products, compiled; see `output_kernel`."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.backends.kernels.activations import bits_of_float, exp, float_of_bits
from weft.backends.kernels.compiling import compiled, within_kernels, within_kernels_in_any_order

ZERO = np.float32(0)
SIGN, OTHERS = np.int32(31), np.int32(0x7FFFFFFF)
BELOW_ALL = np.float32(-1e30)


@within_kernels
def add_and_find_largest(row: Any, b: Any) -> Any:
    """row += b, and the largest element of the sum; not a number if one is not.

    Compared as whole numbers, which become vector instructions: with the other bits of a negative one turned over, the
    bits of two float32 are in the order of their values.
    """
    highest = ordered_bits(BELOW_ALL)
    for j in range(row.size):
        x = row[j] + b[j]
        row[j] = x
        highest = max(highest, ordered_bits(x))
    return float_of_bits(highest ^ ((highest >> SIGN) & OTHERS))


@within_kernels
def ordered_bits(x: Any) -> Any:
    """An int32 that is larger where the float32 is."""
    bits = bits_of_float(x)
    return bits ^ ((bits >> SIGN) & OTHERS)


@within_kernels_in_any_order
def sum_of_exponentials(row: Any, highest: Any) -> Any:
    """Σ exp(x - highest)"""
    total = ZERO
    for j in range(row.size):
        total += exp(row[j] - highest)
    return total


@compiled
def take_scores(x: Any, b: Any, t: Any, first: Any, largest: Any, total: Any, target: Any) -> None:
    """Add the bias to the scores x (R, C) of the tokens from `first` on, and bring every row's record up to date.

    largest: the highest score so far; total: Σ exp(score - largest) so far; target: the target's score, once seen.
    """
    R, C = x.shape
    for r in range(R):
        row = x[r]
        highest = max(largest[r], add_and_find_largest(row, b))
        total[r] = total[r] * exp(largest[r] - highest) + sum_of_exponentials(row, highest)
        largest[r] = highest
        if first <= t[r] < first + C:
            target[r] = row[t[r] - first]


@compiled
def leave_out(x: Any, tokens: Any, first: Any) -> None:
    """Take from every row of the scores x (R, C) of the tokens from `first` on the one named, if any is."""
    for r in range(tokens.size):
        if first <= tokens[r] < first + x.shape[1]:
            x[r, tokens[r] - first] = BELOW_ALL


@compiled
def to_gradients(x: Any, t: Any, first: Any, log_sum: Any, scale: Any, db: Any) -> None:
    """Turn scores x (R, C) into dx = (softmax(x) - onehot(t)) · scale, row by row; db (C,) += Σ dx."""
    R, C = x.shape
    for r in range(R):
        row, log_sum_r, scale_r = x[r], log_sum[r], scale[r]
        for j in range(C):
            row[j] = exp(row[j] - log_sum_r) * scale_r
        if first <= t[r] < first + C:
            row[t[r] - first] -= scale_r
        for j in range(C):
            db[j] += row[j]
