"""Array libraries behind one small interface; `backend_of` finds the backend of an array."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from weft.backends.array_types import Array, State
from weft.backends.backend import Backend
from weft.backends.deduplicated_inputs import DeduplicatedInputs
from weft.backends.fused_operations import AdamStep, BlockKernel, FusedOperations, OutputKernel, UpdateKernel
from weft.backends.numpy_backend import NumpyBackend, default_backend
from weft.backends.shape_generator import ShapeGenerator
from weft.backends.token_ids import ids_of_text, token_ids
from weft.errors import InputError
from weft.submodules import import_submodule

__all__ = [
    "AdamStep",
    "Array",
    "Backend",
    "BlockKernel",
    "DeduplicatedInputs",
    "FusedOperations",
    "NumpyBackend",
    "OutputKernel",
    "ShapeGenerator",
    "State",
    "UpdateKernel",
    "backend_of",
    "backends",
    "default_backend",
    "ids_of_text",
    "random_generator",
    "token_ids",
    "update_kernel",
]

backends: list[Backend] = [default_backend]
"""All known backends; append another one to add it."""


def backend_of(array: Array) -> Backend:
    """The backend that `array` belongs to; raises InputError if no backend owns it."""
    for backend in backends:
        if backend.owns(array):
            return backend
    raise InputError(
        f"expected an array of a known backend ({', '.join(backend.name for backend in backends)}), "
        f"got {type(array).__module__}.{type(array).__qualname__}"
    )


def update_kernel(array: Array) -> UpdateKernel | None:
    """The fused parameter updates for arrays of the library and dtype of `array`, or None."""
    fused = backend_of(array).fused
    return fused.update_kernel(array.dtype) if fused else None


def random_generator(seed: int | None = None) -> np.random.Generator:
    """The generator of all random numbers in weft, seeded by the system if `seed` is None.

    Raises InputError for a seed below 0.
    """
    if seed is not None and seed < 0:
        raise InputError(f"seed must be at least 0, got {seed}")
    return np.random.default_rng(seed)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> ModuleType:
        return import_submodule(__name__, name)
