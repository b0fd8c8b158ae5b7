"""What the passes of all cells through a block share, on panels; see `panel_block`.

A pass is one kernel that all threads carry out together (see `runner`), each share of it some streams, a group, or
some columns of a product. A group's rows lie together in the arrays of a block, time-major within the group: a step's
rows side by side, and all rows of all groups one factor of the products before and after the time loop.

Where there are fewer streams than shares, all are one group, and a share of the time loop is some hidden units with all
their gates: a core then reads its part of the weights at every step instead of all. Every share needs the whole h
(backward, the whole da) of the step before, so the time loop has a turn (see `runner`) for each of its stages, the
smallest parts after which they wait for one another; else it is one turn of all stages.
"""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.jit.compile import inlined
from weft.backends.kernels.jit.pointers import pointer_to
from weft.backends.kernels.matmul.gemm import gemm
from weft.backends.kernels.matmul.pack_rhs import pack_rhs, pack_rhs_transposed
from weft.backends.kernels.matmul.partition import column_range, stream_range


@inlined
def group_of(rows: Any, N: Any, chunk: Any, chunks: Any) -> Any:
    """A group's part (steps, its streams, M) of the rows (steps · N, M) of all groups."""
    steps = rows.shape[0] // N
    first, last = stream_range(N, chunk, chunks)
    return rows[steps * first : steps * last].reshape((steps, last - first, rows.shape[1]))


@inlined
def copy_rows(rows: Any, place: Any) -> None:
    """place (n, M) <- rows (n, M)"""
    for n in range(len(rows)):
        source, row = rows[n], place[n]
        for j in range(source.size):
            row[j] = source[j]


@inlined
def exchange_axes(source: Any, target: Any) -> None:
    """target[i, j] <- source[j, i], as many numbers as both have: from (n, T, D) to (T, n, D), or back."""
    count = min(source.shape[2], target.shape[2])
    for i in range(target.shape[0]):
        for j in range(target.shape[1]):
            given, row = source[j, i], target[i, j]
            for k in range(count):
                row[k] = given[k]


@inlined
def stages_of(round: Any, stages: Any, shared: Any) -> Any:
    """The first of the stages of a turn, and the one after the last; shared: whether a turn has one, not all."""
    if not shared:
        return 0, stages
    return min(max(round, 0), stages), min(max(round + 1, 0), stages)


@inlined
def pack_own(factor: Any, W: Any, transposed: Any, columns: Any, source: Any, chunk: Any) -> None:
    """Where every share has factors (copies, groups of columns, …) of its own, pack those of this one out of W_h."""
    if len(factor) == 1:
        return
    distance = W.strides[0] // 4
    for g in range(columns.shape[1]):
        (first, count), panels = columns[chunk, g], factor[chunk, g]
        if transposed:
            pack_rhs_transposed(pointer_to(W, first * distance + source[0]), distance, source[1], count, panels)
        else:
            pack_rhs(pointer_to(W, source[0] * distance + first), distance, source[1], count, panels)


@inlined
def factor_of(factor: Any, chunk: Any) -> Any:
    """The right factors that a share multiplies with: its own, or those that were packed for all."""
    return factor[chunk if len(factor) > 1 else 0]


@inlined
def recurrent_gradient(
    states: Any, N: Any, groups: Any, da: Any, dWh: Any, chunk: Any, chunks: Any, lhs_buffer: Any, rhs_buffer: Any
) -> None:  # fmt: skip
    """A share of the columns of dW_h = Σ h_{t-1}ᵀ da_t, for states of all steps that W_h multiplied and maybe more."""
    own = slice(*column_range(dWh.shape[1], chunk, chunks))
    T = len(da) // N
    for group in range(groups):
        first, last = stream_range(N, group, groups)
        start = len(states) // N * first
        h = states[start : start + T * (last - first)]
        gemm(h, True, len(h), da[T * first : T * last, own], False, dWh[:, own], group > 0, lhs_buffer, rhs_buffer)


@inlined
def add_up(parts: Any, total: Any, chunk: Any, chunks: Any) -> None:
    """A share of the columns of the sum of all parts (n, M)."""
    first, last = column_range(total.size, chunk, chunks)
    total[first:last] = 0
    for part in parts:
        for j in range(first, last):
            total[j] += part[j]
