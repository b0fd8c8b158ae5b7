"""A moved run folder works; for a damaged, newer or missing one the error is one line."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from helpers.command_line import RunWeft


def rewritten(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def apply(run: Path) -> None:
        path = run / name
        path.write_text(change(path.read_text("utf-8")), encoding="utf-8")

    return apply


def cut(name: str) -> Callable[[Path], None]:
    def apply(run: Path) -> None:
        path = run / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return apply


def with_weights(change: Callable[[dict[str, np.ndarray]], object]) -> Callable[[Path], None]:
    def apply(run: Path) -> None:
        weights = load_file(run / "model.safetensors")
        change(weights)
        save_file(weights, run / "model.safetensors", metadata={"weft_format": "1"})

    return apply


def spoil(weights: dict[str, np.ndarray]) -> None:
    weights["output.b"][0] = np.nan


DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "nothing there": (shutil.rmtree, "no run folder at"),
    "no configuration": (lambda run: (run / "config.toml").unlink(), "is not a run folder: it has no config.toml"),
    "no tokenizer": (lambda run: (run / "tokenizer.json").unlink(), "there is no tokenizer at"),
    "cut configuration": (cut("config.toml"), "config.toml"),
    "cut tokenizer": (cut("tokenizer.json"), "tokenizer.json is damaged"),
    "cut weights": (cut("model.safetensors"), "model.safetensors is truncated, damaged or not a safetensors file"),
    "empty configuration": (rewritten("config.toml", lambda text: ""), "it has no format number"),
    "newer configuration": (
        rewritten("config.toml", lambda text: text.replace("format = 1", "format = 99")),
        "has format 99, made by a newer weft",
    ),
    "newer tokenizer": (
        rewritten("tokenizer.json", lambda text: text.replace('"format": 1', '"format": 99')),
        "has format 99",
    ),
    "another cell": (
        rewritten("config.toml", lambda text: text.replace('cell = "lstm"', 'cell = "lsmt"')),
        "unknown cell 'lsmt'",
    ),
    "another size": (
        rewritten("config.toml", lambda text: text.replace("hidden_size = 8", "hidden_size = 9")),
        "has shape (8, 32), the model expects (8, 36)",
    ),
    "a missing weight": (with_weights(lambda weights: weights.pop("output.b")), "lacks the weights 'output.b'"),
    "a weight of another shape": (
        with_weights(lambda weights: weights.update({"output.b": np.zeros(2, np.float32)})),
        "'output.b' has shape (2,)",
    ),
    "a weight that is no number": (with_weights(spoil), "output.b holds values that are not finite numbers"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("command", ["next", "score a", "eval", "generate", "info"])
def test_the_error_for_a_damaged_run_names_the_damage(
    run_weft: RunWeft, trained: Path, damage: str, command: str
) -> None:
    apply, expected = DAMAGE[damage]
    apply(trained)
    assert expected in run_weft(*command.split(), "--run", trained).refusal()


def test_a_file_is_not_a_run(run_weft: RunWeft, text: Path) -> None:
    assert run_weft("next", "--run", text).refusal() == f"{text} is a file, not a run folder; `weft train` makes one"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.parametrize("name", ["config.toml", "data/valid.safetensors"])
def test_a_pipe_in_the_place_of_a_file_is_refused(run_weft: RunWeft, trained: Path, name: str) -> None:
    (trained / name).unlink()
    os.mkfifo(trained / name)
    for command in (["next"], ["info"], ["eval"]):
        assert run_weft(*command, "--run", trained).refusal().startswith(f"{trained / name} is not a file")
    assert f"{trained / name} is not a file" in run_weft("train", "--resume", "--out", trained).refusal()


def test_a_damaged_checkpoint_is_not_resumed(run_weft: RunWeft, trained: Path) -> None:
    (weights,) = trained.glob("checkpoints/*/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:100])
    answer = run_weft("train", "--resume", "--out", trained, "--epochs", 2)
    assert (answer.code, answer.out) == (2, "")
    assert "truncated" in answer.err.splitlines()[-1]


def test_a_model_without_a_checkpoint_is_not_overwritten_by_resume(run_weft: RunWeft, trained: Path) -> None:
    shutil.rmtree(trained / "checkpoints")
    before = (trained / "model.safetensors").read_bytes()
    answer = run_weft("train", "--resume", "--out", trained)
    assert answer.code == 2
    assert answer.err.splitlines()[-1].endswith("holds a model and no checkpoint: there is nothing to go on from")
    assert (trained / "model.safetensors").read_bytes() == before


def test_a_moved_run_works(run_weft: RunWeft, trained: Path, text: Path) -> None:
    commands = [("next", "the"), ("score", "the cat"), ("generate", "--seed", 1), ("eval", text), ("info",)]
    before = [run_weft(*command, "--run", trained).out for command in commands]
    moved = trained.rename("elsewhere")
    assert [run_weft(*command, "--run", moved).out for command in commands[:-1]] == before[:-1]
    bare = Path("bare")
    bare.mkdir()
    for name in ("config.toml", "tokenizer.json", "model.safetensors"):
        shutil.copy(moved / name, bare)
    assert [run_weft(*command, "--run", bare).out for command in commands[:-1]] == before[:-1]
    assert run_weft("info", bare).code == 0
    assert "has no text of its own" in run_weft("eval", "--run", bare).err
    assert "there are no tokens at" in run_weft("train", "--resume", "--out", bare).err
