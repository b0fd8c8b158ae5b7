"""Products of panels: those of float32 are exact to rounding, those of pairs are products of rounded numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from helpers.bfloat16 import SIZES, nearest_bfloat16, normal
from weft.backends.fused import why_not_bfloat16, why_not_fused

pytestmark = pytest.mark.skipif(why_not_fused() is not None, reason=f"no fused kernels: {why_not_fused()}")


needs_bfloat16 = pytest.mark.skipif(why_not_bfloat16() is not None, reason=f"no bfloat16: {why_not_bfloat16()}")
orders = pytest.mark.parametrize("order", ["rows", "columns", "left columns", "right columns"])
sizes = pytest.mark.parametrize(("M", "K", "N"), [*SIZES, (700, 64, 160), (128, 700, 4), (40, 2400, 40), (9, 2085, 70)])


def factors(M: int, K: int, N: int, order: str) -> tuple[Any, Any]:
    A, B = normal(M, K), normal(K, N, seed=1)
    return (
        np.asfortranarray(A) if order in ("columns", "left columns") else A,
        np.asfortranarray(B) if order in ("columns", "right columns") else B,
    )


def product(kind: str, A: Any, B: Any) -> Any:
    """The product in words of a kind; nothing is written beside it."""
    from helpers.matmul_cases import multiply

    C = np.full((A.shape[0], B.shape[1] + 3), 7, np.float32)
    multiply(A, B, C[:, : B.shape[1]], kind)
    np.testing.assert_array_equal(C[:, B.shape[1] :], 7)
    return C[:, : B.shape[1]]


@orders
@sizes
def test_panels_of_float32_round_as_float32_does(M: int, K: int, N: int, order: str) -> None:
    A, B = factors(M, K, N, order)
    exact, scale = A.astype(float) @ B.astype(float), np.abs(A.astype(float)) @ np.abs(B.astype(float))
    assert np.max(np.abs(product("floats", A, B) - exact) / scale) < 2**-22 + K * 2**-27


@pytest.mark.parametrize("columns", [1, 7, 8, 9, 16, 17, 31, 33])
def test_any_number_of_rows_and_of_last_columns_is_multiplied(columns: int) -> None:
    A, B = normal(45, 70), normal(70, columns, seed=1)
    for rows in range(1, len(A) + 1):
        np.testing.assert_allclose(product("floats", A[:rows], B), A[:rows] @ B, atol=1e-4)


@needs_bfloat16
@pytest.mark.parametrize("columns", [1, 15, 16, 17, 31, 33])
def test_any_number_of_rows_of_pairs_is_multiplied(columns: int) -> None:
    A, B = nearest_bfloat16(normal(70, 70)).astype("f"), nearest_bfloat16(normal(70, columns, seed=1)).astype("f")
    for rows in range(1, len(A) + 1):
        np.testing.assert_allclose(product("pairs", A[:rows], B), A[:rows] @ B, atol=1e-4)
        np.testing.assert_allclose(product("pairs", A[:rows].T, B[:rows]), A[:rows].T @ B[:rows], atol=1e-4)


@needs_bfloat16
@orders
@sizes
def test_panels_of_pairs_are_products_of_rounded_numbers(M: int, K: int, N: int, order: str) -> None:
    A, B = factors(M, K, N, order)
    expected = nearest_bfloat16(A) @ nearest_bfloat16(B)
    np.testing.assert_allclose(product("pairs", A, B), expected, rtol=1e-5, atol=1e-5 * K**0.5)


def test_a_transpose_whose_rows_are_far_apart_is_turned_whole() -> None:
    A, B = normal(50, 1024), normal(50, 33, seed=1)
    np.testing.assert_allclose(product("floats", A.T, B), A.T @ B, atol=1e-3)
