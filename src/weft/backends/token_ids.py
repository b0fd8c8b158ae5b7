"""Token ids as callers give them: lists, and arrays of any integer type."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from weft.backends.array_types import Array
from weft.backends.backend import Backend
from weft.errors import InputError

LARGEST = np.iinfo(np.int64).max


def token_ids(backend: Backend, values: Any, what: str = "token ids") -> Array:
    """Token ids as an int64 array of `backend`: from such an array itself, another array of integers, or a list.

    An empty list or array has no ids, whatever its type. Raises InputError for numbers that are not integers, truth
    values included; the range of the ids is not checked.
    """
    if not backend.owns(values):
        return backend.asarray(_integers(_rectangular(values, what), what))
    if values.dtype == backend.xp.int64:
        return values
    if isinstance(values, np.ndarray):
        return _integers(values, what)
    if not backend.xp.isdtype(values.dtype, "integral"):
        raise _not_integers(what, values.dtype)
    return backend.xp.astype(values, backend.xp.int64)


def ids_of_text(values: Any, vocab_size: int) -> NDArray[np.int64]:
    """The token ids of a text or a part of it as an int64 array (L,).

    Raises InputError for another number of dimensions, for numbers that are not integers and for ids outside [0, V).
    """
    ids = _integers(_rectangular(values, "token ids"), "token ids")
    if ids.ndim != 1:
        raise InputError(f"the token ids of a text must have shape (L,), got {ids.shape}")
    if ids.size and not (ids.min() >= 0 and ids.max() < vocab_size):
        wrong = ids[(ids < 0) | (ids >= vocab_size)]
        raise InputError(f"token ids must lie in [0, {vocab_size}), got {wrong[0]}")
    return ids


def _rectangular(values: Any, what: str) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except ValueError:  # lists of several lengths
        raise InputError(f"{what} must be an array, got lists of several lengths") from None


def _integers(values: NDArray[Any], what: str) -> NDArray[np.int64]:
    if values.dtype.kind not in "iu" and values.size:
        raise _not_integers(what, values.dtype)
    if values.dtype == np.uint64:
        values = np.minimum(values, np.uint64(LARGEST))  # larger ones would become negative
    return values.astype(np.int64, copy=False)


def _not_integers(what: str, dtype: Any) -> InputError:
    return InputError(f"{what} must be integers, got an array of {dtype}")
