"""Sums and picks of a matrix's rows, compiled: rows that no token stands for are never written out."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.backends.kernels.compiling import compiled


@compiled
def add_rows(target: Any, rows: Any, values: Any, factor: Any) -> None:
    """target[rows[k]] += factor · values[k] for every k, in this order."""
    for k in range(rows.size):
        row, value = target[rows[k]], values[k]
        for j in range(value.size):
            row[j] += factor * value[j]


@compiled
def distinct(ids: Any, count: Any) -> Any:
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


@compiled
def bounds(numbers: Any) -> Any:
    """The lowest and the highest."""
    lowest = highest = numbers[0]
    for number in numbers:
        lowest, highest = min(lowest, number), max(highest, number)
    return lowest, highest


@compiled
def sum_rows(rows: Any, values: Any) -> Any:
    """The different numbers among rows (K,), ascending (U,), and the sum of the values (K, D) of each."""
    count = 0
    for row in rows:
        count = max(count, row + 1)
    different, places = distinct(rows, count)
    sums = np.zeros((different.size, values.shape[1]), values.dtype)
    add_rows(sums, places, values, np.float32(1))
    return different, sums


@compiled
def take_rows(W: Any, rows: Any) -> Any:
    """W[rows]"""
    taken = np.empty((rows.size, W.shape[1]), W.dtype)
    for k in range(rows.size):
        row, source = taken[k], W[rows[k]]
        for j in range(row.size):
            row[j] = source[j]
    return taken
