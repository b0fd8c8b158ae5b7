"""Cold start: seconds of imports, of a short command and of compiling the kernels, each in a new process."""

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
EXCLUDED_VARIABLES = ("WEFT_RUN", "PYTHONDONTWRITEBYTECODE")
"""Environment variables that subprocesses do not inherit: the first process must write bytecode, as installers do."""
SMALL = ["--tokenizer=word", "--hidden-size=8", "--embedding-size=8", "--batch-size=2", "--bptt=10", "--epochs=1"]


def start_seconds(setting: Setting) -> dict[str, float]:
    """Median seconds of imports (measured inside the process) and of the command `weft score`.

    Without `tiny` also the seconds of compiling the kernels for training, measured once.
    """
    compiling = {} if setting.tiny else {"compiling the kernels": compiling_seconds()}
    with tempfile.TemporaryDirectory() as folder:
        score = partial(command_seconds, "score", "--run", str(small_run(Path(folder))), "i say hello .")
        runs: dict[str, Callable[[], float]] = {code: partial(import_seconds, code) for code in IMPORTS}
        return median_seconds(runs | {"weft score": score}, setting) | compiling


def median_seconds(runs: dict[str, Callable[[], float]], setting: Setting) -> dict[str, float]:
    """Median seconds of each function; the functions alternate."""
    rounds = [{name: run() for name, run in runs.items()} for _ in range(setting.warmup_processes + setting.repeats)]
    return {name: statistics.median(each[name] for each in rounds[setting.warmup_processes :]) for name in runs}


def compiling_seconds() -> float:
    """Time of `weft train` with an empty compile cache minus the time with a filled one."""
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "text.txt")
        text.write_text(TEXT, encoding="utf-8")
        arguments = ["train", str(text), *SMALL, "--kernels=fused", "--overwrite", f"--out={folder}/run"]
        cold, warm = (command_seconds(*arguments, NUMBA_CACHE_DIR=f"{folder}/kernels") for _ in range(2))
        return cold - warm


def import_seconds(code: str) -> float:
    """Seconds of the statement `code` in a new Python process."""
    program = f"import time; start = time.perf_counter(); {code}; print(time.perf_counter() - start)"
    return float(stdout_of([sys.executable, "-c", program]))


def command_seconds(*arguments: str, **variables: str) -> float:
    """Seconds of a `weft` command from start to exit."""
    start = time.perf_counter()
    weft(*arguments, **variables)
    return time.perf_counter() - start


def small_run(folder: Path) -> Path:
    """A run folder of a tiny model."""
    text, run = folder / "text.txt", folder / "run"
    text.write_text(TEXT, encoding="utf-8")
    weft("train", str(text), "--out", str(run), *SMALL)
    return run


def weft(*arguments: str, **variables: str) -> str:
    return stdout_of([sys.executable, "-m", "weft", *arguments], **variables)


def stdout_of(command: list[str], **variables: str) -> str:
    """Standard output of a command run with these environment variables. Raises CalledProcessError if it fails."""
    environment = {name: value for name, value in os.environ.items() if name not in EXCLUDED_VARIABLES} | variables
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def cases(setting: Setting) -> list[Case]:
    return [Case("cold start", lambda: Row("cold start", "seconds", start_seconds(setting)))]
