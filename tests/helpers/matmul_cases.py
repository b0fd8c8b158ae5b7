"""A product of two matrices out of micro-kernels, as kernels take it."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.backends.kernels.jit.compile import compile_deferred, jit
from weft.backends.kernels.jit.dtypes import FLOATS, PAIRS
from weft.backends.kernels.matmul.gemm import gemm, rhs_buffer_size
from weft.backends.kernels.matmul.pack_lhs import lhs_buffer_size


def multiply(A: Any, B: Any, C: Any, kind: str) -> None:
    """C = A B; one axis of each factor is contiguous, and the rows of C. kind: "floats", or "pairs" of bfloat16."""
    words = {"floats": FLOATS, "pairs": PAIRS}[kind]
    if words == PAIRS:
        compile_deferred()
    (M, K), by_rows = A.shape, [matrix.strides[1] == matrix.itemsize for matrix in (A, B)]
    rooms = [np.empty(size, words) for size in (lhs_buffer_size(M, K, words), rhs_buffer_size(K, words))]
    a, b = (matrix if rows else matrix.T for matrix, rows in zip((A, B), by_rows, strict=True))
    product(a, not by_rows[0], b, not by_rows[1], C, *rooms)


@jit
def product(A: Any, A_transposed: Any, B: Any, B_transposed: Any, C: Any, left_words: Any, right_words: Any) -> None:
    K = A.shape[0] if A_transposed else A.shape[1]
    gemm(A, A_transposed, K, B, B_transposed, C, True, left_words, right_words)
