"""Weights in fewer bits: float32, bfloat16, or int8 with one scale per column.

    bfloat16    the upper half of a float32: 8 bits of significand, relative error at most 2⁻⁹
    int8        w ≈ scale · q with q in -127 … 127 and scale = max |w| / 127 over a column; error at most scale / 2

A column of W belongs to one output of the product x W. An embedding, whose rows are used, has one scale per row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.errors import InputError, nearest

WEIGHTS = ("float32", "bfloat16", "int8")
Floats = NDArray[np.float32]


def check_weights(kind: str) -> None:
    """Raise InputError unless `kind` is one of WEIGHTS."""
    if kind not in WEIGHTS:
        raise InputError(f"weights must be one of {', '.join(WEIGHTS)}, got {kind!r}{nearest(kind, WEIGHTS)}")


def rounded(W: Floats, kind: str, axis: int) -> tuple[NDArray[Any], Floats]:
    """A matrix W rounded to `kind`: float32 | uint16 (the bits of bfloat16) | int8 numbers, and their scales.

    One scale applies to all elements along `axis`; it is 1 except for int8. Rounding is to nearest, ties to even.
    Raises InputError for an unknown kind and for weights that are not finite.
    """
    check_weights(kind)
    if not np.isfinite(W).all():
        raise InputError("weights that are not finite numbers cannot be rounded")
    ones = np.ones(W.shape[1 - axis], np.float32)
    if kind == "float32":
        return W, ones
    if kind == "bfloat16":
        bits = np.ascontiguousarray(W).view(np.uint32)
        return ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16), ones
    largest = np.abs(W).max(axis=axis)
    scales = np.where(largest > 0, largest / np.float32(127), 1).astype(np.float32)
    return np.rint(W / np.expand_dims(scales, axis)).astype(np.int8), scales


def restored(numbers: NDArray[Any], scales: Floats, axis: int) -> Floats:
    """The float32 values of the result of `rounded`, in a new array."""
    if numbers.dtype == np.uint16:
        return (numbers.astype(np.uint32) << 16).view(np.float32)
    return numbers.astype(np.float32) * np.expand_dims(scales, axis)
