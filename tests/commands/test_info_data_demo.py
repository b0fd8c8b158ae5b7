"""`weft info`, `weft data` and `weft demo`."""

from __future__ import annotations

from pathlib import Path

import pytest

import weft
from helpers.command_line import FLAGS, RunWeft
from weft.commands.demo import show


def test_info_shows_settings_parameters_and_history(run_weft: RunWeft, trained: Path) -> None:
    answer = run_weft("info", trained)
    assert answer == run_weft("info", "--run", trained)
    rows = dict(line.split("\t") for line in answer.out.splitlines() if "\t" in line)
    lm = weft.load(trained)
    assert (rows["cell"], rows["hidden_size"], rows["tied"]) == ("lstm", "8", "false")
    assert int(rows["parameters"]) == sum(array.size for array in lm.model.named_parameters().values())
    assert int(rows["vocabulary"]) == lm.tokenizer.vocab_size == 2 + 12
    assert rows["parameter recurrent.0.Wh"] == "8 x 32"
    assert rows["last_checkpoint"].startswith("step-")
    assert answer.out.splitlines()[-1].startswith("epoch 1 done: perplexity training ")


def test_info_leaves_out_settings_without_an_effect_on_the_run(run_weft: RunWeft, text: Path) -> None:
    given = (
        "--cell",
        "window",
        "--window",
        2,
        "--optimizer",
        "momentum",
        "--schedule",
        "constant",
        "--kernels",
        "plain",
    )
    run_weft("train", text, *FLAGS, "--epochs", 1, *given, "--out", "run")
    shown = {line.split("\t")[0] for line in run_weft("info", "run").out.splitlines()}
    assert {"cell", "window", "optimizer", "momentum", "schedule", "lr", "output", "dropout", "kernels"} <= shown
    without_effect = {"beta1", "beta2", "warmup", "hold", "final_lr", "threads", "precision", "cutoffs", "samples"}
    assert not without_effect & shown


def test_data_lists_the_corpora(run_weft: RunWeft) -> None:
    header, *rows = [line.split("\t") for line in run_weft("data").out.splitlines()]
    assert header == ["name", "what it is", "size (MB)", "licence", "where it is"]
    assert [row[0] for row in rows] == ["ptb", "wikitext-2", "tinyshakespeare", "text8"]
    assert {row[-1] for row in rows} == {"not here"}
    assert 'no corpus is named "pbt" (did you mean "ptb"?)' in run_weft("data", "pbt").refusal()


def test_the_demo_shows_perplexity_text_and_surprisal(
    run_weft: RunWeft, text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_weft("train", text, *FLAGS, "--epochs", 1, "--out", "run")
    show(weft.load("run"), Path("run"))
    shown = capsys.readouterr().out
    places = [
        shown.index(part) for part in ("before training", "after training", "it writes", "surprisal", "next: weft")
    ]
    assert places == sorted(places)
    kept = run_weft("demo", "--out", "run")  # an existing run is shown again
    assert (kept.code, kept.out) == (0, shown)
    assert kept.err == "run is here already; --overwrite trains it again\n"
