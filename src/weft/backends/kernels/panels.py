"""Matrices as the micro-kernel reads them: factors of a product in words, the right one in panels.

A word is a float32, or a pair of bfloat16 numbers, two neighbouring k, for products in bfloat16. The right factor
B (K, N) lies in panels of as many columns as the micro-kernel takes at once, [panel][k][column], zeros behind the last
column; k counts words. The left factor A (M, K) is read where it lies if it is float32, by rows or, as the transpose
of what lies there, by columns; pairs are made of it first. Which of both it is, is known from the type of the room for
the words when a kernel is compiled, so that what multiplies is written once.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import types

from weft.backends.kernels.compiling import called_by_name, compiled, overloading
from weft.backends.kernels.micro_kernel import pointer_to, shift
from weft.backends.kernels.processor import host_tiling
from weft.backends.kernels.tile_packing import CELLS, DEPTH, SIDE, copy_vector, pack_pair, pack_row, transpose_tile

_tiling = host_tiling()
assert _tiling is not None, "the kernels are loaded only where host_tiling() knows the processor"
PANEL = _tiling.columns

TOGETHER = 4
"""Panels that are filled side by side, so that what is read is several cache lines long."""
FEW_SETS = 64
"""Rows that are a multiple of so many words apart share few sets of the first cache."""

FLOATS, PAIRS = np.dtype(np.float32), np.dtype(np.int32)


def padded(columns: int) -> int:
    """The number of columns rounded up to whole panels."""
    return -(-columns // PANEL) * PANEL


def words_of(K: int, kind: Any) -> int:
    """Words that hold K numbers, one after the other."""
    return -(-K // 2) if kind == PAIRS else K


@cache
def panel_shape(K: int, N: int, kind: Any) -> tuple[int, int, int]:
    """The shape of the panels of a right factor (K, N)."""
    return padded(N) // PANEL, words_of(K, kind), PANEL


def apart(columns: Any) -> Any:
    """Words from one row to the next: an odd number of cache lines, so that rows do not all lie in the same sets."""
    return ((columns + SIDE - 1) // SIDE | 1) * SIDE


_apart = compiled(apart)


@cache
def left_room(M: int, K: int, kind: Any) -> int:
    """Words of room that a left factor (M, K) needs, whichever way it lies."""
    by_rows = 0 if kind == FLOATS else M * -(-K // DEPTH) * SIDE
    return max(by_rows, words_of(K, kind) * int(apart(M)))


def word_count(K: Any, room: Any) -> Any:
    """What `words_of` says, for the words of a room."""


def left(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
    """A (M, K) at address a, its rows contiguous: the address of its words, and the distances of their rows and k."""


def left_transposed(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
    """The same for A whose transpose (K, M) is at a, with contiguous rows."""


def pack(b: Any, b_row: Any, K: Any, N: Any, panels: Any) -> None:
    """The panels of B (K, N) at address b, its rows contiguous."""


def pack_transposed(b: Any, b_row: Any, K: Any, N: Any, panels: Any) -> None:
    """The panels of B whose transpose (N, K) is at b, with contiguous rows."""


@overloading(word_count)
def _word_count(K: Any, room: Any) -> Any:
    def floats(K: Any, room: Any) -> Any:
        return K

    def pairs(K: Any, room: Any) -> Any:
        return (K + 1) // 2

    return floats if room.dtype == types.float32 else pairs


@overloading(left)
def _left(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
    def in_place(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
        return a, a_row, 1

    return in_place if room.dtype == types.float32 else pairs_of_rows


@overloading(left_transposed)
def _left_transposed(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
    return columns if room.dtype == types.float32 else pairs_of_columns


@compiled
def panels_in(room: Any, K: Any, N: Any) -> Any:
    """Panels of a right factor (K, N) at the beginning of the room."""
    count, words = (N + PANEL - 1) // PANEL, word_count(K, room)
    return room[: count * words * PANEL].reshape((count, words, PANEL))


def pairs_of_rows(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
    distance = (K + DEPTH - 1) // DEPTH * SIDE
    put_pairs(a, a_row, M, K, pointer_to(room, 0), distance)
    return pointer_to(room, 0), distance, 1


@compiled
def put_pairs(a: Any, a_row: Any, M: Any, K: Any, words: Any, distance: Any) -> None:
    """The words of A's rows, `distance` apart, whole groups of 16 words each: zeros behind the last k."""
    edge = np.zeros(DEPTH, np.float32)
    whole = K // DEPTH * DEPTH
    for m in range(M):
        row, place = shift(a, m * a_row), shift(words, m * distance)
        for k in range(0, whole, DEPTH):
            pack_row(shift(row, k), shift(place, k // 2), 1)
        if whole < K:
            pack_row(_with_zeros(shift(row, whole), K - whole, edge), shift(place, whole // 2), 1)


def pairs_of_columns(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
    distance, whole = _apart(M), M // SIDE * SIDE
    zeros, first_edge, second_edge = np.zeros(M, np.float32), np.zeros(SIDE, np.float32), np.zeros(SIDE, np.float32)
    for k in range(0, K, 2):
        first, place = shift(a, k * a_row), pointer_to(room, k // 2 * distance)
        second = shift(first, a_row) if k + 1 < K else pointer_to(zeros, 0)
        for m in range(0, whole, SIDE):
            pack_pair(shift(first, m), shift(second, m), shift(place, m), 1)
        if whole < M:
            edge = _with_zeros(shift(first, whole), M - whole, first_edge)
            pack_pair(edge, _with_zeros(shift(second, whole), M - whole, second_edge), shift(place, whole), 1)
    return pointer_to(room, 0), 1, distance


def columns(a: Any, a_row: Any, M: Any, K: Any, room: Any) -> Any:
    """float32 are read in place, or from a copy where too many of their rows would lie in the same sets of a cache."""
    if a_row % FEW_SETS != 0:
        return a, 1, a_row
    distance, whole = _apart(M), M // SIDE * SIDE
    for k in range(K):
        row, place = shift(a, k * a_row), pointer_to(room, k * distance)
        for m in range(0, whole, SIDE):
            copy_vector(shift(row, m), shift(place, m))
        for m in range(whole, M):
            place[m] = row[m]
    return pointer_to(room, 0), 1, distance


@compiled
def _put_turned(tile: Any, depth: Any, place: Any) -> None:
    """The first `depth` columns of a tile of 16 x 16 words as rows of a panel."""
    transpose_tile(tile)
    for k in range(depth):
        copy_vector(shift(tile, k * SIDE), shift(place, k * PANEL))


@compiled
def _with_zeros(source: Any, count: Any, edge: Any) -> Any:
    """The source's address where it has all that `edge` has room for, else that of `edge`: `count` numbers, zeros."""
    if count >= edge.size:
        return source
    for j in range(edge.size):
        edge[j] = source[j] if j < count else 0
    return pointer_to(edge, 0)


def _pack_floats(b, b_row, K, N, panels, distance):  # type: ignore[no-untyped-def]
    whole = N // PANEL
    for first in range(0, whole, TOGETHER):
        last = min(whole, first + TOGETHER)
        for k in range(K):
            for i in range(first, last):
                row, place = shift(b, k * b_row + i * PANEL), shift(panels, i * distance + k * PANEL)
                for n in range(0, PANEL, SIDE):
                    copy_vector(shift(row, n), shift(place, n))
    if whole * PANEL < N:
        for k in range(K):
            row, place = shift(b, k * b_row + whole * PANEL), shift(panels, whole * distance + k * PANEL)
            for n in range(PANEL):
                place[n] = row[n] if whole * PANEL + n < N else 0


def _pack_pairs(b, b_row, K, N, panels, distance):  # type: ignore[no-untyped-def]
    whole = N // PANEL
    zeros, first_edge, second_edge = np.zeros(N, np.float32), np.zeros(SIDE, np.float32), np.zeros(SIDE, np.float32)
    for start in range(0, whole, TOGETHER):
        stop = min(whole, start + TOGETHER)
        for k in range(0, K, 2):
            first = shift(b, k * b_row)
            second = shift(first, b_row) if k + 1 < K else pointer_to(zeros, 0)
            for i in range(start, stop):
                place = shift(panels, i * distance + k // 2 * PANEL)
                for n in range(0, PANEL, SIDE):
                    pack_pair(shift(first, i * PANEL + n), shift(second, i * PANEL + n), shift(place, n), 1)
    if whole * PANEL < N:
        for k in range(0, K, 2):
            first = shift(b, k * b_row)
            second = shift(first, b_row) if k + 1 < K else pointer_to(zeros, 0)
            place = shift(panels, whole * distance + k // 2 * PANEL)
            for n in range(whole * PANEL, (whole + 1) * PANEL, SIDE):
                edge = _with_zeros(shift(first, n), N - n, first_edge)
                pack_pair(edge, _with_zeros(shift(second, n), N - n, second_edge), shift(place, n - whole * PANEL), 1)


def _pack_transposed_floats(b, b_row, K, N, panels, distance):  # type: ignore[no-untyped-def]
    tile, edge, zeros = np.zeros(CELLS, np.float32), np.zeros(SIDE, np.float32), np.zeros(SIDE, np.float32)
    start = pointer_to(tile, 0)
    for i in range((N + PANEL - 1) // PANEL):
        for column in range(i * PANEL, (i + 1) * PANEL, SIDE):
            for k in range(0, K, SIDE):
                depth = min(SIDE, K - k)
                for n in range(SIDE):
                    row = shift(b, (column + n) * b_row + k) if column + n < N else pointer_to(zeros, 0)
                    copy_vector(_with_zeros(row, depth, edge), shift(start, n * SIDE))
                _put_turned(start, depth, shift(panels, i * distance + k * PANEL + column - i * PANEL))


def _pack_transposed_pairs(b, b_row, K, N, panels, distance):  # type: ignore[no-untyped-def]
    tile, edge, zeros = np.zeros(CELLS, np.int32), np.zeros(DEPTH, np.float32), np.zeros(DEPTH, np.float32)
    start = pointer_to(tile, 0)
    for i in range((N + PANEL - 1) // PANEL):
        for column in range(i * PANEL, (i + 1) * PANEL, SIDE):
            for k in range(0, K, DEPTH):
                depth = min(DEPTH, K - k)
                for n in range(SIDE):
                    row = shift(b, (column + n) * b_row + k) if column + n < N else pointer_to(zeros, 0)
                    pack_row(_with_zeros(row, depth, edge), shift(start, n * SIDE), 1)
                place = shift(panels, i * distance + k // 2 * PANEL + column - i * PANEL)
                _put_turned(start, (depth + 1) // 2, place)


def _signature(words: Any) -> Any:
    return types.void(types.CPointer(types.float32), *[types.intp] * 3, types.CPointer(words), types.intp)


_floats = called_by_name("weft_pack_floats", _pack_floats, _signature(types.float32))
_floats_transposed = called_by_name("weft_pack_transposed_floats", _pack_transposed_floats, _signature(types.float32))
_pairs = called_by_name("weft_pack_pairs", _pack_pairs, _signature(types.int32), later=True)
_pairs_transposed = called_by_name(
    "weft_pack_transposed_pairs", _pack_transposed_pairs, _signature(types.int32), later=True
)


@overloading(pack)
def _choose_pack(b: Any, b_row: Any, K: Any, N: Any, panels: Any) -> Any:
    by_name = _floats if panels.dtype == types.float32 else _pairs

    def call(b: Any, b_row: Any, K: Any, N: Any, panels: Any) -> None:
        by_name(b, b_row, K, N, pointer_to(panels, 0), panels.strides[0] // 4)

    return call


@overloading(pack_transposed)
def _choose_pack_transposed(b: Any, b_row: Any, K: Any, N: Any, panels: Any) -> Any:
    by_name = _floats_transposed if panels.dtype == types.float32 else _pairs_transposed

    def call(b: Any, b_row: Any, K: Any, N: Any, panels: Any) -> None:
        by_name(b, b_row, K, N, pointer_to(panels, 0), panels.strides[0] // 4)

    return call
