"""Tables of array addresses, by which one kernel call processes all parameters; see `rules`.

Reading the layout of all arrays takes longer than the update of a small model, so each layout is cached while the array
exists; its address does not change until then.
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

_Layout: TypeAlias = "tuple[weakref.ref[Any], int, int, Any]"
"""An array, its address, its size, and its (shape, strides)."""


def table_of(columns: Sequence[Arrays]) -> tuple[NDArray[np.int64], int]:
    """The table (parameters, 1 + columns) for `rules`, and the number of elements of all parameters.

    columns: the parameters, then their gradients and other arrays in the same order. A row of the table is the size of
    a parameter and the addresses of its arrays. Raises InputError unless all arrays are contiguous and of float32, and
    those of one parameter have the same shape and memory order.
    """
    table: list[int] = []
    total = 0
    for arrays in zip(*columns, strict=True):
        first: Any = None
        for array in arrays:
            cached = _layouts.get(id(array))
            if cached is None or cached[0]() is not array:
                cached = _layouts[id(array)] = _layout_of(array)
            _array, address, size, layout = cached
            if first is None:
                first, total = layout, total + size
                table.append(size)
            elif layout != first:
                raise InputError("a parameter, its gradient and the optimizer's memory of it must be arrays alike")
            table.append(address)
    return np.array(table, np.int64).reshape(len(columns[0]), 1 + len(columns)), total


def _layout_of(array: NDArray[np.float32]) -> _Layout:
    if array.dtype != FLOATS or not (array.flags.c_contiguous or array.flags.f_contiguous):
        raise InputError("parameters and gradients must be contiguous arrays of float32")
    key = id(array)
    reference = weakref.ref(array, lambda _freed: _layouts.pop(key, None))
    return reference, address(array), array.size, (array.shape, array.strides)


_layouts: dict[int, _Layout] = {}


@jit
def address(array: Any) -> Any:
    """The address of an array's data; NumPy's `array.ctypes.data` takes six times as long."""
    return array.ctypes.data
