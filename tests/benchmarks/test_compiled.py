"""Peers through torch.compile: they go on to the same numbers, and where they cannot be built the reason is told."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from benchmarks import scoring, streaming
from benchmarks.compiled import BUILDING_CALLS, LONGEST_REASON, built_within, has_compiler, one_line
from benchmarks.contender import CannotTakePart, Step
from benchmarks.training_steps import compiled_step, contenders, torch_step
from benchmarks.workloads import TINY, Workload

pytestmark = pytest.mark.filterwarnings("ignore")  # the compiler of PyTorch warns of itself
BUILD_SECONDS = 300.0
needs_compiler = pytest.mark.skipif(not has_compiler(), reason="torch.compile needs a C++ compiler")


@needs_compiler
def test_a_compiled_training_step_goes_on_like_one_that_is_not() -> None:
    workload = replace(TINY, T=2)
    (contender,) = (one for one in contenders(BUILD_SECONDS) if one.name == "PyTorch compiled")
    assert_training_goes_on(contender.make(workload), workload)


@pytest.fixture
def traced_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What torch.compile has traced runs as it is: to make C++ of it takes long, and is done in the test above."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))


@pytest.mark.usefixtures("traced_only")
def test_a_training_step_that_was_unrolled_goes_on_like_one_that_is_not() -> None:
    workload = replace(TINY, T=2)
    assert_training_goes_on(compiled_step(workload, unrolled=True), workload)


def assert_training_goes_on(step: Step, workload: Workload) -> None:
    plain = torch_step(workload)
    expected = [plain() for _ in range(BUILDING_CALLS + 2)]
    assert [step(), step()] == pytest.approx(expected[BUILDING_CALLS:], rel=1e-5)


@pytest.mark.usefixtures("traced_only")
def test_compiled_streaming_goes_on_to_the_same_scores() -> None:
    plain = streaming.reading(streaming.weft_plain_reader, TINY)
    step = streaming.compiled_reading(TINY)
    expected = [plain() for _ in range(BUILDING_CALLS + 2)]
    np.testing.assert_allclose([step(), step()], expected[BUILDING_CALLS:], atol=1e-5)


@pytest.mark.usefixtures("traced_only")
def test_compiled_scoring_costs_the_same_and_builds_nothing_when_it_is_timed() -> None:
    text = scoring.Text(TINY, 55)
    assert text.tokens // TINY.N % TINY.T, "the last block should be a shorter one"
    step = scoring.compiled_scoring(text)
    with torch.compiler.set_stance("fail_on_recompile"):
        assert step() == pytest.approx(scoring.torch_scoring(text)(), rel=1e-5)


def test_without_a_compiler_torch_compile_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(CannotTakePart, match="C\\+\\+ compiler"):
        built_within(1, compiled_step, TINY)


def test_a_build_that_fails_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name)
    with pytest.raises(CannotTakePart, match=r"^torch\.compile: InputError: unknown cell 'unheard of'"):
        built_within(100, compiled_step, replace(TINY, cell="unheard of"))


def test_a_build_that_takes_too_long_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name)
    with pytest.raises(CannotTakePart, match=r"^torch\.compile: not built within 0\.01 seconds$"):
        built_within(0.01, compiled_step, TINY)


def test_a_long_story_is_cut() -> None:
    error = RuntimeError("outer")
    error.__cause__ = ValueError("word " * 100 + "\nsecond line")
    assert one_line(error).startswith("ValueError: word word")
    assert len(one_line(error)) == LONGEST_REASON
