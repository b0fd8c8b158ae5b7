"""Files of a run that are gone or damaged are named; nothing else takes their place silently."""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import weft
from helpers.command_line import SIZES, write_text
from weft.commands.cli import main
from weft.config.toml import read_token_counts
from weft.errors import CheckpointError, InputError, MissingFileError
from weft.files.digests import tensors_digest
from weft.run_folder import held_out_texts, integrity, text_of
from weft.text import load_tokenizer
from weft.training import newest_checkpoint


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    text = write_text(folder / "my.txt")
    weft.train(text, out=folder / "run", epochs=1, tokenizer="word", test_fraction=0.1, ema=0.9, **SIZES)
    return folder / "run"


@pytest.fixture
def run(trained_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_once, tmp_path / "run"))


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "of an earlier version"])
@pytest.mark.parametrize(
    ("split", "arguments"), [("valid", ["train", "--resume", "--out"]), ("test", ["eval", "--run"])]
)
def test_a_held_out_text_that_is_gone_is_an_error(
    run: Path, split: str, arguments: list[str], recorded: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if not recorded:
        config = (run / "config.toml").read_text("utf-8").partition("\n[tokens]")[0] + "\n"
        kept = [line for line in config.splitlines() if not line.startswith("digest")]
        (run / "config.toml").write_text("\n".join(kept), "utf-8")
        assert read_token_counts(run / "config.toml") is None
    for path in (run / "data").glob(f"{split}*"):
        path.unlink()
    assert command(*arguments, run) == 2
    assert f"the {split} text of {run} is gone" in capsys.readouterr().err.replace("\n", " ")


def test_a_run_prepared_without_held_out_text_has_none(tmp_path: Path) -> None:
    text = write_text(tmp_path / "my.txt")
    weft.train(text, out=tmp_path / "run", epochs=1, valid_fraction=0.0, test_fraction=0.0, **SIZES)
    assert held_out_texts(tmp_path / "run") == ()
    assert text_of(tmp_path / "run", "valid") is None
    assert command("train", "--resume", "--out", tmp_path / "run", "--epochs", 2) == 0


def test_the_text_of_another_run_is_refused(run: Path, tmp_path: Path) -> None:
    weft.train(write_text(tmp_path / "other.txt", 60), out=tmp_path / "other", epochs=1, valid_fraction=0.2, **SIZES)
    shutil.copy(tmp_path / "other/data/valid.safetensors", run / "data/valid.safetensors")
    with pytest.raises(CheckpointError, match="the valid text of the run has"):
        text_of(run, "valid")


def test_best_weights_that_are_gone_are_not_replaced_by_the_last(run: Path) -> None:
    (run / "model.safetensors").unlink()
    with pytest.raises(
        MissingFileError, match=r"model\.safetensors is gone; restore it from a copy. The checkpoint step-"
    ):
        weft.load(run)


def test_within_the_first_epoch_the_average_of_the_checkpoint_takes_their_place_with_a_warning(
    tmp_path: Path,
) -> None:
    text = write_text(tmp_path / "my.txt")
    settings: dict[str, Any] = {"tokenizer": "word", "ema": 0.9, "save_every": 1e-4, **SIZES}
    stop_after(tmp_path / "run", 3, lambda: weft.train(text, out=tmp_path / "run", epochs=1, **settings))
    shutil.copytree(tmp_path / "run", tmp_path / "copy")
    (tmp_path / "copy/model.safetensors").unlink()
    newest = newest_checkpoint(tmp_path / "copy")
    assert newest is not None
    with pytest.warns(UserWarning, match=f"taking the weights of the checkpoint {newest.name}"):
        lm = weft.load(tmp_path / "copy")
    for name, array in load_file(tmp_path / "run/model.safetensors").items():
        np.testing.assert_array_equal(lm.model.named_parameters()[name], array)
        assert not np.array_equal(load_file(newest / "model.safetensors")[name], array)


def stop_after(run: Path, steps: int, train: Callable[[], object]) -> None:
    """Call `train`, and ask it to stop after some steps as Ctrl-C does."""
    from weft.training import trainer

    real = trainer.Trainer._take_step

    def stopping(self: Any) -> float:
        lr = real(self)
        if self.step == steps:
            import signal

            signal.raise_signal(signal.SIGINT)
        return lr

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trainer.Trainer, "_take_step", stopping)
        with pytest.raises(KeyboardInterrupt, match="saved"):
            train()


