"""Rounding errors and formats of quantized weights."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from weft.backends.quantization import WEIGHTS, restored, rounded
from weft.errors import InputError

finite = st.floats(-(2.0**90), 2.0**90, width=32, allow_subnormal=False)
matrices = arrays.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=finite)


@given(matrices, st.sampled_from([0, 1]))
def test_int8_is_the_nearest_of_255_multiples_of_each_scale(W: np.ndarray, axis: int) -> None:
    numbers, scales = rounded(W, "int8", axis)
    largest = np.abs(W).max(axis=axis).astype(np.float64)
    assert numbers.dtype == np.int8
    assert int(np.abs(numbers.astype(int)).max()) <= 127
    np.testing.assert_allclose(scales[largest > 0], largest[largest > 0] / 127, rtol=1e-6)
    error = np.abs(restored(numbers, scales, axis).astype(np.float64) - W)
    assert (error <= np.expand_dims(scales * 0.50001, axis)).all()


@given(matrices)
def test_bfloat16_is_the_nearest_number_of_eight_bits(W: np.ndarray) -> None:
    bits, scales = rounded(W, "bfloat16", 0)
    near = restored(bits, scales, 0)
    assert not (near.view(np.uint32) & 0xFFFF).any()
    for step in (-1, 1):  # neither neighbouring bfloat16 number is nearer
        other = restored((bits.astype(int) + step).clip(0, 0xFFFF).astype(np.uint16), scales, 0).astype(np.float64)
        assert not (np.abs(other - W) < np.abs(near.astype(np.float64) - W)).any()  # zero has one neighbour


def test_bfloat16_ties_are_rounded_to_even() -> None:
    W = np.array([[0x3F808000, 0x3F818000]], np.uint32).view(np.float32)
    assert rounded(W, "bfloat16", 0)[0].tolist() == [[0x3F80, 0x3F82]]


@pytest.mark.parametrize("weight_format", WEIGHTS)
def test_rounded_weights_are_a_new_array_and_rounding_is_idempotent(weight_format: str) -> None:
    W = np.random.default_rng(0).normal(size=(7, 5)).astype("f")
    once = restored(*rounded(W, weight_format, 0), 0)
    assert not np.shares_memory(once, W)
    np.testing.assert_allclose(restored(*rounded(once, weight_format, 0), 0), once, rtol=1e-6)


def test_unknown_formats_and_non_finite_weights_are_refused() -> None:
    with pytest.raises(InputError, match=r"one of float32, bfloat16, int8, got 'int9' \(did you mean \"int8\"\?\)"):
        rounded(np.zeros((1, 1), np.float32), "int9", 0)
    with pytest.raises(InputError, match="not finite"):
        rounded(np.full((1, 1), np.nan, np.float32), "int8", 0)
