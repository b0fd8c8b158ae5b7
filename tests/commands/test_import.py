"""`weft import`: from a file of another program to a run that the other commands use."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from helpers.command_line import RunWeft, names
from helpers.foreign_models import RNNModel, perplexity_of, randomized, save, text_of, vocabulary_of

TEXT = text_of()
VOCABULARY = vocabulary_of(TEXT)


@pytest.fixture
def model(tmp_path: Path) -> Any:
    """A model of word_language_model in model.pt, and its training text in train.txt."""
    made = randomized(RNNModel("GRU", len(VOCABULARY), 6, 5, 2, 0.1))
    save(made, tmp_path / "model.pt")
    (tmp_path / "train.txt").write_text(TEXT, "utf-8")
    return made


def test_an_imported_model_is_a_run_for_eval(run_weft: RunWeft, model: Any) -> None:
    answer = run_weft("import", "model.pt", "--vocab", "train.txt", "--out", "runs/theirs")
    assert answer.code == 0
    assert answer.out == ("the model is in runs/theirs: gru-after, 2 layers of 5, embedding of 6, vocabulary of 11\n")
    assert names(Path("runs/theirs")) == ["config.toml", "data", "model.safetensors", "tokenizer.json"]
    rows = dict(line.split("\t") for line in run_weft("eval", "train.txt").out.splitlines())
    assert float(rows["perplexity_including_oov"]) == pytest.approx(perplexity_of(model, TEXT, VOCABULARY), rel=1e-3)
    assert run_weft("info").code == 0
    assert run_weft("eval", "train.txt", "--weights", "int8").code == 0
    assert run_weft("generate", "--max-tokens", "3").code == 0
    assert "has no" in run_weft("eval").refusal()


def test_the_run_has_the_name_of_the_file(run_weft: RunWeft, model: Any) -> None:
    assert run_weft("import", "model.pt", "--vocab", "train.txt").code == 0
    assert Path("runs/model/model.safetensors").exists()
    assert "--overwrite" in run_weft("import", "model.pt", "--vocab", "train.txt").refusal()


def test_errors_are_one_line(run_weft: RunWeft, model: Any) -> None:
    assert "there is no file none.pt" in run_weft("import", "none.pt").refusal()
    assert "--vocab" in run_weft("import", "model.pt").refusal()
    assert "is a folder without config.json" in run_weft("import", ".").refusal()
    assert "neither a file of PyTorch" in run_weft("import", "train.txt").refusal()
    assert "--cell must be one of rnn, rnn-relu" in run_weft("import", "model.pt", "--cell", "gru").refusal()
    assert not Path("runs").exists()


class Command:
    """Pickled as a call of os.system."""

    def __reduce__(self) -> Any:
        return os.system, ("touch executed",)


def test_a_pickle_that_calls_a_function_is_refused_by_name(run_weft: RunWeft) -> None:
    Path("evil.pkl").write_bytes(pickle.dumps(Command()))
    save([Command()], Path("evil.pt"))
    save([Command()], Path("legacy.pt"), legacy=True)
    for file in ("evil.pkl", "evil.pt", "legacy.pt"):
        refusal = run_weft("import", file, "--vocab", "x").refusal()
        assert f"{os.system.__module__}.system', which no model needs; nothing of it was executed" in refusal
    assert not Path("executed").exists()


def test_training_goes_on_from_an_imported_model_with_new_words(run_weft: RunWeft, model: Any) -> None:
    run_weft("import", "model.pt", "--vocab", "train.txt", "--out", "runs/theirs")
    Path("new.txt").write_text(TEXT * 5 + "the zebra sat\n" * 40, "utf-8")
    given = ("train", "new.txt", "--from", "runs/theirs", "--kernels", "plain", "--epochs", 1, "--min-count", 1)
    answer = run_weft(*given, "--extend-vocab", "--out", "runs/tuned")
    assert answer.code == 0
    assert "starting from the weights of runs/theirs, with 1 new type, each" in answer.err
    assert 'from_run = "runs/theirs"' in Path("runs/tuned/config.toml").read_text("utf-8")
    rows = dict(line.split("\t") for line in run_weft("eval", "new.txt", "--run", "runs/tuned").out.splitlines())
    before = dict(line.split("\t") for line in run_weft("eval", "new.txt", "--run", "runs/theirs").out.splitlines())
    assert rows["oov_tokens"] == "0"
    assert float(rows["perplexity_including_oov"]) < float(before["perplexity_including_oov"])
    assert "cell lstm does not fit runs/theirs" in run_weft(*given, "--cell", "lstm", "--out", "runs/x").refusal()
