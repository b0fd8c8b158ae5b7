"""Phases of the input projection of a block, forward and backward: a = x W_x, dW_x = Σ xᵀ da, dx = da W_xᵀ.

Deduplicated inputs (see `weft.backends.deduplicated_inputs`) are multiplied once each: the row of x W_x is copied to
every place of the input, and backward the da of all places are summed first,

    dW_x = Σ_u x_uᵀ s_u          dx_u = s_u W_xᵀ          s_u = Σ da over the places of x_u
"""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.jit.compile import inlined
from weft.backends.kernels.matmul.gemm import gemm
from weft.backends.kernels.matmul.partition import column_range, stream_range
from weft.backends.kernels.recurrent.passes import group_of


@inlined
def exchange_axes(source: Any, target: Any) -> None:
    """target[i, j] <- source[j, i] in the columns that both have: from (n, T, D) to (T, n, D), or back."""
    count = min(source.shape[2], target.shape[2])
    for i in range(target.shape[0]):
        for j in range(target.shape[1]):
            given, row = source[j, i], target[i, j]
            for k in range(count):
                row[k] = given[k]


@inlined
def part_of_product(by_streams: Any, N: Any, T: Any, columns: Any, chunk: Any, chunks: Any) -> Any:
    """The rows (of N·T) and the columns of a product that a chunk computes.

    by_streams: all columns for the rows of some streams, with all weights packed by every chunk. Small weights are
    packed in no time, and their columns can often not be divided evenly. Otherwise some columns for all rows.
    """
    if by_streams:
        first, last = stream_range(N, chunk, chunks)
        return slice(T * first, T * last), slice(0, columns)
    first, last = column_range(columns, chunk, chunks)
    return slice(0, T * N), slice(first, last)


@inlined
def multiplies_by_streams(p: Any, chunks: Any) -> Any:
    """True if chunks of the projections are streams: each has packed weights of its own and a group of its own."""
    return len(p.operands[0][0]) > 1 and p.groups == chunks


def gather_inputs(chunk: Any, chunks: Any, p: Any) -> None:
    """x from xs, one group a chunk; or the products of the deduplicated values, some columns a chunk."""
    if p.places.size > 0:
        own = slice(*column_range(p.Wx.shape[1], chunk, chunks))
        gemm(
            p.values, False, len(p.Wx), p.Wx[:, own], False, p.products[:, own], False, p.lhs_buffer[chunk],
            p.rhs_buffer[chunk],
        )  # fmt: skip
    elif chunk < p.groups:
        N = p.xs.shape[0]
        first, last = stream_range(N, chunk, p.groups)
        exchange_axes(p.xs[first:last], group_of(p.x, N, chunk, p.groups))


def project_inputs(chunk: Any, chunks: Any, p: Any) -> None:
    """a = x W_x; or the rows of the products of the deduplicated values copied to their places, one group a chunk."""
    N, T, _H = p.hs.shape
    columns = p.Wx.shape[1]
    if p.places.size > 0:
        if chunk < p.groups:
            first, last = stream_range(N, chunk, p.groups)
            a, places, products = group_of(p.a, N, chunk, p.groups), p.places, p.products
            for t in range(T):
                for n in range(last - first):
                    row, product = a[t, n], products[places[first + n, t]]
                    for j in range(columns):
                        row[j] = product[j]
    else:
        rows, own = part_of_product(multiplies_by_streams(p, chunks), N, T, columns, chunk, chunks)
        gemm(
            p.x[rows], False, len(p.Wx), p.Wx[:, own], False, p.a[rows, own], False, p.lhs_buffer[chunk],
            p.rhs_buffer[chunk],
        )  # fmt: skip


@inlined
def input_weight_gradient(chunk: Any, chunks: Any, p: Any) -> None:
    """Some columns of dW_x = Σ xᵀ da; for deduplicated inputs also of the sums of da over the places of each value."""
    own = slice(*column_range(p.dWx.shape[1], chunk, chunks))
    places, sums, da = p.places, p.sums, p.a
    if places.size == 0:
        x = p.x
        gemm(x, True, len(x), da[:, own], False, p.dWx[:, own], False, p.lhs_buffer[chunk], p.rhs_buffer[chunk])
        return
    N, T = places.shape
    for row in sums:
        row[own] = 0
    for group in range(p.groups):
        first, last = stream_range(N, group, p.groups)
        for t in range(T):
            for n in range(first, last):
                total, row = sums[places[n, t], own], da[T * first + t * (last - first) + n - first, own]
                for j in range(total.size):
                    total[j] += row[j]
    gemm(
        p.values, True, len(p.values), sums[:, own], False, p.dWx[:, own], False, p.lhs_buffer[chunk],
        p.rhs_buffer[chunk],
    )  # fmt: skip


def input_gradient(chunk: Any, chunks: Any, p: Any) -> None:
    """x becomes dx = da W_xᵀ; or dvalues from the sums that `input_weight_gradient` has left."""
    D, columns = p.Wx.shape
    deduplicated = p.places.size > 0
    N, T, _H = p.dhs.shape
    da, dx = (p.sums, p.dvalues) if deduplicated else (p.a, p.x)
    rows, own = part_of_product(multiplies_by_streams(p, chunks) and not deduplicated, N, T, D, chunk, chunks)
    rows = slice(0, len(da)) if deduplicated else rows
    gemm(da[rows], False, columns, p.Wx[own], True, dx[rows, own], False, p.lhs_buffer[chunk], p.rhs_buffer[chunk])


def scatter_input_gradient(chunk: Any, chunks: Any, round: Any, p: Any) -> None:
    """dxs (N, T, D) from dx by rows, one group a chunk."""
    if chunk < p.groups:
        N = p.dxs.shape[0]
        first, last = stream_range(N, chunk, p.groups)
        exchange_axes(group_of(p.x, N, chunk, p.groups), p.dxs[first:last])


def unless_deduplicated(chunks: Any, p: Any) -> Any:
    """Rounds of `scatter_input_gradient`."""
    return 0 if p.places.size > 0 else 1
