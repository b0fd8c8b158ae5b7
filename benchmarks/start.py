"""Cold start: what passes before anything is done, each time in a fresh process, the commands in turn."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.row import Case, Row
from benchmarks.setting import Setting

TEXT = "you say goodbye and i say hello .\n" * 60
IMPORTS = ["import weft", "from weft import load", "import torch", "import onnxruntime"]
UNUSUAL = ("WEFT_RUN", "PYTHONDONTWRITEBYTECODE")
"""Variables of which nothing is passed on: an installed package has its modules compiled, as the first process does."""
SMALL = ["--tokenizer=word", "--hidden-size=8", "--embedding-size=8", "--batch-size=2", "--bptt=10", "--epochs=1"]


def start_seconds(setting: Setting) -> dict[str, float]:
    """Median seconds: of imports from within the process, of `weft score` from the command to its end; and, once and
    not in the smallest setting, of compiling the kernels that a training needs."""
    compiling = {} if setting.tiny else {"compiling the kernels": compiling_seconds()}
    with tempfile.TemporaryDirectory() as folder:
        score = partial(command_seconds, "score", "--run", str(small_run(Path(folder))), "i say hello .")
        runs: dict[str, Callable[[], float]] = {code: partial(import_seconds, code) for code in IMPORTS}
        return median_seconds(runs | {"weft score": score}, setting) | compiling


def median_seconds(runs: dict[str, Callable[[], float]], setting: Setting) -> dict[str, float]:
    """Each in turn."""
    rounds = [{name: run() for name, run in runs.items()} for _ in range(setting.uncounted + setting.repeats)]
    return {name: statistics.median(each[name] for each in rounds[setting.uncounted :]) for name in runs}


def compiling_seconds() -> float:
    """How much longer `weft train` takes where no kernel is kept from earlier."""
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "text.txt")
        text.write_text(TEXT, encoding="utf-8")
        arguments = ["train", str(text), *SMALL, "--kernels=fused", "--overwrite", f"--out={folder}/run"]
        first, again = (command_seconds(*arguments, NUMBA_CACHE_DIR=f"{folder}/kernels") for _ in range(2))
        return first - again


def import_seconds(code: str) -> float:
    timed = f"import time; began = time.perf_counter(); {code}; print(time.perf_counter() - began)"
    return float(output([sys.executable, "-c", timed]))


def command_seconds(*arguments: str, **variables: str) -> float:
    began = time.perf_counter()
    weft(*arguments, **variables)
    return time.perf_counter() - began


def small_run(folder: Path) -> Path:
    """A run folder, trained for a moment."""
    text, run = folder / "text.txt", folder / "run"
    text.write_text(TEXT, encoding="utf-8")
    weft("train", str(text), "--out", str(run), *SMALL)
    return run


def weft(*arguments: str, **variables: str) -> str:
    return output([sys.executable, "-m", "weft", *arguments], **variables)


def output(command: list[str], **variables: str) -> str:
    """What a command prints, with these environment variables; raises CalledProcessError when it fails."""
    environment = {name: value for name, value in os.environ.items() if name not in UNUSUAL} | variables
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def cases(setting: Setting) -> list[Case]:
    return [Case("cold start", lambda: Row("cold start", "seconds", start_seconds(setting)))]
