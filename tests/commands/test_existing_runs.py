"""`weft train` into an existing folder: refused, replaced or resumed; only run folders are ever replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.command_line import FLAGS, RUN_FILES, RunWeft, contents, names
from weft.config.toml import read_config


def test_an_existing_run_is_not_overwritten(run_weft: RunWeft, text: Path, trained: Path) -> None:
    before = contents(trained)
    refusal = run_weft("train", text, "--out", trained).refusal()
    assert "go on with --resume, replace it with --overwrite, or give another --out" in refusal
    assert contents(trained) == before


def test_overwrite_keeps_the_old_run_until_the_new_one_is_prepared(
    run_weft: RunWeft, text: Path, trained: Path
) -> None:
    before = contents(trained)
    run_weft("train", "nothing.txt", "--out", trained, "--overwrite").refusal()
    assert contents(trained) == before
    answer = run_weft("train", text, *FLAGS, "--tokenizer", "char", "--epochs", 1, "--out", trained, "--overwrite")
    assert answer.code == 0
    assert read_config(trained / "config.toml").text.tokenizer == "char"
    assert names(trained) == RUN_FILES
    assert len((trained / "metrics.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize("name", ["notes.txt", "config.toml"])
def test_a_folder_that_is_not_a_run_is_never_replaced(run_weft: RunWeft, text: Path, name: str) -> None:
    Path("mine").mkdir()
    Path("mine", name).write_text("title = 'mine'\n", encoding="utf-8")
    for more in ([], ["--overwrite"]):
        assert "mine exists and is not a run folder" in run_weft("train", text, "--out", "mine", *more).refusal()
    assert names(Path("mine")) == [name]


def test_the_current_folder_can_be_the_run(run_weft: RunWeft, text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("here").mkdir()
    monkeypatch.chdir("here")
    assert run_weft("train", text, *FLAGS, "--epochs", 1, "--out", ".").code == 0
    Path("notes.txt").touch()
    assert run_weft("train", text, *FLAGS, "--epochs", 1, "--out", ".", "--overwrite").code == 0
    assert names(Path()) == sorted([*RUN_FILES, "notes.txt"])


def test_resuming_a_finished_run_does_nothing(run_weft: RunWeft, trained: Path) -> None:
    before = {path: content for path, content in contents(trained).items() if path.name != "config.toml"}
    answer = run_weft("train", "--resume", "--out", trained)
    assert answer.code == 0
    assert "nothing to do: the run finished" in answer.err
    assert before.items() <= contents(trained).items()


def test_a_resumed_run_can_change_the_epochs_alone(run_weft: RunWeft, trained: Path) -> None:
    refusal = run_weft("train", "--resume", "--out", trained, "--hidden-size", 9).refusal()
    assert "was trained with hidden_size 8, not 9; a resumed run can change only epochs" in refusal
    assert run_weft("train", "--resume", "--out", trained, "--epochs", 2).code == 0
    assert len((trained / "metrics.jsonl").read_text().splitlines()) == 2
    assert read_config(trained / "config.toml").training.epochs == 2
