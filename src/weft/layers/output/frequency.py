"""Tokens by rank of frequency, which adaptive and sampled output layers depend on."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from weft.backends import Array
from weft.errors import InputError
from weft.layers.layer import check_shape


def frequency_order(xp: Any, counts: Sequence[int], V: int) -> Array | None:
    """The ids (V,) by falling count, ids with equal counts ascending; None if that is 0, 1, 2, …

    counts (V,): occurrences of every token. Raises InputError if there are not V counts.
    """
    if len(counts) != V:
        raise InputError(f"counts must be of {V} tokens, got {len(counts)}")
    order = xp.argsort(-xp.asarray(counts), stable=True)
    return None if bool(xp.all(order == xp.arange(V))) else order


def checked_order(order: Array, V: int) -> Array:
    """`order`; raises InputError unless it has the shape (V,)."""
    check_shape("order of an output layer", order, (V,))
    return order


def checked_cutoffs(cutoffs: Sequence[int], V: int | None = None) -> Sequence[int]:
    """`cutoffs`; raises InputError unless they rise from at least 1 to less than V."""
    shown = ", ".join(map(str, cutoffs))
    if any(stop <= start for start, stop in pairwise((0, *cutoffs))):
        raise InputError(f"cutoffs must rise, from at least 1, got {shown}")
    if cutoffs and V is not None and cutoffs[-1] >= V:
        raise InputError(f"cutoffs must lie below the size of the vocabulary, {V}, got {shown}")
    return cutoffs
