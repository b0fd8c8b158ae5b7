"""What the passes of all cells through a block share, on panels; see `panel_block`.

A pass is one kernel that all threads carry out together (see `together`), each share of it some streams, a group, or
some columns of a product. A group's rows lie together in the arrays of a block, time-major within the group: a step's
rows side by side, and all rows of all groups one factor of the products before and after the time loop.
"""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.compiling import within_kernels
from weft.backends.kernels.meeting import Meeting
from weft.backends.kernels.micro_kernel import pointer_to
from weft.backends.kernels.packed_product import multiply_rows
from weft.backends.kernels.panels import PANEL, pack, pack_transposed

ALONE = Meeting(1).words
"""Who carries a share of a time loop has nobody to wait for."""


@within_kernels
def streams_of(N: Any, share: Any, shares: Any) -> Any:
    """The first stream of a share, and the one after its last."""
    return N * share // shares, N * (share + 1) // shares


@within_kernels
def columns_of(N: Any, share: Any, shares: Any) -> Any:
    """The first of N columns of a share, whole panels, and the one after its last."""
    panels = (N + PANEL - 1) // PANEL
    return min(panels * share // shares * PANEL, N), min(panels * (share + 1) // shares * PANEL, N)


@within_kernels
def group_of(rows: Any, N: Any, share: Any, shares: Any) -> Any:
    """A group's part (steps, its streams, M) of the rows (steps · N, M) of all groups."""
    steps = rows.shape[0] // N
    first, last = streams_of(N, share, shares)
    return rows[steps * first : steps * last].reshape((steps, last - first, rows.shape[1]))


@within_kernels
def copy_rows(rows: Any, place: Any) -> None:
    """place (n, M) <- rows (n, M)"""
    for n in range(len(rows)):
        source, row = rows[n], place[n]
        for j in range(source.size):
            row[j] = source[j]


@within_kernels
def exchange_axes(source: Any, target: Any) -> None:
    """target[i, j] <- source[j, i], as many numbers as both have: from (n, T, D) to (T, n, D), or back."""
    count = min(source.shape[2], target.shape[2])
    for i in range(target.shape[0]):
        for j in range(target.shape[1]):
            given, row = source[j, i], target[i, j]
            for k in range(count):
                row[k] = given[k]


@within_kernels
def factor_of(factor: Any, W: Any, transposed: Any, share: Any) -> Any:
    """The packed weights (1, …) that a share multiplies with: its own, packed now, where every share has room for them;
    else those that were packed for all."""
    if len(factor) == 1:
        return factor
    distance = W.strides[0] // 4  # `pack_share` would be compiled once more for one share of one
    if transposed:
        pack_transposed(pointer_to(W, 0), distance, W.shape[1], W.shape[0], factor[share])
    else:
        pack(pointer_to(W, 0), distance, W.shape[0], W.shape[1], factor[share])
    return factor[share : share + 1]


@within_kernels
def recurrent_gradient(
    states: Any, N: Any, da: Any, dWh: Any, share: Any, shares: Any, left_words: Any, right_words: Any
) -> None:  # fmt: skip
    """A share of the columns of dW_h = Σ h_{t-1}ᵀ da_t, for states of all steps that W_h multiplied and maybe more."""
    own = slice(*columns_of(dWh.shape[1], share, shares))
    T = len(da) // N
    for group in range(shares):
        first, last = streams_of(N, group, shares)
        if first == last:
            continue
        start = len(states) // N * first
        h = states[start : start + T * (last - first)]
        multiply_rows(
            h, True, len(h), da[T * first : T * last, own], False, dWh[:, own], group == 0, left_words, right_words
        )


@within_kernels
def add_up(parts: Any, total: Any, share: Any, shares: Any) -> None:
    """A share of the columns of the sum of all parts (n, M)."""
    first, last = columns_of(total.size, share, shares)
    total[first:last] = 0
    for part in parts:
        for j in range(first, last):
            total[j] += part[j]
