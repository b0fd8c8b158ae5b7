"""Ctrl-C, a killed process and a full disk lose no checkpoint; each test runs the command in its own process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from helpers.command_line import FLAGS, RunWeft, StartWeft, contents
from weft.training import newest_checkpoint

TRAINING = [*FLAGS, "--epochs=3", "--dropout=0.3", "--tokenizer=word", "--layers=2"]


def wait_until(ready: Any, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def outcome(run: Path) -> tuple[bytes, list[dict[str, float]]]:
    """The best model, and the metrics without those that depend on the clock."""
    written = (run / "metrics.jsonl").read_text() if (run / "metrics.jsonl").exists() else ""
    metrics = [json.loads(line) for line in written.splitlines()]
    for line in metrics:
        del line["seconds"], line["tokens_per_second"]
    return (run / "model.safetensors").read_bytes(), metrics


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_stopped_run_resumes_with_the_same_result(
    run_weft: RunWeft, start_weft: StartWeft, text: Path, stop: signal.Signals
) -> None:
    run = Path("stopped")
    process = start_weft("train", text, *TRAINING, "--save-every=0.0001", "--out", run)

    def within_an_epoch() -> bool:
        checkpoint = newest_checkpoint(run)
        return checkpoint is not None and int(checkpoint.name[-8:]) >= 3

    wait_until(within_an_epoch, process)
    process.send_signal(stop)
    out, err = process.communicate()
    assert out == b""
    assert b"Traceback" not in err
    if stop == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 130
        assert err.splitlines()[-1].endswith(b"and saved; go on with: weft train --resume --out stopped")
    assert len(outcome(run)[1]) < 3
    assert run_weft("next", "the", "--run", run).code == 0  # the last checkpoint is usable

    assert run_weft("train", "--resume", "--out", run, "--save-every=1000").code == 0
    assert run_weft("train", text, *TRAINING, "--out", "unstopped").code == 0
    assert outcome(run) == outcome(Path("unstopped"))
    assert list((run / "checkpoints").iterdir()) == [newest_checkpoint(run)]


@pytest.mark.parametrize("existing", [False, True])
def test_ctrl_c_while_reading_the_text_leaves_no_files(
    start_weft: StartWeft, trained: Path, tmp_path: Path, existing: bool
) -> None:
    run = trained if existing else Path("deep/run")
    before = contents(trained)
    process = start_weft("train", "-", "--out", run, "--overwrite", stdin=subprocess.PIPE)
    wait_until((run / ".preparing").exists, process)
    process.send_signal(signal.SIGINT)
    # The standard input stays open: the command must not wait for its end.
    process.wait(60)
    out, err = process.communicate()
    assert (process.returncode, out, err) == (130, b"", b"weft: stopped\n")
    assert contents(trained) == before
    assert list(tmp_path.iterdir()) == [trained]


def test_files_of_a_killed_preparation_are_replaced(run_weft: RunWeft, text: Path) -> None:
    Path("run/.preparing/data").mkdir(parents=True)
    assert "not a run folder" in run_weft("next", "--run", "run").refusal()
    assert run_weft("train", text, *FLAGS, "--epochs", 1, "--out", "run").code == 0
    assert not Path("run/.preparing").exists()


def file_size_limit(bytes: int) -> str:
    """Python code that limits the size of files to `bytes`, like a full disk."""
    return f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({bytes}, {bytes}))"


def test_a_full_disk_while_preparing_is_one_line_and_keeps_the_old_run(
    start_weft: StartWeft, trained: Path, tmp_path: Path
) -> None:
    Path("long.txt").write_text("the cat sat\n" * 5000, encoding="utf-8")
    before = contents(trained)
    for run in (trained, Path("new")):
        limit = file_size_limit(20_000)
        process = start_weft("train", "long.txt", *FLAGS, "--out", run, "--overwrite", before=limit)
        out, err = process.communicate()
        assert (process.returncode, out) == (2, b"")
        assert err == f"weft: cannot write the run folder {run}: File too large\n".encode()
    assert contents(trained) == before
    assert not Path("new").exists()


def test_a_full_disk_while_saving_keeps_the_previous_checkpoint(
    run_weft: RunWeft, start_weft: StartWeft, text: Path
) -> None:
    flags = [text, *FLAGS, "--schedule=constant", "--out"]
    assert run_weft("train", *flags, "full", "--epochs=1").code == 0
    resumed = ["train", "--resume", "--out", "full", "--epochs=2"]
    _out, err = (process := start_weft(*resumed, before=file_size_limit(2500))).communicate()
    assert process.returncode == 2
    last = err.decode().splitlines()[-1]
    assert last.startswith("weft: ")
    assert "could not write" in last
    assert "Traceback" not in err.decode()
    assert run_weft("next", "--run", "full").code == 0
    assert run_weft(*resumed).code == 0
    assert run_weft("train", *flags, "never_full", "--epochs=2").code == 0
    assert outcome(Path("full")) == outcome(Path("never_full"))


SLOW_VALIDATION = """
import time, weft.runs.train as train
exact = train.evaluate_tokens
def slow(*arguments, before_block=None, **named):
    def check():
        time.sleep(0.1)
        if before_block:
            before_block()
    open("validating", "w").close()
    for _ in range(100):
        check()
    return exact(*arguments, before_block=before_block, **named)
