"""Fused optimizer updates: each kernel passes once over all parameters, in parallel.

The equations are those of `weft.training.optimizer`, `weft.training.running_mean` and `weft.training.gradients`. The
argument `table` has a row for every parameter: its size, and the addresses of the parameter w, its gradient g and other
arrays of the same layout; see `address_table`. A chunk is a part of every parameter, in whole cache lines, so that no
two cores write to one line.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from weft.backends.kernels.jit.atomics import floats_at
from weft.backends.kernels.jit.compile import inlined, inlined_reassociating
from weft.backends.kernels.matmul.partition import column_range
from weft.backends.kernels.threads.parallel import parallel

SIZE, FIRST = range(2)
"""Columns of the table: the size, and the first of the addresses."""

SHORT = 4096
"""Number of terms of a float32 sum, which is then added to the float64 sum."""

TRACE = np.float32(1e-30)
"""Magnitude below which a moment is set to zero, far above the denormal range."""


@inlined
def flush_traces(x: Any) -> Any:
    """x, or 0 if abs(x) is below TRACE.

    The moments of a row without a gradient decay at every step and would reach the denormal range, where arithmetic is
    up to a hundred times slower.
    """
    return np.float32(0) if abs(x) < TRACE else x


@inlined
def part(entry: Any, index: Any, chunk: Any, chunks: Any) -> Any:
    """The chunk's part of the array with this index in a row of the table."""
    first, last = column_range(entry[SIZE], chunk, chunks)
    return carray(floats_at(entry[FIRST + index] + 4 * first), last - first)


@inlined_reassociating
def short_sum_of_squares(x: Any) -> Any:
    """Σ x², summed in float32."""
    total = np.float32(0)
    for j in range(x.size):
        total += x[j] * x[j]
    return total


@parallel
def sum_of_squares(chunk: Any, chunks: Any, table: Any, parts: Any) -> None:
    """parts[chunk] <- Σ x² over the chunk's elements of all arrays."""
    total = 0.0
    for entry in table:
        x = part(entry, 0, chunk, chunks)
        for start in range(0, x.size, SHORT):
            total += short_sum_of_squares(x[start : start + SHORT])
    parts[chunk] = total


@parallel
def scale(chunk: Any, chunks: Any, table: Any, factor: Any) -> None:
    """x <- factor x"""
    for entry in table:
        x = part(entry, 0, chunk, chunks)
        for j in range(x.size):
            x[j] *= factor


@parallel
def move_towards(chunk: Any, chunks: Any, table: Any, fraction: Any) -> None:
    """x <- x + fraction (y - x)"""
    for entry in table:
        x, y = part(entry, 0, chunk, chunks), part(entry, 1, chunk, chunks)
        for j in range(x.size):
            x[j] += fraction * (y[j] - x[j])


@parallel
def sgd(chunk: Any, chunks: Any, table: Any, lr: Any) -> None:
    """w <- w - lr g"""
    for entry in table:
        w, g = part(entry, 0, chunk, chunks), part(entry, 1, chunk, chunks)
        for j in range(w.size):
            w[j] -= lr * g[j]


@parallel
def sgd_towards(chunk: Any, chunks: Any, table: Any, lr: Any, decay: Any) -> None:
    """w <- w - lr g + decay (t - w)"""
    for entry in table:
        w, g = part(entry, 0, chunk, chunks), part(entry, 1, chunk, chunks)
        t = part(entry, 2, chunk, chunks)
        for j in range(w.size):
            w[j] += decay * (t[j] - w[j]) - lr * g[j]


@parallel
def rms_towards(chunk: Any, chunks: Any, table: Any, lr: Any, eps: Any, decay: Any) -> None:
    """w <- w - lr g / (root + eps) + min(decay root, 1) (t - w)"""
    for entry in table:
        w, g = part(entry, 0, chunk, chunks), part(entry, 1, chunk, chunks)
        t, root = part(entry, 2, chunk, chunks), part(entry, 3, chunk, chunks)
        for j in range(w.size):
            w[j] += min(decay * root[j], np.float32(1)) * (t[j] - w[j]) - lr * g[j] / (root[j] + eps)


@parallel
def momentum(chunk: Any, chunks: Any, table: Any, mu: Any, lr: Any, factor: Any) -> None:
    """v <- mu v + factor g, w <- w - lr v"""
    for entry in table:
        w, g = part(entry, 0, chunk, chunks), part(entry, 1, chunk, chunks)
        v = part(entry, 2, chunk, chunks)
        for j in range(w.size):
            v[j] = flush_traces(mu * v[j] + factor * g[j])
            w[j] -= lr * v[j]


@parallel
def adamw(chunk: Any, chunks: Any, table: Any, keep: Any, constants: Any) -> None:
    """g <- factor g, m <- m + towards (g - m), v <- beta v + rest g², w <- keep w - rate m / (√v root + eps)

    keep (parameters,): 1 - weight decay; constants: (towards, beta, rest, rate, root, eps, factor), see `AdamStep`.
    """
    towards, beta, rest, rate, root, eps, factor = constants
    for n in range(len(table)):
        entry, keep_n = table[n], keep[n]
        w, g = part(entry, 0, chunk, chunks), part(entry, 1, chunk, chunks)
        m, v = part(entry, 2, chunk, chunks), part(entry, 3, chunk, chunks)
        for j in range(w.size):
            g_j = factor * g[j]
            m[j] = flush_traces(m[j] + towards * (g_j - m[j]))
            v[j] = flush_traces(beta * v[j] + rest * (g_j * g_j))
            w[j] = keep_n * w[j] - rate * m[j] / (np.sqrt(v[j]) * root + eps)


@parallel
def adamw_rows(
    chunk: Any, chunks: Any, w: Any, rows: Any, values: Any, m: Any, v: Any, constants: Any, keep: Any
) -> None:  # fmt: skip
    """`adamw` of a matrix w (V, D) whose g is `values` (U, D) at the ascending `rows` (U,) and zero elsewhere.

    A chunk is some rows of w.
    """
    towards, beta, rest, rate, root, eps, factor = constants
    keep_m = np.float32(1) - towards
    first, last = len(w) * chunk // chunks, len(w) * (chunk + 1) // chunks
    k = np.searchsorted(rows, first)
    for r in range(first, last):
        w_r, m_r, v_r = w[r], m[r], v[r]
        if k < rows.size and rows[k] == r:
            g = values[k]
            k += 1
            for j in range(g.size):
                g_j = factor * g[j]
                m_r[j] = flush_traces(m_r[j] + towards * (g_j - m_r[j]))
                v_r[j] = flush_traces(beta * v_r[j] + rest * (g_j * g_j))
        else:
            for j in range(w_r.size):
                m_r[j] = flush_traces(m_r[j] * keep_m)
                v_r[j] = flush_traces(v_r[j] * beta)
        for j in range(w_r.size):
            w_r[j] = keep * w_r[j] - rate * m_r[j] / (np.sqrt(v_r[j]) * root + eps)
