"""Which blocks are deduplicated and which can be captured, by the fused operations on NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from weft.backends import default_backend, random_generator, update_kernel
from weft.backends.fused import fused, why_not_fused
from weft.backends.numpy_fused import IDS_PER_ROW, MIN_IDS, NumpyFused
from weft.layers import time_layer

pytestmark = pytest.mark.skipif(why_not_fused() is not None, reason=f"no fused kernels: {why_not_fused()}")

N, D, H = 10, 3, 4
T = MIN_IDS // N
V = 10 * MIN_IDS


def random_cell(dtype: str = "float32", name: str = "lstm") -> Any:
    cell_type = time_layer(name).cell_type
    values = cell_type.initial_parameters(random_generator(0), D, H)
    return cell_type(**cell_type.named(value.astype(dtype) for value in values))


def embedding(vocab_size: int = V) -> Any:
    return random_generator(1).normal(size=(vocab_size, D)).astype("float32")


@pytest.fixture
def operations() -> Iterator[NumpyFused]:
    with fused(1):
        assert default_backend.fused is not None
        yield default_backend.fused


def test_distinct_rows_are_stored_once(operations: NumpyFused) -> None:
    W, ids = embedding(), random_generator(2).choice([3, 7, V - 1], (N, T))
    inputs = operations.deduplicate(W, ids, random_cell())
    assert inputs is not None
    assert inputs.rows.tolist() == [3, 7, V - 1]
    assert inputs.shape == (N, T, D)
    np.testing.assert_array_equal(inputs.values[inputs.places], W[ids])


def test_all_rows_of_a_small_vocabulary_are_the_values(operations: NumpyFused) -> None:
    W = embedding(MIN_IDS // IDS_PER_ROW)
    inputs = operations.deduplicate(W, np.zeros((N, T), np.int64), random_cell())
    assert inputs is not None
    assert inputs.values is W


@pytest.mark.parametrize(
    "ids",
    [
        pytest.param(np.arange(N * T).reshape(N, T), id="distinct"),
        pytest.param(np.zeros((N, T - 1), np.int64), id="few"),
        pytest.param(np.zeros(N * T, np.int64), id="one dimension"),
        pytest.param(np.full((N, T), V), id="too large"),
        pytest.param(np.full((N, T), -1), id="negative"),
    ],
)
def test_other_ids_are_not_deduplicated(operations: NumpyFused, ids: Any) -> None:
    assert operations.deduplicate(embedding(), ids, random_cell()) is None


@pytest.mark.parametrize("cell", [random_cell("float64"), random_cell(name="layer_norm_lstm")])
def test_cells_without_a_kernel_have_no_deduplicated_inputs(operations: NumpyFused, cell: Any) -> None:
    assert operations.deduplicate(embedding(), np.zeros((N, T), np.int64), cell) is None


@pytest.mark.parametrize(
    ("steps", "vocab_size", "capturable"),
    [(T - 1, V, True), (T, V, False), (T, MIN_IDS // IDS_PER_ROW, True), (T, MIN_IDS // IDS_PER_ROW + 1, False)],
)
def test_passes_whose_inputs_depend_on_the_ids_are_not_captured(
    operations: NumpyFused, steps: int, vocab_size: int, capturable: bool
) -> None:
    output = [np.zeros((H, vocab_size), np.float32), np.zeros(vocab_size, np.float32)]
    assert operations.can_capture(embedding(vocab_size), [random_cell()], output, N, steps) is capturable


def test_ids_are_copied_if_all_are_in_range(operations: NumpyFused) -> None:
    ids, target = random_generator(3).integers(0, V, (N, T)), np.zeros((N, T), np.int64)
    assert operations.copy_if_in_range(ids, V, target)
    np.testing.assert_array_equal(target, ids)
    assert not operations.copy_if_in_range(ids, int(ids.max()), target)


def test_a_nested_block_or_capture_has_operations_of_its_own(operations: NumpyFused) -> None:
    with fused(2, "float32"):
        assert default_backend.fused is not operations
    assert default_backend.fused is operations
    with operations.capture():
        assert default_backend.fused is not operations
    assert default_backend.fused is operations


def test_kernels_are_for_float32_only(operations: NumpyFused) -> None:
    assert update_kernel(np.zeros(3, "float32")) is not None
    assert update_kernel(np.zeros(3)) is None
    assert operations.output_kernel(np.dtype("float64")) is None