train.evaluate_tokens = slow
"""
"""Validation takes ten seconds."""


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("limit", [["--epochs=2"], ["--epochs=2", "--max-steps=9"]], ids=["epoch", "last step"])
def test_what_was_trained_before_a_validation_is_kept(
    run_weft: RunWeft, start_weft: StartWeft, text: Path, stop: signal.Signals, limit: list[str]
) -> None:
    flags = [*FLAGS, "--tokenizer=word", "--dropout=0.3", "--kernels=plain", *limit]
    # One second of training before the validation, as a checkpoint does not precede one after less.
    training = "import weft.training.trainer as t; t.SECONDS_BETWEEN_EPOCH_SAVES = 0\n"
    process = start_weft("train", text, *flags, "--out", "stopped", before=training + SLOW_VALIDATION)
    wait_until(Path("validating").exists, process)
    began = time.monotonic()
    process.send_signal(stop)
    process.communicate()
    assert time.monotonic() - began < 2
    assert process.returncode == (130 if stop == signal.SIGTERM else -signal.SIGKILL)
    newest = newest_checkpoint(Path("stopped"))
    assert newest is not None
    assert run_weft("train", "--resume", "--out", "stopped").code == 0
    assert run_weft("train", text, *flags, "--out", "unstopped").code == 0
    assert outcome(Path("stopped")) == outcome(Path("unstopped"))


BUSY = """
import ctypes, threading
from weft.training import plots
import weft.runs.kernel_warmup as warmup
def compile_for_long(*arguments):
    open("busy", "w").close()
    ctypes.CDLL(None).sleep(30)  # a call that Python cannot interrupt
warmup._compile = compile_for_long
"""


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_that_is_in_a_compiled_library(
    start_weft: StartWeft, text: Path, stop: signal.Signals
) -> None:
    process = start_weft("train", text, *FLAGS, "--kernels=fused", "--out", "run", before=BUSY)
    wait_until(Path("busy").exists, process)
    began = time.monotonic()
    process.send_signal(stop)
    _out, err = process.communicate()
    assert time.monotonic() - began < 2.5
    assert process.returncode == 130
    assert err.splitlines()[-1] == b"weft: stopped"


def test_a_signal_that_the_parent_ignores_is_ignored(start_weft: StartWeft, text: Path) -> None:
    ignoring = "signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    process = start_weft("train", text, *FLAGS, "--epochs=2", "--out", "run", before=ignoring)
    wait_until(Path("run/config.toml").exists, process)
    process.send_signal(signal.SIGHUP)
    process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_text_is_read_leaves_no_files(
    start_weft: StartWeft, tmp_path: Path, stop: signal.Signals
) -> None:
    process = start_weft("train", "-", "--out", "run", stdin=subprocess.PIPE)
    wait_until(Path("run/.preparing").exists, process)
    process.send_signal(stop)
    process.wait(5)
    process.communicate()
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []


def test_training_goes_on_when_the_reader_of_its_progress_is_gone(start_weft: StartWeft, text: Path) -> None:
    reading, writing = os.pipe()
    process = start_weft("train", text, *FLAGS, "--epochs=3", "--out", "run", stdout=writing, stderr=writing)
    os.close(writing)
    os.read(reading, 10)
    os.close(reading)
    process.wait(120)
    assert len(outcome(Path("run"))[1]) == 3
    assert process.returncode == 0


def test_a_second_writer_is_refused_and_changes_nothing(run_weft: RunWeft, start_weft: StartWeft, text: Path) -> None:
    flags = [*FLAGS, "--tokenizer=word", "--kernels=plain", "--save-every=0.01"]
    process = start_weft("train", text, *flags, "--epochs=40", "--out", "run")
    wait_until(lambda: newest_checkpoint(Path("run")) is not None, process)
    for more in (["--resume"], [text, *flags, "--overwrite"]):
        assert "run is being written by another process" in run_weft("train", *more, "--out", "run").refusal()
    assert run_weft("next", "the", "--run", "run").code == 0
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 130
    epochs = [line["epoch"] for line in outcome(Path("run"))[1]]
    assert epochs == sorted(set(epochs))
    assert not Path("run/.lock").exists()


def test_a_run_folder_that_is_moved_while_training_is_not_made_again(start_weft: StartWeft, text: Path) -> None:
    process = start_weft("train", text, *FLAGS, "--epochs=1000", "--save-every=0.05", "--kernels=plain", "--out", "run")
    wait_until(lambda: newest_checkpoint(Path("run")) is not None, process)
    Path("run").rename("moved")
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert b"run is no longer the folder of this run: it was moved" in err.splitlines()[-1]
    assert not Path("run").exists()
