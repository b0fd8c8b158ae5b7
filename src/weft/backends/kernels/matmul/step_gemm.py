"""The products within a time loop: C += A B, where B was packed before the loop.

What words B consists of is known from its type when a loop is compiled, so that the loops are written once.
"""

from __future__ import annotations

from typing import Any

from numba import types

from weft.backends.kernels.jit.compile import overload
from weft.backends.kernels.jit.pointers import offset, pointer_to
from weft.backends.kernels.matmul.pack_lhs import ALL, Lhs, put_pairs
from weft.backends.kernels.matmul.pack_rhs import PANEL
from weft.backends.kernels.matmul.packed_gemm import packed_gemm


def step_gemm(a: Any, a_row: Any, M: Any, K: Any, B: Any, columns: Any, c: Any, c_row: Any, room: Any) -> None:
    """C += A B for every group of columns of C: each first column and count; B: one factor a group.

    A (M, K) at address a, C at c: h or da of a step as a left factor; room: for its pairs.
    """


@overload(step_gemm)
def _step_gemm(a: Any, a_row: Any, M: Any, K: Any, B: Any, columns: Any, c: Any, c_row: Any, room: Any) -> Any:
    def pairs(a: Any, a_row: Any, M: Any, K: Any, B: Any, columns: Any, c: Any, c_row: Any, room: Any) -> None:
        put_pairs(a, a_row, M, K, pointer_to(room, 0), room.shape[1])
        left = Lhs(pointer_to(room, 0), room.shape[1], 1, ALL, 0)
        for g in range(columns.shape[0]):
            packed_gemm(left, M, K, B[g], columns[g, 1], offset(c, columns[g, 0]), c_row, PANEL, False)

    def floats(a: Any, a_row: Any, M: Any, K: Any, B: Any, columns: Any, c: Any, c_row: Any, room: Any) -> None:
        left = Lhs(a, a_row, 1, ALL, 0)
        for g in range(columns.shape[0]):
            packed_gemm(left, M, K, B[g], columns[g, 1], offset(c, columns[g, 0]), c_row, PANEL, False)

    return floats if B.dtype == types.float32 else pairs
