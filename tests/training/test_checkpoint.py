"""Checkpoints: written and read back, refused if damaged, and complete after errors and crashes."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from weft.errors import CheckpointError
from weft.layers import Loss
from weft.training.checkpoint import (
    Checkpoint,
    checkpoint_folder,
    load_checkpoint,
    newest_checkpoint,
    save_best_weights,
    save_checkpoint,
)
from weft.training.safetensors_io import load_weights
from weft.training.training_state import TrainingState

SHAPES = {"output.W": (3, 4), "output.b": (4,)}


def checkpoint(step: int, size: int = 1) -> Checkpoint:
    rng = np.random.default_rng(step)
    weights = {name: rng.standard_normal((shape[0] * size, *shape[1:])) for name, shape in SHAPES.items()}
    training = TrainingState(
        step=step,
        epoch=step // 10,
        position=step * 5,
        blocks_per_epoch=10,
        accumulate=2,
        total_steps=50,
        optimizer="momentum",
        schedule="plateau",
        schedule_state={"cuts": 1, "best_nats_per_token": 0.1},
        averaging="triggered",
        averaging_state={"count": 3, "checks_nats_per_token": [0.1, 1 / 3]},
        random_state=dict(rng.bit_generator.state),
        epoch_loss=Loss(1.0 / 3.0, 7),
        epoch_seconds=0.5,
        train=Loss(2.0 / 3.0, 9),
        best=None,
        validation_due=True,
        epochs_without_improvement=0,
    )
    hidden = tuple((rng.standard_normal((2, 3)), rng.standard_normal((2, 3))) for _ in range(11))
    velocity = {f"velocity.{name}": -array for name, array in weights.items()}
    return Checkpoint(weights, velocity, {name: 2 * array for name, array in weights.items()}, hidden, training)


def assert_same(one: Checkpoint, other: Checkpoint) -> None:
    assert one.training == other.training
    for array_group, other_group in (
        (one.weights, other.weights),
        (one.optimizer, other.optimizer),
        (one.average, other.average),
    ):
        assert array_group.keys() == other_group.keys()
        for name in array_group:
            np.testing.assert_array_equal(array_group[name], other_group[name], strict=True)
    assert len(one.hidden) == len(other.hidden)
    for state, other_state in zip(one.hidden, other.hidden, strict=True):
        for part, other_part in zip(state, other_state, strict=True):
            np.testing.assert_array_equal(part, other_part, strict=True)


def test_a_checkpoint_reads_back_bit_for_bit(tmp_path: Path) -> None:
    written = checkpoint(1234)
    folder = save_checkpoint(tmp_path, written)
    assert folder == tmp_path / "checkpoints" / "step-00001234"
    assert {path.name for path in folder.iterdir()} == {"model.safetensors", "training.safetensors", "training.json"}
    assert_same(load_checkpoint(folder, SHAPES), written)


def test_a_transposed_view_is_read_back_unchanged(tmp_path: Path) -> None:
    weights = {"W": np.arange(6.0).reshape(2, 3).T}
    save_best_weights(tmp_path, weights)
    np.testing.assert_array_equal(load_weights(tmp_path / "model.safetensors", {"W": (3, 2)})["W"], weights["W"])


def test_loaded_weights_can_be_trained_on(tmp_path: Path) -> None:
    save_best_weights(tmp_path, checkpoint(1).weights)
    weights = load_weights(tmp_path / "model.safetensors", SHAPES)
    for array in weights.values():
        array += 1
    assert list(weights) == list(SHAPES)


def test_file_permissions_follow_the_umask(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    save_best_weights(tmp_path, checkpoint(1).weights)
    assert (tmp_path / "model.safetensors").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_older_checkpoints_and_leftovers_of_a_crash_are_removed(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None
    save_checkpoint(tmp_path, checkpoint(9))
    stale = tmp_path / "checkpoints" / ".saving.tmp"
    stale.mkdir()
    (stale / "model.safetensors").write_bytes(b"half")
    (tmp_path / "checkpoints" / "step-00000005").mkdir()
    assert newest_checkpoint(tmp_path) == checkpoint_folder(tmp_path, 9)
    save_checkpoint(tmp_path, checkpoint(12))
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000012"]


def test_the_same_step_can_be_saved_again(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(9))
    assert_same(load_checkpoint(save_checkpoint(tmp_path, checkpoint(9)), SHAPES), checkpoint(9))


def test_steps_beyond_eight_digits_sort_as_numbers(tmp_path: Path) -> None:
    for step in (99_999_999, 100_000_000):
        checkpoint_folder(tmp_path, step).mkdir(parents=True)
    assert newest_checkpoint(tmp_path) == checkpoint_folder(tmp_path, 100_000_000)


def _edit_json(folder: Path, **changes: Any) -> None:
    path = folder / "training.json"
    values = json.loads(path.read_text("utf-8")) | changes
    path.write_text(json.dumps({name: value for name, value in values.items() if value is not ...}), "utf-8")


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), r"model\.safetensors is missing"),
    "truncated weights": (lambda folder: _truncate(folder / "model.safetensors"), r"model\.safetensors is truncated"),
    "empty weights": (lambda folder: (folder / "model.safetensors").write_bytes(b""), r"model\.safetensors is trunc"),
    "not safetensors": (lambda folder: (folder / "model.safetensors").write_bytes(b"PK" * 99), "not a safetensors"),
    "other shape": (
        lambda folder: save_file({"output.W": np.zeros((4, 3)), "output.b": np.zeros(4)}, folder / "model.safetensors"),
        r"model\.safetensors: 'output\.W' has shape \(4, 3\), the model expects \(3, 4\)",
    ),
    "missing tensor": (
        lambda folder: save_file({"output.b": np.zeros(4)}, folder / "model.safetensors"),
        r"lacks the weights 'output\.W' \(3, 4\)",
    ),
    "extra tensor": (
        lambda folder: save_file({"output.V": np.zeros(1), **checkpoint(1).weights}, folder / "model.safetensors"),
        r"'output\.V' that the model does not \(did you mean",
    ),
    "whole numbers": (
        lambda folder: save_file(
            {"output.W": np.zeros((3, 4), dtype="int64"), "output.b": np.zeros(4)}, folder / "model.safetensors"
        ),
        r"'output\.W' has type I64",
    ),
    "newer weights": (
        lambda folder: save_file(
            dict(checkpoint(1).weights), folder / "model.safetensors", metadata={"weft_format": "2"}
        ),
        r"model\.safetensors has format version 2, this weft reads up to 1",
    ),
    "an average that is not finite": (
        lambda folder: save_file({"average.W": np.full(3, np.nan)}, folder / "training.safetensors"),
        "is damaged: average.W has values that are not finite numbers",
    ),
    "truncated arrays": (lambda folder: _truncate(folder / "training.safetensors"), r"training\.safetensors is trunc"),
    "strange array": (
        lambda folder: save_file({"other": np.zeros(1)}, folder / "training.safetensors"),
        r"training\.safetensors has an unexpected tensor 'other'",
    ),
    "no state": (lambda folder: (folder / "training.json").unlink(), r"training\.json cannot be used"),
    "truncated state": (lambda folder: _truncate(folder / "training.json"), r"training\.json cannot be used"),
    "not an object": (lambda folder: (folder / "training.json").write_text("[]"), r"training\.json cannot be used"),
    "newer state": (lambda folder: _edit_json(folder, format=2), "format version 2, this weft reads up to 1"),
    "missing step": (lambda folder: _edit_json(folder, step=...), "'step' should be of type int, got None"),
    "negative position": (lambda folder: _edit_json(folder, position=-1), "'position' should not be negative"),
    "wrong loss": (lambda folder: _edit_json(folder, epoch_loss={"nats": "x", "tokens": 1}), "'nats' should be"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_checkpoints_are_refused_with_the_reason(tmp_path: Path, damage: str) -> None:
    folder = save_checkpoint(tmp_path, checkpoint(1))
    inflict, words = DAMAGE[damage]
    inflict(folder)
    with pytest.raises(CheckpointError, match=words) as caught:
        load_checkpoint(folder, SHAPES)
    assert "\n" not in str(caught.value)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("failing", ["fsync", "rename", "replace"])
def test_an_error_on_writing_leaves_the_previous_checkpoint_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    save_checkpoint(tmp_path, checkpoint(1))
    save_best_weights(tmp_path, checkpoint(1).weights)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        if failing == "fsync":
            patched.setattr(os, "fsync", full)
        else:
            patched.setattr(Path, failing, full)
        with pytest.raises(CheckpointError, match=r"step-00000002 \(No space left.*step-00000001 is still valid"):
            save_checkpoint(tmp_path, checkpoint(2))
        if failing != "rename":
            with pytest.raises(CheckpointError, match=r"best weights, model\.safetensors \(No space left"):
                save_best_weights(tmp_path, checkpoint(2).weights)
    assert_same(load_checkpoint(checkpoint_folder(tmp_path, 1), SHAPES), checkpoint(1))
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-00000001"]
    weights = load_weights(tmp_path / "model.safetensors", SHAPES)
    np.testing.assert_array_equal(weights["output.b"], checkpoint(1).weights["output.b"])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of a file")
def test_a_file_above_the_size_limit_leaves_the_previous_checkpoint_valid(tmp_path: Path) -> None:
    import resource

    save_checkpoint(tmp_path, checkpoint(1))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(CheckpointError, match=r"could not write the checkpoint step-00000002 .*is still valid"):
            save_checkpoint(tmp_path, checkpoint(2, size=1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_same(load_checkpoint(checkpoint_folder(tmp_path, 1), SHAPES), checkpoint(1))
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1


def test_without_an_earlier_checkpoint_the_error_says_so(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file in the way")
    with pytest.raises(CheckpointError, match="there is no earlier checkpoint"):
        save_checkpoint(tmp_path, checkpoint(1))


SAVE_FOR_EVER = """
import itertools, sys
from pathlib import Path
import numpy as np
from weft.training.checkpoint import load_checkpoint, newest_checkpoint, save_checkpoint
from dataclasses import replace

run = Path(sys.argv[1])
first = load_checkpoint(newest_checkpoint(run), {"output.W": (3, 4), "output.b": (4,)})
for step in itertools.count(first.training.step + 1):
    weights = {name: np.full_like(array, step) for name, array in first.weights.items()}
    save_checkpoint(run, replace(first, weights=weights, training=replace(first.training, step=step)))
    print(step, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_at_any_moment_the_newest_checkpoint_is_complete(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint(1))
    delays = random.Random(1)
    for _ in range(4):
        with subprocess.Popen(
            [sys.executable, "-c", SAVE_FOR_EVER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            reported = int(process.stdout.readline())
            time.sleep(delays.uniform(0, 0.02))
            process.send_signal(signal.SIGKILL)
        newest = newest_checkpoint(tmp_path)
        assert newest is not None
        loaded = load_checkpoint(newest, SHAPES)
        assert loaded.training.step >= reported
        assert all((array == loaded.training.step).all() for array in loaded.weights.values())
