"""Sums and picks of a matrix's rows, compiled, and what is asked of the ids that name them and of what they cost.

Rows that no token stands for are never written out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.backends.kernels.jit.compile import jit
from weft.backends.kernels.matmul.partition import stream_range
from weft.backends.kernels.threads.parallel import parallel


@jit
def add_rows(target: Any, rows: Any, values: Any, factor: Any) -> None:
    """target[rows[k]] += factor · values[k] for every k, in this order."""
    for k in range(rows.size):
        row, value = target[rows[k]], values[k]
        for j in range(value.size):
            row[j] += factor * value[j]


@jit
def unique(ids: Any, count: Any) -> Any:
    """The different numbers among ids (K,), all below `count`, ascending (U,), and the place of each id among them."""
    places = np.zeros(count, np.int32)
    for number in ids:
        places[number] = 1
    found = 0
    for number in range(count):
        found += places[number]
        places[number] *= found  # one more than its place
    different, where = np.empty(found, ids.dtype), np.empty(ids.size, np.int64)
    for k in range(ids.size):
        where[k] = places[ids[k]] - 1
        different[where[k]] = ids[k]
    return different, where


@jit
def bounds(numbers: Any) -> Any:
    """The lowest and the highest."""
    lowest = highest = numbers[0]
    for number in numbers:
        lowest, highest = min(lowest, number), max(highest, number)
    return lowest, highest


@jit
def total(numbers: Any) -> float:
    """The sum, in float64."""
    result = 0.0
    for number in numbers:
        result += number
    return result


@parallel
def take_rows(chunk: Any, chunks: Any, W: Any, rows: Any, taken: Any) -> None:
    """taken <- W[rows]; threads share out the rows."""
    for k in range(*stream_range(rows.size, chunk, chunks)):
        row, source = taken[k], W[rows[k]]
        for j in range(row.size):
            row[j] = source[j]


@jit
def copy_if_in_range(numbers: Any, count: Any, place: Any) -> Any:
    """Copy numbers (N, T) to a place, as long as they lie in [0, count); whether all do."""
    for n in range(numbers.shape[0]):
        for t in range(numbers.shape[1]):
            number = numbers[n, t]
            if number < 0 or number >= count:
                return False
            place[n, t] = number
    return True
