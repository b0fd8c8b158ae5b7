"""Left factors of a product as the micro-kernel reads them.

float32 are read where they lie: by rows, by columns (the transpose of what lies there), or in groups of k, as the
columns of a matrix in panels are. Pairs of bfloat16 are made first, and then read by rows or columns; matrix tiles are
loaded from rows alone.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types

from weft.backends.kernels.compiling import overloading, within_kernels
from weft.backends.kernels.micro_kernel import pointer_to, shift
from weft.backends.kernels.panels import PANEL
from weft.backends.kernels.processor import has_amx
from weft.backends.kernels.word_packing import (
    DEPTH,
    SIDE,
    WORDS,
    clear_vector,
    copy_some,
    copy_vector,
    pack_pair,
    pack_row,
    turn_tile,
)
from weft.backends.kernels.words import FLOATS, distance_of, row_distance, with_zeros, words_of

FEW_SETS = 64
"""Rows that are a multiple of so many words apart share few sets of the first cache."""

ALL = 1 << 40
"""A group that all k belong to."""


class LeftFactor(NamedTuple):
    """A[m, k] is the word at address + m · row + (k // group) · next_group + (k % group) · next_k."""

    address: Any
    row: int
    next_k: int
    group: int
    next_group: int


@within_kernels
def row_of(factor: Any, m: Any) -> Any:
    """One row of a left factor, as one."""
    address = shift(factor.address, m * factor.row)
    return LeftFactor(address, factor.row, factor.next_k, factor.group, factor.next_group)


@cache
def left_room(M: int, K: int, kind: Any) -> int:
    """Words of room that a left factor (M, K) needs, whichever way it lies."""
    by_rows = 0 if kind == FLOATS else -(-M // SIDE) * SIDE * pairs_distance(K)
    return max(by_rows, words_of(K, kind) * int(row_distance(M)))


def pairs_distance(K: int) -> int:
    """Words from one row of pairs of K numbers to the next."""
    return int(row_distance((K + 1) // 2))


def left(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
    """A (M, K) at address a, its rows contiguous, `a_row` apart. room: for words, where they have to be made."""


def left_transposed(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
    """The same for A whose transpose (K, M) is at a, with contiguous rows."""


def left_of_panels(A: Any, K: Any, room: Any) -> Any:
    """The same for A (M, K) in panels of float32 (count, M, PANEL)."""


@overloading(left)
def _left(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
    def in_place(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
        return LeftFactor(a, a_row, 1, ALL, 0)

    return in_place if room.dtype == types.float32 else pairs_of_rows


@overloading(left_transposed)
def _left_transposed(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
    if room.dtype == types.float32:
        return columns
    return rows_of_columns if has_amx() else pairs_of_columns


@overloading(left_of_panels)
def _left_of_panels(A: Any, K: Any, room: Any) -> Any:
    def in_place(A: Any, K: Any, room: Any) -> Any:
        return LeftFactor(pointer_to(A, 0), PANEL, 1, PANEL, A.shape[1] * PANEL)

    return in_place if room.dtype == types.float32 else pairs_of_panels


def pairs_of_panels(A: Any, K: Any, room: Any) -> Any:
    """The columns of a panel fill whole groups of words: pairs there are only where a panel has as many as DEPTH."""
    M, distance = A.shape[1], distance_of((K + 1) // 2)
    for i in range((K + PANEL - 1) // PANEL):
        columns, place = min(PANEL, K - i * PANEL), pointer_to(room, i * PANEL // 2)
        put_pairs(pointer_to(A, i * M * PANEL), PANEL, M, columns, place, distance)
    return LeftFactor(pointer_to(room, 0), distance, 1, ALL, 0)


def pairs_of_rows(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
    distance = distance_of((K + 1) // 2)
    put_pairs(a, a_row, M, K, pointer_to(room, 0), distance)
    return LeftFactor(pointer_to(room, 0), distance, 1, ALL, 0)


@within_kernels
def put_pairs(a: Any, a_row: Any, M: Any, K: Any, words: Any, distance: Any) -> None:
    """The words of A's rows, `distance` apart, whole groups of 16 words each: zeros behind the last k."""
    edge = np.zeros(DEPTH, np.float32)
    whole = K // DEPTH * DEPTH
    for m in range(M):
        row, place = shift(a, m * a_row), shift(words, m * distance)
        for k in range(0, whole, DEPTH):
            pack_row(shift(row, k), shift(place, k // 2))
        if whole < K:
            pack_row(with_zeros(shift(row, whole), K - whole, edge), shift(place, whole // 2))


def pairs_of_columns(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
    distance, whole = distance_of(M), M // SIDE * SIDE
    zeros, first_edge, second_edge = np.zeros(M, np.float32), np.zeros(SIDE, np.float32), np.zeros(SIDE, np.float32)
    for k in range(0, K, 2):
        first, place = shift(a, k * a_row), pointer_to(room, k // 2 * distance)
        second = shift(first, a_row) if k + 1 < K else pointer_to(zeros, 0)
        for m in range(0, whole, SIDE):
            pack_pair(shift(first, m), shift(second, m), shift(place, m))
        if whole < M:
            edge = with_zeros(shift(first, whole), M - whole, first_edge)
            pack_pair(edge, with_zeros(shift(second, whole), M - whole, second_edge), shift(place, whole))
    return LeftFactor(pointer_to(room, 0), 1, distance, ALL, 0)


def rows_of_columns(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
    """Squares of 16 rows and 16 pairs, turned; k is the outer loop, so that A's rows are read straight through."""
    distance = distance_of((K + 1) // 2)
    first_edge, second_edge = np.zeros(SIDE, np.float32), np.zeros(SIDE, np.float32)
    square = pointer_to(np.empty(WORDS, np.int32), 0)
    for k in range(0, K, DEPTH):
        for m in range(0, M, SIDE):
            for pair in range(SIDE):
                row, place = k + 2 * pair, shift(square, pair * SIDE)
                if row >= K:
                    clear_vector(place)
                    continue
                first = with_zeros(shift(a, row * a_row + m), M - m, first_edge)
                second = with_zeros(shift(a, (row + 1) * a_row + m), M - m if row + 1 < K else 0, second_edge)
                pack_pair(first, second, place)
            turn_tile(square, SIDE, shift(pointer_to(room, 0), m * distance + k // 2), distance)
    return LeftFactor(pointer_to(room, 0), distance, 1, ALL, 0)


def columns(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
    """float32 are read in place, or from a copy where too many of their rows would lie in the same sets of a cache."""
    if a_row % FEW_SETS != 0:
        return LeftFactor(a, 1, a_row, ALL, 0)
    distance, whole = distance_of(M), M // SIDE * SIDE
    for k in range(K):
        row, place = shift(a, k * a_row), pointer_to(room, k * distance)
        for m in range(0, whole, SIDE):
            copy_vector(shift(row, m), shift(place, m))
        if whole < M:
            copy_some(shift(row, whole), shift(place, whole), M - whole)
    return LeftFactor(pointer_to(room, 0), 1, distance, ALL, 0)
