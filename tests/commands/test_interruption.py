"""Ctrl-C, a killed process and a full disk lose no checkpoint; each test runs the command in its own process."""

from __future__ import annotations

import json
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


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
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
    _out, err = (process := start_weft(*resumed, before=file_size_limit(2000))).communicate()
    assert process.returncode == 2
    last = err.decode().splitlines()[-1]
    assert last.startswith("weft: ")
    assert "could not write" in last
    assert "Traceback" not in err.decode()
    assert run_weft("next", "--run", "full").code == 0
    assert run_weft(*resumed).code == 0
    assert run_weft("train", *flags, "never_full", "--epochs=2").code == 0
    assert outcome(Path("full")) == outcome(Path("never_full"))
