"""What the benchmarks compare does the same work: from the same weights everybody comes to the same numbers."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from benchmarks import scoring, training_steps
from benchmarks.compiled import LONGEST_REASON, compiled_step, one_line
from benchmarks.contender import CannotTakePart, Contender
from benchmarks.growth import grown
from benchmarks.memory_process import needs
from benchmarks.streaming import READERS
from benchmarks.workloads import TINY, TRAINING, Workload
from weft.backends import default_backend

SMALL = replace(TINY, layers=2, D=6)
TOLERANCE = {"bf16": 1e-2, "int8": 2e-2}


def tolerance(name: str) -> float:
    return TOLERANCE.get(name.split()[-1], 1e-5)


@pytest.mark.parametrize("workload", [SMALL, replace(SMALL, cell="rnn")], ids=lambda workload: workload.cell)
@pytest.mark.parametrize("contender", training_steps.CONTENDERS, ids=lambda contender: contender.name)
def test_everybodys_first_training_step_has_the_same_loss(workload: Workload, contender: Contender[Workload]) -> None:
    expected = training_steps.weft_step(workload)()
    assert running(contender, workload) == pytest.approx(expected, rel=tolerance(contender.name))


@pytest.mark.parametrize("name", READERS)
def test_everybody_streams_to_the_same_scores(name: str) -> None:
    model = SMALL.model()
    state = model.zero_state(SMALL.N)
    ids = np.random.default_rng(1).integers(0, SMALL.V, (5, SMALL.N))
    try:
        read = READERS[name](SMALL)
    except CannotTakePart as reason:
        pytest.skip(str(reason))
    for row in ids:
        expected, state = model.step(row, state)
        np.testing.assert_allclose(read(row), expected, atol=tolerance(name))


@pytest.mark.parametrize("contender", scoring.CONTENDERS, ids=lambda contender: contender.name)
def test_one_stream_of_text_costs_everybody_the_same(contender: Contender[scoring.Text]) -> None:
    text = scoring.Text(replace(SMALL, N=1), 50)
    expected = scoring.weft_scoring(text)()
    assert running(contender, text) == pytest.approx(expected, rel=tolerance(contender.name))


def running(contender: Contender[Any], case: Any) -> Any:
    """What the first call of a contender gives; the test is skipped where it cannot take part."""
    try:
        with contender.context():
            return contender.make(case)()
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


def test_without_a_compiler_torch_compile_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(CannotTakePart, match="C\\+\\+ compiler"):
        compiled_step(TINY, unrolled=False, seconds=1)


def test_a_build_that_fails_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name)
    with pytest.raises(CannotTakePart, match=r"^torch\.compile: InputError: unknown cell 'unheard of'"):
        compiled_step(replace(TINY, cell="unheard of"), unrolled=False, seconds=100)


def test_a_build_that_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name)
    with pytest.raises(CannotTakePart, match=r"^torch\.compile: not built within 0\.01 seconds$"):
        compiled_step(TINY, unrolled=False, seconds=0.01)


def test_a_long_story_is_cut() -> None:
    error = RuntimeError("outer")
    error.__cause__ = ValueError("word " * 100 + "\nsecond line")
    assert one_line(error).startswith("ValueError: word word")
    assert len(one_line(error)) == LONGEST_REASON
