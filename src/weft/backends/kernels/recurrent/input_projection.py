"""The input projection of a block on panels, forward and backward: a = x W_x, dW_x = Σ xᵀ da, dx = da W_xᵀ.

Where few of the inputs differ (see `weft.backends.deduplicated_inputs`) each is multiplied once: its row of x W_x is
copied to wherever the input stands, and backward the da of all these places are added up first,

    dW_x = Σ_u x_uᵀ s_u          dx_u = s_u W_xᵀ          s_u = Σ da over the places of x_u

`values` (U, D) are the different inputs then, `places` (N, T) which of them stands where; else places has no elements.
"""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.jit.compile import inlined
from weft.backends.kernels.jit.outlined import FLAG, SIZE, floats, ints, outlined, packed
from weft.backends.kernels.matmul.gemm import gemm
from weft.backends.kernels.matmul.partition import column_range, stream_range
from weft.backends.kernels.recurrent.passes import exchange_axes, group_of
from weft.backends.kernels.threads.parallel import CHUNKS, first_chunk, next_chunk


@outlined(
    lambda words: [
        SIZE, ints(1), SIZE, SIZE, FLAG, floats(3), floats(2), ints(2), floats(2), floats(2), floats(2),
        floats(2), packed(words, 2), packed(words, 2),
    ]
)  # fmt: skip
def project(
    number: Any, tasks: Any, phase: Any, groups: Any, packs_own: Any, xs: Any, values: Any, places: Any, products: Any,
    Wx: Any, x: Any, a: Any, lhs_buffer: Any, rhs_buffer: Any,
) -> None:  # fmt: skip
    """Two phases: a = x W_x for all rows, from xs (N, T, D), or from the values; x, products (U, …): room.

    groups: of streams, at most one a share, see `panel_passes`.
    packs_own: whether a share of a product is the rows of some streams, for which it packs all weights, not some
    columns: small weights are packed in no time, and their columns can often not be shared out evenly.
    """
    if places.size > 0:
        project_values(number, tasks, phase, groups, values, places, products, Wx, a, lhs_buffer, rhs_buffer)
    else:
        project_rows(number, tasks, phase, groups, packs_own, xs, Wx, x, a, lhs_buffer, rhs_buffer)


@inlined
def part_of_product(packs_own: Any, N: Any, T: Any, columns: Any, chunk: Any, chunks: Any) -> Any:
    """Which rows (T · N) and which columns of a product a share has; see `project`."""
    if packs_own:
        first, last = stream_range(N, chunk, chunks)
        return slice(T * first, T * last), slice(0, columns)
    first, last = column_range(columns, chunk, chunks)
    return slice(0, T * N), slice(first, last)


@inlined
def project_rows(
    number: Any, tasks: Any, phase: Any, groups: Any, packs_own: Any, xs: Any, Wx: Any, x: Any, a: Any, lhs_buffer: Any,
    rhs_buffer: Any,
) -> None:  # fmt: skip
    """x from xs, a group a share; a = x W_x."""
    chunks, (N, T, D) = tasks[CHUNKS], xs.shape
    chunk = first_chunk(tasks, phase, number)
    while chunk >= 0:
        if chunk < groups:
            first, last = stream_range(N, chunk, groups)
            exchange_axes(xs[first:last], group_of(x, N, chunk, groups))
        chunk = next_chunk(tasks, phase, number)
    chunk = first_chunk(tasks, phase + 1, number)
    while chunk >= 0:
        rows, own = part_of_product(packs_own, N, T, Wx.shape[1], chunk, chunks)
        gemm(x[rows], False, D, Wx[:, own], False, a[rows, own], False, lhs_buffer[chunk], rhs_buffer[chunk])
        chunk = next_chunk(tasks, phase + 1, number)


