"""Array libraries behind one small interface; `backend_of` finds the one an array belongs to."""

from __future__ import annotations

import numpy as np

from weft.backends.backend import Array, Backend, BlockKernel, OutputKernel, State, UpdateKernel
from weft.backends.deduplicated_inputs import DeduplicatedInputs
from weft.backends.numpy_backend import NumpyBackend
from weft.errors import InputError

__all__ = [
    "Array",
    "Backend",
    "BlockKernel",
    "DeduplicatedInputs",
    "NumpyBackend",
    "OutputKernel",
    "State",
    "UpdateKernel",
    "backend_of",
    "backends",
    "random_generator",
]

default_backend = NumpyBackend()
backends: list[Backend] = [default_backend]
"""The backends at hand; another one is added by appending it."""


def backend_of(array: Array) -> Backend:
    """The backend that `array` belongs to; raises InputError if there is none."""
    for backend in backends:
        if backend.owns(array):
            return backend
    raise InputError(
        f"expected an array of a known backend ({', '.join(backend.name for backend in backends)}), "
        f"got {type(array).__module__}.{type(array).__qualname__}"
    )


def random_generator(seed: int | None = None) -> np.random.Generator:
    """The generator of every random number in weft; without a seed it is seeded by the system.

    Raises InputError for a seed below 0.
    """
    if seed is not None and seed < 0:
        raise InputError(f"seed must be at least 0, got {seed}")
    return np.random.default_rng(seed)
