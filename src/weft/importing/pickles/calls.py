"""The functions that pickles of models call, and what they return here: dictionaries, arrays and tensors.

Each is an entry of `_CALLS` by its name, with a function of the arguments. A call of any other is an `Instance`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.importing.budget import Budget
from weft.importing.pickles.values import ArrayValue, DType, Global, Instance, Storage, Tensor

LARGEST = 1 << 48
"""No number of elements is larger."""


def made_by(function: Global, arguments: tuple[Any, ...], budget: Budget) -> Any:
    """What a call of `function` makes. Raises ValueError for arguments that it cannot have."""
    name = str(function)
    budget.spend(200)
    if name in _CALLS:
        return _CALLS[name](*arguments)
    return Instance(function, arguments)


def with_state(value: Any, state: Any) -> None:
    """Give an object its state, as the opcode BUILD does."""
    if isinstance(value, ArrayValue):
        _set_array(value, state)
    elif isinstance(value, DType):
        value.order = str(state[1])
    elif isinstance(value, Instance):
        attributes = state[0] if isinstance(state, tuple) and state else state
        if isinstance(attributes, dict):
            value.state = attributes


def sizes(values: Any) -> tuple[int, ...]:
    """`values` as a shape; raises ValueError unless they are whole numbers from 0, few and with a sensible product."""
    shape = tuple(values)
    if len(shape) > 8 or not all(type(size) is int and 0 <= size < LARGEST for size in shape):
        raise ValueError("the shape of an array is not one")
    if math.prod(shape) >= LARGEST:
        raise ValueError("an array is too large")
    return shape


def _ordered_dict(items: Any = (), *_others: Any) -> dict[Any, Any]:
    return {key: value for key, value in items if isinstance(key, str)}


def _encode(text: str, *_encoding: Any) -> bytes:
    return text.encode("latin-1")


def _reconstructor(of: Global, *_base_and_state: Any) -> Instance:
    return Instance(of)


def _reconstruct(_subtype: Any, _shape: Any, _code: Any) -> ArrayValue:
    return ArrayValue()


def _dtype(code: Any, *_flags: Any) -> DType:
    return DType(code.decode("ascii") if isinstance(code, bytes) else str(code))


def _from_buffer(data: Any, dtype: DType, shape: Any, order: str) -> ArrayValue:
    array = ArrayValue()
    _set_array(array, (1, shape, dtype, order == "F", data))
    return array


def _set_array(array: ArrayValue, state: Any) -> None:
    *_version, shape, dtype, fortran, data = state
    if dtype.code not in ("f2", "f4", "f8"):
        return
    data = data.encode("latin-1") if isinstance(data, str) else data  # a string of Python 2
    shape, kind = sizes(shape), np.dtype(dtype.code).newbyteorder(dtype.order if dtype.order in "<>" else "=")
    if not isinstance(data, (bytes, bytearray)) or len(data) != math.prod(shape) * kind.itemsize:
        raise ValueError("an array has more or fewer numbers than its shape says")
    array.values = np.frombuffer(data, kind).reshape(shape, order="F" if fortran else "C")


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_others: Any) -> Tensor:
    shape, strides = sizes(shape), sizes(strides)
    if not isinstance(storage, Storage) or type(offset) is not int or len(shape) != len(strides):
        raise ValueError("a tensor is not made of a storage, an offset, a shape and strides")
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if offset < 0 or (math.prod(shape) and last >= storage.count) or math.prod(shape) > storage.count:
        raise ValueError("a tensor has numbers beyond the end of its storage")
    return Tensor(storage, offset, shape, strides)


def _data(data: Any = None, *_others: Any) -> Any:
    return data


_CALLS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered_dict,
    "_codecs.encode": _encode,
    "copyreg._reconstructor": _reconstructor,
    "copy_reg._reconstructor": _reconstructor,
    "numpy.core.multiarray._reconstruct": _reconstruct,
    "numpy._core.multiarray._reconstruct": _reconstruct,
    "numpy._core.numeric._frombuffer": _from_buffer,
    "numpy.core.numeric._frombuffer": _from_buffer,
    "numpy.dtype": _dtype,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _data,
    "torch._utils._rebuild_parameter_with_state": _data,
    "torch.nn.parameter.Parameter": _data,
    "torch.autograd.variable.Variable": _data,
}
