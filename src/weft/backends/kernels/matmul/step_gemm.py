"""The product within a time loop: C += A B, where B was packed before the loop.

The element type of B selects the code when a loop is compiled, so that the loops are written once.
"""

from __future__ import annotations

from typing import Any

from numba import types

from weft.backends.kernels.jit.compile import overload
from weft.backends.kernels.jit.pointers import offset, pointer_to
from weft.backends.kernels.matmul.operands import Destination, lhs_of_rows
from weft.backends.kernels.matmul.pack_lhs import pack_row_pairs
from weft.backends.kernels.matmul.pack_rhs import PANEL
from weft.backends.kernels.matmul.packed_gemm import packed_gemm


def step_gemm(a: Any, a_stride: Any, M: Any, K: Any, B: Any, columns: Any, c: Any, c_stride: Any, buffer: Any) -> None:
    """C += A B for groups of columns of C.

    a: the address of A (M, K), h or da of one time step, with rows a_stride elements apart; B: the packed right operand
    of each group; columns (groups, 2): the first column of C and the number of columns of each group; c: the address of
    C, with rows c_stride elements apart; buffer: for A in pairs of bfloat16.
    """


@overload(step_gemm)
def _step_gemm(a: Any, a_stride: Any, M: Any, K: Any, B: Any, columns: Any, c: Any, c_stride: Any, buffer: Any) -> Any:
    def pairs(a: Any, a_stride: Any, M: Any, K: Any, B: Any, columns: Any, c: Any, c_stride: Any, buffer: Any) -> None:
        packed, stride = pointer_to(buffer, 0), buffer.shape[1]
        pack_row_pairs(a, a_stride, M, K, packed, stride)
        lhs = lhs_of_rows(packed, stride)
        for g in range(columns.shape[0]):
            packed_gemm(lhs, M, K, B[g], columns[g, 1], Destination(offset(c, columns[g, 0]), c_stride, PANEL), True)

    def floats(a: Any, a_stride: Any, M: Any, K: Any, B: Any, columns: Any, c: Any, c_stride: Any, buffer: Any) -> None:
        lhs = lhs_of_rows(a, a_stride)
        for g in range(columns.shape[0]):
            packed_gemm(lhs, M, K, B[g], columns[g, 1], Destination(offset(c, columns[g, 0]), c_stride, PANEL), True)

    return floats if B.dtype == types.float32 else pairs
