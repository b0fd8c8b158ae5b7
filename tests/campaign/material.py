"""Texts and small runs that cases begin with."""

from __future__ import annotations

import random
from pathlib import Path

from campaign.processes import run_weft
from helpers.command_line import FLAGS

WORDS = ["the", "cat", "dog", "sat", "ran", "on", "a", "mat", "and", "then", "it", "slept"]
SMALL = [*FLAGS, "--kernels=plain"]
"""The flags of a model that is trained in moments."""


def write_text(path: Path, lines: int, seed: int = 1, more_words: tuple[str, ...] = ()) -> Path:
    """A text of random sentences at `path`."""
    draw = random.Random(seed)
    words = [*WORDS, *more_words]
    sentences = (" ".join(draw.choices(words, k=draw.randint(1, 8))) for _ in range(lines))
    path.write_text("".join(f"{sentence} .\n" for sentence in sentences), encoding="utf-8")
    return path


def must_run(folder: Path, *arguments: object) -> str:
    """Run the command line in `folder`; its standard output. Raises RuntimeError if it fails."""
    answer = run_weft(folder, *arguments)
    if answer.code != 0:
        raise RuntimeError(f"weft {' '.join(map(str, arguments))}: {answer.code}, {answer.err}")
    return answer.out
