"""Element types of packed matrix operands: float32, or two bfloat16 values (consecutive k) in one int32.

Kernels are written once for both types: the type of the buffer for the packed operand selects the code when a kernel is
compiled. With AMX, pairs are packed in groups of 16, the depth of a tile, with zeros after the last k.
"""

from __future__ import annotations

from typing import Any

from numba import types

from weft.backends.kernels.jit.compile import inlined, overload
from weft.backends.kernels.jit.cpu_features import has_amx
from weft.backends.kernels.jit.dtypes import PAIRS
from weft.backends.kernels.jit.pointers import offset, pointer_to
from weft.backends.kernels.matmul.simd_packing import TILE_DEPTH, TILE_SIDE, copy_masked

GROUP_VALUES, GROUP_PAIRS = (TILE_DEPTH, TILE_SIDE) if has_amx() else (2, 1)
"""Pairs are packed in groups of GROUP_PAIRS, which hold GROUP_VALUES values of k."""


def packed_depth(K: int, dtype: Any) -> int:
    """Packed elements of type `dtype` that hold K values, zeros after the last k included."""
    return -(-K // GROUP_VALUES) * GROUP_PAIRS if dtype == PAIRS else K


@inlined
def row_stride(columns: Any) -> Any:
    """Elements from one row to the next: an odd number of cache lines, so that rows use different cache sets."""
    return ((columns + TILE_SIDE - 1) // TILE_SIDE | 1) * TILE_SIDE


def packed_depth_in(K: Any, buffer: Any) -> Any:
    """`packed_depth` for the element type of a buffer."""


@overload(packed_depth_in)
def _packed_depth_in(K: Any, buffer: Any) -> Any:
    def floats(K: Any, buffer: Any) -> Any:
        return K

    def pairs(K: Any, buffer: Any) -> Any:
        return (K + GROUP_VALUES - 1) // GROUP_VALUES * GROUP_PAIRS

    return floats if buffer.dtype == types.float32 else pairs


@inlined
def zero_padded(source: Any, count: Any, scratch: Any) -> Any:
    """The address of scratch.size readable values, the first `count` of which are those at `source`.

    That is `source` itself if count >= scratch.size, else `scratch`, filled with these values and zeros.
    """
    if count >= scratch.size:
        return source
    for j in range(0, scratch.size, TILE_SIDE):
        copy_masked(offset(source, j), pointer_to(scratch, j), count - j)
    return pointer_to(scratch, 0)
