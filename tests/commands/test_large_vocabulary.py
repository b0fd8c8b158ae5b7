"""`--output adaptive` and `--output sampled`: training, resuming, and every command that reads the run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import weft
from helpers.command_line import FLAGS, SIZES, RunWeft, write_text
from weft.config.toml import read_config
from weft.training import load_weights, read_metrics

OUTPUTS = {
    "adaptive": ["--output", "adaptive", "--cutoffs", 4, "--cutoffs", 9, "--cluster-factor", 2],
    "sampled": ["--output", "sampled", "--samples", 6],
    "untied": ["--output", "sampled", "--samples", 6, "--no-tied"],
}
every_output = pytest.mark.parametrize("name", OUTPUTS)


@every_output
def test_every_command_reads_the_run(run_weft: RunWeft, tmp_path: Path, name: str) -> None:
    text = write_text(tmp_path / "my.txt", 60)
    flags = ["--tokenizer", "word", "--epochs", 1, "--test-fraction", 0.1, "--out", tmp_path / "run", *FLAGS]
    answer = run_weft("train", text, *flags, *OUTPUTS[name])
    assert answer.code == 0, answer.err
    assert ("training perplexity is estimated on about 6 tokens" in answer.err) == (name != "adaptive")
    lm = weft.load(tmp_path / "run")
    told = run_weft("info", tmp_path / "run").out
    assert f"output\t{OUTPUTS[name][1]}" in told
    assert ("cutoffs\t4, 9" in told) == (name == "adaptive")
    run = ("--run", tmp_path / "run")
    evaluated = dict(line.split("\t") for line in run_weft("eval", *run).out.splitlines())
    measures = ("--columns", "token,logprob,entropy,rank", "--format", "tsv")
    rows = [line.split("\t") for line in run_weft("score", "the cat sat", *measures, *run).out.splitlines()[1:]]
    assert sum(float(row[1]) for row in rows) == pytest.approx(lm.logprob("the cat sat"), abs=1e-4)
    following = run_weft("next", "the cat", "-k", 1000, *run).out.splitlines()[1:]
    assert sum(float(line.split("\t")[1]) for line in following) == pytest.approx(1, abs=1e-4)
    assert run_weft("generate", "--max-tokens", 5, "--seed", 1, *run).out == lm.generate("", 5, seed=1) + "\n"
    for weights in ("float32", "bfloat16", "int8"):
        rounded = dict(line.split("\t") for line in run_weft("eval", "--weights", weights, *run).out.splitlines())
        assert float(rounded["total_nats"]) == pytest.approx(float(evaluated["total_nats"]), rel=0.02)
        assert run_weft("next", "the cat", "--weights", weights, *run).code == 0
        assert run_weft("generate", "--max-tokens", 3, "--seed", 1, "--weights", weights, *run).code == 0


@every_output
def test_a_resumed_run_equals_an_uninterrupted_one(run_weft: RunWeft, tmp_path: Path, name: str) -> None:
    text = write_text(tmp_path / "my.txt", 60)
    flags = ["--tokenizer", "word", "--optimizer", "sgd", "--lr", 1, *FLAGS, *OUTPUTS[name], "--epochs"]
    assert run_weft("train", text, *flags, 2, "--out", tmp_path / "whole").code == 0
    assert run_weft("train", text, *flags, 2, "--max-steps", 7, "--out", tmp_path / "cut").code == 0
    again = run_weft("train", text, "--resume", "--max-steps", 10**6, *OUTPUTS[name], "--out", tmp_path / "cut")
    assert again.code == 0, again.err
    whole, cut = (weft.load(tmp_path / run).model.named_parameters() for run in ("whole", "cut"))
    for parameter, expected in whole.items():
        np.testing.assert_array_equal(cut[parameter], expected)
    losses = [read_metrics(tmp_path / run / "metrics.jsonl")[-1].train_nats_per_token for run in ("whole", "cut")]
    assert losses[0] == losses[1]


def test_unset_settings_are_chosen_and_saved(run_weft: RunWeft, tmp_path: Path) -> None:
    text = write_text(tmp_path / "my.txt", 60)
    lm = weft.train(text, out=tmp_path / "run", output="adaptive", tokenizer="word", epochs=1, **SIZES)
    kept = read_config(tmp_path / "run" / "config.toml").model
    assert (kept.cutoffs, kept.tied) == ((3,), False)
    assert "cutoffs = [3]" in (tmp_path / "run" / "config.toml").read_text()
    shapes = {name: array.shape for name, array in lm.model.named_parameters().items()}
    weights = load_weights(tmp_path / "run" / "model.safetensors", shapes)
    assert shapes["output.head.W"] == (8, 4)
    for name, array in weft.load(tmp_path / "run").model.named_parameters().items():
        np.testing.assert_array_equal(array, weights[name])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--output", "adaptive", "--tied"], "the output 'adaptive' has no matrix that could be the embedding's"),
        (["--output", "adaptive", "--cutoffs", 900], "cutoffs must lie below the size of the vocabulary, 14, got 900"),
        (["--output", "adaptive", "--cutoffs", 9, "--cutoffs", 3], "cutoffs must rise, from at least 1, got 9, 3"),
        (["--output", "adaptive", "--cutoffs", "x"], "expected a whole number, got 'x'"),
        (["--cutoffs", 9], "cutoffs (9,) has no effect with output 'full', only with 'adaptive'"),
        (["--samples", 9], "samples 9 has no effect with output 'full', only with 'sampled'"),
        (["--output", "sampeld"], "output must be one of full, adaptive, sampled, got 'sampeld'"),
    ],
)
def test_unusable_options_are_one_line(
    run_weft: RunWeft, text: Path, tmp_path: Path, flags: list[object], message: str
) -> None:
    refusal = run_weft("train", text, "--tokenizer", "word", "--out", tmp_path / "run", *FLAGS, *flags).refusal()
    assert message in refusal
    assert not (tmp_path / "run").exists()


def test_a_resumed_run_cannot_have_other_cutoffs(run_weft: RunWeft, text: Path, tmp_path: Path) -> None:
    flags = ["--tokenizer", "word", "--epochs", 1, "--max-steps", 1, "--out", tmp_path / "run", *FLAGS]
    assert run_weft("train", text, *flags, *OUTPUTS["adaptive"]).code == 0
    answer = run_weft("train", text, "--resume", "--out", tmp_path / "run", "--cutoffs", 5)
    assert "trained with cutoffs 4, 9, not 5" in answer.refusal()
