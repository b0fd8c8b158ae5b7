"""Helpers for tests of the command line: small texts and sizes, and the output of a command."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path
from typing import Any, NamedTuple, Protocol

SIZES: dict[str, Any] = {"hidden_size": 8, "embedding_size": 8, "batch_size": 2, "bptt": 10}
FLAGS = [f"--{name.replace('_', '-')}={value}" for name, value in SIZES.items()]


RUN_FILES = [
    "checkpoints", "config.toml", "curve.png", "data", "metrics.jsonl", "model.safetensors", "tokenizer.json",
]  # fmt: skip


class Answer(NamedTuple):
    code: int
    out: str
    err: str

    def refusal(self) -> str:
        """The error message, which must be the only output of `weft:` and leave standard output empty."""
        assert self.code == 2
        assert self.out == ""
        assert "Traceback" not in self.err
        assert self.err.count("weft: ") == 1
        last = self.err.splitlines()[-1]
        assert last.startswith("weft: ")
        return last.removeprefix("weft: ")


class RunWeft(Protocol):
    """Runs the command in this process."""

    def __call__(self, *arguments: object, stdin: bytes = b"") -> Answer: ...


class StartWeft(Protocol):
    """Starts the command in its own process; before: Python code that runs first."""

    def __call__(self, *arguments: object, before: str = "", **streams: int) -> subprocess.Popen[bytes]: ...


class Written(NamedTuple):
    """The exit code of a command, and the bytes it wrote."""

    code: int
    out: bytes
    err: bytes


class WriteIn(Protocol):
    """Runs the command in this process, with streams of another encoding and of line ends as on Windows."""

    def __call__(self, *arguments: object, encoding: str = "utf-8", terminal: bool = False) -> Written: ...


class OnTerminal(Protocol):
    """Runs the command in this process, on a terminal of `columns` columns; variables: of the environment."""

    def __call__(self, *arguments: object, columns: int = 80, encoding: str = "utf-8", **variables: str) -> Answer: ...


def write_text(path: Path, lines: int = 150) -> Path:
    """A text of few words at `path`."""
    words = ["the", "cat", "dog", "sat", "ran", "on", "a", "mat", "and", "then", "it", "slept"]
    draw = random.Random(1)
    path.write_text("".join(" ".join(draw.choices(words, k=8)) + "\n" for _ in range(lines)), encoding="utf-8")
    return path


def names(folder: Path) -> list[str]:
    """The names of the files in a folder."""
    return sorted(path.name for path in folder.iterdir())


def contents(folder: Path) -> dict[Path, bytes]:
    """Path -> content of every file below a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def small_settings(text: str, cell: str) -> str:
    """The tables of a configuration file for a training that takes moments."""
    return f"""
[text]
data = ["{text}"]
valid_fraction = 0.1
test_fraction = 0.1

[model]
cell = "{cell}"
hidden_size = 8
embedding_size = 8

[training]
batch_size = 2
bptt = 10
epochs = 1
lr = 0.01
optimizer = "adamw"
schedule = "constant"
kernels = "plain"
"""
