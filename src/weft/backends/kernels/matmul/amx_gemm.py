"""Products of bfloat16 pairs in AMX tiles, with B packed into panels: C = A B or C += A B.

    blocks of k, so that 32 rows of A stay in the L1 and L2 caches
        blocks of 32 rows of A
            panels of B
                the AMX micro-kernel

C is filled along its rows. Down its columns every line would be on another page, and the cache misses would take longer
than the products. The lines of the next tiles of C are prefetched during the multiplication. Columns that do not fill
half a panel are computed in a small buffer.
"""

from __future__ import annotations

from typing import Any

from weft.backends.kernels.jit.compile import inlined
from weft.backends.kernels.jit.pointers import offset, prefetch_write, stack_floats
from weft.backends.kernels.matmul.amx_micro_kernel import TileRows, amx_micro_kernel, configure_tiles, release_tiles
from weft.backends.kernels.matmul.pack_rhs import PANEL
from weft.backends.kernels.matmul.simd_packing import TILE_SIDE

KC = 72 * TILE_SIDE
"""Pairs in a block of k: 32 rows of A then take 144 KB."""
MR = 2 * TILE_SIDE
"""Rows in a block of A."""

_two_by_two, _one_by_two, _two_by_one, _one_by_one = (amx_micro_kernel(i, j) for j in (2, 1) for i in (2, 1))


@inlined
def amx_gemm(lhs: Any, panels: Any, c: Any, M: Any, K: Any, N: Any, accumulate: Any) -> None:
    """C (M, N) += A B, or C = A B if not `accumulate`.

    lhs: `Lhs` with contiguous rows; panels: `Panels`; c: `Destination`; K: pairs, a multiple of 16.
    """
    buffer = stack_floats()
    configured = 0
    for k in range(0, K, KC):
        k_tiles, add = min(KC, K - k) // TILE_SIDE, accumulate or k > 0
        for r in range(0, M, MR):
            rows = min(MR, M - r)
            first = (rows + 1) // 2 if rows > TILE_SIDE else rows
            if rows != configured:
                configure_tiles(first, max(rows - first, 1))
                configured = rows
            a = TileRows(offset(lhs.address, r * lhs.row_stride + k), lhs.row_stride, first * lhs.row_stride)
            for i in range((N + PANEL - 1) // PANEL):
                columns = min(PANEL, N - i * PANEL)
                b = offset(panels.address, i * panels.stride + k * PANEL)
                c_start = offset(c.address, r * c.row_stride + i * c.panel_stride)
                direct = columns in (PANEL, TILE_SIDE)
                target, target_stride = (c_start, c.row_stride) if direct else (buffer, PANEL)
                target_add = add and direct
                # An overwritten tile is prefetched for its own store. A tile that is added to has been read before
                # that, so the next one is prefetched instead.
                ahead = c.panel_stride if target_add else 0
                for row in range(rows):
                    prefetch_write(offset(c_start, row * c.row_stride + ahead))
                    prefetch_write(offset(c_start, row * c.row_stride + ahead + TILE_SIDE))
                tiles = TileRows(target, target_stride, first * target_stride)
                if columns > TILE_SIDE:
                    if rows > TILE_SIDE:
                        _two_by_two(a, b, k_tiles, tiles, target_add)
                    else:
                        _one_by_two(a, b, k_tiles, tiles, target_add)
                elif rows > TILE_SIDE:
                    _two_by_one(a, b, k_tiles, tiles, target_add)
                else:
                    _one_by_one(a, b, k_tiles, tiles, target_add)
                if not direct:
                    for row in range(rows):
                        for n in range(columns):
                            before = c_start[row * c.row_stride + n] if add else 0
                            c_start[row * c.row_stride + n] = before + buffer[row * PANEL + n]
    release_tiles()
