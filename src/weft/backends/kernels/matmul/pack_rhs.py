"""Right factors of a product as the micro-kernel reads them: in panels.

B (K, N) lies in panels of as many columns as the micro-kernel takes at once, [panel][k][column], zeros behind the last
column; k counts words (see `words`).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numba import types

from weft.backends.kernels.jit.compile import external, inlined, overload
from weft.backends.kernels.jit.cpu_features import host_tiling
from weft.backends.kernels.jit.pointers import offset, pointer_to, prefetch_read, stack_floats
from weft.backends.kernels.matmul.element_types import NUMBERS, packed_words, with_zeros, word_count
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
    transpose_tile_to,
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
    return padded(N) // PANEL, packed_words(K, kind), PANEL


def pack(b: Any, b_row: Any, K: Any, N: Any, panels: Any) -> None:
    """The panels of B (K, N) at address b, its rows contiguous."""


def pack_transposed(b: Any, b_row: Any, K: Any, N: Any, panels: Any) -> None:
    """The panels of B whose transpose (N, K) is at b, with contiguous rows."""


def right_of_panels(B: Any, room: Any) -> Any:
    """The panels of a matrix that lies in panels of float32 already. room: for words, where they have to be made."""


@inlined
def panels_in(room: Any, K: Any, N: Any) -> Any:
    """Panels of a right factor (K, N) at the beginning of the room."""
    count, words = (N + PANEL - 1) // PANEL, word_count(K, room)
    return room[: count * words * PANEL].reshape((count, words, PANEL))


@inlined
def _put_turned(tile: Any, depth: Any, place: Any) -> None:
    """The first `depth` columns of a tile of 16 x 16 words as rows of a panel."""
    transpose_tile(tile)
    for k in range(depth):
        copy_vector(offset(tile, k * SIDE), offset(place, k * PANEL))


def _pack_floats(b, b_row, K, N, panels, distance):  # type: ignore[no-untyped-def]
    whole = N // PANEL
    for first in range(0, whole, TOGETHER):
        last = min(whole, first + TOGETHER)
        for k in range(K):
            for i in range(first, last):
                row, place = offset(b, k * b_row + i * PANEL), offset(panels, i * distance + k * PANEL)
                for n in range(0, PANEL, SIDE):
                    copy_vector(offset(row, n), offset(place, n))
    if whole * PANEL < N:
        for k in range(K):
            row, place = offset(b, k * b_row + whole * PANEL), offset(panels, whole * distance + k * PANEL)
            for n in range(0, PANEL, SIDE):
                copy_some(offset(row, n), offset(place, n), N - whole * PANEL - n)


def _pack_pairs(b, b_row, K, N, panels, distance):  # type: ignore[no-untyped-def]
    whole = N // PANEL
    zeros, first_edge, second_edge = np.zeros(N, np.float32), np.zeros(SIDE, np.float32), np.zeros(SIDE, np.float32)
    for start in range(0, whole, TOGETHER):
        stop = min(whole, start + TOGETHER)
        for k in range(0, K, 2):
            first = offset(b, k * b_row)
            second = offset(first, b_row) if k + 1 < K else pointer_to(zeros, 0)
            for i in range(start, stop):
                place = offset(panels, i * distance + k // 2 * PANEL)
                for n in range(0, PANEL, SIDE):
                    pack_pair(offset(first, i * PANEL + n), offset(second, i * PANEL + n), offset(place, n))
    if whole * PANEL < N:
        for k in range(0, K, 2):
            first = offset(b, k * b_row)
            second = offset(first, b_row) if k + 1 < K else pointer_to(zeros, 0)
            place = offset(panels, whole * distance + k // 2 * PANEL)
            for n in range(whole * PANEL, (whole + 1) * PANEL, SIDE):
                edge = with_zeros(offset(first, n), N - n, first_edge)
                pack_pair(edge, with_zeros(offset(second, n), N - n, second_edge), offset(place, n - whole * PANEL))
    for k in range((K + 1) // 2 * PANEL, (K + NUMBERS - 1) // NUMBERS * NUMBERS // 2 * PANEL, SIDE):
        for i in range((N + PANEL - 1) // PANEL):
            clear_vector(offset(panels, i * distance + k))


def _pack_transposed_floats(b, b_row, K, N, panels, distance):  # type: ignore[no-untyped-def]
    tile = stack_floats()
    for i in range((N + PANEL - 1) // PANEL):
        for column in range(i * PANEL, (i + 1) * PANEL, SIDE):
            for k in range(0, K, SIDE):
                depth, place = min(SIDE, K - k), offset(panels, i * distance + k * PANEL + column - i * PANEL)
                for n in range(SIDE):  # every row is on another page, and so far nobody has asked for it
                    prefetch_read(offset(b, (column + SIDE + n) * b_row + k))
                if depth == SIDE and column + SIDE <= N:
                    transpose_tile_to(offset(b, column * b_row + k), b_row, place, PANEL)
                    continue
                for n in range(SIDE):
                    count = depth if column + n < N else 0
                    copy_some(offset(b, (column + n) * b_row + k), offset(tile, n * SIDE), count)
                _put_turned(tile, depth, place)


def _pack_transposed_pairs(b, b_row, K, N, panels, distance):  # type: ignore[no-untyped-def]
    tile, edge, zeros = np.zeros(SQUARE, np.int32), np.zeros(DEPTH, np.float32), np.zeros(DEPTH, np.float32)
    start = pointer_to(tile, 0)
    for i in range((N + PANEL - 1) // PANEL):
        for column in range(i * PANEL, (i + 1) * PANEL, SIDE):
            for k in range(0, K, DEPTH):
                depth = min(DEPTH, K - k)
                for n in range(SIDE):  # every row is on another page, and so far nobody has asked for it
                    prefetch_read(offset(b, (column + SIDE + n) * b_row + k))
                for n in range(SIDE):
                    row = offset(b, (column + n) * b_row + k) if column + n < N else pointer_to(zeros, 0)
                    pack_row(with_zeros(row, depth, edge), offset(start, n * SIDE))
                place = offset(panels, i * distance + k // 2 * PANEL + column - i * PANEL)
                _put_turned(start, min(SIDE, (depth + NUMBERS - 1) // NUMBERS * NUMBERS // 2), place)


def _signature(words: Any) -> Any:
    return types.void(types.CPointer(types.float32), *[types.intp] * 3, types.CPointer(words), types.intp)


_floats = external("weft_pack_floats", _pack_floats, _signature(types.float32))
_floats_transposed = external("weft_pack_transposed_floats", _pack_transposed_floats, _signature(types.float32))
_pairs = external("weft_pack_pairs", _pack_pairs, _signature(types.int32), deferred=True)
_pairs_transposed = external(
    "weft_pack_transposed_pairs", _pack_transposed_pairs, _signature(types.int32), deferred=True
)


def _by_words(floats: Any, pairs: Any) -> Any:
    """What chooses by the words of the panels."""

    def choose(b: Any, b_row: Any, K: Any, N: Any, panels: Any) -> Any:
        by_name = floats if panels.dtype == types.float32 else pairs

        def call(b: Any, b_row: Any, K: Any, N: Any, panels: Any) -> None:
            by_name(b, b_row, K, N, pointer_to(panels, 0), panels.strides[0] // 4)

        return call

    return choose


overload(pack)(_by_words(_floats, _pairs))
overload(pack_transposed)(_by_words(_floats_transposed, _pairs_transposed))


@overload(right_of_panels)
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
