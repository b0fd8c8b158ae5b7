"""Independent computations of the same numbers: central differences, and layers on PyTorch tensors with autograd."""

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
        original = array[index]
        array[index] = original + epsilon
        above = value()
        array[index] = original - epsilon
        below = value()
        array[index] = original
        gradient[index] = (above - below) / (2 * epsilon)
    return gradient


def central_differences_along(
    value: Callable[[], float], array: Floats, directions: Floats, epsilon: float = 1e-5
) -> Floats:
    """The slope of value() along each direction v, an array like `array`: (f(x + εv) - f(x - εv)) / 2ε.

    An error in any element of a gradient changes the slope along a random direction, which takes two values of f.
    """
    original = array.copy()
    slopes = []
    for direction in directions:
        array[...] = original + epsilon * direction
        above = value()
        array[...] = original - epsilon * direction
        slopes.append((above - value()) / (2 * epsilon))
    array[...] = original
    return np.array(slopes)


class TorchBackend(NumpyBackend):
    """The operations of a backend that cells on PyTorch tensors need."""

    name = "torch"
    xp: Any = array_api_compat.torch

    def owns(self, array: object) -> bool:
        return isinstance(array, torch.Tensor)


class StrictBackend(NumpyBackend):
    """Arrays with the functions of the array API standard alone."""

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
