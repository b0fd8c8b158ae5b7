"""Compiled operations on rows of a matrix that ids select, and on the ids."""

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
    """The unique ids (U,) of ids (K,) in [0, count), ascending, and the indices (K,) of all ids among them."""
    indices = np.zeros(count, np.int32)  # of each possible id among the unique ones, plus one; zero if it is absent
    for id in ids:
        indices[id] = 1
    found = 0
    for id in range(count):
        found += indices[id]
        indices[id] *= found
    unique_ids, inverse = np.empty(found, ids.dtype), np.empty(ids.size, np.int64)
    for k in range(ids.size):
        inverse[k] = indices[ids[k]] - 1
        unique_ids[inverse[k]] = ids[k]
    return unique_ids, inverse


@jit
def bounds(numbers: Any) -> Any:
    """The minimum and the maximum of numbers (K,), K > 0."""
    lowest = highest = numbers[0]
    for number in numbers:
        lowest, highest = min(lowest, number), max(highest, number)
    return lowest, highest


@jit
def total(numbers: Any) -> float:
    """The sum of numbers (K,), in float64."""
    result = 0.0
    for number in numbers:
        result += number
    return result


@parallel
def take_rows(chunk: Any, chunks: Any, W: Any, rows: Any, taken: Any) -> None:
    """taken (K, D) <- W[rows]; a chunk is some of the K rows."""
    for k in range(*stream_range(rows.size, chunk, chunks)):
        row, source = taken[k], W[rows[k]]
        for j in range(row.size):
            row[j] = source[j]


@jit
def copy_if_in_range(ids: Any, count: Any, target: Any) -> Any:
    """target (N, T) <- ids (N, T) up to the first id outside [0, count); returns True if there is none."""
    for n in range(ids.shape[0]):
        for t in range(ids.shape[1]):
            id = ids[n, t]
            if id < 0 or id >= count:
                return False
            target[n, t] = id
    return True
