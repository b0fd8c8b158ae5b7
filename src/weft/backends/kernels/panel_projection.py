"""The input projection of a block on panels, forward and backward: a = x W_x, dW_x = Σ xᵀ da, dx = da W_xᵀ.

Where few of the inputs differ (see `weft.backends.row_inputs`) each is multiplied once: its row of x W_x is copied to
wherever the input stands, and backward the da of all these places are added up first,

    dW_x = Σ_u x_uᵀ s_u          dx_u = s_u W_xᵀ          s_u = Σ da over the places of x_u

`values` (U, D) are the different inputs then, `places` (N, T) which of them stands where; else places has no elements.
"""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.apart import FLAG, SIZE, apart, array, integers, numbers
from weft.backends.kernels.compiling import within_kernels
from weft.backends.kernels.packed_product import multiply_rows
from weft.backends.kernels.panel_passes import columns_of, exchange_axes, group_of, streams_of
from weft.backends.kernels.together import SHARES, first_share, next_share


@apart(
    lambda words: [
        SIZE, integers(1), SIZE, FLAG, numbers(3), numbers(2), integers(2), numbers(2), numbers(2), numbers(2),
        numbers(2), array(words, 2), array(words, 2),
    ]
)  # fmt: skip
def project(
    number: Any, tasks: Any, phase: Any, packs_own: Any, xs: Any, values: Any, places: Any, products: Any, Wx: Any,
    x: Any, a: Any, left_words: Any, right_words: Any,
) -> None:  # fmt: skip
    """Two phases: a = x W_x for all rows, from xs (N, T, D), or from the values; x, products (U, …): room.

    packs_own: whether every share packs W_x for its streams, in one phase: packing small weights takes less time than
    waiting.
    """
    if places.size > 0:
        project_values(number, tasks, phase, values, places, products, Wx, a, left_words, right_words)
    elif packs_own:
        project_streams(number, tasks, phase, xs, Wx, x, a, left_words, right_words)
    else:
        project_rows(number, tasks, phase, xs, Wx, x, a, left_words, right_words)


@within_kernels
def project_rows(
    number: Any, tasks: Any, phase: Any, xs: Any, Wx: Any, x: Any, a: Any, left_words: Any, right_words: Any
) -> None:  # fmt: skip
    """x from xs, a group a share; a = x W_x, some columns a share."""
    shares, (N, _T, D) = tasks[SHARES], xs.shape
    share = first_share(tasks, phase, number)
    while share >= 0:
        first, last = streams_of(N, share, shares)
        exchange_axes(xs[first:last], group_of(x, N, share, shares))
        share = next_share(tasks, phase, number)
    share = first_share(tasks, phase + 1, number)
    while share >= 0:
        own = slice(*columns_of(Wx.shape[1], share, shares))
        multiply_rows(x, False, D, Wx[:, own], False, a[:, own], True, left_words[share], right_words[share])
        share = next_share(tasks, phase + 1, number)


@within_kernels
def project_streams(
    number: Any, tasks: Any, phase: Any, xs: Any, Wx: Any, x: Any, a: Any, left_words: Any, right_words: Any
) -> None:  # fmt: skip
    """x from xs and a = x W_x, a group a share."""
    shares, (N, _T, D), T = tasks[SHARES], xs.shape, xs.shape[1]
    share = first_share(tasks, phase, number)
    while share >= 0:
        first, last = streams_of(N, share, shares)
        rows = slice(T * first, T * last)
        exchange_axes(xs[first:last], group_of(x, N, share, shares))
        multiply_rows(x[rows], False, D, Wx, False, a[rows, : Wx.shape[1]], True, left_words[share], right_words[share])
        share = next_share(tasks, phase, number)


