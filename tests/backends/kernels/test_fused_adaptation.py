"""Dynamic evaluation on the fused kernels equals the plain loop within rounding, also for blocks of one stream."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from weft.adaptation import AdaptingModel, Cache, DynamicRMS, DynamicSGD, GradientRMS
from weft.backends import default_backend
from weft.backends.fused import fused, why_not_fused
from weft.layers import OutputSettings, time_layer
from weft.model import RNNLM

pytestmark = pytest.mark.skipif(why_not_fused() is not None, reason=f"no fused kernels: {why_not_fused()}")

IDS = np.random.default_rng(0).integers(0, 40, 37)


def model(tied: bool, output: str = "full") -> RNNLM:
    settings = OutputSettings(output=output)
    return RNNLM(40, 12, 12, 2, "lstm", tied=tied, seed=0, embedding_std=0.5, output=settings)


def rules(model: RNNLM) -> list[Any]:
    rng = np.random.default_rng(1)
    parameters = model.with_exact_output().named_parameters()
    roots = {name: np.zeros_like(array) for name, array in parameters.items()}
    for root in roots.values():
        root[...] = rng.exponential(size=root.shape)
    return [DynamicSGD(0.5, 0.2, 4), DynamicRMS(GradientRMS(roots, 0.9), 0.5, 0.6, 4)]


@pytest.mark.parametrize("rule", [0, 1], ids=["sgd", "rms"])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("output", ["full", "sampled"])
@pytest.mark.parametrize("threads", [1, 2])
def test_dynamic_evaluation_equals_the_plain_loop(
    rule: int, tied: bool, output: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> Any:
        adapting = AdaptingModel(model(tied, output), rules(model(tied, output))[rule], Cache(9, 0.2))
        return np.concatenate(list(adapting.reading(None).running([IDS], 1)))

    plain = read()
    with fused(threads):
        from weft.backends.kernels.update import fused_update

        monkeypatch.setattr(fused_update, "SHARED_SIZE", 1)
        np.testing.assert_allclose(read(), plain, rtol=1e-4, atol=1e-5)


def test_a_large_cell_runs_few_steps_of_one_stream_in_the_plain_loop() -> None:
    cell = time_layer("lstm").cell_type(*(np.zeros(shape, "f") for shape in ((2, 800), (200, 800), (800,))))
    with fused(1):
        assert default_backend.fused is not None
        block_kernel = default_backend.fused.block_kernel
        assert block_kernel(cell, 1, 3) is None
        assert block_kernel(cell, 1, 4) is not None
        assert block_kernel(cell, 2, 3) is not None


@pytest.mark.parametrize(("H", "chunks"), [(100, 1), (400, 3)])
def test_a_block_of_one_stream_is_divided_by_hidden_units_if_there_are_many(H: int, chunks: int) -> None:
    cell = time_layer("lstm").cell_type(*(np.zeros(shape, "f") for shape in ((H, 4 * H), (H, 4 * H), (4 * H,))))
    with fused(3):
        operations: Any = default_backend.fused
        kernel = operations.block_kernel(cell, 1, 100)
    workspace, _short = kernel._workspace(1, 100, H, 4 * H)
    assert workspace.chunks == chunks
