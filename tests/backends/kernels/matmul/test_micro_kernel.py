"""What LLVM is told of the micro-kernel reaches it."""

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

    kernel: Any = micro_kernel([1], 1, 4)

    @numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def product(a: Any, b: Any, c: Any) -> None:
        kernel(1, pointer_to(a, 0), 0, 1, a.size, 0, pointer_to(b, 0), 4, a.size, pointer_to(c, 0), 4, True)

    c = np.zeros(4, np.float32)
    product(np.arange(100, dtype=np.float32), np.ones(400, np.float32), c)
    np.testing.assert_array_equal(c, 4950)
    (code,) = product.inspect_llvm().values()
    assert "llvm.loop.unroll.disable" in code
    assert code.count("call <4 x float> @llvm.fma.v4f32") == 1


def test_what_the_right_factor_has_some_k_ahead_is_asked_for() -> None:
    import numba

    from weft.backends.kernels.jit.pointers import pointer_to
    from weft.backends.kernels.matmul.micro_kernel import micro_kernel

    kernel: Any = micro_kernel([2], 3, 16)

    @numba.njit(error_model="numpy")  # type: ignore[untyped-decorator]
    def product(a: Any, b: Any, c: Any) -> None:
        K = a.shape[1]
        kernel(2, pointer_to(a, 0), K, 1, K, 0, pointer_to(b, 0), 48, K, pointer_to(c, 0), 48, True)

    a, b, c = np.ones((2, 5), np.float32), np.ones((5, 48), np.float32), np.zeros((2, 48), np.float32)
    product(a, b, c)  # what lies behind b is asked for too, and nothing happens
    np.testing.assert_array_equal(c, 5)
    (code,) = product.inspect_llvm().values()
    assert code.count("call void @llvm.prefetch") == 3  # cache lines of a k
