"""Matrix products out of micro-kernels: C += A B, with B packed into panels.

A panel holds `PANEL` neighbouring columns of B, [k][column], the last one filled up with zeros, so that C must have
room for whole panels in each of its rows. Panels go outside, rows inside: a panel stays in the nearest cache while all
rows pass by it. A is read by strides, so that it may be transposed or spread out; sizes and strides are in elements.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import binding
from numba import cfunc, types
from numpy.typing import NDArray

from weft.backends.kernels.compiling import compiled, kept_on_disk
from weft.backends.kernels.micro_kernel import micro_kernel, pointer_to, shift
from weft.backends.kernels.processor import host_tiling

_tiling = host_tiling()
assert _tiling is not None, "the kernels are loaded only where host_tiling() knows the processor"
PANEL = _tiling.columns
MANY, SOME = _tiling.rows, _tiling.rows // 2
_many = micro_kernel(MANY, _tiling.vectors, _tiling.width)
_some = micro_kernel(SOME, _tiling.vectors, _tiling.width)
_two = micro_kernel(2, _tiling.vectors, _tiling.width)
_one = micro_kernel(1, _tiling.vectors, _tiling.width)


def padded(columns: int) -> int:
    """The number of columns rounded up to whole panels."""
    return -(-columns // PANEL) * PANEL


def empty_panels(K: int, columns: int) -> NDArray[np.float32]:
    """Room for the panels of a (K, columns) matrix."""
    return np.empty((padded(columns) // PANEL, K, PANEL), np.float32)


def packed(B: NDArray[np.float32]) -> NDArray[np.float32]:
    """The panels of B (K, columns)."""
    panels = empty_panels(*B.shape)
    pack(B, panels)
    return panels


def packed_transposed(B: NDArray[np.float32]) -> NDArray[np.float32]:
    """The panels of Bᵀ for B (columns, K)."""
    columns, K = B.shape
    panels = empty_panels(K, columns)
    pack_transposed(B, panels)
    return panels


@compiled
def pack(B: Any, panels: Any) -> None:
    """The columns of B (K, N) into panels."""
    K, N = B.shape
    for i in range(panels.shape[0]):
        width = min(PANEL, N - i * PANEL)
        for k in range(K):
            panels[i, k, :width] = B[k, i * PANEL : i * PANEL + width]
            panels[i, k, width:] = 0


@compiled
def pack_transposed(B: Any, panels: Any) -> None:
    """The columns of Bᵀ, which are the rows of B (N, K), into panels."""
    N, K = B.shape
    for i in range(panels.shape[0]):
        width = min(PANEL, N - i * PANEL)
        for n in range(width):
            for k in range(K):
                panels[i, k, n] = B[i * PANEL + n, k]
        if width < PANEL:
            panels[i, :, width:] = 0


_floats = types.CPointer(types.float32)
_size = types.intp


def _accumulate(a, a_row, a_k, rows, K, panels, count, panel_distance, c, c_row):  # type: ignore[no-untyped-def]
    for i in range(count):
        panel, c_panel = shift(panels, i * panel_distance), shift(c, i * PANEL)
        r = 0
        while r + MANY <= rows:
            _many(shift(a, r * a_row), a_row, a_k, panel, PANEL, K, shift(c_panel, r * c_row), c_row)
            r += MANY
        if r + SOME <= rows:
            _some(shift(a, r * a_row), a_row, a_k, panel, PANEL, K, shift(c_panel, r * c_row), c_row)
            r += SOME
        while r + 2 <= rows:
            _two(shift(a, r * a_row), a_row, a_k, panel, PANEL, K, shift(c_panel, r * c_row), c_row)
            r += 2
        if r < rows:
            _one(shift(a, r * a_row), a_row, a_k, panel, PANEL, K, shift(c_panel, r * c_row), c_row)


# Kernels call it by its name, as they would a C library: compiled once, it is not compiled again into each of them.
_signature = types.void(_floats, _size, _size, _size, _size, _floats, _size, _size, _floats, _size)
_in_c = kept_on_disk(cfunc, _accumulate, _signature)
binding.add_symbol("weft_accumulate", _in_c.address)
_by_name = types.ExternalFunction("weft_accumulate", _signature)


@compiled
def accumulate(a: Any, a_row: Any, a_k: Any, rows: Any, panels: Any, c: Any, c_row: Any) -> None:
    """C += A B for all panels of B (panels, K, PANEL); a and c are pointers."""
    count, K, _width = panels.shape
    if K > 0:
        _by_name(a, a_row, a_k, rows, K, pointer_to(panels, 0), count, K * PANEL, c, c_row)
