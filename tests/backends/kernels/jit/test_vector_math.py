"""tanh, σ, exp and 2^y of the kernels equal NumPy's in float64 within a few roundings, over the whole range."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from weft.backends.fused import why_not_fused

pytestmark = pytest.mark.skipif(why_not_fused() is not None, reason=f"no fused kernels: {why_not_fused()}")

FUNCTIONS: dict[str, tuple[Callable[[Any], Any], float, float, float]] = {
    "tanh": (np.tanh, 12, 5e-7, 0),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), 12, 0, 3e-7),
    "exp": (np.exp, 79, 2.5e-7, 0),
    "power_of_two": (np.exp2, 114, 2e-7, 0),
}
"""By name: NumPy's function, the largest |x|, and the tolerated relative and absolute error."""


def applied(name: str, numbers: Any) -> Any:
    """The function of `vector_math`, applied to every element by a compiled loop."""
    from weft.backends.kernels.jit import vector_math
    from weft.backends.kernels.jit.compile import jit

    function = getattr(vector_math, name)

    @jit
    def apply(x: Any, y: Any) -> None:
        for j in range(x.size):
            y[j] = function(x[j])

    x = np.asarray(numbers, np.float32)
    y = np.empty_like(x)
    apply(x, y)
    return y


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_equals_numpys(name: str) -> None:
    expected, limit, rtol, atol = FUNCTIONS[name]
    x = np.concatenate((np.linspace(-limit, limit, 200_001), np.linspace(-1, 1, 100_001))).astype(np.float32)
    np.testing.assert_allclose(applied(name, x), expected(x.astype(np.float64)), rtol=rtol, atol=atol)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_nan_gives_nan(name: str) -> None:
    with_payloads = np.array([0x7FC00001, 0xFFC12345], np.uint32).view(np.float32)
    assert np.isnan(applied(name, [np.nan, *with_payloads])).all()


@pytest.mark.parametrize(("name", "lowest", "highest"), [("exp", -80, 88), ("power_of_two", -115, 127)])
def test_arguments_are_clipped(name: str, lowest: int, highest: int) -> None:
    y = applied(name, [-np.inf, -1e30, lowest, np.inf, 1e30, highest])
    np.testing.assert_array_equal(y[:3], y[2])
    np.testing.assert_array_equal(y[3:], y[5])
    assert 0 < y[2] < 1e-34
    assert 1e38 < y[5] < np.inf
