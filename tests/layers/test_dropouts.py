"""The four dropouts: what shares an element of the mask, the mean, and the gradient."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

from helpers.oracles import central_differences
from helpers.recurrent_cases import Case
from weft.errors import InputError
from weft.layers import EmbeddingDropout, LockedDropout, TimeDropout, TimeRecurrent, WeightDropout, time_layers

Floats = Any
N, T, D, V = 3, 50, 40, 9
every_recurrent_cell = pytest.mark.parametrize(
    "layer_type", [layer for layer in time_layers().values() if layer.cell_type.recurs], ids=lambda t: t.cell_type.name
)


def ones(*shape: int) -> Floats:
    return np.ones(shape, "f")


def test_locked_dropout_has_one_mask_for_all_steps_and_different_ones_for_streams_and_blocks() -> None:
    layer = LockedDropout(0.25, np.random.default_rng(0))
    ys = layer.forward(ones(N, T, D))
    np.testing.assert_array_equal(ys, np.broadcast_to(ys[:, :1], ys.shape))
    assert not np.array_equal(ys[0], ys[1])
    assert not np.array_equal(layer.forward(ones(N, T, D)), ys)


def test_plain_dropout_has_different_masks_for_the_steps() -> None:
    ys = TimeDropout(0.25, np.random.default_rng(0)).forward(ones(N, T, D))
    assert not np.array_equal(ys[:, 0], ys[:, 1])


def test_locked_dropout_keeps_the_mean_and_its_gradient_has_the_same_mask() -> None:
    layer = LockedDropout(0.25, np.random.default_rng(0))
    ys = layer.forward(ones(400, 2, D))
    assert set(np.unique(ys)) == {np.float32(0), np.float32(1) / np.float32(0.75)}
    assert ys.mean() == pytest.approx(1, abs=0.02)
    np.testing.assert_array_equal(layer.backward(ones(400, 2, D)), ys)
    assert ys.dtype == np.float32


def test_embedding_dropout_drops_a_word_wherever_it_occurs_in_a_block() -> None:
    ids = np.random.default_rng(1).integers(0, V, (N, T))
    layer = EmbeddingDropout(0.5, np.random.default_rng(0))
    xs = np.random.default_rng(2).normal(size=(N, T, D)).astype("f")
    ys = layer.forward(xs, ids)
    dropped = {int(id) for id in range(V) if (ys[ids == id] == 0).all()}
    assert 0 < len(dropped) < V
    for id in set(range(V)) - dropped:
        np.testing.assert_array_equal(ys[ids == id], 2 * xs[ids == id])
    np.testing.assert_array_equal(layer.backward(xs), ys)
    assert ys.dtype == np.float32


def test_embedding_dropout_keeps_the_mean() -> None:
    ids = np.arange(20_000)[None]
    ys = EmbeddingDropout(0.3, np.random.default_rng(0)).forward(ones(1, 20_000, 1), ids)
    assert ys.mean() == pytest.approx(1, abs=0.02)


def test_a_ratio_of_zero_draws_no_random_numbers() -> None:
    rng = np.random.default_rng(0)
    before = copy.deepcopy(rng.bit_generator.state)
    xs, ids = ones(N, T, D), np.zeros((N, T), int)
    embedding = EmbeddingDropout(0.0, rng)
    assert embedding.forward(xs, ids) is xs
    assert embedding.backward(xs) is xs
    assert LockedDropout(0.0, rng).forward(xs) is xs
    assert rng.bit_generator.state == before


def weight_dropped(layer_type: type[TimeRecurrent]) -> tuple[Case, WeightDropout]:
    case = Case(layer_type)
    dropout = case.layer.weight_dropout = WeightDropout(0.4, np.random.default_rng(3))
    return case, dropout


@every_recurrent_cell
def test_gradients_with_weight_dropout_equal_central_differences(layer_type: type[TimeRecurrent]) -> None:
    case, dropout = weight_dropped(layer_type)
    drawn = copy.deepcopy(dropout.rng.bit_generator.state) if dropout.rng else {}

    def objective() -> float:
        assert dropout.rng
        dropout.rng.bit_generator.state = drawn
        return case.objective()

    objective()
    case.layer.backward(case.dhs, *case.dlast)
    gradients = {name: gradient.copy() for name, gradient in case.layer.cell.named(case.layer.grads).items()}
    for name, array in case.params.items():
        expected = central_differences(objective, array)
        np.testing.assert_allclose(gradients[name], expected, rtol=1e-6, atol=1e-8, err_msg=name)
    assert (gradients["Wh"][dropout.mask == 0] == 0).all()
    assert 0 < (dropout.mask == 0).mean() < 1


@every_recurrent_cell
def test_a_block_with_weight_dropout_equals_a_block_with_masked_weights(layer_type: type[TimeRecurrent]) -> None:
    case, dropout = weight_dropped(layer_type)
    Wh = case.params["Wh"].copy()
    hs, _last = case.forward()
    np.testing.assert_array_equal(case.params["Wh"], Wh)
    left = layer_type(**{**case.params, "Wh": Wh * dropout.mask}, stateful=True)
    left.set_state(*case.state)
    np.testing.assert_array_equal(left.forward(case.xs), hs)
    assert not np.array_equal(case.forward()[0], hs), "every block draws anew"


@every_recurrent_cell
def test_unroll_between_forward_and_backward_drops_no_weights_and_changes_no_gradient(
    layer_type: type[TimeRecurrent],
) -> None:
    case, _dropout = weight_dropped(layer_type)
    plain = Case(layer_type).layer.unroll(case.xs, case.state)[0]
    alone, _dropout = weight_dropped(layer_type)
    case.forward()
    np.testing.assert_array_equal(case.layer.unroll(case.xs, case.state)[0], plain)
    alone.forward()
    np.testing.assert_array_equal(case.layer.backward(case.dhs), alone.layer.backward(alone.dhs))
    for ours, theirs in zip(case.layer.grads, alone.layer.grads, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", [LockedDropout, EmbeddingDropout, WeightDropout])
@pytest.mark.parametrize("ratio", [1, -0.1, float("nan")])
def test_a_ratio_outside_the_unit_interval_is_refused(kind: Any, ratio: float) -> None:
    with pytest.raises(InputError, match=r"dropout ratio must lie in \[0, 1\), got"):
        kind(ratio)
