"""`weft.train`: from a text to a LanguageModel in one call."""

from __future__ import annotations

import io
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import weft
from helpers.command_line import SIZES, write_text
from weft.errors import InputError, MissingFileError
from weft.runs.reporting import OnStream, Silent
from weft.runs.train import train_run
from weft.training.progress import NoProgress, Progress, Status

SMALL: dict[str, Any] = {**SIZES, "tokenizer": "word", "epochs": 1}


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return write_text(tmp_path / "my.txt")


def weights(lm: weft.LanguageModel) -> list[Any]:
    return [array.tolist() for array in lm.model.named_parameters().values()]


def test_a_text_can_be_a_string_a_path_or_a_list(text: Path) -> None:
    ways: list[Any] = [str(text), text, [text], (str(text),)]
    trained = [weft.train(given, **SMALL) for given in ways]
    assert all(weights(lm) == weights(trained[0]) for lm in trained)


def test_without_a_run_folder_no_file_is_left(
    text: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    temporary = text.parent / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    monkeypatch.chdir(text.parent)
    lm = weft.train(text, **SMALL)
    assert sorted(path.name for path in text.parent.iterdir()) == ["my.txt", "temporary"]
    assert list(temporary.iterdir()) == []
    assert lm.perplexity("the cat sat") < lm.tokenizer.vocab_size
    assert tuple(capfd.readouterr()) == ("", "")  # silent, unless a reporter is given


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"precision": "bfloat16"}, "bfloat16 cannot be used: none here"),
        ({"kernels": "fused", "threads": 0}, "threads"),
    ],
)
def test_kernels_that_cannot_run_are_refused_before_the_text_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr("weft.backends.fused.why_not_fused", lambda: None)
    monkeypatch.setattr("weft.backends.fused.why_not_bfloat16", lambda: "none here")
    with pytest.raises(InputError, match=message):
        weft.train(tmp_path / "there is none.txt", **settings)


def test_a_tokenizer_without_its_package_is_refused_before_the_text_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(InputError, match=r"pip install 'weft\[bpe\]'"):
        weft.train(tmp_path / "there is none.txt", tokenizer="bpe")


def test_the_loaded_model_equals_the_trained_one(text: Path, tmp_path: Path) -> None:
    lm = weft.train(text, out=tmp_path / "run", **SMALL)
    loaded = weft.load(str(tmp_path / "run"))
    assert weights(loaded) == weights(lm)
    assert loaded.config == lm.config
    assert loaded.logprob("the cat") == lm.logprob("the cat")


def test_a_run_can_be_resumed_with_more_epochs(text: Path, tmp_path: Path) -> None:
    weft.train(text, out=tmp_path / "run", schedule="constant", **SMALL)
    longer = weft.train(out=tmp_path / "run", resume=True, epochs=2)
    assert weights(longer) == weights(weft.train(text, **{**SMALL, "epochs": 2}, schedule="constant"))


def test_training_works_in_a_thread(text: Path) -> None:
    trained: list[weft.LanguageModel] = []
    thread = threading.Thread(target=lambda: trained.append(weft.train(text, **SMALL)))
    thread.start()
    thread.join()
    assert weights(trained[0]) == weights(weft.train(text, **SMALL))


class StopAt(Silent):
    """Records the steps of a run, and sends SIGINT at one of them."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.stop_at = stop_at
        self.steps: list[int] = []

    def training(self) -> Progress:
        reporter = self

        class Recorder(NoProgress):
            def stepped(self, status: Status) -> None:
                reporter.steps.append(status.step)
                if status.step == reporter.stop_at:
                    os.kill(os.getpid(), signal.SIGINT)

        return Recorder()


def test_ctrl_c_says_how_to_resume(text: Path, tmp_path: Path) -> None:
    run, handler = tmp_path / "my run", signal.getsignal(signal.SIGINT)
    with pytest.raises(
        KeyboardInterrupt, match=r"stopped at step 7 and saved; go on with: weft train --resume --out '"
    ):
        weft.train(text, out=run, reporter=StopAt(7), **SMALL)
    with pytest.raises(KeyboardInterrupt, match="without a run folder, `out`, nothing is kept"):
        weft.train(text, reporter=StopAt(7), **SMALL)
    rest, whole = StopAt(), StopAt()
    resumed = weft.train(out=run, resume=True, reporter=rest)
    assert weights(resumed) == weights(weft.train(text, reporter=whole, **SMALL))
    assert rest.steps == whole.steps[7:]
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hidden": 3}, r"unknown setting 'hidden' \(did you mean"),
        ({"cell": "lsmt"}, r"unknown cell 'lsmt' \(did you mean \"lstm\"\?\)"),
        ({"hidden_size": 0}, "hidden_size must be at least 1, got 0"),
        ({"hidden_size": 2.5}, "hidden_size must be a whole number, got 2.5"),
        ({"dropout": 1}, "dropout must be below 1"),
        ({"lr": float("nan")}, "lr must be a finite number, got nan"),
        ({"tied": True, "hidden_size": 8, "embedding_size": 4}, "tied weights need embedding_size = hidden_size"),
        ({"resume": True}, "resume and overwrite are about the run folder"),
        ({"overwrite": True}, "resume and overwrite are about the run folder"),
    ],
)
def test_wrong_settings_are_input_errors(text: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        weft.train(text, **settings)
    assert isinstance(raised.value, ValueError)


def test_missing_files_are_file_not_found_errors(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"there is no file or folder .*nowhere\.txt") as raised:
        weft.train(tmp_path / "nowhere.txt")
    assert isinstance(raised.value, FileNotFoundError)
    with pytest.raises(FileNotFoundError, match="no run folder at"):
        weft.load(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no text is given"):
        weft.train([])


def test_choices_for_unset_settings_are_reported_with_reasons(text: Path, tmp_path: Path) -> None:
    stream = io.StringIO()
    train_run(
        tmp_path / "run", {"data": (str(text),), "epochs": 1}, resume=False, overwrite=False, reporter=OnStream(stream)
    )
    reported = stream.getvalue()
    for name in ("tokenizer char", "hidden_size", "batch_size", "optimizer adamw", "lr"):
        assert name in reported
    assert "epochs" not in reported.partition("tokens:")[0]  # given settings are not reported
    lm = weft.load(tmp_path / "run")
    assert f"  {sum(array.size for array in lm.model.named_parameters().values()):,} in all" in reported


def test_separate_validation_text_is_used_and_not_held_out_again(text: Path, tmp_path: Path) -> None:
    other = write_text(tmp_path / "other.txt", lines=20)
    weft.train(text, valid=other, out=tmp_path / "run", **SMALL)
    from weft.text.tokens import open_tokens

    counts = {path.name: len(open_tokens(path)) for path in (tmp_path / "run/data").iterdir()}
    assert counts == {
        "train.safetensors": 150 * 9, "valid.safetensors": 20 * 9, "valid.oov.safetensors": 20 * 9,
    }  # fmt: skip
    assert np.array_equal(
        open_tokens(tmp_path / "run/data/valid.safetensors")[:18],
        open_tokens(tmp_path / "run/data/train.safetensors")[:18],
    )
