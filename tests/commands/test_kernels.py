"""Training and evaluation on the fused kernels, from the command line."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from helpers.command_line import FLAGS, RunWeft, write_text
from weft.backends import default_backend
from weft.backends.fused import fused, why_not_fused

pytestmark = pytest.mark.skipif(why_not_fused() is not None, reason=f"no fused kernels: {why_not_fused()}")
FUSED = [*FLAGS, "--kernels=fused", "--threads=2", "--optimizer=adamw", "--schedule=constant"]


def numbers(out: str) -> dict[str, float]:
    return {name: float(value) for name, value in (line.split("\t") for line in out.splitlines()) if value}


def test_a_resumed_run_on_the_kernels_is_bitwise_equal(run_weft: RunWeft, tmp_path: Path) -> None:
    text = write_text(tmp_path / "a.txt")
    assert run_weft("train", text, *FUSED, "--epochs=2", "--out=whole").code == 0
    assert run_weft("train", text, *FUSED, "--epochs=2", "--max-steps=7", "--out=cut").code == 0
    assert run_weft("train", "--resume", "--out=cut", "--max-steps=100000").code == 0
    whole, cut = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "cut"))
    assert whole == cut


def test_evaluation_agrees_on_both_kernels(run_weft: RunWeft, tmp_path: Path) -> None:
    text = write_text(tmp_path / "a.txt")
    run_weft("train", text, *FUSED, "--epochs=1", "--out=run")
    plain, kernels, as_trained = (
        numbers(run_weft("eval", text, "--run=run", *flags).out)
        for flags in (["--kernels=plain"], ["--kernels=fused", "--threads=1"], [])
    )
    assert kernels == pytest.approx(plain, rel=1e-5)
    assert as_trained == pytest.approx(plain, rel=1e-5)


def test_a_run_of_the_kernels_resumes_on_the_plain_loop(run_weft: RunWeft, tmp_path: Path) -> None:
    text = write_text(tmp_path / "a.txt")
    run_weft("train", text, *FUSED, "--epochs=1", "--out=run")
    assert run_weft("train", "--resume", "--out=run", "--epochs=2", "--kernels=plain").code == 0


def test_threads_without_the_kernels_are_refused(run_weft: RunWeft, tmp_path: Path) -> None:
    text = write_text(tmp_path / "a.txt")
    refusal = run_weft("train", text, *FLAGS, "--kernels=plain", "--threads=2", "--out=run").refusal()
    assert "threads 2 has no effect with kernels 'plain'" in refusal
    assert "fused" in run_weft("train", text, "--kernels=fussed", "--out=run").refusal()


def test_the_kernels_are_switched_on_for_one_thread_only() -> None:
    seen = []
    with fused(1):
        other = threading.Thread(target=lambda: seen.append(default_backend.fused))
        other.start()
        other.join()
        assert default_backend.fused is not None
    assert seen == [None]
    assert default_backend.fused is None
