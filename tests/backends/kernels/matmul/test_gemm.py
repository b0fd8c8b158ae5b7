"""gemm: float32 products are exact to rounding, bfloat16 products are products of rounded values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from helpers.bfloat16 import SIZES, nearest_bfloat16, normal
from weft.backends.fused import why_not_bfloat16, why_not_fused

pytestmark = pytest.mark.skipif(why_not_fused() is not None, reason=f"no fused kernels: {why_not_fused()}")


needs_bfloat16 = pytest.mark.skipif(why_not_bfloat16() is not None, reason=f"no bfloat16: {why_not_bfloat16()}")
orders = pytest.mark.parametrize("order", ["rows", "columns", "lhs columns", "rhs columns"])
sizes = pytest.mark.parametrize(("M", "K", "N"), [*SIZES, (700, 64, 160), (128, 700, 4), (40, 2400, 40), (9, 2085, 70)])


def operands(M: int, K: int, N: int, order: str) -> tuple[Any, Any]:
    A, B = normal(M, K), normal(K, N, seed=1)
    return (
        np.asfortranarray(A) if order in ("columns", "lhs columns") else A,
        np.asfortranarray(B) if order in ("columns", "rhs columns") else B,
    )


def product(element_type: str, A: Any, B: Any) -> Any:
    """A B with packed operands of a type. The columns next to C in memory must stay as they are."""
    from helpers.matmul_cases import multiply

    C = np.full((A.shape[0], B.shape[1] + 3), 7, np.float32)
    multiply(A, B, C[:, : B.shape[1]], element_type)
    np.testing.assert_array_equal(C[:, B.shape[1] :], 7)
    return C[:, : B.shape[1]]


@orders
@sizes
def test_float32_products_are_exact_to_rounding(M: int, K: int, N: int, order: str) -> None:
    A, B = operands(M, K, N, order)
    exact, scale = A.astype(float) @ B.astype(float), np.abs(A.astype(float)) @ np.abs(B.astype(float))
    assert np.max(np.abs(product("float32", A, B) - exact) / scale) < 2**-22 + K * 2**-27


@pytest.mark.parametrize("columns", [1, 7, 8, 9, 16, 17, 31, 33])
def test_any_number_of_rows_and_columns_of_float32(columns: int) -> None:
    A, B = normal(45, 70), normal(70, columns, seed=1)
    for rows in range(1, len(A) + 1):
        np.testing.assert_allclose(product("float32", A[:rows], B), A[:rows] @ B, atol=1e-4)


@needs_bfloat16
@pytest.mark.parametrize("columns", [1, 15, 16, 17, 31, 33])
def test_any_number_of_rows_and_columns_of_bfloat16(columns: int) -> None:
    A, B = nearest_bfloat16(normal(70, 70)).astype("f"), nearest_bfloat16(normal(70, columns, seed=1)).astype("f")
    for rows in range(1, len(A) + 1):
        np.testing.assert_allclose(product("bfloat16", A[:rows], B), A[:rows] @ B, atol=1e-4)
        np.testing.assert_allclose(product("bfloat16", A[:rows].T, B[:rows]), A[:rows].T @ B[:rows], atol=1e-4)


@needs_bfloat16
@orders
@sizes
def test_bfloat16_products_are_products_of_rounded_values(M: int, K: int, N: int, order: str) -> None:
    A, B = operands(M, K, N, order)
    expected = nearest_bfloat16(A) @ nearest_bfloat16(B)
    np.testing.assert_allclose(product("bfloat16", A, B), expected, rtol=1e-5, atol=1e-5 * K**0.5)


@pytest.mark.parametrize("element_type", ["float32", pytest.param("bfloat16", marks=needs_bfloat16)])
@pytest.mark.parametrize(("M", "K", "N"), [(3, 5, 7), (17, 40, 33), (40, 2400, 16)])
def test_accumulate_adds_to_c_and_its_absence_overwrites_c(M: int, K: int, N: int, element_type: str) -> None:
    from helpers.matmul_cases import multiply

    A, B, before = nearest_bfloat16(normal(M, K)).astype("f"), normal(K, N, seed=1), 100 * normal(M, N, seed=2)
    B = nearest_bfloat16(B).astype("f")
    added, overwritten = before.copy(), before.copy()
    multiply(A, B, added, element_type, accumulate=True)
    multiply(A, B, overwritten, element_type, accumulate=False)
    np.testing.assert_allclose(added, before + A @ B, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(overwritten, A @ B, rtol=1e-4, atol=1e-4)


def test_a_transpose_with_long_rows_is_packed_completely() -> None:
    A, B = normal(50, 1024), normal(50, 33, seed=1)
    np.testing.assert_allclose(product("float32", A.T, B), A.T @ B, atol=1e-3)
