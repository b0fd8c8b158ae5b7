"""What the benchmarks compare does the same work: from the same weights everybody comes to the same numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import memory_process, scoring, streaming, training_steps
from benchmarks.contender import CannotTakePart, Contender, Step
from benchmarks.growth import grown
from benchmarks.memory_process import needs
from benchmarks.workloads import TINY, TRAINING, Workload
from weft.backends import default_backend

SMALL = replace(TINY, layers=2, D=6)
TEXT = scoring.Text(replace(SMALL, N=1), 50)
TOLERANCE = {"bf16": 1e-2, "int8": 2e-2}


def tolerance(name: str) -> float:
    return TOLERANCE.get(name.split()[-1], 1e-5)


@pytest.mark.parametrize("workload", [SMALL, replace(SMALL, cell="rnn")], ids=lambda workload: workload.cell)
@pytest.mark.parametrize("contender", training_steps.CONTENDERS, ids=lambda contender: contender.name)
def test_everybodys_first_training_step_has_the_same_loss(workload: Workload, contender: Contender[Workload]) -> None:
    expected = training_steps.weft_step(workload)()
    assert running(contender, workload) == pytest.approx(expected, rel=tolerance(contender.name))


@pytest.mark.parametrize("contender", streaming.CONTENDERS, ids=lambda contender: contender.name)
def test_everybody_streams_to_the_same_scores(contender: Contender[Workload]) -> None:
    expected = streaming.reading(streaming.weft_plain_reader, SMALL)
    read = prepared(contender, SMALL)
    for _ in range(5):
        with contender.context():
            np.testing.assert_allclose(read(), expected(), atol=tolerance(contender.name))


@pytest.mark.parametrize("contender", scoring.CONTENDERS, ids=lambda contender: contender.name)
def test_one_stream_of_text_costs_everybody_the_same(contender: Contender[scoring.Text]) -> None:
    expected = scoring.weft_scoring(TEXT)()
    assert running(contender, TEXT) == pytest.approx(expected, rel=tolerance(contender.name))


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
    float32, bfloat16 = (seeded(by_name[f"PyTorch {precision}"], case) for precision in ("f32", "bf16"))
    difference = np.abs(float32 - bfloat16).max() / np.abs(float32).max()
    assert 1e-6 < difference < 1e-2


def seeded(contender: Contender[Any], case: Any) -> Any:
    """What the first call gives; models that PyTorch initialises are the same every time."""
    torch.manual_seed(0)
    return np.asarray(running(contender, case))


def running(contender: Contender[Any], case: Any) -> Any:
    """What the first call of a contender gives; the test is skipped where it cannot take part."""
    step = prepared(contender, case)
    with contender.context():
        return step()


def prepared(contender: Contender[Any], case: Any) -> Step:
    """The step of a contender; the test is skipped where it cannot take part."""
    try:
        with contender.context():
            return contender.make(case)
    except CannotTakePart as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("workload", [SMALL, *TRAINING[:2]], ids=lambda workload: workload.name)
def test_a_workload_knows_its_parameters(workload: Workload) -> None:
    assert workload.parameter_bytes == sum(array.nbytes for array in workload.model().params)


def test_growth_changes_one_size() -> None:
    assert grown(SMALL, "T", 9) == replace(SMALL, T=9)
    assert grown(SMALL, "H", 9) == replace(SMALL, H=9, D=9)


def test_the_fused_kernels_are_on_within_a_contenders_turn_alone() -> None:
    fused = training_steps.CONTENDERS[0]
    before = default_backend.active.get()
    running(fused, SMALL)
    assert default_backend.active.get() is before


def test_working_memory_is_what_a_step_brings() -> None:
    def step_that_needs(workload: Workload) -> Any:
        return lambda: np.ones((1 if workload is TINY else 50) * 10**6, np.uint8)

    found = needs(Contender("some", step_that_needs), SMALL)
    assert 45 < found["working_megabytes"] < found["peak_megabytes"]
