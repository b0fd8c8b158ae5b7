"""C = A B or C += A B of matrices in memory: B is packed into panels, a block of columns and of k at a time.

    blocks of columns of B, as many panels as RHS_BLOCK elements hold       stay in the L2 cache
        blocks of k, at most KC values each                                 packed, then multiplied with all rows of A
            `packed_gemm`

With all k of a long product in one block, few columns of B would fit the cache, and all of A would be read from memory
for each such block.
"""

from __future__ import annotations

from typing import Any

from numba import carray, types

from weft.backends.kernels.jit.compile import inlined, overload
from weft.backends.kernels.jit.pointers import offset, pointer_to
from weft.backends.kernels.jit.structs import external_with_structs
from weft.backends.kernels.matmul.element_types import packed_depth, packed_depth_in
from weft.backends.kernels.matmul.operands import DESTINATION, MATRIX, Destination, Matrix, lhs_from_k
from weft.backends.kernels.matmul.pack_lhs import pack_lhs, pack_lhs_transposed
from weft.backends.kernels.matmul.pack_rhs import PANEL, pack_rhs, pack_rhs_transposed, panels_in
from weft.backends.kernels.matmul.packed_gemm import packed_gemm
from weft.backends.kernels.matmul.simd_packing import TILE_DEPTH

UNCHECKED_SIZE = 1 << 40
"""The size given to a buffer whose address alone is known; the caller has made it large enough."""
RHS_BLOCK = 50_000
"""Elements of packed panels that are in use at a time, about."""
KC = 1024
"""Values of k that are packed at a time, at most."""


def rhs_buffer_size(K: int, dtype: Any) -> int:
    """Elements of the buffer that `gemm` needs for right operands of at most K rows."""
    return max(RHS_BLOCK, packed_depth(min(K, KC), dtype) * PANEL)


@inlined
def pack_chunk(B: Any, transposed: Any, panels: Any, chunk: Any, chunks: Any) -> None:
    """Pack one chunk's panels of B (K, N), or of Bᵀ for B (N, K) if transposed."""
    count = panels.shape[0]
    first, last = count * chunk // chunks, count * (chunk + 1) // chunks
    column, stride = first * PANEL, B.strides[0] // 4
    if transposed:
        n = min(B.shape[0] - column, (last - first) * PANEL)
        pack_rhs_transposed(pointer_to(B, column * stride), stride, B.shape[1], n, panels[first:last])
    else:
        n = min(B.shape[1] - column, (last - first) * PANEL)
        pack_rhs(pointer_to(B, column), stride, B.shape[0], n, panels[first:last])


def gemm(
    A: Any, A_transposed: Any, K: Any, B: Any, B_transposed: Any, C: Any, accumulate: Any, lhs_buffer: Any,
    rhs_buffer: Any,
) -> None:  # fmt: skip
    """C (M, N) += A B, or C = A B if not `accumulate`. A (M, K) and B (K, N) may be given by their transposes.

    lhs_buffer, rhs_buffer: of `lhs_buffer_size` and `rhs_buffer_size` elements; their element type is that of the
    packed operands.
    """


@inlined
def columns_per_block(K: Any, N: Any, rhs_buffer: Any) -> Any:
    """Columns of a right operand (K, N) that are packed at a time: whole panels of RHS_BLOCK elements in all."""
    panels = max(1, RHS_BLOCK // (packed_depth_in(K, rhs_buffer) * PANEL))
    return min(panels * PANEL, (N + PANEL - 1) // PANEL * PANEL)


def _gemm(a, b, c, M, K, N, accumulate, lhs_buffer, rhs_buffer):  # type: ignore[no-untyped-def]
    if N == 0:
        return
    lhs_array, rhs_array = carray(lhs_buffer, UNCHECKED_SIZE), carray(rhs_buffer, UNCHECKED_SIZE)
    if a.transposed:
        lhs = pack_lhs_transposed(a.address, a.row_stride, M, K, lhs_array)
    else:
        lhs = pack_lhs(a.address, a.row_stride, M, K, lhs_array)
    k_blocks = (K + KC - 1) // KC
    k_block = (K + k_blocks * TILE_DEPTH - 1) // (k_blocks * TILE_DEPTH) * TILE_DEPTH
    n_block = columns_per_block(k_block, N, rhs_array)
    for first in range(0, N, n_block):
        n = min(n_block, N - first)
        for k in range(0, K, k_block):
            depth = min(k_block, K - k)
            panels, lhs_k = panels_in(rhs_array, depth, n), lhs_from_k(lhs, packed_depth_in(k, rhs_array))
            if b.transposed:
                pack_rhs_transposed(offset(b.address, first * b.row_stride + k), b.row_stride, depth, n, panels)
            else:
                pack_rhs(offset(b.address, k * b.row_stride + first), b.row_stride, depth, n, panels)
            target = Destination(offset(c.address, first), c.row_stride, c.panel_stride)
            packed_gemm(lhs_k, M, depth, panels, n, target, accumulate or k > 0)


def _signature(element: Any) -> Any:
    size, buffer = types.intp, types.CPointer(element)
    return types.void(MATRIX, MATRIX, DESTINATION, size, size, size, types.boolean, buffer, buffer)


_floats = external_with_structs("weft_gemm_floats", _gemm, _signature(types.float32))
_pairs = external_with_structs("weft_gemm_pairs", _gemm, _signature(types.int32), deferred=True)


@overload(gemm)
def _by_element_type(
    A: Any, A_transposed: Any, K: Any, B: Any, B_transposed: Any, C: Any, accumulate: Any, lhs_buffer: Any,
    rhs_buffer: Any,
) -> Any:  # fmt: skip
    function = _floats if lhs_buffer.dtype == types.float32 else _pairs

    def call(
        A: Any, A_transposed: Any, K: Any, B: Any, B_transposed: Any, C: Any, accumulate: Any, lhs_buffer: Any,
        rhs_buffer: Any,
    ) -> None:  # fmt: skip
        a = Matrix(pointer_to(A, 0), A.strides[0] // 4, A_transposed)
        b = Matrix(pointer_to(B, 0), B.strides[0] // 4, B_transposed)
        c = Destination(pointer_to(C, 0), C.strides[0] // 4, PANEL)
        M, N = C.shape
        function(a, b, c, M, K, N, accumulate, pointer_to(lhs_buffer, 0), pointer_to(rhs_buffer, 0))

    return call
