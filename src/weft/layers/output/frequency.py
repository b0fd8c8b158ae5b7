"""Token ids in order of falling frequency, which adaptive and sampled output layers depend on."""

from __future__ import annotations

from collections.abc import Sequence
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
