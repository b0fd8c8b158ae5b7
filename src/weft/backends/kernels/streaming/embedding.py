"""The embedding phase of a step: rows of the packed weights, converted to float32."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from weft.backends.kernels.jit.compile import inlined, overload
from weft.backends.kernels.jit.pointers import offset
from weft.backends.kernels.jit.vector_math import float_of_bits
from weft.backends.kernels.streaming.plan import (
    EMBEDDING_ID_STRIDE,
    EMBEDDING_IDS,
    EMBEDDING_RUN,
    EMBEDDING_RUN_STRIDE,
    EMBEDDING_SIZE,
    INPUT_MATRIX,
    INPUT_STRIDE,
    OFFSET,
    PANEL_STRIDE,
    SCALES,
)


def dequantized(weight: Any, scale: Any) -> Any:
    """One weight as float32."""


@overload(dequantized)
def _dequantized(weight: Any, scale: Any) -> Any:
    def from_bfloat16(weight: Any, scale: Any) -> Any:
        return float_of_bits(np.int32(weight) << np.int32(16))

    def from_int8(weight: Any, scale: Any) -> Any:
        return np.float32(weight) * scale

    def from_float32(weight: Any, scale: Any) -> Any:
        return weight

    return {types.uint16: from_bfloat16, types.int8: from_int8}.get(weight, from_float32)


@inlined
def embed(weights: Any, phase: Any, constants: Any, ids: Any, x: Any, N: Any) -> None:
    """x (N, D) = W[id], with zeros from D to the row stride. W is stored by rows, or as the output's panels if tied."""
    matrix = offset(phase, INPUT_MATRIX)
    interleaved, run = phase[EMBEDDING_IDS], phase[EMBEDDING_RUN]
    for n in range(N):
        id, row = ids[n], offset(x, n * phase[INPUT_STRIDE])
        panel = id // interleaved * matrix[PANEL_STRIDE]
        w = offset(weights, matrix[OFFSET] + panel + id % interleaved * phase[EMBEDDING_ID_STRIDE])
        scale = constants[matrix[SCALES] + id]
        for first in range(0, phase[EMBEDDING_SIZE], run):
            for k in range(min(run, phase[EMBEDDING_SIZE] - first)):
                row[first + k] = dequantized(w[k], scale)
            w = offset(w, phase[EMBEDDING_RUN_STRIDE])
        for k in range(phase[EMBEDDING_SIZE], phase[INPUT_STRIDE]):
            row[k] = 0
