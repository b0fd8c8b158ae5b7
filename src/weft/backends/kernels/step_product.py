"""The products within a time loop: C += A B, where B was packed before the loop.

A is h or da of a step, which several workers may fill together, each some of its columns: `put` makes pairs of bfloat16
of a worker's own columns, and once all have met, everybody multiplies with all of them. What words B consists of is
known from its type when a loop is compiled, so that the loops are written once.
"""

from __future__ import annotations

from typing import Any

from numba import types

from weft.backends.kernels.compiling import overloading
from weft.backends.kernels.left_factor import ALL, LeftFactor, put_pairs
from weft.backends.kernels.micro_kernel import pointer_to, shift
from weft.backends.kernels.panel_product import multiply
from weft.backends.kernels.panels import PANEL
from weft.backends.kernels.word_packing import SIDE


def put(a: Any, a_row: Any, M: Any, segments: Any, B: Any, room: Any) -> None:
    """Make ready the columns of A (M rows, at address a) that `segments` names: first column, count, group of pairs."""


def accumulate(a: Any, a_row: Any, M: Any, B: Any, columns: Any, c: Any, c_row: Any, room: Any) -> None:
    """C += A B for every group of columns of C: each first column and count; B: one factor a group."""


@overloading(put)
def _put(a: Any, a_row: Any, M: Any, segments: Any, B: Any, room: Any) -> Any:
    def pairs(a: Any, a_row: Any, M: Any, segments: Any, B: Any, room: Any) -> None:
        for s in range(segments.shape[0]):
            words = pointer_to(room, segments[s, 2] * SIDE)
            put_pairs(shift(a, segments[s, 0]), a_row, M, segments[s, 1], words, room.shape[1])

    def nothing(a: Any, a_row: Any, M: Any, segments: Any, B: Any, room: Any) -> None:
        pass  # panels of float32 are multiplied with A as it lies

    return nothing if B.dtype == types.float32 else pairs


@overloading(accumulate)
def _accumulate(a: Any, a_row: Any, M: Any, B: Any, columns: Any, c: Any, c_row: Any, room: Any) -> Any:
    def pairs(a: Any, a_row: Any, M: Any, B: Any, columns: Any, c: Any, c_row: Any, room: Any) -> None:
        left = LeftFactor(pointer_to(room, 0), room.shape[1], 1, ALL, 0)
        for g in range(columns.shape[0]):
            multiply(left, M, 2 * B.shape[2], B[g], columns[g, 1], shift(c, columns[g, 0]), c_row, PANEL, False)

    def floats(a: Any, a_row: Any, M: Any, B: Any, columns: Any, c: Any, c_row: Any, room: Any) -> None:
        left = LeftFactor(a, a_row, 1, ALL, 0)
        for g in range(columns.shape[0]):
            multiply(left, M, B.shape[2], B[g], columns[g, 1], shift(c, columns[g, 0]), c_row, PANEL, False)

    return floats if B.dtype == types.float32 else pairs
