"""Tables of where arrays lie in memory, by which kernels go through all parameters; see `update_rules`.

Asking arrays for all this takes longer than to update a small model. So what was found is kept as long as the array
lives, which stays where it is until then.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from weft.backends.kernels.jit.compile import jit
from weft.backends.kernels.jit.dtypes import FLOATS
from weft.errors import InputError

Arrays = Sequence[NDArray[np.float32]]


_Place: TypeAlias = "tuple[weakref.ref[Any], int, int, Any]"
"""An array, its address, its size, and how it is laid out."""


def table_of(columns: Sequence[Arrays]) -> tuple[NDArray[np.int64], int]:
    """The table of `update_rules` for arrays that belong together; elements of all parameters.

    Raises InputError unless all arrays are contiguous and of float32, and those that belong together alike.
    """
    numbers: list[int] = []
    total = 0
    for arrays in zip(*columns, strict=True):
        first: Any = None
        for array in arrays:
            known = _places.get(id(array))
            if known is None or known[0]() is not array:
                known = _places[id(array)] = _place(array)
            _array, address, size, layout = known
            if first is None:
                first, total = layout, total + size
                numbers.append(size)
            elif layout != first:
                raise InputError("a parameter, its gradient and the optimizer's memory of it must be arrays alike")
            numbers.append(address)
    return np.array(numbers, np.int64).reshape(len(columns[0]), 1 + len(columns)), total


def _place(array: NDArray[np.float32]) -> _Place:
    if array.dtype != FLOATS or not (array.flags.c_contiguous or array.flags.f_contiguous):
        raise InputError("parameters and gradients must be contiguous arrays of float32")
    key = id(array)
    own = weakref.ref(array, lambda _ended: _places.pop(key, None))
    return own, address(array), array.size, (array.shape, array.strides)


_places: dict[int, _Place] = {}


@jit
def address(array: Any) -> Any:
    """Where an array's data begins; asking NumPy takes six times as long."""
    return array.ctypes.data
