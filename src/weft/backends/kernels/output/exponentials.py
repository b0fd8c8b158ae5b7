"""Element-wise parts of the output layer: scores become exponentials, and exponentials gradients of the scores.

The scores x (panels, R, PANEL) of a block of tokens have the layout of a packed right operand (see `pack_rhs`), so the
products of the second sweep read them without packing.

    e = exp(x - base)          softmax(x) = e · exp(base - ln Σ exp x)

base, one value per row, is the maximum of the row's first scores only, which saves a pass over all scores. Any base
gives the same relative error as long as the exponentials are within the range of float32. A score far above base makes
the sum large, and then base is raised (see `sweeps`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.backends.kernels.jit.compile import full_vectors, inlined, inlined_reassociating
from weft.backends.kernels.jit.vector_math import LOG2_E, exp, power_of_two
from weft.backends.kernels.matmul.pack_rhs import PANEL

ZERO = np.float32(0)
BELOW_ALL = np.float32(-1e30)
"""The score of excluded tokens and of padding, far below all others."""
HALF = PANEL // 2


@inlined
def largest_score(x: Any, b: Any, r: Any, count: Any) -> Any:
    """The maximum of a row's first `count` scores."""
    largest = BELOW_ALL
    for j in range(count):
        largest = max(largest, x[j // PANEL, r, j % PANEL] + b[j])
    return largest


@inlined
def exclude(x: Any, r: Any, token: Any, first: Any, n: Any) -> None:
    """Exclude a token from row r of the scores of the tokens `first` … `first + n - 1`, if it is one of them."""
    if first <= token < first + n:
        x[(token - first) // PANEL, r, (token - first) % PANEL] = BELOW_ALL


@inlined
def gather_target_scores(x: Any, b: Any, t: Any, first: Any, target: Any) -> None:
    """target[r] <- the score of token t[r], for every row r in which it is one of the tokens from `first` on."""
    for r in range(t.size):
        j = t[r] - first
        if 0 <= j < b.size:
            target[r] = x[j // PANEL, r, j % PANEL] + b[j]


@inlined
def exponential_of(x: Any, token: Any, r: Any, first: Any, n: Any, before: Any) -> Any:
    """Row r's exponential of a token if it is one of the tokens `first` … `first + n - 1`, otherwise `before`."""
    j = token - first
    return x[j // PANEL, r, j % PANEL] if 0 <= j < n else before


@inlined
def copy_biases(b: Any, padded_b: Any) -> None:
    """padded_b <- b, then BELOW_ALL: the padding columns of the last panel contribute nothing to the sums."""
    for j in range(padded_b.size):
        padded_b[j] = b[j] if j < b.size else BELOW_ALL


def _add_exponentials(columns: int) -> Any:
    """`to_exponentials` of a panel's first columns; their number is a constant, so LLVM unrolls the loop over them."""

    @inlined_reassociating
    def add(panel: Any, b: Any, base: Any, first: Any, last: Any, sums: Any) -> None:
        full_vectors()
        for r in range(first, last):
            row, sums_r, base_r = panel[r], sums[r], base[r]
            for j in range(columns):
                e = power_of_two((row[j] + (b[j] - base_r)) * LOG2_E)
                row[j] = e
                sums_r[j] += e

    return add


add_exponentials, add_half_panel_exponentials = _add_exponentials(PANEL), _add_exponentials(HALF)


@inlined
def to_exponentials(x: Any, b: Any, base: Any, first: Any, last: Any, sums: Any) -> None:
    """Replace the scores of the rows [first, last) by exponentials; Σ sums[r] <- their sum, with sums (R, PANEL).

    A row has one partial sum per column of a panel, so that additions are vector instructions. The loop over the panels
    is the outer one: the additions of consecutive rows are independent.
    """
    for r in range(first, last):
        for j in range(PANEL):
            sums[r, j] = ZERO
    for i in range(x.shape[0]):
        own_b = b[i * PANEL : (i + 1) * PANEL]
        if own_b[HALF] != BELOW_ALL:
            add_exponentials(x[i], own_b, base, first, last, sums)
        else:  # the second half is padding
            add_half_panel_exponentials(x[i], own_b, base, first, last, sums)


@inlined_reassociating
def sum_of(values: Any) -> Any:
    """Σ values"""
    total = ZERO
    for j in range(values.size):
        total += values[j]
    return total


@inlined
def scale_exponentials(x: Any, r: Any, factor: Any) -> None:
    """Multiply the exponentials of a row by a factor."""
    for i in range(x.shape[0]):
        row = x[i, r]
        for j in range(PANEL):
            row[j] *= factor


@inlined
def clear_padding(x: Any, n: Any) -> None:
    """Set the padding columns in the half panel of the last of n tokens to zero.

    Products with their tiny exponentials would be denormal; denormal arithmetic is a hundred times slower on some
    processors.
    """
    if n % HALF > 0:
        first, rest = n % PANEL, HALF - n % HALF
        for r in range(x.shape[1]):
            row = x[n // PANEL, r, first : first + rest]
            row[:] = ZERO


@inlined
def subtract_targets(x: Any, t: Any, first: Any, n: Any, base: Any, log_sum: Any) -> None:
    """d <- e - onehot(t) · exp(ln Σ exp x - base), for the tokens `first` … `first + n - 1`."""
    for r in range(t.size):
        j = t[r] - first
        if 0 <= j < n:
            x[j // PANEL, r, j % PANEL] -= exp(log_sum[r] - base[r])
