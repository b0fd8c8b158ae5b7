"""The embedding of a step: rows of the streamed weights, widened to float32."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from weft.backends.kernels.jit.compile import inlined, overload
from weft.backends.kernels.jit.pointers import offset
from weft.backends.kernels.jit.vector_math import float_of_bits
from weft.backends.kernels.streaming.plan import BLOCK, DEPTH, DEPTH_STEP, ID_STEP, INPUT_MATRIX, INPUT_ROW, LENGTH
from weft.backends.kernels.streaming.skinny_gemm import DISTANCE, OFFSET, SCALE


def widened(weight: Any, scale: Any) -> Any:
    """One weight as float32."""


@overload(widened)
def _widened(weight: Any, scale: Any) -> Any:
    def from_bfloat16(weight: Any, scale: Any) -> Any:
        return float_of_bits(np.int32(weight) << np.int32(16))

    def from_int8(weight: Any, scale: Any) -> Any:
        return np.float32(weight) * scale

    def as_it_is(weight: Any, scale: Any) -> Any:
        return weight

    return {types.uint16: from_bfloat16, types.int8: from_int8}.get(weight, as_it_is)


@inlined
def embed(weights: Any, phase: Any, constants: Any, ids: Any, x: Any, rows: Any) -> None:
    """x = W[id], zeros beyond it; W as it lies in memory, which may be as the output's panels."""
    matrix = offset(phase, INPUT_MATRIX)
    block, depth = phase[BLOCK], phase[DEPTH]
    for n in range(rows):
        id, row = ids[n], offset(x, n * phase[INPUT_ROW])
        w = offset(weights, matrix[OFFSET] + id // block * matrix[DISTANCE] + id % block * phase[ID_STEP])
        scale = constants[matrix[SCALE] + id]
        for first in range(0, phase[LENGTH], depth):
            for k in range(min(depth, phase[LENGTH] - first)):
                row[first + k] = widened(w[k], scale)
            w = offset(w, phase[DEPTH_STEP])
        for k in range(phase[LENGTH], phase[INPUT_ROW]):
            row[k] = 0
