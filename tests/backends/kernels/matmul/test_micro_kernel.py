"""The LLVM code of the micro-kernel has the loop metadata and the prefetches that were emitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from weft.backends.fused import why_not_fused

pytestmark = pytest.mark.skipif(why_not_fused() is not None, reason=f"no fused kernels: {why_not_fused()}")


def test_the_loop_over_k_is_not_unrolled() -> None:
    import numba

    from weft.backends.kernels.jit.pointers import pointer_to
    from weft.backends.kernels.matmul.micro_kernel import micro_kernel
    from weft.backends.kernels.matmul.operands import lhs_of_rows

    kernel: Any = micro_kernel([1], 1, 4)

    @numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def product(a: Any, b: Any, c: Any) -> None:
        kernel(1, lhs_of_rows(pointer_to(a, 0), 0), pointer_to(b, 0), 4, a.size, pointer_to(c, 0), 4, False)

    c = np.zeros(4, np.float32)
    product(np.arange(100, dtype=np.float32), np.ones(400, np.float32), c)
    np.testing.assert_array_equal(c, 4950)
    (code,) = product.inspect_llvm().values()
    assert "llvm.loop.unroll.disable" in code
    assert code.count("call <4 x float> @llvm.fma.v4f32") == 1


def test_b_is_prefetched_some_k_ahead() -> None:
    import numba

    from weft.backends.kernels.jit.pointers import pointer_to
    from weft.backends.kernels.matmul.micro_kernel import micro_kernel
    from weft.backends.kernels.matmul.operands import lhs_of_rows

    kernel: Any = micro_kernel([2], 3, 16)

    @numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def product(a: Any, b: Any, c: Any) -> None:
        K = a.shape[1]
        kernel(2, lhs_of_rows(pointer_to(a, 0), K), pointer_to(b, 0), 48, K, pointer_to(c, 0), 48, False)

    a, b, c = np.ones((2, 5), np.float32), np.ones((5, 48), np.float32), np.zeros((2, 48), np.float32)
    product(a, b, c)  # addresses beyond the end of b are prefetched too, which is harmless
    np.testing.assert_array_equal(c, 5)
    (code,) = product.inspect_llvm().values()
    assert code.count("call void @llvm.prefetch") == 3  # cache lines of one k


def test_the_k_of_a_may_be_stored_in_groups_with_gaps() -> None:
    import numba

    from weft.backends.kernels.jit.pointers import pointer_to
    from weft.backends.kernels.matmul.micro_kernel import micro_kernel
    from weft.backends.kernels.matmul.operands import Lhs

    kernel: Any = micro_kernel([1], 1, 4)

    @numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def product(a: Any, b: Any, c: Any) -> None:
        lhs = Lhs(pointer_to(a, 0), 0, 2, 3, 10)  # groups of three k, two elements apart; a group every ten elements
        kernel(1, lhs, pointer_to(b, 0), 4, 7, pointer_to(c, 0), 4, False)

    a, b, c = np.arange(30, dtype=np.float32), np.ones(28, np.float32), np.zeros(4, np.float32)
    product(a, b, c)
    np.testing.assert_array_equal(c, (0 + 2 + 4) + (10 + 12 + 14) + 20)
