"""torch.compile: compiled steps give the same numbers as eager ones, and failures are reported with a reason."""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from benchmarks import scoring, streaming
from benchmarks.compiled import MAX_REASON_LENGTH, WARMUP_CALLS, compile_within, has_compiler, one_line
from benchmarks.contender import Step, Unavailable
from benchmarks.training_steps import compiled_step, contenders, torch_step
from benchmarks.workloads import TINY, Workload

pytestmark = pytest.mark.filterwarnings("ignore")  # torch.compile emits warnings about itself
BUILD_SECONDS = 300.0
needs_compiler = pytest.mark.skipif(not has_compiler(), reason="torch.compile needs a C++ compiler")


@needs_compiler
def test_a_compiled_training_step_has_the_losses_of_the_eager_step() -> None:
    workload = replace(TINY, T=2)
    (contender,) = (one for one in contenders(BUILD_SECONDS) if one.name == "PyTorch compiled")
    assert_losses_of_eager_training(contender.make(workload), workload)


@pytest.fixture
def traced_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.compile runs the traced graph without generating C++, which is slow and covered by the test above."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))


@pytest.mark.usefixtures("traced_only")
def test_an_unrolled_training_step_has_the_losses_of_the_eager_step() -> None:
    workload = replace(TINY, T=2)
    assert_losses_of_eager_training(compiled_step(workload, unrolled=True), workload)


def assert_losses_of_eager_training(step: Step, workload: Workload) -> None:
    eager = torch_step(workload)
    expected = [eager() for _ in range(WARMUP_CALLS + 2)]
    assert [step(), step()] == pytest.approx(expected[WARMUP_CALLS:], rel=1e-5)


@pytest.mark.usefixtures("traced_only")
def test_compiled_streaming_has_the_same_scores() -> None:
    plain = streaming.reader_step(streaming.weft_plain_reader, TINY)
    step = streaming.compiled_reader_step(TINY)
    expected = [plain() for _ in range(WARMUP_CALLS + 2)]
    np.testing.assert_allclose([step(), step()], expected[WARMUP_CALLS:], atol=1e-5)


@pytest.mark.usefixtures("traced_only")
def test_compiled_scoring_has_the_same_loss_and_does_not_recompile() -> None:
    text = scoring.Text(TINY, 55)
    assert text.tokens // TINY.N % TINY.T, "the last block should be a shorter one"
    step = scoring.compiled_scoring(text)
    with torch.compiler.set_stance("fail_on_recompile"):
        assert step() == pytest.approx(scoring.torch_scoring(text)(), rel=1e-5)


def test_torch_compile_is_unavailable_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(Unavailable, match="C\\+\\+ compiler"):
        compile_within(1, compiled_step, TINY)


def test_a_failed_compilation_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name)
    with pytest.raises(Unavailable, match=r"^torch\.compile: InputError: unknown cell 'unknown'"):
        compile_within(100, compiled_step, replace(TINY, cell="unknown"))


def test_a_compilation_beyond_the_time_limit_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: name)
    with pytest.raises(Unavailable, match=r"^torch\.compile: not compiled within 0\.01 seconds$"):
        compile_within(0.01, compiled_step, TINY)


def test_a_long_error_message_is_truncated() -> None:
    error = RuntimeError("outer")
    error.__cause__ = ValueError("word " * 100 + "\nsecond line")
    assert one_line(error).startswith("ValueError: word word")
    assert len(one_line(error)) == MAX_REASON_LENGTH
