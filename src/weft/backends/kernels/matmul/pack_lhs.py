"""Left factors of a product as the micro-kernel reads them.

float32 are read where they lie, by rows or in groups of k, as the columns of a matrix in panels are; where what lies
there is the transpose, it is turned first. Pairs of bfloat16 are made first.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types

from weft.backends.kernels.jit.compile import external, inlined, overload
from weft.backends.kernels.jit.pointers import offset, pointer_to, prefetch_read, prefetch_write, stack_floats
from weft.backends.kernels.matmul.element_types import distance_of, packed_words, row_stride, with_zeros
from weft.backends.kernels.matmul.pack_rhs import PANEL
from weft.backends.kernels.matmul.simd_packing import (
    DEPTH,
    SIDE,
    SQUARE,
    clear_vector,
    copy_some,
    pack_pair,
    pack_row,
    transpose_tile_to,
)

NEAR = 64
"""Rows at most so many words apart are read along a column about as fast as along themselves."""

ALL = 1 << 40
"""A group that all k belong to."""


class Lhs(NamedTuple):
    """A[m, k] is the word at address + m · row + (k // group) · next_group + (k % group) · next_k."""

    address: Any
    row: int
    next_k: int
    group: int
    next_group: int


@inlined
def row_of(factor: Any, m: Any) -> Any:
    """One row of a left factor, as one."""
    address = offset(factor.address, m * factor.row)
    return Lhs(address, factor.row, factor.next_k, factor.group, factor.next_group)


@inlined
def from_word(factor: Any, k: Any) -> Any:
    """The columns of a left factor from word k on, as one; k is a multiple of a group."""
    address = offset(factor.address, k // factor.group * factor.next_group + k % factor.group * factor.next_k)
    return Lhs(address, factor.row, factor.next_k, factor.group, factor.next_group)


@cache
def lhs_buffer_size(M: int, K: int, kind: Any) -> int:
    """Words of room that a left factor (M, K) needs, whichever way it lies."""
    return -(-M // SIDE) * SIDE * packed_row_stride(K, kind)


def packed_row_stride(K: int, kind: Any) -> int:
    """Words from one row of K numbers to the next, where rows of words are made."""
    return int(row_stride(packed_words(K, kind)))


def left(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
    """A (M, K) at address a, its rows contiguous, `a_row` apart. room: for words, where they have to be made."""


def left_transposed(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
    """The same for A whose transpose (K, M) is at a, with contiguous rows."""


def left_of_panels(A: Any, K: Any, room: Any) -> Any:
    """The same for A (M, K) in panels of float32 (count, M, PANEL)."""


@overload(left)
def _left(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
    def in_place(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
        return Lhs(a, a_row, 1, ALL, 0)

    return in_place if room.dtype == types.float32 else pairs_of_rows


@overload(left_transposed)
def _left_transposed(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
    return columns if room.dtype == types.float32 else pairs_of_columns


@overload(left_of_panels)
def _left_of_panels(A: Any, K: Any, room: Any) -> Any:
    def in_place(A: Any, K: Any, room: Any) -> Any:
        return Lhs(pointer_to(A, 0), PANEL, 1, PANEL, A.shape[1] * PANEL)

    return in_place if room.dtype == types.float32 else pairs_of_panels


def pairs_of_panels(A: Any, K: Any, room: Any) -> Any:
    """The columns of a panel fill whole groups of words: pairs there are only where a panel has as many as DEPTH."""
    M, distance = A.shape[1], distance_of((K + 1) // 2)
    for i in range((K + PANEL - 1) // PANEL):
        columns, place = min(PANEL, K - i * PANEL), pointer_to(room, i * PANEL // 2)
        put_pairs(pointer_to(A, i * M * PANEL), PANEL, M, columns, place, distance)
    return Lhs(pointer_to(room, 0), distance, 1, ALL, 0)


def pairs_of_rows(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
    distance = distance_of((K + 1) // 2)
    put_pairs(a, a_row, M, K, pointer_to(room, 0), distance)
    return Lhs(pointer_to(room, 0), distance, 1, ALL, 0)


@inlined
def put_pairs(a: Any, a_row: Any, M: Any, K: Any, words: Any, distance: Any) -> None:
    """The words of A's rows, `distance` apart, whole groups of 16 words each: zeros behind the last k."""
    edge = np.zeros(DEPTH, np.float32)
    whole = K // DEPTH * DEPTH
    for m in range(M):
        row, place = offset(a, m * a_row), offset(words, m * distance)
        for k in range(0, whole, DEPTH):
            pack_row(offset(row, k), offset(place, k // 2))
        if whole < K:
            pack_row(with_zeros(offset(row, whole), K - whole, edge), offset(place, whole // 2))


def pairs_of_columns(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
    _turn_pairs_by_name(a, a_row, M, K, pointer_to(room, 0))
    return Lhs(pointer_to(room, 0), distance_of((K + 1) // 2), 1, ALL, 0)


def columns(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
    """float32 are read in place where the rows of what is there are near; else they are turned as pairs are: to find
    the page of another row for every k takes longer than to multiply."""
    if a_row <= NEAR:
        return Lhs(a, 1, a_row, ALL, 0)
    _turn_floats_by_name(a, a_row, M, K, pointer_to(room, 0))
    return Lhs(pointer_to(room, 0), distance_of(K), 1, ALL, 0)


def _turn_floats(a, a_row, M, K, words):  # type: ignore[no-untyped-def]
    distance, square = distance_of(K), stack_floats()
    for k in range(0, K, SIDE):
        for m in range(0, M, SIDE):
            start, place = offset(a, k * a_row + m), offset(words, m * distance + k)
            for row in range(SIDE):  # those of the next k: every row is on another page
                prefetch_read(offset(start, (SIDE + row) * a_row))
                prefetch_write(offset(place, row * distance + SIDE))
            if k + SIDE <= K and m + SIDE <= M:
                transpose_tile_to(start, a_row, place, distance)
                continue
            for row in range(SIDE):
                copy_some(offset(start, row * a_row), offset(square, row * SIDE), M - m if k + row < K else 0)
            transpose_tile_to(square, SIDE, place, distance)


def _turn_pairs(a, a_row, M, K, words):  # type: ignore[no-untyped-def]
    """Squares of 16 pairs and 16 rows. k is the outer loop, so that what is there is read straight on."""
    distance = distance_of((K + 1) // 2)
    first_edge, second_edge = np.zeros(SIDE, np.float32), np.zeros(SIDE, np.float32)
    square = np.empty(SQUARE, np.int32)
    for k in range(0, K, DEPTH):
        for m in range(0, M, SIDE):
            for pair in range(SIDE):
                row, place = k + 2 * pair, pointer_to(square, pair * SIDE)
                if row >= K:
                    clear_vector(place)
                    continue
                first = with_zeros(offset(a, row * a_row + m), M - m, first_edge)
                second = with_zeros(offset(a, (row + 1) * a_row + m), M - m if row + 1 < K else 0, second_edge)
                pack_pair(first, second, place)
            transpose_tile_to(pointer_to(square, 0), SIDE, offset(words, m * distance + k // 2), distance)


def _signature(words: Any) -> Any:
    return types.void(types.CPointer(types.float32), *[types.intp] * 3, types.CPointer(words))


_turn_floats_by_name = external("weft_turn_floats", _turn_floats, _signature(types.float32))
_turn_pairs_by_name = external("weft_turn_pairs", _turn_pairs, _signature(types.int32), deferred=True)
