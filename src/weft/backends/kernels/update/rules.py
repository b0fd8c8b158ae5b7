"""The arithmetic of updates, compiled: each kernel goes through many arrays, which threads share out.

The equations are those of `weft.training.optimizer`, `weft.training.running_mean` and `weft.training.gradients`.
`table` has a row for every parameter: its size, and where it and the arrays that belong to it begin. A share is a piece
of each, of whole cache lines: where two cores write to one line it goes to and fro between them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from weft.backends.kernels.jit.atomics import floats_at
from weft.backends.kernels.jit.compile import inlined, inlined_reassociating, jit
from weft.backends.kernels.matmul.partition import column_range
from weft.backends.kernels.threads.parallel import CHUNKS, PUBLISH, WORKER_LOST, first_chunk, next_chunk, publish_job
from weft.backends.kernels.threads.thread_pool import run_job

SIZE, FIRST = range(2)
"""What stands in a row of the table: from FIRST on the addresses."""

SHORT = 4096
"""Terms of a sum in float32, so that little is lost to rounding."""

TRACE = np.float32(1e-30)
"""A remembered number below which it is as good as none."""


@inlined
def without_traces(x: Any) -> Any:
    """x, or 0 where it is so small that the processor would take a hundred times as long over it before long.

    What an optimizer remembers of a row without a gradient becomes smaller with every step.
    """
    return np.float32(0) if abs(x) < TRACE else x


@inlined
def part(entry: Any, which: Any, chunk: Any, chunks: Any) -> Any:
    """A share of a parameter, or of what belongs to it."""
    first, last = column_range(entry[SIZE], chunk, chunks)
    return carray(floats_at(entry[FIRST + which] + 4 * first), last - first)


@inlined_reassociating
def short_sum_of_squares(x: Any) -> Any:
    """Σ x², added up in float32."""
    total = np.float32(0)
    for j in range(x.size):
        total += x[j] * x[j]
    return total


@jit
def sum_of_squares(number: Any, tasks: Any, control: Any, table: Any, parts: Any) -> None:
    """parts (shares,): the sums of the squares of all elements."""
    if number == PUBLISH:
        publish_job(tasks, control, (table, parts))
        tasks[WORKER_LOST] = run_job(control, tasks.ctypes.data)
        return
    chunks, chunk = tasks[CHUNKS], first_chunk(tasks, 0, number)
    while chunk >= 0:
        total = 0.0
        for entry in table:
            x = part(entry, 0, chunk, chunks)
            for start in range(0, x.size, SHORT):
                total += short_sum_of_squares(x[start : start + SHORT])
        parts[chunk] = total
        chunk = next_chunk(tasks, 0, number)


@jit
def scale(number: Any, tasks: Any, control: Any, table: Any, factor: Any) -> None:
    """x <- factor x"""
    if number == PUBLISH:
        publish_job(tasks, control, (table, factor))
        tasks[WORKER_LOST] = run_job(control, tasks.ctypes.data)
        return
    chunks, chunk = tasks[CHUNKS], first_chunk(tasks, 0, number)
    while chunk >= 0:
        for entry in table:
            x = part(entry, 0, chunk, chunks)
            for j in range(x.size):
                x[j] *= factor
        chunk = next_chunk(tasks, 0, number)


@jit
def move_towards(number: Any, tasks: Any, control: Any, table: Any, fraction: Any) -> None:
    """x <- x + fraction (y - x)"""
    if number == PUBLISH:
        publish_job(tasks, control, (table, fraction))
        tasks[WORKER_LOST] = run_job(control, tasks.ctypes.data)
        return
    chunks, chunk = tasks[CHUNKS], first_chunk(tasks, 0, number)
    while chunk >= 0:
        for entry in table:
            x, y = part(entry, 0, chunk, chunks), part(entry, 1, chunk, chunks)
            for j in range(x.size):
                x[j] += fraction * (y[j] - x[j])
        chunk = next_chunk(tasks, 0, number)


@jit
def sgd(number: Any, tasks: Any, control: Any, table: Any, lr: Any) -> None:
    """w <- w - lr g"""
    if number == PUBLISH:
        publish_job(tasks, control, (table, lr))
        tasks[WORKER_LOST] = run_job(control, tasks.ctypes.data)
        return
    chunks, chunk = tasks[CHUNKS], first_chunk(tasks, 0, number)
    while chunk >= 0:
        for entry in table:
            w, g = part(entry, 0, chunk, chunks), part(entry, 1, chunk, chunks)
            for j in range(w.size):
                w[j] -= lr * g[j]
        chunk = next_chunk(tasks, 0, number)


@jit
def sgd_towards(number: Any, tasks: Any, control: Any, table: Any, lr: Any, decay: Any) -> None:
    """w <- w - lr g + decay (t - w)"""
    if number == PUBLISH:
        publish_job(tasks, control, (table, lr, decay))
        tasks[WORKER_LOST] = run_job(control, tasks.ctypes.data)
        return
    chunks, chunk = tasks[CHUNKS], first_chunk(tasks, 0, number)
    while chunk >= 0:
        for entry in table:
            w, g = part(entry, 0, chunk, chunks), part(entry, 1, chunk, chunks)
            t = part(entry, 2, chunk, chunks)
            for j in range(w.size):
                w[j] += decay * (t[j] - w[j]) - lr * g[j]
        chunk = next_chunk(tasks, 0, number)


@jit
def rms_towards(number: Any, tasks: Any, control: Any, table: Any, lr: Any, eps: Any, decay: Any) -> None:
    """w <- w - lr g / (root + eps) + min(decay root, 1) (t - w)"""
    if number == PUBLISH:
        publish_job(tasks, control, (table, lr, eps, decay))
        tasks[WORKER_LOST] = run_job(control, tasks.ctypes.data)
        return
    chunks, chunk = tasks[CHUNKS], first_chunk(tasks, 0, number)
    while chunk >= 0:
        for entry in table:
            w, g = part(entry, 0, chunk, chunks), part(entry, 1, chunk, chunks)
            t, root = part(entry, 2, chunk, chunks), part(entry, 3, chunk, chunks)
            for j in range(w.size):
                w[j] += min(decay * root[j], np.float32(1)) * (t[j] - w[j]) - lr * g[j] / (root[j] + eps)
        chunk = next_chunk(tasks, 0, number)


@jit
def momentum(number: Any, tasks: Any, control: Any, table: Any, mu: Any, lr: Any, factor: Any) -> None:
    """v <- mu v + factor g, w <- w - lr v"""
    if number == PUBLISH:
        publish_job(tasks, control, (table, mu, lr, factor))
        tasks[WORKER_LOST] = run_job(control, tasks.ctypes.data)
        return
    chunks, chunk = tasks[CHUNKS], first_chunk(tasks, 0, number)
    while chunk >= 0:
        for entry in table:
            w, g = part(entry, 0, chunk, chunks), part(entry, 1, chunk, chunks)
            v = part(entry, 2, chunk, chunks)
            for j in range(w.size):
                v[j] = without_traces(mu * v[j] + factor * g[j])
                w[j] -= lr * v[j]
        chunk = next_chunk(tasks, 0, number)


@jit
def adamw(
    number: Any, tasks: Any, control: Any, table: Any, keep: Any, towards: Any, beta: Any, rest: Any, rate: Any,
    root: Any, eps: Any, factor: Any,
) -> None:  # fmt: skip
    """g <- factor g; m <- m + towards (g - m), v <- beta v + rest g²; w <- keep w - rate m / (√v root + eps), with a
    `keep` for every parameter."""
    if number == PUBLISH:
        publish_job(tasks, control, (table, keep, towards, beta, rest, rate, root, eps, factor))
        tasks[WORKER_LOST] = run_job(control, tasks.ctypes.data)
        return
    chunks, chunk = tasks[CHUNKS], first_chunk(tasks, 0, number)
    while chunk >= 0:
        for n in range(len(table)):
            entry, kept = table[n], keep[n]
            w, g = part(entry, 0, chunk, chunks), part(entry, 1, chunk, chunks)
            m, v = part(entry, 2, chunk, chunks), part(entry, 3, chunk, chunks)
            for j in range(w.size):
                g_j = factor * g[j]
                m[j] = without_traces(m[j] + towards * (g_j - m[j]))
                v[j] = without_traces(beta * v[j] + rest * (g_j * g_j))
                w[j] = kept * w[j] - rate * m[j] / (np.sqrt(v[j]) * root + eps)
        chunk = next_chunk(tasks, 0, number)


@jit
def adamw_rows(
    number: Any, tasks: Any, control: Any, w: Any, rows: Any, values: Any, m: Any, v: Any, towards: Any, beta: Any,
    rest: Any, rate: Any, root: Any, eps: Any, factor: Any, kept: Any,
) -> None:  # fmt: skip
    """`adamw` of a matrix (V, D) whose g is `values` (U, D) at the `rows` (U,), ascending, and zero elsewhere; a share
    is some of its rows."""
    if number == PUBLISH:
        publish_job(tasks, control, (w, rows, values, m, v, towards, beta, rest, rate, root, eps, factor, kept))
        tasks[WORKER_LOST] = run_job(control, tasks.ctypes.data)
        return
    keep_m = np.float32(1) - towards
    chunks, chunk = tasks[CHUNKS], first_chunk(tasks, 0, number)
    while chunk >= 0:
        first, last = len(w) * chunk // chunks, len(w) * (chunk + 1) // chunks
        k = np.searchsorted(rows, first)
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
        chunk = next_chunk(tasks, 0, number)
