"""Products in bfloat16 tiles: three terms a number round as float32 does, one multiplies rounded numbers."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from rounding import SIZES, nearest_bfloat16, normal
from weft.backends import fusing, random_generator
from weft.backends.fusing import fused, why_not_bfloat16
from weft.errors import InputError
from weft.layers.row_gradient import dense
from weft.model import RNNLM

needs_bfloat16 = pytest.mark.skipif(why_not_bfloat16() is not None, reason=f"no bfloat16: {why_not_bfloat16()}")


def product(A: Any, B: Any, terms: int, C: Any) -> None:
    from weft.backends.kernels.products import Factor, TileProducts

    products = TileProducts(terms)
    products._is_small = lambda left, right: False  # type: ignore[method-assign]
    products.write(Factor(A, "a"), Factor(B, "b"), C)


def amx() -> bool:
    if why_not_bfloat16() is not None:
        return False
    from weft.backends.kernels.processor import has_amx

    return has_amx()


needs_tiles = pytest.mark.skipif(not amx(), reason="this processor has no matrix tiles")


@needs_tiles
@pytest.mark.parametrize("order", ["rows", "columns"])
@pytest.mark.parametrize(("M", "K", "N"), SIZES)
def test_one_term_is_the_product_of_rounded_numbers(M: int, K: int, N: int, order: str) -> None:
    A, B, C = normal(M, K), normal(K, N, seed=1), np.full((M, N + 3), 7, np.float32)
    expected = nearest_bfloat16(A) @ nearest_bfloat16(B)
    if order == "columns":
        A, B = np.asfortranarray(A), np.asfortranarray(B)
    product(A, B, 1, C[:, :N])
    np.testing.assert_allclose(C[:, :N], expected, rtol=1e-5, atol=1e-5 * K**0.5)
    np.testing.assert_array_equal(C[:, N:], 7)


@needs_tiles
@pytest.mark.parametrize("order", ["rows", "columns"])
@pytest.mark.parametrize(("M", "K", "N"), SIZES)
@pytest.mark.parametrize("spread", [0, 20])
def test_three_terms_round_as_float32_does(M: int, K: int, N: int, order: str, spread: int) -> None:
    scale = np.exp2(random_generator(2).integers(-spread, spread + 1, (M, K)))
    A, B, C = (normal(M, K) * scale).astype("f"), normal(K, N, seed=1), np.empty((M, N), np.float32)
    exact, sizes = A.astype(float) @ B.astype(float), np.abs(A.astype(float)) @ np.abs(B.astype(float))
    if order == "columns":
        A, B = np.asfortranarray(A), np.asfortranarray(B)
    product(A, B, 3, C)
    assert np.max(np.abs(C - exact) / sizes) < 2**-22 + K * 2**-27


@needs_bfloat16
@pytest.mark.parametrize("streams", [8, 1])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_model_in_bfloat16_differs_by_rounding(
    cell: str, tied: bool, streams: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    xs, ts = random_generator(0).integers(0, 700, (2, streams, 16))
    exact = RNNLM(700, 96, 96, 2, cell, tied=tied, seed=1, dtype="float64")
    rounded = RNNLM(700, 96, 96, 2, cell, tied=tied, seed=1)
    losses = [exact.loss(xs, ts).nats]
    exact.backward()
    with fused(2, "bfloat16"):
        from weft.backends.kernels import block, products

        monkeypatch.setattr(block, "SMALL_WORK", 0)
        monkeypatch.setattr(products, "WORTH_TILES", {1: 0, 3: 0})
        losses.append(rounded.loss(xs, ts).nats)
        rounded.backward()
    assert losses[1] == pytest.approx(losses[0], rel=2e-3)
    assert losses[1] != pytest.approx(losses[0], rel=1e-7)
    for ours, expected in zip(map(dense, rounded.grads), map(dense, exact.grads), strict=True):
        assert np.linalg.norm(ours - expected) < 0.02 * np.linalg.norm(expected)


def test_bfloat16_where_the_processor_has_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fusing, "why_not_bfloat16", lambda: "this processor has no instructions for bfloat16")
    monkeypatch.setattr(fusing, "why_not_fused", lambda: None)
    with pytest.raises(InputError, match="--precision bfloat16 cannot be used: this processor"), fused(1, "bfloat16"):
        pass


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(InputError, match="precision must be one of float32, bfloat16"), fused(1, "float16"):
        pass


@pytest.mark.skipif(fusing.why_not_fused() is not None, reason=f"no fused kernels: {fusing.why_not_fused()}")
def test_a_step_over_a_large_vocabulary_needs_little_beside_the_parameters() -> None:
    V, N, T, H = 100_000, 20, 35, 200
    xs, ts = random_generator(0).integers(0, V, (2, N, T))
    model = RNNLM(V, H, H, seed=0)
    with fused(2):
        tracemalloc.start()
        try:
            model.loss(xs, ts)
            model.backward()
            _size, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    gradients = sum(array.nbytes for array in model.output.grads)
    assert peak + gradients < 200e6
