"""Products of a few rows with streamed weights: C = start + scale · A B.

    row blocks of A, the tallest kernel that fits first         `micro_kernel`
        all panels of B that the caller gave

The panels of a chunk fit the nearest caches, so that they are read from memory once for all row blocks. With int8
weights, six rows or more use AMX tiles where the processor has them (see `amx`).
"""

from __future__ import annotations

from typing import Any

from numba import types

from weft.backends.kernels.jit.compile import inlined, overload
from weft.backends.kernels.jit.cpu_features import has_amx, host_tiling
from weft.backends.kernels.streaming.amx import add_product_in_tiles
from weft.backends.kernels.streaming.micro_kernel import skinny_kernel
from weft.backends.kernels.streaming.operands import activations_from, panels_from, rows_from
from weft.backends.kernels.streaming.plan import WIDTH

_tiling = host_tiling()
assert _tiling is not None, "the kernels are loaded only where host_tiling() knows the processor"

MANY, SOME, TWO = _tiling.rows, _tiling.rows // 2, 2
"""Rows of the row blocks; a single row is the fourth."""
TWO_ROWS_PANELS = 8 if _tiling.rows * _tiling.vectors >= 16 else 4

MIN_ROWS_FOR_TILES = 6
"""Rows from which on AMX tiles are faster."""


def _row_block(rows: int, panels: int) -> Any:
    """A function (x, w, count, start, c): the product of `rows` rows with `count` panels, `panels` at a time."""
    wide, single = skinny_kernel(rows, panels, WIDTH), skinny_kernel(rows, 1, WIDTH)

    @inlined
    def multiply(x: Any, w: Any, count: Any, start: Any, c: Any) -> None:
        p = 0
        while p < count:
            w_p, start_p, c_p = panels_from(w, p), rows_from(start, 0, p * WIDTH), rows_from(c, 0, p * WIDTH)
            if p + panels <= count:
                wide(x, w_p, start_p, c_p)
                p += panels
            else:
                single(x, w_p, start_p, c_p)
                p += 1

    return multiply


_many, _some = _row_block(MANY, _tiling.vectors), _row_block(SOME, 2 * _tiling.vectors)
_two = _row_block(TWO, TWO_ROWS_PANELS)
_one_8, _one_4, _one_1 = (skinny_kernel(1, panels, WIDTH) for panels in (8, 4, 1))


@inlined
def _one(x: Any, w: Any, count: Any, start: Any, c: Any) -> None:
    """The product of a single row: eight panels at a time, then four, then one."""
    p = 0
    while p < count:
        w_p, start_p, c_p = panels_from(w, p), rows_from(start, 0, p * WIDTH), rows_from(c, 0, p * WIDTH)
        if p + 8 <= count:
            _one_8(x, w_p, start_p, c_p)
            p += 8
        elif p + 4 <= count:
            _one_4(x, w_p, start_p, c_p)
            p += 4
        else:
            _one_1(x, w_p, start_p, c_p)
            p += 1


def multiplied_in_tiles(x: Any, N: Any, w: Any, count: Any, start: Any, c: Any) -> Any:
    """Call `add_product_in_tiles` if there are AMX tiles and enough rows; returns whether it was called."""


@overload(multiplied_in_tiles)
def _multiplied_in_tiles(x: Any, N: Any, w: Any, count: Any, start: Any, c: Any) -> Any:
    def never(x: Any, N: Any, w: Any, count: Any, start: Any, c: Any) -> Any:
        return False

    def from_six_rows_on(x: Any, N: Any, w: Any, count: Any, start: Any, c: Any) -> Any:
        if N < MIN_ROWS_FOR_TILES:
            return False
        add_product_in_tiles(x, N, w, count, start, c)
        return True

    quantized = x.types[0] == types.CPointer(types.int32)
    return from_six_rows_on if has_amx() and quantized else never


@inlined
def add_product(x: Any, N: Any, w: Any, count: Any, start: Any, c: Any) -> None:
    """C = start + A B for the N rows of `Activations` x and `count` panels of `WeightPanels` w; start, c: `Rows`."""
    if multiplied_in_tiles(x, N, w, count, start, c):
        return
    r = 0
    while r < N:
        x_r, start_r, c_r, remaining = activations_from(x, r), rows_from(start, r, 0), rows_from(c, r, 0), N - r
        if remaining >= MANY:
            _many(x_r, w, count, start_r, c_r)
            r += MANY
        elif remaining >= SOME:
            _some(x_r, w, count, start_r, c_r)
            r += SOME
        elif remaining >= TWO:
            _two(x_r, w, count, start_r, c_r)
            r += TWO
        else:
            _one(x_r, w, count, start_r, c_r)
            r += 1
