"""Updates by a gradient of few rows of a matrix, compiled: the rows that have none are zero and are never written out.

`adamw_rows` goes through all rows, since the means of AdamW move in each of them; the others through those named.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.backends.kernels.compiling import compiled, within_kernels

TRACE = np.float32(1e-30)
"""A remembered number below which it is as good as none."""


@within_kernels
def without_traces(x: Any) -> Any:
    """x, or 0 where it is so small that the processor would take a hundred times as long over it before long.

    What an optimizer remembers of a row without a gradient becomes smaller with every step.
    """
    return np.float32(0) if abs(x) < TRACE else x


@compiled
def adamw_rows(
    w: Any, rows: Any, values: Any, k: Any, m: Any, v: Any, first: Any, last: Any,
    towards: Any, beta: Any, rest: Any, rate: Any, root: Any, eps: Any, factor: Any, kept: Any,
) -> None:  # fmt: skip
    """Rows `first` to `last` of the matrices: g is `values` (U, D) at the `rows` (U,), and zero elsewhere; k: the
    first of these rows that is not before `first`."""
    keep_m = np.float32(1) - towards
    for r in range(first, last):
        w_r, m_r, v_r = w[r], m[r], v[r]
        if k < rows.size and rows[k] == r:
            g = values[k]
            k += 1
            for j in range(g.size):
                g_j = factor * g[j]
                m_r[j] = without_traces(m_r[j] + towards * (g_j - m_r[j]))
                v_r[j] = without_traces(beta * v_r[j] + rest * (g_j * g_j))
        else:
            for j in range(w_r.size):
                m_r[j] = without_traces(m_r[j] * keep_m)
                v_r[j] = without_traces(v_r[j] * beta)
        for j in range(w_r.size):
            w_r[j] = kept * w_r[j] - rate * m_r[j] / (np.sqrt(v_r[j]) * root + eps)


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
def take_rows(W: Any, rows: Any) -> Any:
    """W[rows]"""
    taken = np.empty((rows.size, W.shape[1]), W.dtype)
    for k in range(rows.size):
        row, source = taken[k], W[rows[k]]
        for j in range(row.size):
            row[j] = source[j]
    return taken
