"""Matrix products out of micro-kernels: C = A B or C += A B, with B packed into panels (see `panels`).

Three loops bring what the micro-kernel reads near it:

    rows of A, as many as fit the second cache
        panels of B                             each read once for these rows
            k, in pieces of which a panel's share fits the second cache
                blocks of rows, at most as many as the micro-kernel has accumulators for
                    the micro-kernel

A panel is read straight through, so the second cache keeps up with the micro-kernel. The blocks differ by at most one
row, so that none is a short rest. Every row of a block of C is on another page: its lines are sent for before the block
is multiplied. What does not fill a panel goes through a small buffer, where one vector is enough through a micro-kernel
of one. A time loop's product of few rows is the same with few blocks.
"""

from __future__ import annotations

from typing import Any

from numba import types

from weft.backends.kernels.compiling import called_by_name, overloading, within_kernels
from weft.backends.kernels.micro_kernel import floats_on_stack, micro_kernel, pointer_to, send_for, shift
from weft.backends.kernels.panels import PANEL
from weft.backends.kernels.processor import host_tiling
from weft.backends.kernels.words import word_count

_tiling = host_tiling()
assert _tiling is not None, "the kernels are loaded only where host_tiling() knows the processor"
MOST_ROWS, VECTORS, WIDTH = _tiling.rows, _tiling.vectors, _tiling.width
FEW_ROWS = MOST_ROWS // 2
K_PIECE = 1024
"""Most words of k at a time."""
ROW_PIECE_WORDS = 120_000
"""About how many words of A are read again for every panel."""

LINE = 16
"""Numbers in a cache line."""

_whole = micro_kernel(MOST_ROWS, VECTORS, WIDTH)
_narrow, _narrowest = micro_kernel(FEW_ROWS, 1, WIDTH), micro_kernel(FEW_ROWS, 1, WIDTH // 2)


@within_kernels
def start_of_piece(K: Any, number: Any, count: Any) -> Any:
    """The first k of a piece: a multiple of PANEL, where groups of k (see `LeftFactor`) begin."""
    return K if number == count else K * number // count // PANEL * PANEL


@within_kernels
def _few_columns(
    columns: Any, rows: Any, a: Any, a_row: Any, a_k: Any, group: Any, next_group: Any, b: Any, K: Any, room: Any
) -> None:
    """Columns that a vector or half of one holds."""
    for first in range(0, rows, FEW_ROWS):
        some, a_start, place = min(FEW_ROWS, rows - first), shift(a, first * a_row), shift(room, first * PANEL)
        if columns > WIDTH // 2:
            _narrow(some, a_start, a_row, a_k, group, next_group, b, PANEL, K, place, PANEL, True)
        else:
            _narrowest(some, a_start, a_row, a_k, group, next_group, b, PANEL, K, place, PANEL, True)


def _multiply(a, a_row, a_k, group, next_group, M, K, panels, panel_distance, N, c, c_row, c_panel, fresh):  # type: ignore[no-untyped-def]
    room = floats_on_stack()
    k_pieces = (K + K_PIECE - 1) // K_PIECE
    rows_at_once = max(ROW_PIECE_WORDS // K, MOST_ROWS) // MOST_ROWS * MOST_ROWS
    row_pieces = (M + rows_at_once - 1) // rows_at_once
    for row_piece in range(row_pieces):
        first, last = M * row_piece // row_pieces, M * (row_piece + 1) // row_pieces
        blocks = (last - first + MOST_ROWS - 1) // MOST_ROWS
        for i in range((N + PANEL - 1) // PANEL):
            columns = min(PANEL, N - i * PANEL)
            for k_piece in range(k_pieces):
                k, k_after = start_of_piece(K, k_piece, k_pieces), start_of_piece(K, k_piece + 1, k_pieces)
                new = fresh and k_piece == 0
                b = shift(panels, i * panel_distance + k * PANEL)
                for block in range(blocks):
                    r = first + (last - first) * block // blocks
                    rows = first + (last - first) * (block + 1) // blocks - r
                    a_start = shift(a, r * a_row + k // group * next_group + k % group * a_k)
                    c_start = shift(c, r * c_row + i * c_panel)
                    for row in range(rows):
                        for n in range(0, PANEL, LINE):
                            send_for(shift(c_start, row * c_row + n))
                    whole = columns == PANEL
                    place, place_row = (c_start, c_row) if whole else (room, PANEL)
                    if columns > WIDTH:
                        _whole(
                            rows, a_start, a_row, a_k, group, next_group, b, PANEL, k_after - k, place, place_row,
                            new or not whole,
                        )  # fmt: skip
                    else:
                        _few_columns(columns, rows, a_start, a_row, a_k, group, next_group, b, k_after - k, room)
                    if not whole:
                        for row in range(rows):
                            for n in range(columns):
                                before = 0 if new else c_start[row * c_row + n]
                                c_start[row * c_row + n] = before + room[row * PANEL + n]


_floats, _pairs, _size = types.CPointer(types.float32), types.CPointer(types.int32), types.intp


def _signature(words: Any) -> Any:
    return types.void(
        words, *[_size] * 6, words, _size, _size, _floats, _size, _size, types.boolean
    )  # fmt: skip


_floats_by_name = called_by_name("weft_multiply_floats", _multiply, _signature(_floats))
_pairs_by_name = called_by_name("weft_multiply_pairs", _multiply, _signature(_pairs), later=True)


def multiply(left: Any, M: Any, K: Any, panels: Any, N: Any, c: Any, c_row: Any, c_panel: Any, fresh: Any) -> None:
    """C (M, N) += A B, or C = A B where fresh. left: the `LeftFactor` A; panels: of B (K, N); c: the address of C,
    c_row, c_panel: the distances of its rows, and of the columns that follow a panel's (PANEL if they are neighbours).
    """


@overloading(multiply)
def _choose(
    left: Any, M: Any, K: Any, panels: Any, N: Any, c: Any, c_row: Any, c_panel: Any, fresh: Any
) -> Any:  # fmt: skip
    by_name = _floats_by_name if panels.dtype == types.float32 else _pairs_by_name

    def call(
        left: Any, M: Any, K: Any, panels: Any, N: Any, c: Any, c_row: Any, c_panel: Any, fresh: Any
    ) -> None:  # fmt: skip
        by_name(
            left.address, left.row, left.next_k, left.group, left.next_group, M, word_count(K, panels),
            pointer_to(panels, 0), panels.shape[1] * PANEL, N, c, c_row, c_panel, fresh,
        )  # fmt: skip

    return call
