"""`--weights` and `weft.load(…, weights=…)`: the model with weights of fewer bits."""

from __future__ import annotations

from pathlib import Path

import pytest

import weft
from helpers.command_line import RunWeft
from weft.backends.quantization import WEIGHTS
from weft.commands.options import weights as weights_options


@pytest.mark.parametrize("weights", WEIGHTS)
def test_every_command_reads_the_weights_that_load_gives(run_weft: RunWeft, trained: Path, weights: str) -> None:
    lm = weft.load(trained, weights=weights)
    flags = ("--weights", weights, "--run", trained)
    evaluated = dict(line.split("\t") for line in run_weft("eval", *flags).out.splitlines())
    scored = run_weft("score", "the cat sat", "--columns", "token,logprob", "--format", "tsv", *flags).out
    shown = run_weft("next", "the cat", "-k", 1, *flags).out.splitlines()[1].split("\t")
    total = sum(float(line.split("\t")[-1]) for line in scored.splitlines()[1:])
    assert total == pytest.approx(lm.logprob("the cat sat"), abs=1e-3)
    assert float(shown[1]) == pytest.approx(lm.next("the cat", 1)[0][1], abs=1e-3)
    plain = dict(line.split("\t") for line in run_weft("eval", "--run", trained).out.splitlines())
    assert (evaluated["total_nats"] == plain["total_nats"]) == (weights == "float32")
    assert float(evaluated["total_nats"]) == pytest.approx(float(plain["total_nats"]), rel=0.02)


@pytest.mark.parametrize("threshold", [1, 10**18], ids=["compiled", "plain"])
def test_generation_is_the_same_on_compiled_steps(
    run_weft: RunWeft, trained: Path, threshold: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights_options, "COMPILING_PAYS", threshold)
    line = ("generate", "--max-tokens", 20, "--seed", 1, "--temperature", 0, "--run", trained)
    assert run_weft(*line).out == weft.load(trained).generate(max_tokens=20, temperature=0) + "\n"
    assert run_weft(*line, "--weights", "int8").code == 0


def test_few_steps_do_not_load_the_compiler(run_weft: RunWeft, trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AssertionError("asked for kernels")

    monkeypatch.setattr("weft.inference.frozen_model.why_not_fused", refuse)
    assert run_weft("next", "the cat", "--weights", "int8", "--run", trained).code == 0
    assert run_weft("generate", "--max-tokens", 5, "--weights", "bfloat16", "--run", trained).code == 0


@pytest.mark.parametrize("command", ["eval", "score x", "next", "generate"])
def test_unknown_weights_are_an_error(run_weft: RunWeft, trained: Path, command: str) -> None:
    refusal = run_weft(*command.split(), "--weights", "int9", "--run", trained).refusal()
    assert refusal == "weights must be one of float32, bfloat16, int8, got 'int9' (did you mean \"int8\"?)"
