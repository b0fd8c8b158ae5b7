"""The input projection of a block on panels, forward and backward: a = x W_x, dW_x = Σ xᵀ da, dx = da W_xᵀ.

Where few of the inputs differ (see `weft.backends.deduplicated_inputs`) each is multiplied once: its row of x W_x is
copied to wherever the input stands, and backward the da of all these places are added up first,

    dW_x = Σ_u x_uᵀ s_u          dx_u = s_u W_xᵀ          s_u = Σ da over the places of x_u

`values` (U, D) are the different inputs then, `places` (N, T) which of them stands where; else places has no elements.
"""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.jit.compile import within_kernels
from weft.backends.kernels.jit.outlined import FLAG, SIZE, apart, array, integers, numbers
from weft.backends.kernels.matmul.gemm import multiply_rows
from weft.backends.kernels.matmul.partition import columns_of, streams_of
from weft.backends.kernels.recurrent.passes import exchange_axes, group_of
from weft.backends.kernels.threads.parallel import SHARES, first_share, next_share


@apart(
    lambda words: [
        SIZE, integers(1), SIZE, SIZE, FLAG, numbers(3), numbers(2), integers(2), numbers(2), numbers(2), numbers(2),
        numbers(2), array(words, 2), array(words, 2),
    ]
)  # fmt: skip
def project(
    number: Any, tasks: Any, phase: Any, groups: Any, packs_own: Any, xs: Any, values: Any, places: Any, products: Any,
    Wx: Any, x: Any, a: Any, left_words: Any, right_words: Any,
) -> None:  # fmt: skip
    """Two phases: a = x W_x for all rows, from xs (N, T, D), or from the values; x, products (U, …): room.

    groups: of streams, at most one a share, see `panel_passes`.
    packs_own: whether a share of a product is the rows of some streams, for which it packs all weights, not some
    columns: small weights are packed in no time, and their columns can often not be shared out evenly.
    """
    if places.size > 0:
        project_values(number, tasks, phase, groups, values, places, products, Wx, a, left_words, right_words)
    else:
        project_rows(number, tasks, phase, groups, packs_own, xs, Wx, x, a, left_words, right_words)


@within_kernels
def part_of_product(packs_own: Any, N: Any, T: Any, columns: Any, share: Any, shares: Any) -> Any:
    """Which rows (T · N) and which columns of a product a share has; see `project`."""
    if packs_own:
        first, last = streams_of(N, share, shares)
        return slice(T * first, T * last), slice(0, columns)
    first, last = columns_of(columns, share, shares)
    return slice(0, T * N), slice(first, last)


@within_kernels
def project_rows(
    number: Any, tasks: Any, phase: Any, groups: Any, packs_own: Any, xs: Any, Wx: Any, x: Any, a: Any, left_words: Any,
    right_words: Any,
) -> None:  # fmt: skip
    """x from xs, a group a share; a = x W_x."""
    shares, (N, T, D) = tasks[SHARES], xs.shape
    share = first_share(tasks, phase, number)
    while share >= 0:
        if share < groups:
            first, last = streams_of(N, share, groups)
            exchange_axes(xs[first:last], group_of(x, N, share, groups))
        share = next_share(tasks, phase, number)
    share = first_share(tasks, phase + 1, number)
    while share >= 0:
        rows, own = part_of_product(packs_own, N, T, Wx.shape[1], share, shares)
        multiply_rows(x[rows], False, D, Wx[:, own], False, a[rows, own], True, left_words[share], right_words[share])
        share = next_share(tasks, phase + 1, number)


@within_kernels
def project_values(
    number: Any, tasks: Any, phase: Any, groups: Any, values: Any, places: Any, products: Any, Wx: Any, a: Any,
    left_words: Any, right_words: Any,
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
        if share < groups:
            first, last = streams_of(N, share, groups)
            group = group_of(a, N, share, groups)
            for t in range(T):
                for n in range(last - first):
                    row, product = group[t, n], products[places[first + n, t]]
                    for j in range(columns):
                        row[j] = product[j]
        share = next_share(tasks, phase + 1, number)


@apart(
    lambda words: [
        numbers(2), numbers(2), integers(2), SIZE, numbers(2), numbers(2), numbers(2), SIZE, SIZE, array(words, 2),
        array(words, 2),
    ]
)  # fmt: skip
def input_gradient(
    x: Any, values: Any, places: Any, groups: Any, sums: Any, da: Any, dWx: Any, share: Any, shares: Any,
    left_words: Any, right_words: Any,
) -> None:  # fmt: skip
    """A share of the columns of dW_x = Σ xᵀ da. The sums (U, …) of da over the places of each value are left there."""
    own = slice(*columns_of(dWx.shape[1], share, shares))
    if places.size == 0:
        multiply_rows(x, True, len(x), da[:, own], False, dWx[:, own], True, left_words[share], right_words[share])
        return
    N, T = places.shape
    for row in sums:
        row[own] = 0
    for group in range(groups):
        first, last = streams_of(N, group, groups)
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
        SIZE, integers(1), SIZE, SIZE, FLAG, numbers(2), numbers(2), integers(2), numbers(2), numbers(2), numbers(3),
        numbers(2), array(words, 2), array(words, 2),
    ]
)  # fmt: skip
def project_backward(
    number: Any, tasks: Any, phase: Any, groups: Any, packs_own: Any, Wx: Any, x: Any, places: Any, sums: Any, da: Any,
    dxs: Any, dvalues: Any, left_words: Any, right_words: Any,
) -> None:  # fmt: skip
    """Two phases: x becomes dx = da W_xᵀ, some columns a share, and dxs (N, T, D) from it, a group a share; or dvalues
    (U, D) from the sums that `input_gradient` has left. packs_own: as in `project`."""
    shares, (D, columns) = tasks[SHARES], Wx.shape
    few = places.size > 0
    N, T = len(dxs), dxs.shape[1]
    da, products = (sums, dvalues) if few else (da, x)
    share = first_share(tasks, phase, number)
    while share >= 0:
        rows, own = part_of_product(packs_own and not few, N, T, D, share, shares)
        rows = slice(0, len(da)) if few else rows
        multiply_rows(
            da[rows], False, columns, Wx[own], True, products[rows, own], True, left_words[share], right_words[share]
        )
        share = next_share(tasks, phase, number)
    if few:
        return
    share = first_share(tasks, phase + 1, number)
    while share >= 0:
        if share < groups:
            first, last = streams_of(N, share, groups)
            exchange_axes(group_of(x, N, share, groups), dxs[first:last])
        share = next_share(tasks, phase + 1, number)
