"""Products of matrices as they lie: the right factor is packed into panels, some columns and some k at a time.

For every part of B that is packed, all rows of as many columns of A pass by. With all k of a long product at a time,
few columns of B would fit into what is near, and all of A would come from far away for each of them.
"""

from __future__ import annotations

from typing import Any

from numba import carray, types

from weft.backends.kernels.jit.compile import external, inlined, jit, overload
from weft.backends.kernels.jit.pointers import offset, pointer_to
from weft.backends.kernels.matmul.element_types import packed_words, word_count
from weft.backends.kernels.matmul.pack_lhs import from_word, left, left_transposed
from weft.backends.kernels.matmul.pack_rhs import PANEL, pack, pack_transposed, panels_in
from weft.backends.kernels.matmul.packed_gemm import packed_gemm
from weft.backends.kernels.matmul.simd_packing import DEPTH

ANY_SIZE = 1 << 40
"""Of room whose size the caller has seen to."""
NEAR_WORDS = 50_000
"""About how many words of packed panels are at hand at a time."""
MOST_K = 1024
"""Numbers of k that are packed at a time."""


def rhs_buffer_size(K: int, kind: Any) -> int:
    """Words of room that `gemm` needs for right factors of K rows or fewer."""
    return max(NEAR_WORDS, packed_words(min(K, MOST_K), kind) * PANEL)


@jit
def pack_chunk(B: Any, transposed: Any, panels: Any, chunk: Any, chunks: Any) -> None:
    """A share of the panels of B (K, N), or of Bᵀ for B (N, K)."""
    count = panels.shape[0]
    first, last = count * chunk // chunks, count * (chunk + 1) // chunks
    column, distance = first * PANEL, B.strides[0] // 4
    if transposed:
        n = min(B.shape[0] - column, (last - first) * PANEL)
        pack_transposed(pointer_to(B, column * distance), distance, B.shape[1], n, panels[first:last])
    else:
        n = min(B.shape[1] - column, (last - first) * PANEL)
        pack(pointer_to(B, column), distance, B.shape[0], n, panels[first:last])


def gemm(
    A: Any, A_transposed: Any, K: Any, B: Any, B_transposed: Any, C: Any, fresh: Any, lhs_buffer: Any, rhs_buffer: Any
) -> None:  # fmt: skip
    """C = A B, or C += A B where not fresh; A (M, K) or B (K, N) is given by its transpose where so said.

    lhs_buffer, rhs_buffer: room for A, and for the columns of B that are packed and used at a time.
    """


@inlined
def columns_at_once(K: Any, N: Any, rhs_buffer: Any) -> Any:
    """How many columns of a right factor (K, N) are packed and multiplied with before the next: they stay near."""
    panels = max(1, NEAR_WORDS // (word_count(K, rhs_buffer) * PANEL))
    return min(panels * PANEL, (N + PANEL - 1) // PANEL * PANEL)


def _multiply(a, a_row, a_transposed, M, K, b, b_row, b_transposed, N, c, c_row, fresh, lhs_buffer, rhs_buffer):  # type: ignore[no-untyped-def]
    if N == 0:
        return
    left_room, rhs_buffer_size = carray(lhs_buffer, ANY_SIZE), carray(rhs_buffer, ANY_SIZE)
    factor = left_transposed(a, a_row, M, K, left_room) if a_transposed else left(a, a_row, M, K, left_room)
    pieces = (K + MOST_K - 1) // MOST_K
    depth = (K + pieces * DEPTH - 1) // (pieces * DEPTH) * DEPTH
    width = columns_at_once(depth, N, rhs_buffer_size)
    for first in range(0, N, width):
        n = min(width, N - first)
        for k in range(0, K, depth):
            own = min(depth, K - k)
            some, factor_from_k = panels_in(rhs_buffer_size, own, n), from_word(factor, word_count(k, rhs_buffer_size))
            if b_transposed:
                pack_transposed(offset(b, first * b_row + k), b_row, own, n, some)
            else:
                pack(offset(b, k * b_row + first), b_row, own, n, some)
            packed_gemm(factor_from_k, M, own, some, n, offset(c, first), c_row, PANEL, fresh and k == 0)


def _signature(words: Any) -> Any:
    matrix, words = (types.CPointer(types.float32), types.intp), types.CPointer(words)
    flag, size = types.boolean, types.intp
    return types.void(*matrix, flag, size, size, *matrix, flag, size, *matrix, flag, words, words)


_floats = external("weft_multiply_rows_floats", _multiply, _signature(types.float32))
_pairs = external("weft_multiply_rows_pairs", _multiply, _signature(types.int32), deferred=True)


@overload(gemm)
def _choose(
    A: Any, A_transposed: Any, K: Any, B: Any, B_transposed: Any, C: Any, fresh: Any, lhs_buffer: Any, rhs_buffer: Any
) -> Any:  # fmt: skip
    by_name = _floats if lhs_buffer.dtype == types.float32 else _pairs

    def call(
        A: Any, A_transposed: Any, K: Any, B: Any, B_transposed: Any, C: Any, fresh: Any, lhs_buffer: Any,
        rhs_buffer: Any,
    ) -> None:  # fmt: skip
        by_name(
            pointer_to(A, 0), A.strides[0] // 4, A_transposed, C.shape[0], K, pointer_to(B, 0), B.strides[0] // 4,
            B_transposed, C.shape[1], pointer_to(C, 0), C.strides[0] // 4, fresh,
            pointer_to(lhs_buffer, 0), pointer_to(rhs_buffer, 0),
        )  # fmt: skip

    return call
