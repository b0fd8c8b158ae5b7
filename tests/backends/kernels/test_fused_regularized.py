"""Weight dropout, residual connections and layers of several sizes: the fused kernels equal the plain loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from weft.backends import random_generator
from weft.backends.fused import fused, why_not_fused
from weft.layers import Regularization
from weft.layers.sparse_gradient import dense
from weft.model import RNNLM

pytestmark = pytest.mark.skipif(why_not_fused() is not None, reason=f"no fused kernels: {why_not_fused()}")
SETTINGS = {
    "dropout_locked": True,
    "embedding_dropout": 0.2,
    "weight_dropout": 0.4,
    "activation_penalty": 2.0,
    "temporal_penalty": 1.0,
}


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_a_regularized_model_has_the_same_loss_and_gradients(cell: str, layer_norm: bool) -> None:
    xs, ts = random_generator(0).integers(0, 300, (2, 4, 6))
    results: list[tuple[list[float], Any]] = []
    for dtype in ("float64", "float32"):
        options: Any = {"layer_norm": layer_norm, "residual": True, "seed": 1, "dtype": dtype}
        regularization = Regularization(**SETTINGS)  # type: ignore[arg-type]
        model = RNNLM(300, 12, 20, 3, cell, 0.2, tied=True, regularization=regularization, **options)
        with fused(2):
            losses = [model.loss(xs, ts).nats for _ in range(2)]
            model.backward()
        results.append((losses, model.grads))
    assert results[1][0] == pytest.approx(results[0][0], rel=1e-5)
    for ours, expected in zip(results[1][1], results[0][1], strict=True):
        np.testing.assert_allclose(dense(ours), dense(expected), rtol=2e-4, atol=6e-6)
