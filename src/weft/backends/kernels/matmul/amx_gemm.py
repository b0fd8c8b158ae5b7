"""Products of pairs of bfloat16 in matrix tiles: C = A B or C += A B, with B packed into panels.

k is cut so that 32 rows of A stay in the nearest caches while the panels pass by them. So C is filled along its rows:
down its columns every line of it would be on another page, and waiting for these lines would take longer than the
products. The lines of the next sums are sent for while the processor multiplies. What does not fill a panel goes
through a small buffer.
"""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.jit.compile import inlined
from weft.backends.kernels.jit.pointers import offset, prefetch_write, stack_floats
from weft.backends.kernels.matmul.amx_micro_kernel import amx_micro_kernel, begin_tiles, end_tiles
from weft.backends.kernels.matmul.pack_rhs import PANEL
from weft.backends.kernels.matmul.simd_packing import SIDE

K_PIECE = 72 * SIDE
"""Most words of k at a time: 32 rows of A then take 144 KB."""
ROWS = 2 * SIDE

_two_by_two, _one_by_two, _two_by_one, _one_by_one = (amx_micro_kernel(i, j) for j in (2, 1) for i in (2, 1))


@inlined
def amx_gemm(
    a: Any, a_row: Any, M: Any, K: Any, panels: Any, panel_distance: Any, N: Any, c: Any, c_row: Any, c_panel: Any,
    fresh: Any,
) -> None:  # fmt: skip
    """The arguments are those of `panel_product`; K words, whole groups of 16."""
    room = stack_floats()
    configured = 0
    for k in range(0, K, K_PIECE):
        k_tiles, new = min(K_PIECE, K - k) // SIDE, fresh and k == 0
        for r in range(0, M, ROWS):
            rows = min(ROWS, M - r)
            first = (rows + 1) // 2 if rows > SIDE else rows
            if rows != configured:
                begin_tiles(first, max(rows - first, 1))
                configured = rows
            a_start, a_next = offset(a, r * a_row + k), first * a_row
            for i in range((N + PANEL - 1) // PANEL):
                columns = min(PANEL, N - i * PANEL)
                b, c_start = offset(panels, i * panel_distance + k * PANEL), offset(c, r * c_row + i * c_panel)
                whole = columns in (PANEL, SIDE)
                place, place_row, alone = (c_start, c_row, new) if whole else (room, PANEL, True)
                # These are written when they are ready; sums that are added to are read first, so their next ones.
                ahead = 0 if alone else c_panel
                for row in range(rows):
                    prefetch_write(offset(c_start, row * c_row + ahead))
                    prefetch_write(offset(c_start, row * c_row + ahead + SIDE))
                place_next = first * place_row
                if columns > SIDE:
                    if rows > SIDE:
                        _two_by_two(a_start, a_row, a_next, b, k_tiles, place, place_row, place_next, alone)
                    else:
                        _one_by_two(a_start, a_row, a_next, b, k_tiles, place, place_row, place_next, alone)
                elif rows > SIDE:
                    _two_by_one(a_start, a_row, a_next, b, k_tiles, place, place_row, place_next, alone)
                else:
                    _one_by_one(a_start, a_row, a_next, b, k_tiles, place, place_row, place_next, alone)
                if not whole:
                    for row in range(rows):
                        for n in range(columns):
                            before = 0 if new else c_start[row * c_row + n]
                            c_start[row * c_row + n] = before + room[row * PANEL + n]
    end_tiles()
