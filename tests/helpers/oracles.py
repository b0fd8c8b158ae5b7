"""Independent ways to the same numbers: central differences, and layers run on PyTorch tensors with autograd."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import array_api_compat.torch
import array_api_strict
import numpy as np
import torch

from weft.backends import NumpyBackend, backends

Floats = Any


def central_differences(value: Callable[[], float], array: Floats, epsilon: float = 1e-5) -> Floats:
    """d value() / d array, element by element, by (f(x + ε) - f(x - ε)) / 2ε."""
    gradient = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        kept = array[index]
        array[index] = kept + epsilon
        above = value()
        array[index] = kept - epsilon
        below = value()
        array[index] = kept
        gradient[index] = (above - below) / (2 * epsilon)
    return gradient


def central_differences_along(
    value: Callable[[], float], array: Floats, directions: Floats, epsilon: float = 1e-5
) -> Floats:
    """The slope of value() along each direction v, an array like `array`: (f(x + εv) - f(x - εv)) / 2ε.

    An error in any element of a gradient shows along a direction drawn at random, at two values for the whole array.
    """
    kept = array.copy()
    slopes = []
    for direction in directions:
        array[...] = kept + epsilon * direction
        above = value()
        array[...] = kept - epsilon * direction
        slopes.append((above - value()) / (2 * epsilon))
    array[...] = kept
    return np.array(slopes)


class TorchBackend(NumpyBackend):
    """Just enough of a backend to run the cells on PyTorch tensors."""

    name = "torch"
    xp: Any = array_api_compat.torch

    def owns(self, array: object) -> bool:
        return isinstance(array, torch.Tensor)


class StrictBackend(NumpyBackend):
    """Arrays that offer the array API standard and nothing beyond it."""

    name = "strict"
    xp: Any = array_api_strict

    @property
    def fused(self) -> None:
        return None

    def owns(self, array: object) -> bool:
        return type(array) is type(array_api_strict.zeros(1))


@contextmanager
def extra_backend(backend: Any) -> Iterator[None]:
    """`backend` is known to the layers within the block."""
    backends.append(backend)
    try:
        yield
    finally:
        backends.remove(backend)
