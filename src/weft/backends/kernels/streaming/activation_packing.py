"""The left factors of a step's products, as the micro-kernel for the weights wants them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from weft.backends.kernels.jit.atomics import ints_in
from weft.backends.kernels.jit.compile import inlined, overload
from weft.backends.kernels.jit.cpu_features import has_vnni, has_vnni_int16
from weft.backends.kernels.jit.pointers import offset
from weft.backends.kernels.matmul.simd_packing import TILE_SIDE

SMALLEST, LARGEST, MIDDLE = np.float32(1e-30), np.float32(32767), np.float32(32768.5)
MOST_IN_ALL, ONE = np.float32(2**31 // 127), np.float32(1)
"""What the numbers of a row of A may come to in all: the sum of their products with int8 weights has 31 bits then."""


def bytes_row(cells: Any) -> Any:
    """Words of a row in 16 bits: two for each cell, in two halves, each whole rows of tiles."""
    return 2 * ((cells + TILE_SIDE - 1) // TILE_SIDE * TILE_SIDE)


def factor_row(cells: Any) -> Any:
    """Words for such a row and for its scale."""
    return bytes_row(cells) + TILE_SIDE


row_in_bytes, row_of_factor = inlined(bytes_row), inlined(factor_row)


@inlined
def largest_size(x: Any, count: Any) -> Any:
    """The largest |x_k| of so many, and not nothing."""
    largest = SMALLEST
    for k in range(count):
        largest = max(largest, abs(x[k]))
    return largest


@inlined
def to_bytes(x: Any, largest: Any, cells: Any, highs: Any, lows: Any) -> Any:
    """x (4 · cells,) in 16 bits: of every four, a word of the high bytes and one of the low ones; returns the scale.

    The scale lets the largest just fit; a rounding error is at most 1/65534 of it.
    """
    inverse = LARGEST / largest
    for cell in range(cells):
        high = low = np.int32(0)
        for j in range(4):
            number = np.int32(x[4 * cell + j] * inverse + MIDDLE)  # positive, so that cutting it off rounds
            high |= (number >> np.int32(8)) << np.int32(8 * j)
            low |= (number & np.int32(255)) << np.int32(8 * j)
        highs[cell], lows[cell] = high, low
    return largest / LARGEST


@inlined
def to_words(x: Any, largest: Any, cells: Any, even: Any, odd: Any) -> Any:
    """x (4 · cells,) in 16 bits: of every four, a word of the first and the third and one of the second and the fourth;
    returns the scale.

    The largest just fits, or is as much smaller as whole sums of products with numbers up to 127 need to.
    """
    most = min(LARGEST, MOST_IN_ALL / np.float32(4 * cells) - ONE)
    inverse = most / largest
    for cell in range(cells):
        first, second = np.int32(np.rint(x[4 * cell] * inverse)), np.int32(np.rint(x[4 * cell + 1] * inverse))
        third, fourth = np.int32(np.rint(x[4 * cell + 2] * inverse)), np.int32(np.rint(x[4 * cell + 3] * inverse))
        even[cell] = (first & np.int32(0xFFFF)) | (third << np.int32(16))
        odd[cell] = (second & np.int32(0xFFFF)) | (fourth << np.int32(16))
    return largest / most


def left_factor(weights: Any, x: Any, x_row: Any, rows: Any, cells: Any, own: Any) -> Any:
    """x (rows, …) as the left factor for `weights`: its address, its rows' distance, and its scales' address.

    own: where this thread may put it.
    """


@overload(left_factor)
def _left_factor(weights: Any, x: Any, x_row: Any, rows: Any, cells: Any, own: Any) -> Any:
    if weights.dtype == types.int8 and (has_vnni() or has_vnni_int16()):
        to_bits = to_bytes if has_vnni() else to_words

        def in_16_bits(weights: Any, x: Any, x_row: Any, rows: Any, cells: Any, own: Any) -> Any:
            row = row_in_bytes(cells)
            words, scales = ints_in(own), offset(own, rows * row)
            for r in range(rows):
                x_r, first = offset(x, r * x_row), offset(words, r * row)
                second = offset(first, row // 2)
                scales[r] = to_bits(x_r, largest_size(x_r, 4 * cells), cells, first, second)
                for cell in range(cells, row // 2):
                    first[cell] = second[cell] = np.int32(0)
            return words, row, scales

        return in_16_bits

    def as_it_is(weights: Any, x: Any, x_row: Any, rows: Any, cells: Any, own: Any) -> Any:
        return x, x_row, x

    return as_it_is