@inlined
def project_values(
    number: Any, tasks: Any, phase: Any, groups: Any, values: Any, places: Any, products: Any, Wx: Any, a: Any,
    lhs_buffer: Any, rhs_buffer: Any,
) -> None:  # fmt: skip
    """The product of each different input once, some columns a share; its row to where it stands, a group a share."""
    chunks, columns, (N, T) = tasks[CHUNKS], Wx.shape[1], places.shape
    chunk = first_chunk(tasks, phase, number)
    while chunk >= 0:
        own = slice(*column_range(columns, chunk, chunks))
        gemm(values, False, len(Wx), Wx[:, own], False, products[:, own], False, lhs_buffer[chunk], rhs_buffer[chunk])
        chunk = next_chunk(tasks, phase, number)
    chunk = first_chunk(tasks, phase + 1, number)
    while chunk >= 0:
        if chunk < groups:
            first, last = stream_range(N, chunk, groups)
            group = group_of(a, N, chunk, groups)
            for t in range(T):
                for n in range(last - first):
                    row, product = group[t, n], products[places[first + n, t]]
                    for j in range(columns):
                        row[j] = product[j]
        chunk = next_chunk(tasks, phase + 1, number)


@outlined(
    lambda words: [
        floats(2), floats(2), ints(2), SIZE, floats(2), floats(2), floats(2), SIZE, SIZE, packed(words, 2),
        packed(words, 2),
    ]
)  # fmt: skip
def input_gradient(
    x: Any, values: Any, places: Any, groups: Any, sums: Any, da: Any, dWx: Any, chunk: Any, chunks: Any,
    lhs_buffer: Any, rhs_buffer: Any,
) -> None:  # fmt: skip
    """A share of the columns of dW_x = Σ xᵀ da. The sums (U, …) of da over the places of each value are left there."""
    own = slice(*column_range(dWx.shape[1], chunk, chunks))
    if places.size == 0:
        gemm(x, True, len(x), da[:, own], False, dWx[:, own], False, lhs_buffer[chunk], rhs_buffer[chunk])
        return
    N, T = places.shape
    for row in sums:
        row[own] = 0
    for group in range(groups):
        first, last = stream_range(N, group, groups)
        for t in range(T):
            for n in range(first, last):
                total, row = sums[places[n, t], own], da[T * first + t * (last - first) + n - first, own]
                for j in range(total.size):
                    total[j] += row[j]
    gemm(values, True, len(values), sums[:, own], False, dWx[:, own], False, lhs_buffer[chunk], rhs_buffer[chunk])


@outlined(
    lambda words: [
        SIZE, ints(1), SIZE, SIZE, FLAG, floats(2), floats(2), ints(2), floats(2), floats(2), floats(3),
        floats(2), packed(words, 2), packed(words, 2),
    ]
)  # fmt: skip
def project_backward(
    number: Any, tasks: Any, phase: Any, groups: Any, packs_own: Any, Wx: Any, x: Any, places: Any, sums: Any, da: Any,
    dxs: Any, dvalues: Any, lhs_buffer: Any, rhs_buffer: Any,
) -> None:  # fmt: skip
    """Two phases: x becomes dx = da W_xᵀ, some columns a share, and dxs (N, T, D) from it, a group a share; or dvalues
    (U, D) from the sums that `input_gradient` has left. packs_own: as in `project`."""
    chunks, (D, columns) = tasks[CHUNKS], Wx.shape
    few = places.size > 0
    N, T = len(dxs), dxs.shape[1]
    da, products = (sums, dvalues) if few else (da, x)
    chunk = first_chunk(tasks, phase, number)
    while chunk >= 0:
        rows, own = part_of_product(packs_own and not few, N, T, D, chunk, chunks)
        rows = slice(0, len(da)) if few else rows
        gemm(da[rows], False, columns, Wx[own], True, products[rows, own], False, lhs_buffer[chunk], rhs_buffer[chunk])
        chunk = next_chunk(tasks, phase, number)
    if few:
        return
    chunk = first_chunk(tasks, phase + 1, number)
    while chunk >= 0:
        if chunk < groups:
            first, last = stream_range(N, chunk, groups)
            exchange_axes(group_of(x, N, chunk, groups), dxs[first:last])
        chunk = next_chunk(tasks, phase + 1, number)
