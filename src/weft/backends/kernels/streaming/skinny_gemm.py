"""Products of some rows with streamed weights, C = start + scale · A B, out of the micro-kernels of streaming.

Rows are taken in blocks as large as fit, and for every block all the panels pass by. They are few enough to stay in the
nearest caches from one block of rows to the next: from memory, they are read once for all rows. Many rows in bytes go
through matrix tiles where there are such (see `stream_tiles`).
"""

from __future__ import annotations

from typing import Any

from numba import types

from weft.backends.kernels.jit.compile import inlined, overload
from weft.backends.kernels.jit.cpu_features import has_amx, host_tiling
from weft.backends.kernels.jit.pointers import offset
from weft.backends.kernels.streaming.amx import add_product_in_tiles
from weft.backends.kernels.streaming.micro_kernel import few_rows_kernel

_tiling = host_tiling()
assert _tiling is not None, "the kernels are loaded only where host_tiling() knows the processor"
WIDTH = _tiling.width
"""Columns of a panel."""

MANY, MANY_PANELS = _tiling.rows, _tiling.vectors
SOME, SOME_PANELS = _tiling.rows // 2, 2 * _tiling.vectors
TWO_PANELS = 8 if MANY * MANY_PANELS >= 16 else 4
_many, _many_1 = (few_rows_kernel(MANY, panels, WIDTH) for panels in (MANY_PANELS, 1))
_some, _some_1 = (few_rows_kernel(SOME, panels, WIDTH) for panels in (SOME_PANELS, 1))
_two, _two_1 = (few_rows_kernel(2, panels, WIDTH) for panels in (TWO_PANELS, 1))
_one, _one_4, _one_1 = (few_rows_kernel(1, panels, WIDTH) for panels in (8, 4, 1))

FEWEST_FOR_TILES = 6
"""Rows from which on matrix tiles are faster."""

OFFSET, DISTANCE, CELLS, SCALE, SUMS, MATRIX = range(6)
"""A matrix, as five whole numbers: where its first panel begins, and how far away the next one is, in elements; a
panel's cells; where its columns' scales begin among the constants, and where their sums do."""


def multiplied_in_tiles(a: Any, a_row: Any, a_scale: Any, rows: Any, *others: Any) -> Any:
    """Call `add_product_in_tiles` where there are matrix tiles and enough rows for them; whether that was done."""


@overload(multiplied_in_tiles)
def _in_tiles(a: Any, a_row: Any, a_scale: Any, rows: Any, *others: Any) -> Any:
    def never(a: Any, a_row: Any, a_scale: Any, rows: Any, *others: Any) -> Any:
        return False

    def where_many(a: Any, a_row: Any, a_scale: Any, rows: Any, *others: Any) -> Any:
        if rows < FEWEST_FOR_TILES:
            return False
        add_product_in_tiles(a, a_row, a_scale, rows, *others)
        return True

    return where_many if has_amx() and a.dtype == types.int32 else never


@inlined
def add_product(
    a: Any, a_row: Any, a_scale: Any, rows: Any, weights: Any, matrix: Any, constants: Any, first: Any, count: Any,
    start: Any, start_row: Any, c: Any, c_row: Any,
) -> None:  # fmt: skip
    """C = start + A B for `count` panels of B from `first` on, where start and c begin."""
    b, distance, cells = offset(weights, matrix[OFFSET] + first * matrix[DISTANCE]), matrix[DISTANCE], matrix[CELLS]
    scale, sums = offset(constants, matrix[SCALE] + first * WIDTH), offset(constants, matrix[SUMS] + first * WIDTH)
    if multiplied_in_tiles(a, a_row, a_scale, rows, b, distance, scale, sums, count, start, start_row, c, c_row):
        return
    r = 0
    while r < rows:
        x, x_scale = offset(a, r * a_row), offset(a_scale, r)
        s, y = offset(start, r * start_row), offset(c, r * c_row)
        left = rows - r
        p = 0
        while p < count:
            w, f, t, n = offset(b, p * distance), offset(scale, p * WIDTH), offset(sums, p * WIDTH), p * WIDTH
            s_p, y_p = offset(s, n), offset(y, n)
            if left >= MANY:
                if p + MANY_PANELS <= count:
                    _many(x, a_row, x_scale, w, distance, cells, f, t, s_p, start_row, y_p, c_row)
                    p += MANY_PANELS
                else:
                    _many_1(x, a_row, x_scale, w, distance, cells, f, t, s_p, start_row, y_p, c_row)
                    p += 1
            elif left >= SOME:
                if p + SOME_PANELS <= count:
                    _some(x, a_row, x_scale, w, distance, cells, f, t, s_p, start_row, y_p, c_row)
                    p += SOME_PANELS
                else:
                    _some_1(x, a_row, x_scale, w, distance, cells, f, t, s_p, start_row, y_p, c_row)
                    p += 1
            elif left >= 2:
                if p + TWO_PANELS <= count:
                    _two(x, a_row, x_scale, w, distance, cells, f, t, s_p, start_row, y_p, c_row)
                    p += TWO_PANELS
                else:
                    _two_1(x, a_row, x_scale, w, distance, cells, f, t, s_p, start_row, y_p, c_row)
                    p += 1
            elif p + 8 <= count:
                _one(x, a_row, x_scale, w, distance, cells, f, t, s_p, start_row, y_p, c_row)
                p += 8
            elif p + 4 <= count:
                _one_4(x, a_row, x_scale, w, distance, cells, f, t, s_p, start_row, y_p, c_row)
                p += 4
            else:
                _one_1(x, a_row, x_scale, w, distance, cells, f, t, s_p, start_row, y_p, c_row)
                p += 1
        r += MANY if left >= MANY else SOME if left >= SOME else 2 if left >= 2 else 1
