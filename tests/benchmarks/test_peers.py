"""All contenders do the same work: with the same weights they compute the same numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import memory_process, scoring, streaming, training_steps
from benchmarks.contender import Contender, Step, Unavailable
from benchmarks.growth import resized
from benchmarks.memory_process import memory_use
from benchmarks.workloads import TINY, TRAINING, Workload
from weft.backends import default_backend

SMALL = replace(TINY, layers=2, D=6)
TEXT = scoring.Text(replace(SMALL, N=1), 50)
TOLERANCE = {"bf16": 1e-2, "int8": 2e-2}


def tolerance(name: str) -> float:
    return TOLERANCE.get(name.split()[-1], 1e-5)


@pytest.mark.parametrize("workload", [SMALL, replace(SMALL, cell="rnn")], ids=lambda workload: workload.cell)
@pytest.mark.parametrize("contender", training_steps.CONTENDERS, ids=lambda contender: contender.name)
def test_all_contenders_have_the_same_loss_in_the_first_training_step(
    workload: Workload, contender: Contender[Workload]
) -> None:
    expected = training_steps.weft_step(workload)()
    assert first_result(contender, workload) == pytest.approx(expected, rel=tolerance(contender.name))


@pytest.mark.parametrize("contender", streaming.CONTENDERS, ids=lambda contender: contender.name)
def test_all_contenders_stream_the_same_scores(contender: Contender[Workload]) -> None:
    expected = streaming.reader_step(streaming.weft_plain_reader, SMALL)
    read = prepared_step(contender, SMALL)
    for _ in range(5):
        with contender.context():
            np.testing.assert_allclose(read(), expected(), atol=tolerance(contender.name))


@pytest.mark.parametrize("contender", scoring.CONTENDERS, ids=lambda contender: contender.name)
def test_all_contenders_have_the_same_loss_on_one_stream_of_text(contender: Contender[scoring.Text]) -> None:
    expected = scoring.weft_scoring(TEXT)()
    assert first_result(contender, TEXT) == pytest.approx(expected, rel=tolerance(contender.name))


@pytest.mark.parametrize(
    ("contenders", "case"),
    [
        (training_steps.CONTENDERS, SMALL),
        (memory_process.CONTENDERS, SMALL),
        (scoring.CONTENDERS, TEXT),
        (streaming.CONTENDERS, SMALL),
    ],
    ids=["training", "memory", "scoring", "streaming"],
)
def test_pytorch_under_autocast_is_close_to_float32_and_is_not_float32(
    contenders: list[Contender[Any]], case: Any
) -> None:
    by_name = {contender.name: contender for contender in contenders}
    float32, bfloat16 = (first_result_seeded(by_name[f"PyTorch {precision}"], case) for precision in ("f32", "bf16"))
    difference = np.abs(float32 - bfloat16).max() / np.abs(float32).max()
    assert 1e-6 < difference < 1e-2


def first_result_seeded(contender: Contender[Any], case: Any) -> Any:
    """The result of the first call, with PyTorch's random initialization seeded."""
    torch.manual_seed(0)
    return np.asarray(first_result(contender, case))


def first_result(contender: Contender[Any], case: Any) -> Any:
    """The result of a contender's first call; skips the test if the contender is unavailable."""
    step = prepared_step(contender, case)
    with contender.context():
        return step()


def prepared_step(contender: Contender[Any], case: Any) -> Step:
    """The step of a contender; skips the test if the contender is unavailable."""
    try:
        with contender.context():
            return contender.make(case)
    except Unavailable as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("workload", [SMALL, *TRAINING[:2]], ids=lambda workload: workload.name)
def test_parameter_bytes_are_those_of_the_model(workload: Workload) -> None:
    assert workload.parameter_bytes == sum(array.nbytes for array in workload.model().params)


def test_resized_changes_one_size() -> None:
    assert resized(SMALL, "T", 9) == replace(SMALL, T=9)
    assert resized(SMALL, "H", 9) == replace(SMALL, H=9, D=9)


def test_the_fused_kernels_are_active_only_within_the_contenders_context() -> None:
    fused = training_steps.CONTENDERS[0]
    before = default_backend.active.get()
    first_result(fused, SMALL)
    assert default_backend.active.get() is before


def test_working_memory_is_the_memory_that_a_step_allocates() -> None:
    def allocating_step(workload: Workload) -> Any:
        return lambda: np.ones((1 if workload is TINY else 50) * 10**6, np.uint8)

    found = memory_use(Contender("some", allocating_step), SMALL)
    assert 45 < found["working_megabytes"] < found["peak_megabytes"]
