"""The activations of a step in the form that the micro-kernel for the weights needs.

float32 and bfloat16 weights are multiplied with float32 activations as they are. int8 weights are multiplied with
activations of 16 bits, so that the products are exact in integers. Each row has one scale. A packed element has four
values of consecutive k, which become two int32, one in each half of the row:

    VNNI               first half: four high bytes             second half: four low bytes
    16-bit products    first half: values 0 and 2              second half: values 1 and 3
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from weft.backends.kernels.jit.atomics import ints_in
from weft.backends.kernels.jit.compile import inlined, overload
from weft.backends.kernels.jit.cpu_features import has_vnni, has_vnni_int16
from weft.backends.kernels.jit.pointers import offset
from weft.backends.kernels.matmul.simd_packing import TILE_SIDE
from weft.backends.kernels.streaming.operands import Activations

SMALLEST, LARGEST, BYTE_OFFSET = np.float32(1e-30), np.float32(32767), np.float32(32768.5)
MAX_SUM, ONE = np.float32(2**31 // 127), np.float32(1)
"""The largest sum of the magnitudes of a row: its products with int8 weights then add up within 32 bits."""


@inlined
def quantized_row(depth: Any) -> Any:
    """int32 in a row of 16-bit activations: two halves, each padded to whole tile rows."""
    return 2 * ((depth + TILE_SIDE - 1) // TILE_SIDE * TILE_SIDE)


@inlined
def buffer_row(depth: Any) -> Any:
    """Elements of the buffer for such a row and for its scale."""
    return quantized_row(depth) + TILE_SIDE


@inlined
def largest_magnitude(x: Any, count: Any) -> Any:
    """max |x_k|, and at least SMALLEST."""
    largest = SMALLEST
    for k in range(count):
        largest = max(largest, abs(x[k]))
    return largest


@inlined
def quantize_to_bytes(x: Any, largest: Any, depth: Any, highs: Any, lows: Any) -> Any:
    """x (4 · depth,) in 16 bits, offset by 2¹⁵: the high and the low bytes of every four values. Returns the scale.

    The scale maps `largest` to 32767; a rounding error is at most 1/65534 of `largest`.
    """
    inverse = LARGEST / largest
    for element in range(depth):
        high = low = np.int32(0)
        for j in range(4):
            value = np.int32(x[4 * element + j] * inverse + BYTE_OFFSET)  # positive, so that truncation rounds
            high |= (value >> np.int32(8)) << np.int32(8 * j)
            low |= (value & np.int32(255)) << np.int32(8 * j)
        highs[element], lows[element] = high, low
    return largest / LARGEST


@inlined
def quantize_to_int16(x: Any, largest: Any, depth: Any, even: Any, odd: Any) -> Any:
    """x (4 · depth,) in 16 bits: of every four values, 0 and 2 in `even`, 1 and 3 in `odd`. Returns the scale.

    The scale maps `largest` to 32767, or to less if the integer sums could overflow.
    """
    most = min(LARGEST, MAX_SUM / np.float32(4 * depth) - ONE)
    inverse = most / largest
    for element in range(depth):
        k = 4 * element
        first, second = np.int32(np.rint(x[k] * inverse)), np.int32(np.rint(x[k + 1] * inverse))
        third, fourth = np.int32(np.rint(x[k + 2] * inverse)), np.int32(np.rint(x[k + 3] * inverse))
        even[element] = (first & np.int32(0xFFFF)) | (third << np.int32(16))
        odd[element] = (second & np.int32(0xFFFF)) | (fourth << np.int32(16))
    return largest / most


def pack_activations(weights: Any, x: Any, stride: Any, N: Any, depth: Any, buffer: Any) -> Any:
    """x (N, …) at an address, with rows `stride` elements apart, as `Activations` for `weights` of `depth` elements.

    buffer: N · buffer_row(depth) elements, used for int8 weights.
    """


@overload(pack_activations)
def _pack_activations(weights: Any, x: Any, stride: Any, N: Any, depth: Any, buffer: Any) -> Any:
    if weights.dtype == types.int8 and (has_vnni() or has_vnni_int16()):
        quantize = quantize_to_bytes if has_vnni() else quantize_to_int16

        def in_16_bits(weights: Any, x: Any, stride: Any, N: Any, depth: Any, buffer: Any) -> Any:
            row = quantized_row(depth)
            packed, scales = ints_in(buffer), offset(buffer, N * row)
            for n in range(N):
                x_n, first = offset(x, n * stride), offset(packed, n * row)
                second = offset(first, row // 2)
                scales[n] = quantize(x_n, largest_magnitude(x_n, 4 * depth), depth, first, second)
                for element in range(depth, row // 2):
                    first[element] = second[element] = np.int32(0)
            return Activations(packed, row, scales)

        return in_16_bits

    def in_place(weights: Any, x: Any, stride: Any, N: Any, depth: Any, buffer: Any) -> Any:
        return Activations(x, stride, x)

    return in_place
