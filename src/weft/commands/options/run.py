"""The run that a command uses: `--run`, the environment variable WEFT_RUN, or the newest run under `runs/`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from weft.commands.options.completion import RUNS, completing, runs_here
from weft.commands.options.declaration import option
from weft.errors import MissingFileError
from weft.language_model import LanguageModel, load
from weft.presentation.streams import note
from weft.run_folder import CONFIG, METRICS, check_run, run_folders

RunOption = Annotated[
    Path | None,
    option(
        "The run folder.",
        "--run",
        "-r",
        metavar="FOLDER",
        envvar="WEFT_RUN",
        show_envvar=False,
        default="WEFT_RUN, or the newest under runs/",
        **completing(runs_here),
    ),
]
RunsOption = Annotated[
    list[Path] | None,
    option(
        "A run folder; may be repeated.",
        "--run",
        "-r",
        metavar="FOLDER",
        default="WEFT_RUN, or the newest under runs/",
        **completing(runs_here),
    ),
]


def chosen_run(run: Path | None) -> Path:
    """`run`; if None, the newest run under `runs/`, printed on standard error. Raises MissingFileError without runs."""
    if run is not None:
        return run
    runs = run_folders(RUNS)
    if not runs:
        raise MissingFileError(
            "no run is given and there is none under runs/: train one with `weft train`, or name one with --run"
        )
    newest = max(runs, key=_last_used)
    note(f"using {newest}")
    return newest


def chosen_runs(runs: Sequence[Path] | None) -> dict[str, Path]:
    """The runs given, each once, or else the one that `chosen_run` chooses, by name.

    A run is called after its folder, or by its whole path where another of the runs is called so. Raises
    MissingFileError for a folder that is no run.
    """
    given = os.environ.get("WEFT_RUN")
    folders = list(dict.fromkeys(runs or [chosen_run(Path(given) if given else None)]))
    for folder in folders:
        check_run(folder)
    short = [folder.resolve().name for folder in folders]
    return {
        name if short.count(name) == 1 else str(folder): folder for name, folder in zip(short, folders, strict=True)
    }


def load_chosen(run: Path | None) -> LanguageModel:
    """The model of `chosen_run`."""
    return load(chosen_run(run))


def _last_used(run: Path) -> float:
    return max(path.stat().st_mtime for path in (run / CONFIG, run / METRICS) if path.exists())
