"""Matrix products out of micro-kernels: C = A B or C += A B, with B packed into panels (see `panels`).

Three loops bring what the micro-kernel reads near it:

    rows of A, as many as fit the second cache
        panels of B                             each read once for these rows
            k, in pieces of which a panel's share fits the second cache
                blocks of rows
                    the micro-kernel

A panel is read straight through, so the second cache keeps up with the micro-kernel. Blocks have as many rows as the
micro-kernel has accumulators for, what is left goes in smaller ones (see `heights`). Every row of a block of C is on
another page: its lines are sent for before the block is multiplied. What does not fill a panel goes through a small
buffer, and where one vector or half of one is enough, through a micro-kernel of that. A time loop's product of few rows
is the same with few blocks. Pairs go through matrix tiles where there are such (see `tile_product`).
"""

from __future__ import annotations

from typing import Any

from numba import types

from weft.backends.kernels.jit.compile import external, inlined, overload
from weft.backends.kernels.jit.cpu_features import has_amx, host_tiling
from weft.backends.kernels.jit.pointers import LINE, offset, pointer_to, prefetch_write, stack_floats
from weft.backends.kernels.matmul.amx_gemm import amx_gemm
from weft.backends.kernels.matmul.element_types import word_count
from weft.backends.kernels.matmul.micro_kernel import micro_kernel
from weft.backends.kernels.matmul.pack_rhs import PANEL
from weft.backends.kernels.matmul.row_blocking import next_heights

_tiling = host_tiling()
assert _tiling is not None, "the kernels are loaded only where host_tiling() knows the processor"
MOST_ROWS, VECTORS, WIDTH = _tiling.rows, _tiling.vectors, _tiling.width
K_PIECE = 1024
"""Most words of k at a time."""
ROW_PIECE_WORDS = 120_000
"""About how many words of A are read again for every panel."""

HEIGHTS, NARROW_HEIGHTS = sorted({MOST_ROWS, min(8, MOST_ROWS), 5, 4, 3, 2, 1}), [8, 5, 3, 2, 1]
"""Numbers of rows that the micro-kernels are compiled for, of a whole panel and of one vector; each takes time."""

_whole = micro_kernel(HEIGHTS, VECTORS, WIDTH)
_vector, _half = micro_kernel(NARROW_HEIGHTS, 1, WIDTH), micro_kernel(NARROW_HEIGHTS, 1, WIDTH // 2)

_whole_table, _narrow_table = next_heights(HEIGHTS, VECTORS), next_heights(NARROW_HEIGHTS, 1)


@inlined
def start_of_piece(size: Any, number: Any, count: Any, unit: Any) -> Any:
    """Where one of so many pieces begins, at a multiple of `unit`, or the last ends: groups of k (see `LeftFactor`) and
    blocks of rows are not cut. A division takes up to 90 cycles, and mostly there is one piece."""
    if number == 0:
        return 0
    return size if number == count else size * number // count // unit * unit


@inlined
def rows_at_once(rest: Any, heights: Any) -> Any:
    """How many of the rest of the rows the micro-kernel takes next; heights: of `next_heights`."""
    return heights[min(rest, len(heights) - 1)]


def _multiply(a, a_row, a_k, group, next_group, M, K, panels, panel_distance, N, c, c_row, c_panel, fresh):  # type: ignore[no-untyped-def]
    room = stack_floats()
    k_pieces, row_pieces = (K + K_PIECE - 1) // K_PIECE, (M * K + ROW_PIECE_WORDS - 1) // ROW_PIECE_WORDS
    for row_piece in range(row_pieces):
        last = start_of_piece(M, row_piece + 1, row_pieces, MOST_ROWS)
        for i in range((N + PANEL - 1) // PANEL):
            columns = min(PANEL, N - i * PANEL)
            whole, heights = columns == PANEL, _whole_table if columns > WIDTH else _narrow_table
            for k_piece in range(k_pieces):
                k = start_of_piece(K, k_piece, k_pieces, PANEL)
                depth, new = start_of_piece(K, k_piece + 1, k_pieces, PANEL) - k, fresh and k_piece == 0
                b = offset(panels, i * panel_distance + k * PANEL)
                a_k_start = a if k == 0 else offset(a, k // group * next_group + k % group * a_k)
                r = start_of_piece(M, row_piece, row_pieces, MOST_ROWS)
                while r < last:
                    rows, a_start = rows_at_once(last - r, heights), offset(a_k_start, r * a_row)
                    c_start = offset(c, r * c_row + i * c_panel)
                    for row in range(rows):
                        for n in range(0, PANEL, LINE):
                            prefetch_write(offset(c_start, row * c_row + n))
                    place, place_row, alone = (c_start, c_row, new) if whole else (room, PANEL, True)
                    if columns > WIDTH:
                        _whole(rows, a_start, a_row, a_k, group, next_group, b, PANEL, depth, place, place_row, alone)
                    elif columns > WIDTH // 2:
                        _vector(rows, a_start, a_row, a_k, group, next_group, b, PANEL, depth, place, place_row, alone)
                    else:
                        _half(rows, a_start, a_row, a_k, group, next_group, b, PANEL, depth, place, place_row, alone)
                    if not whole:
                        for row in range(rows):
                            for n in range(columns):
                                before = 0 if new else c_start[row * c_row + n]
                                c_start[row * c_row + n] = before + room[row * PANEL + n]
                    r += rows


def _multiply_pairs(a, a_row, a_k, group, next_group, M, K, panels, panel_distance, N, c, c_row, c_panel, fresh):  # type: ignore[no-untyped-def]
    amx_gemm(a, a_row, M, K, panels, panel_distance, N, c, c_row, c_panel, fresh)


_floats, _pairs, _size = types.CPointer(types.float32), types.CPointer(types.int32), types.intp


def _signature(words: Any) -> Any:
    return types.void(
        words, *[_size] * 6, words, _size, _size, _floats, _size, _size, types.boolean
    )  # fmt: skip


_floats_by_name = external("weft_multiply_floats", _multiply, _signature(_floats))
_pairs_by_name = external(
    "weft_multiply_pairs", _multiply_pairs if has_amx() else _multiply, _signature(_pairs), deferred=True
)


def packed_gemm(left: Any, M: Any, K: Any, panels: Any, N: Any, c: Any, c_row: Any, c_panel: Any, fresh: Any) -> None:
    """C (M, N) += A B, or C = A B where fresh. left: the `LeftFactor` A; panels: of B (K, N); c: the address of C,
    c_row, c_panel: the distances of its rows, and of the columns that follow a panel's (PANEL if they are neighbours).
    """


@overload(packed_gemm)
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
