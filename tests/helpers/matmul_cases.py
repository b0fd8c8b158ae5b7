"""The product of two matrices in one call, as kernels compute it."""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.backends.kernels.jit.compile import compile_deferred, jit
from weft.backends.kernels.jit.dtypes import FLOATS, PAIRS
from weft.backends.kernels.matmul.gemm import gemm, rhs_buffer_size
from weft.backends.kernels.matmul.pack_lhs import lhs_buffer_size

ELEMENT_TYPES = {"float32": FLOATS, "bfloat16": PAIRS}


def multiply(A: Any, B: Any, C: Any, element_type: str, accumulate: bool = False) -> None:
    """C = A B, or C += A B. One axis of A and of B is contiguous, and the rows of C are.

    element_type: of the packed operands, "float32" or "bfloat16".
    """
    dtype = ELEMENT_TYPES[element_type]
    if dtype == PAIRS:
        compile_deferred()
    (M, K), by_rows = A.shape, [matrix.strides[1] == matrix.itemsize for matrix in (A, B)]
    buffers = [np.empty(size, dtype) for size in (lhs_buffer_size(M, K, dtype), rhs_buffer_size(K, dtype))]
    a, b = (matrix if rows else matrix.T for matrix, rows in zip((A, B), by_rows, strict=True))
    _product(a, not by_rows[0], b, not by_rows[1], C, accumulate, *buffers)


@jit
def _product(
    A: Any, A_transposed: Any, B: Any, B_transposed: Any, C: Any, accumulate: Any, lhs_buffer: Any, rhs_buffer: Any
) -> None:
    K = A.shape[0] if A_transposed else A.shape[1]
    gemm(A, A_transposed, K, B, B_transposed, C, accumulate, lhs_buffer, rhs_buffer)