def flipped(data: bytes, place: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= bit
    return bytes(changed)


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "a flipped bit in the middle": lambda data: flipped(data, len(data) // 2, 4),
    "a flipped bit at the end": lambda data: flipped(data, -2, 1),
}
FILES = ["model.safetensors", "tokenizer.json", "data/test.safetensors", "data/test.oov.safetensors"]
OF_CHECKPOINTS = ["model.safetensors", "training.safetensors", "training.json"]


@pytest.fixture(autouse=True)
def no_warning() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_is_found_and_the_file_named(
    run: Path, name: str, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / name).write_bytes(CHANGES[change]((run / name).read_bytes()))
    assert command("eval", "--run", run) == 2
    err = capsys.readouterr().err
    assert Path(name).name in err
    assert "damaged" in err


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", OF_CHECKPOINTS)
def test_a_flipped_bit_in_a_checkpoint_is_found_on_resuming(
    run: Path, name: str, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    newest = newest_checkpoint(run)
    assert newest is not None
    (newest / name).write_bytes(CHANGES[change]((newest / name).read_bytes()))
    assert command("train", "--resume", "--out", run, "--epochs", 2) == 2
    err = capsys.readouterr().err
    assert name in err


def test_an_edited_setting_is_refused_where_it_would_change_results(run: Path) -> None:
    config = (run / "config.toml").read_text("utf-8")
    (run / "config.toml").write_text(config.replace("clip = 0.25", "clip = 0.5"), "utf-8")
    with pytest.raises(InputError, match=r"was damaged or edited.*remove the line that begins with digest"):
        weft.load(run)
    edited = "\n".join(line for line in config.splitlines() if not line.startswith("digest"))
    (run / "config.toml").write_text(edited.replace("\nlr = ", "\nlr = 1"), "utf-8")
    weft.load(run)
    (run / "config.toml").write_text(config.replace("epochs = 1", "epochs = 3  # more"), "utf-8")
    weft.load(run)


def test_true_is_not_a_number_of_steps(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    newest = newest_checkpoint(run)
    assert newest is not None
    state = (newest / "training.json").read_text("utf-8")
    step = next(line for line in state.splitlines() if '"step"' in line)
    (newest / "training.json").write_text(state.replace(step, ' "step": true,'), "utf-8")
    assert command("train", "--resume", "--out", run) == 2
    assert "'step' should be of type int, got True" in capsys.readouterr().err


def test_metrics_that_are_not_those_of_an_epoch_are_refused(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = (run / "metrics.jsonl").read_text("utf-8")
    for wrong in ("{}", "[]", lines.strip().replace('"lr": ', '"lr": null, "old": '), lines.strip().replace(".", "9.")):
        (run / "metrics.jsonl").write_text(wrong + "\n", "utf-8")
        assert command("info", run) == 2
        assert "metrics.jsonl, line 1: not the metrics of an epoch" in capsys.readouterr().err


def test_info_states_the_digest_of_every_file(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("info", run) == 0
    rows = dict(line.split("\t") for line in capsys.readouterr().out.splitlines() if "\t" in line)
    newest = newest_checkpoint(run)
    assert newest is not None
    files = ["config.toml", *FILES, *(f"checkpoints/{newest.name}/{name}" for name in OF_CHECKPOINTS)]
    for name in files:
        assert re.fullmatch("[0-9a-f]{32}", rows[f"digest {name}"]), name
    weights = load_file(run / "model.safetensors")
    assert rows["digest model.safetensors"] == tensors_digest(weights)


def test_info_names_all_damaged_files(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("model.safetensors", "data/test.safetensors"):
        (run / name).write_bytes(flipped((run / name).read_bytes(), -2, 1))
    assert command("info", run) == 2
    err = capsys.readouterr().err
    assert f"{run} has 2 damaged files, model.safetensors, data/test.safetensors: " in err.replace("\n", " ")


def test_a_reader_never_sees_parts_of_two_runs(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = shutil.copytree(run, tmp_path / "other")
    text = write_text(tmp_path / "other.txt", 60)
    weft.train(text, out=other, overwrite=True, epochs=1, tokenizer="char", **SIZES)
    real, calls = load_tokenizer, 0

    def replaced_before(path: Path) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:  # between the configuration and the tokenizer
            shutil.rmtree(run)
            other.rename(run)
        return real(path)

    monkeypatch.setattr("weft.language_model.loading.load_tokenizer", replaced_before)
    lm = weft.load(run)
    assert calls == 2
    assert (lm.config.text.tokenizer, lm.tokenizer.kind) == ("char", "char")


@pytest.mark.parametrize("name", ["read_training_state", "_text_digest"])
def test_info_of_a_run_whose_checkpoint_is_replaced_meanwhile_reads_again(
    run: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    newest = newest_checkpoint(run)
    assert newest is not None
    real = getattr(integrity, name)

    def replaced_before(path: Path) -> Any:
        if path.parent == newest:  # as training does between the list of the files and the reading of them
            shutil.copytree(newest, newest.with_name("step-00009999"))
            shutil.rmtree(newest)
        return real(path)

    monkeypatch.setattr(integrity, name, replaced_before)
    assert command("info", run) == 0
    assert "last_checkpoint\tstep-00009999\n" in capsys.readouterr().out


def test_eval_reads_model_and_text_of_one_run_also_if_it_is_replaced_meanwhile(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = write_text(tmp_path / "other.txt", 97)
    weft.train(text, out=tmp_path / "other", epochs=1, tokenizer="word", test_fraction=0.2, **SIZES)
    assert command("eval", "--run", tmp_path / "other") == 0
    expected = capsys.readouterr().out

    def replaced_after(path: Path) -> weft.LanguageModel:
        lm = weft.load(path)
        if (tmp_path / "other").exists():
            shutil.rmtree(path)
            (tmp_path / "other").rename(path)
        return lm

    monkeypatch.setattr("weft.commands.options.text_chunks.load", replaced_after)
    assert command("eval", "--run", run) == 0
    assert capsys.readouterr().out == expected
