"""What the output layer on panels does between its products: scores become exponentials, and these gradients.

The scores x (panels, R, PANEL) of a block of tokens lie as a right factor does (see `panels`): so they are the right
factor of a product as they are, and what a product writes of them lies together.

    e = exp(x - base)          softmax(x) = e · exp(base - ln Σ exp x)

base, one number a row, is the largest of the row's first scores, not of all, so that no pass over the scores looks for
it: it has to keep the exponentials within the range of float32, no more; their relative error is the same for any. A
score far above it shows in the sum, and then base is raised (see `output_panels`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.backends.kernels.jit.compile import full_vectors, inlined, inlined_reassociating
from weft.backends.kernels.jit.vector_math import LOG2_E, exp, power_of_two
from weft.backends.kernels.matmul.pack_rhs import PANEL

ZERO = np.float32(0)
BELOW_ALL = np.float32(-1e30)
HALF = PANEL // 2


@inlined
def largest_score(x: Any, b: Any, r: Any, count: Any) -> Any:
    """The largest of a row's first `count` scores."""
    largest = BELOW_ALL
    for j in range(count):
        largest = max(largest, x[j // PANEL, r, j % PANEL] + b[j])
    return largest


@inlined
def exclude(x: Any, r: Any, token: Any, first: Any, n: Any) -> None:
    """Take a token from a row of the scores of the n tokens from `first` on, if it is one of them."""
    if first <= token < first + n:
        x[(token - first) // PANEL, r, (token - first) % PANEL] = BELOW_ALL


@inlined
def take_targets(x: Any, b: Any, t: Any, first: Any, target: Any) -> None:
    """target[r] <- the score of the target of row r, where that is one of the tokens from `first` on."""
    for r in range(t.size):
        j = t[r] - first
        if 0 <= j < b.size:
            target[r] = x[j // PANEL, r, j % PANEL] + b[j]


@inlined
def copy_biases(b: Any, room: Any) -> None:
    """The biases, and behind them some that keep the columns that only fill a panel up from being counted."""
    for j in range(room.size):
        room[j] = b[j] if j < b.size else BELOW_ALL


def _adding(columns: int) -> Any:
    """`to_exponentials` for so many columns of one panel, a number that is known when this is compiled: the loop over
    them, a vector or two long, is none then."""

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


add_exponentials, add_exponentials_of_half = _adding(PANEL), _adding(HALF)


@inlined
def to_exponentials(x: Any, b: Any, base: Any, first: Any, last: Any, sums: Any) -> None:
    """The scores of the rows from `first` to `last` become exponentials. Σ sums[r] is their sum; sums (R, PANEL).

    A sum has as many parts as a panel has columns, so that they are added up as vectors, and panel by panel, so that
    no row waits for the one before.
    """
    for r in range(first, last):
        for j in range(PANEL):
            sums[r, j] = ZERO
    for i in range(x.shape[0]):
        own_b = b[i * PANEL : (i + 1) * PANEL]
        if own_b[HALF] != BELOW_ALL:
            add_exponentials(x[i], own_b, base, first, last, sums)
        else:  # nobody has a token in the other half
            add_exponentials_of_half(x[i], own_b, base, first, last, sums)


@inlined_reassociating
def sum_of(values: Any) -> Any:
    """Σ values"""
    total = ZERO
    for j in range(values.size):
        total += values[j]
    return total


@inlined
def scale_exponentials(x: Any, r: Any, factor: Any) -> None:
    """The exponentials of a row times a factor."""
    for i in range(x.shape[0]):
        row = x[i, r]
        for j in range(PANEL):
            row[j] *= factor


@inlined
def clear_filling(x: Any, n: Any) -> None:
    """Zeros in the columns that only fill the half panel of the last of n tokens up. Their exponentials are so small
    that products with them would be denormal numbers, which some processors take a hundred times as long for."""
    if n % HALF > 0:
        first, rest = n % PANEL, HALF - n % HALF
        for r in range(x.shape[1]):
            row = x[n // PANEL, r, first : first + rest]
            row[:] = ZERO


@inlined
def subtract_targets(x: Any, t: Any, first: Any, n: Any, base: Any, log_sum: Any) -> None:
    """d <- e - onehot(t) · exp(ln Σ exp x - base), of the n tokens from `first` on."""
    for r in range(t.size):
        j = t[r] - first
        if 0 <= j < n:
            x[j // PANEL, r, j % PANEL] -= exp(log_sum[r] - base[r])
