"""Right factors of a product as the micro-kernel reads them: in panels.

B (K, N) lies in panels of as many columns as the micro-kernel takes at once, [panel][k][column], zeros behind the last
column; k counts words (see `words`).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import types

from weft.backends.kernels.jit.compile import called_by_name, overloading, within_kernels
from weft.backends.kernels.jit.cpu_features import host_tiling
from weft.backends.kernels.jit.pointers import floats_on_stack, look_ahead, pointer_to, shift
from weft.backends.kernels.matmul.element_types import NUMBERS, with_zeros, word_count, words_of
from weft.backends.kernels.matmul.simd_packing import (
    DEPTH,
    SIDE,
    SQUARE,
    clear_vector,
    copy_some,
    copy_vector,
    pack_pair,
    pack_row,
    transpose_tile,
    turn_tile,
)

_tiling = host_tiling()
assert _tiling is not None, "the kernels are loaded only where host_tiling() knows the processor"
PANEL = _tiling.columns

TOGETHER = 4
"""Panels that are filled side by side, so that what is read is several cache lines long."""


def padded(columns: int) -> int:
    """The number of columns rounded up to whole panels."""
    return -(-columns // PANEL) * PANEL


@cache
def panel_shape(K: int, N: int, kind: Any) -> tuple[int, int, int]:
    """The shape of the panels of a right factor (K, N)."""
    return padded(N) // PANEL, words_of(K, kind), PANEL


def pack(b: Any, b_row: Any, K: Any, N: Any, panels: Any) -> None:
    """The panels of B (K, N) at address b, its rows contiguous."""


def pack_transposed(b: Any, b_row: Any, K: Any, N: Any, panels: Any) -> None:
    """The panels of B whose transpose (N, K) is at b, with contiguous rows."""


def right_of_panels(B: Any, room: Any) -> Any:
    """The panels of a matrix that lies in panels of float32 already. room: for words, where they have to be made."""


@within_kernels
def panels_in(room: Any, K: Any, N: Any) -> Any:
    """Panels of a right factor (K, N) at the beginning of the room."""
    count, words = (N + PANEL - 1) // PANEL, word_count(K, room)
    return room[: count * words * PANEL].reshape((count, words, PANEL))


@within_kernels
def _put_turned(tile: Any, depth: Any, place: Any) -> None:
    """The first `depth` columns of a tile of 16 x 16 words as rows of a panel."""
    transpose_tile(tile)
    for k in range(depth):
        copy_vector(shift(tile, k * SIDE), shift(place, k * PANEL))


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
            for n in range(0, PANEL, SIDE):
                copy_some(shift(row, n), shift(place, n), N - whole * PANEL - n)


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
                    pack_pair(shift(first, i * PANEL + n), shift(second, i * PANEL + n), shift(place, n))
    if whole * PANEL < N:
        for k in range(0, K, 2):
            first = shift(b, k * b_row)
            second = shift(first, b_row) if k + 1 < K else pointer_to(zeros, 0)
            place = shift(panels, whole * distance + k // 2 * PANEL)
            for n in range(whole * PANEL, (whole + 1) * PANEL, SIDE):
                edge = with_zeros(shift(first, n), N - n, first_edge)
                pack_pair(edge, with_zeros(shift(second, n), N - n, second_edge), shift(place, n - whole * PANEL))
    for k in range((K + 1) // 2 * PANEL, (K + NUMBERS - 1) // NUMBERS * NUMBERS // 2 * PANEL, SIDE):
        for i in range((N + PANEL - 1) // PANEL):
            clear_vector(shift(panels, i * distance + k))


def _pack_transposed_floats(b, b_row, K, N, panels, distance):  # type: ignore[no-untyped-def]
    tile = floats_on_stack()
    for i in range((N + PANEL - 1) // PANEL):
        for column in range(i * PANEL, (i + 1) * PANEL, SIDE):
            for k in range(0, K, SIDE):
                depth, place = min(SIDE, K - k), shift(panels, i * distance + k * PANEL + column - i * PANEL)
                for n in range(SIDE):  # every row is on another page, and so far nobody has asked for it
                    look_ahead(shift(b, (column + SIDE + n) * b_row + k))
                if depth == SIDE and column + SIDE <= N:
                    turn_tile(shift(b, column * b_row + k), b_row, place, PANEL)
                    continue
                for n in range(SIDE):
                    count = depth if column + n < N else 0
                    copy_some(shift(b, (column + n) * b_row + k), shift(tile, n * SIDE), count)
                _put_turned(tile, depth, place)


def _pack_transposed_pairs(b, b_row, K, N, panels, distance):  # type: ignore[no-untyped-def]
    tile, edge, zeros = np.zeros(SQUARE, np.int32), np.zeros(DEPTH, np.float32), np.zeros(DEPTH, np.float32)
    start = pointer_to(tile, 0)
    for i in range((N + PANEL - 1) // PANEL):
        for column in range(i * PANEL, (i + 1) * PANEL, SIDE):
            for k in range(0, K, DEPTH):
                depth = min(DEPTH, K - k)
                for n in range(SIDE):  # every row is on another page, and so far nobody has asked for it
                    look_ahead(shift(b, (column + SIDE + n) * b_row + k))
                for n in range(SIDE):
                    row = shift(b, (column + n) * b_row + k) if column + n < N else pointer_to(zeros, 0)
                    pack_row(with_zeros(row, depth, edge), shift(start, n * SIDE))
                place = shift(panels, i * distance + k // 2 * PANEL + column - i * PANEL)
                _put_turned(start, min(SIDE, (depth + NUMBERS - 1) // NUMBERS * NUMBERS // 2), place)


def _signature(words: Any) -> Any:
    return types.void(types.CPointer(types.float32), *[types.intp] * 3, types.CPointer(words), types.intp)


_floats = called_by_name("weft_pack_floats", _pack_floats, _signature(types.float32))
_floats_transposed = called_by_name("weft_pack_transposed_floats", _pack_transposed_floats, _signature(types.float32))
_pairs = called_by_name("weft_pack_pairs", _pack_pairs, _signature(types.int32), later=True)
_pairs_transposed = called_by_name(
    "weft_pack_transposed_pairs", _pack_transposed_pairs, _signature(types.int32), later=True
)


def _by_words(floats: Any, pairs: Any) -> Any:
    """What chooses by the words of the panels."""

    def choose(b: Any, b_row: Any, K: Any, N: Any, panels: Any) -> Any:
        by_name = floats if panels.dtype == types.float32 else pairs

        def call(b: Any, b_row: Any, K: Any, N: Any, panels: Any) -> None:
            by_name(b, b_row, K, N, pointer_to(panels, 0), panels.strides[0] // 4)

        return call

    return choose


overloading(pack)(_by_words(_floats, _pairs))
overloading(pack_transposed)(_by_words(_floats_transposed, _pairs_transposed))


@overloading(right_of_panels)
def _right_of_panels(B: Any, room: Any) -> Any:
    def as_they_are(B: Any, room: Any) -> Any:
        return B

    def pairs(B: Any, room: Any) -> Any:
        count, K, _columns = B.shape
        panels = panels_in(room, K, count * PANEL)
        for i in range(count):
            pack(pointer_to(B, i * K * PANEL), PANEL, K, PANEL, panels[i : i + 1])
        return panels

    return as_they_are if room.dtype == types.float32 else pairs