@within_kernels
def project_values(
    number: Any, tasks: Any, phase: Any, values: Any, places: Any, products: Any, Wx: Any, a: Any, left_words: Any,
    right_words: Any,
) -> None:  # fmt: skip
    """The product of each different input once, some columns a share; its row to where it stands, a group a share."""
    shares, columns, (N, T) = tasks[SHARES], Wx.shape[1], places.shape
    share = first_share(tasks, phase, number)
    while share >= 0:
        own = slice(*columns_of(columns, share, shares))
        multiply_rows(
            values, False, len(Wx), Wx[:, own], False, products[:, own], True, left_words[share], right_words[share]
        )
        share = next_share(tasks, phase, number)
    share = first_share(tasks, phase + 1, number)
    while share >= 0:
        first, last = streams_of(N, share, shares)
        group = group_of(a, N, share, shares)
        for t in range(T):
            for n in range(last - first):
                row, product = group[t, n], products[places[first + n, t]]
                for j in range(columns):
                    row[j] = product[j]
        share = next_share(tasks, phase + 1, number)


@apart(
    lambda words: [
        numbers(2), numbers(2), integers(2), numbers(2), numbers(2), numbers(2), SIZE, SIZE, array(words, 2),
        array(words, 2),
    ]
)  # fmt: skip
def input_gradient(
    x: Any, values: Any, places: Any, sums: Any, da: Any, dWx: Any, share: Any, shares: Any, left_words: Any,
    right_words: Any,
) -> None:  # fmt: skip
    """A share of the columns of dW_x = Σ xᵀ da. The sums (U, …) of da over the places of each value are left there."""
    own = slice(*columns_of(dWx.shape[1], share, shares))
    if places.size == 0:
        multiply_rows(x, True, len(x), da[:, own], False, dWx[:, own], True, left_words[share], right_words[share])
        return
    N, T = places.shape
    for row in sums:
        row[own] = 0
    for group in range(shares):
        first, last = streams_of(N, group, shares)
        for t in range(T):
            for n in range(first, last):
                total, row = sums[places[n, t], own], da[T * first + t * (last - first) + n - first, own]
                for j in range(total.size):
                    total[j] += row[j]
    multiply_rows(
        values, True, len(values), sums[:, own], False, dWx[:, own], True, left_words[share], right_words[share]
    )


@apart(
    lambda words: [
        SIZE, integers(1), SIZE, FLAG, numbers(2), numbers(2), integers(2), numbers(2), numbers(2), numbers(3),
        numbers(2), array(words, 2), array(words, 2),
    ]
)  # fmt: skip
def project_backward(
    number: Any, tasks: Any, phase: Any, packs_own: Any, Wx: Any, x: Any, places: Any, sums: Any, da: Any, dxs: Any,
    dvalues: Any, left_words: Any, right_words: Any,
) -> None:  # fmt: skip
    """Two phases: x becomes dx = da W_xᵀ, some columns a share, and dxs (N, T, D) from it, a group a share; or dvalues
    (U, D) from the sums that `input_gradient` has left. packs_own: as in `project`."""
    shares, columns, D = tasks[SHARES], Wx.shape[1], Wx.shape[0]
    few = places.size > 0
    by_streams = packs_own and not few
    share = -1 if by_streams else first_share(tasks, phase, number)
    while share >= 0:
        own = slice(*columns_of(D, share, shares))
        rows, products = (sums, dvalues) if few else (da, x)
        multiply_rows(
            rows, False, columns, Wx[own], True, products[:, own], True, left_words[share], right_words[share]
        )
        share = next_share(tasks, phase, number)
    if few:
        return
    share = first_share(tasks, phase + 1, number)
    N, T = len(dxs), dxs.shape[1]
    while share >= 0:
        first, last = streams_of(N, share, shares)
        if by_streams:
            rows = slice(T * first, T * last)
            multiply_rows(da[rows], False, columns, Wx, True, x[rows, :D], True, left_words[share], right_words[share])
        exchange_axes(group_of(x, N, share, shares), dxs[first:last])
        share = next_share(tasks, phase + 1, number)
