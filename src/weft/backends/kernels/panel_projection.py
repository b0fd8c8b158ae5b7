"""The input projection of a block on panels, forward and backward: a = x W_x, dW_x = Σ xᵀ da, dx = da W_xᵀ.

Where few of the inputs differ (see `weft.backends.row_inputs`) each is multiplied once: its row of x W_x is copied to
wherever the input stands, and backward the da of all these places are added up first,

    dW_x = Σ_u x_uᵀ s_u          dx_u = s_u W_xᵀ          s_u = Σ da over the places of x_u

Which of both it is, is known from the types when a pass is compiled.
"""

from __future__ import annotations

from typing import Any

from numba import types

from weft.backends.kernels.compiling import overloading
from weft.backends.kernels.packed_product import multiply_rows
from weft.backends.kernels.panel_passes import columns_of, exchange_axes, group_of, streams_of
from weft.backends.kernels.together import SHARES, all_done, first_share, next_share


def project(
    number: Any, tasks: Any, first_phase: Any, xs: Any, Wx: Any, x: Any, a: Any, left_words: Any, right_words: Any
) -> None:  # fmt: skip
    """Two phases: a = x W_x for all rows, from xs (N, T, D), or values (U, D), places (N, T) and room (U, …)."""


@overloading(project)
def _project(
    number: Any, tasks: Any, first_phase: Any, xs: Any, Wx: Any, x: Any, a: Any, left_words: Any, right_words: Any
) -> Any:  # fmt: skip
    return project_distinct if isinstance(xs, types.BaseTuple) else project_all


def project_all(
    number: Any, tasks: Any, first_phase: Any, xs: Any, Wx: Any, x: Any, a: Any, left_words: Any, right_words: Any
) -> None:  # fmt: skip
    """x from xs, a group a share; a = x W_x, some columns a share."""
    shares, (N, _T, D) = tasks[SHARES], xs.shape
    share = first_share(tasks, first_phase, number)
    while share >= 0:
        first, last = streams_of(N, share, shares)
        exchange_axes(xs[first:last], group_of(x, N, share, shares))
        share = next_share(tasks, first_phase, number)
    all_done(tasks, first_phase)
    phase = first_phase + 1
    share = first_share(tasks, phase, number)
    while share >= 0:
        own = slice(*columns_of(Wx.shape[1], share, shares))
        multiply_rows(x, False, D, Wx[:, own], False, a[:, own], True, left_words[share], right_words[share])
        share = next_share(tasks, phase, number)
    all_done(tasks, phase)


def project_distinct(
    number: Any, tasks: Any, first_phase: Any, xs: Any, Wx: Any, x: Any, a: Any, left_words: Any, right_words: Any
) -> None:  # fmt: skip
    """The product of each different input once, some columns a share; its row to where it stands, a group a share."""
    shares, (values, places, products), columns = tasks[SHARES], xs, Wx.shape[1]
    share = first_share(tasks, first_phase, number)
    while share >= 0:
        own = slice(*columns_of(columns, share, shares))
        multiply_rows(
            values, False, len(Wx), Wx[:, own], False, products[:, own], True, left_words[share], right_words[share]
        )
        share = next_share(tasks, first_phase, number)
    all_done(tasks, first_phase)
    (N, T), phase = places.shape, first_phase + 1
    share = first_share(tasks, phase, number)
    while share >= 0:
        first, last = streams_of(N, share, shares)
        group = group_of(a, N, share, shares)
        for t in range(T):
            for n in range(last - first):
                row, product = group[t, n], products[places[first + n, t]]
                for j in range(columns):
                    row[j] = product[j]
        share = next_share(tasks, phase, number)
    all_done(tasks, phase)


def input_gradient(
    x: Any, da: Any, dWx: Any, share: Any, shares: Any, left_words: Any, right_words: Any
) -> None:  # fmt: skip
    """A share of the columns of dW_x = Σ xᵀ da, for rows x, or values (U, D), places (N, T) and room (U, …)."""


@overloading(input_gradient)
def _input_gradient(
    x: Any, da: Any, dWx: Any, share: Any, shares: Any, left_words: Any, right_words: Any
) -> Any:  # fmt: skip
    return input_gradient_of_distinct if isinstance(x, types.BaseTuple) else input_gradient_of_all


def input_gradient_of_all(
    x: Any, da: Any, dWx: Any, share: Any, shares: Any, left_words: Any, right_words: Any
) -> None:  # fmt: skip
    own = slice(*columns_of(dWx.shape[1], share, shares))
    multiply_rows(x, True, len(x), da[:, own], False, dWx[:, own], True, left_words[share], right_words[share])


def input_gradient_of_distinct(
    x: Any, da: Any, dWx: Any, share: Any, shares: Any, left_words: Any, right_words: Any
) -> None:  # fmt: skip
    """The sums of da over the places of each different input are left in the room."""
    values, places, sums = x
    (N, T), (first_column, last_column) = places.shape, columns_of(dWx.shape[1], share, shares)
    own = slice(first_column, last_column)
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


def project_backward(
    number: Any, tasks: Any, first_phase: Any, Wx: Any, x: Any, da: Any, dxs: Any, left_words: Any, right_words: Any
) -> None:  # fmt: skip
    """Two phases: dxs (N, T, D) = da W_xᵀ, or (U, D), its sums over equal inputs. x: as in `input_gradient`."""


@overloading(project_backward)
def _project_backward(
    number: Any, tasks: Any, first_phase: Any, Wx: Any, x: Any, da: Any, dxs: Any, left_words: Any, right_words: Any
) -> Any:  # fmt: skip
    return project_distinct_backward if isinstance(x, types.BaseTuple) else project_all_backward


def project_all_backward(
    number: Any, tasks: Any, first_phase: Any, Wx: Any, x: Any, da: Any, dxs: Any, left_words: Any, right_words: Any
) -> None:  # fmt: skip
    """x becomes dx, some columns a share; dxs from it, a group a share."""
    shares, (N, _T, D), columns = tasks[SHARES], dxs.shape, Wx.shape[1]
    share = first_share(tasks, first_phase, number)
    while share >= 0:
        own = slice(*columns_of(D, share, shares))
        multiply_rows(da, False, columns, Wx[own], True, x[:, own], True, left_words[share], right_words[share])
        share = next_share(tasks, first_phase, number)
    all_done(tasks, first_phase)
    phase = first_phase + 1
    share = first_share(tasks, phase, number)
    while share >= 0:
        first, last = streams_of(N, share, shares)
        exchange_axes(group_of(x, N, share, shares), dxs[first:last])
        share = next_share(tasks, phase, number)
    all_done(tasks, phase)


def project_distinct_backward(
    number: Any, tasks: Any, first_phase: Any, Wx: Any, x: Any, da: Any, dxs: Any, left_words: Any, right_words: Any
) -> None:  # fmt: skip
    """From the sums of da that `input_gradient` has left, some columns a share."""
    shares, (_values, _places, sums), (D, columns) = tasks[SHARES], x, Wx.shape
    share = first_share(tasks, first_phase, number)
    while share >= 0:
        own = slice(*columns_of(D, share, shares))
        multiply_rows(sums, False, columns, Wx[own], True, dxs[:, own], True, left_words[share], right_words[share])
        share = next_share(tasks, first_phase, number)
    all_done(tasks, first_phase)
