"""`--dynamic` and `--cache` of `weft eval` and `weft score`: the numbers of an adapting model, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import weft
from helpers.command_line import Answer, RunWeft, contents
from weft.adaptation import Cache, DynamicSGD

TEXT = "the cat sat on the mat and then the cat slept\n" * 12


@pytest.fixture(autouse=True)
def repetitive() -> None:
    Path("again.txt").write_text(TEXT, encoding="utf-8")


def rows(answer: Answer) -> dict[str, str]:
    assert answer.code == 0
    return dict(line.split("\t") for line in answer.out.splitlines())


def logprobs(answer: Answer) -> list[float]:
    assert answer.code == 0
    return [float(line.split("\t")[1]) for line in answer.out.splitlines()[1:]]


FLAGS: list[tuple[str, dict[str, Any]]] = [
    ("--dynamic", {"dynamic": DynamicSGD()}),
    (
        "--dynamic --dynamic-rule sgd --dynamic-lr 0.5 --dynamic-decay 0.01 --dynamic-block 7",
        {"dynamic": DynamicSGD(0.5, 0.01, 7)},
    ),
    ("--cache 50", {"cache": Cache(50)}),
    ("--cache 50 --cache-weight 0.3 --cache-flatness 1.5", {"cache": Cache(50, 0.3, 1.5)}),
    ("--cache 50 --dynamic", {"dynamic": DynamicSGD(), "cache": Cache(50)}),
]


@pytest.mark.parametrize(("flags", "settings"), FLAGS)
def test_the_numbers_are_those_of_the_adapting_model(
    run_weft: RunWeft, trained: Path, flags: str, settings: dict[str, Any]
) -> None:
    before = contents(trained)
    lm = weft.load(trained).adapting(**settings)
    found = rows(run_weft("eval", "again.txt", "--run", trained, *flags.split()))
    nats = lm.evaluate([TEXT]).loss.nats
    assert float(found["total_nats"]) == pytest.approx(nats, abs=1e-3)
    static = rows(run_weft("eval", "again.txt", "--run", trained))
    assert float(found["total_nats"]) < float(static["total_nats"])
    line = ("score", "--file", "again.txt", "--columns", "token,logprob", "--format", "tsv", "--run", trained)
    running = logprobs(run_weft(*line, "--running", *flags.split()))
    assert -sum(running) == pytest.approx(nats, abs=1e-2)
    apart = logprobs(run_weft(*line, *flags.split()))
    assert apart[:12] == apart[12:24]  # every line from a fresh start
    assert apart[:12] == pytest.approx([score.logprob_nats for score in lm.scores(TEXT.splitlines()[0])], abs=1e-4)
    assert contents(trained) == before


def test_the_rms_rule_measures_gradients_on_the_training_text(run_weft: RunWeft, trained: Path) -> None:
    flags = ("eval", "again.txt", "--dynamic", "--dynamic-rule", "rms", "--run")
    static = rows(run_weft("eval", "again.txt", "--run", trained))
    found = rows(run_weft(*flags, trained, "--dynamic-lr", 0.01))
    assert float(found["total_nats"]) < float(static["total_nats"])
    assert found["total_nats"] != rows(run_weft(*flags, trained, "--dynamic-lr", 0.002))["total_nats"]
    shutil.rmtree(trained / "data")
    assert "has no training text (data/), on which --dynamic-rule rms" in run_weft(*flags, trained).refusal()


def test_both_modes_adapt_independently(run_weft: RunWeft, trained: Path) -> None:
    line = ("score", "--file", "again.txt", "--columns", "token,logprob", "--format", "tsv", "--run", trained)
    both = run_weft(*line, "--both", "--cache", 20)
    apart, running = logprobs(run_weft(*line, "--cache", 20)), logprobs(run_weft(*line, "--running", "--cache", 20))
    column = both.out.splitlines()[0].split("\t").index("mode")
    modes = [row.split("\t") for row in both.out.splitlines()[1:]]
    values = {mode: [float(row[-1]) for row in modes if row[column] == mode] for mode in ("sentence", "running")}
    assert values == {"sentence": apart, "running": running}


def test_an_adapting_model_has_entropy_and_rank(run_weft: RunWeft, trained: Path) -> None:
    flags = ("--columns", "token,logprob,entropy,rank", "--format", "tsv", "--dynamic", "--cache", 9, "--batch-size", 1)
    answer = run_weft("score", "the cat sat", "--run", trained, *flags)
    assert len(answer.out.splitlines()) == 5


@pytest.mark.parametrize("command", ["eval again.txt", "score x"])
@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("--dynamic-lr 0.1", "--dynamic-lr is about --dynamic: give that too, or leave it out"),
        ("--cache 5 --dynamic-block 7", "--dynamic-block is about --dynamic: give that too, or leave it out"),
        ("--cache-weight 0.1", "--cache-weight is about --cache: give that too, or leave it out"),
        ("--dynamic --dynamic-rule adam", "--dynamic-rule must be one of sgd, rms, got 'adam'"),
        ("--dynamic --dynamic-lr -1", "the learning rate of dynamic evaluation must be at least 0 and finite, got -1"),
        ("--dynamic --dynamic-decay 2", "the decay of dynamic evaluation must lie in [0, 1], got 2"),
        ("--dynamic --dynamic-block 0", "a block of dynamic evaluation must have at least 1 token, got 0"),
        ("--cache 0", "the size of a cache must be at least 1, got 0"),
        ("--cache 9 --cache-weight 1", "the weight of a cache must lie in [0, 1), got 1"),
        ("--cache many", "'--cache': expected a whole number, got 'many'"),
        ("--dynamic --weights int8", "--dynamic changes the weights, which --weights int8 has rounded for good"),
        ("--dynamic --batch-size 4", "with --dynamic tokens are read one after another"),
        ("--cache 9 --batch-size 4", "changes what the next are predicted from: leave --batch-size 4 out"),
    ],
)
def test_options_that_exclude_each_other_are_one_line(
    run_weft: RunWeft, trained: Path, command: str, flags: str, expected: str
) -> None:
    assert expected in run_weft(*command.split(), *flags.split(), "--run", trained).refusal()


def test_the_block_length_is_refused(run_weft: RunWeft, trained: Path) -> None:
    refusal = run_weft("eval", "again.txt", "--dynamic", "--bptt", 64, "--run", trained).refusal()
    assert "leave --bptt 64 out" in refusal


def test_a_cache_works_with_rounded_weights(run_weft: RunWeft, trained: Path) -> None:
    found = rows(run_weft("eval", "again.txt", "--cache", 50, "--weights", "int8", "--run", trained))
    lm = weft.load(trained, weights="int8").adapting(cache=Cache(50))
    assert float(found["total_nats"]) == pytest.approx(lm.evaluate([TEXT]).loss.nats, abs=1e-3)
