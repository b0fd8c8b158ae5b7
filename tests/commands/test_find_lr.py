"""`weft find-lr`: one number on standard output, a curve, and no change to any run."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.command_line import FLAGS, RunWeft, contents, names

SMALL = [*FLAGS, "--steps", 60, "--kernels", "plain"]


def test_the_output_is_one_learning_rate(run_weft: RunWeft, text: Path) -> None:
    answer = run_weft("find-lr", text, *SMALL)
    assert answer.code == 0
    (line,) = answer.out.splitlines()
    assert 1e-4 < float(line) < 1
    assert "the loss fell from" in answer.err
    assert names(Path("runs")) == ["my.lr.png", "my.lr.tsv"]
    assert Path("runs/my.lr.png").read_bytes().startswith(b"\x89PNG")
    rows = Path("runs/my.lr.tsv").read_text("utf-8").splitlines()
    assert rows[0].split("\t") == ["learning_rate", "nats_per_token", "smoothed_nats_per_token"]
    assert 20 < len(rows) <= 61
    assert run_weft("train", text, *FLAGS, "--epochs", 1, "--lr", line).code == 0


def test_the_result_is_deterministic_and_no_run_changes(run_weft: RunWeft, text: Path) -> None:
    assert run_weft("train", text, *FLAGS, "--epochs", 1).code == 0
    before = contents(Path("runs/my"))
    first = run_weft("find-lr", text, *SMALL)
    assert contents(Path("runs/my")) == before
    assert run_weft("find-lr", text, *SMALL).out == first.out
    assert "using runs/my" in run_weft("info").err


def test_the_configuration_of_a_run_can_be_used(run_weft: RunWeft, text: Path) -> None:
    options = ["--optimizer", "sgd", "--schedule", "plateau", "--ema", 0.9, "--patience", 3]
    assert run_weft("train", text, *FLAGS, *options, "--epochs", 1, "--max-steps", 5).code == 0
    answer = run_weft("find-lr", "--config", "runs/my/config.toml", "--steps", 60, "--png", "a.png", "--tsv", "b.tsv")
    assert answer.code == 0
    assert float(answer.out) > 0.01  # plain gradient descent takes larger steps than adamw
    assert Path("a.png").exists()
    assert Path("b.tsv").exists()
    assert names(Path("runs")) == ["my"]


def test_without_learning_there_is_a_curve_and_no_suggestion(run_weft: RunWeft, text: Path) -> None:
    refusal = run_weft("find-lr", text, *SMALL, "--to", "2e-5").refusal()
    assert refusal.startswith("no learning rate can be suggested: the loss never fell")
    assert Path("runs/my.lr.png").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", "no text is given"),
        ("nowhere/my.txt", "no file or folder nowhere/my.txt"),
        ("my.txt --lr 3", "no such option --lr"),
        ("my.txt --epochs 3", "no such option --epochs"),
        ("my.txt --tied --hidden-size 8 --residual --cell lsmt", "unknown cell 'lsmt'"),
        ("my.txt --steps 0", "'--steps': expected at least 1, got 0"),
        ("my.txt --from 1 --to 0.1", "the learning rates must grow from above 0, got --from 1 --to 0.1"),
        ("my.txt --from 0", "the learning rates must grow from above 0"),
        ("my.txt --to nan", "the learning rates must grow from above 0"),
        ("my.txt --png there/a.png", "there is no folder there for the picture, a.png"),
        ("my.txt --tsv .", ". is a folder"),
        ("my.txt --accumulate 100000", "a step is to accumulate 100,000 blocks"),
    ],
)
def test_unusable_input_is_one_line_and_leaves_no_files(
    run_weft: RunWeft, text: Path, tmp_path: Path, arguments: str, expected: str
) -> None:
    assert expected in run_weft("find-lr", *arguments.split()).refusal()
    assert names(tmp_path) == ["my.txt"]
